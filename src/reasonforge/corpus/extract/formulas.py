"""Formulas of a page while its text is being made: each stands as a mark that no whitespace rule, line break or dollar can touch.

A mark is a number between two Unicode noncharacters; those are taken out of every page before, so a mark is always one of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Literal, NamedTuple

from reasonforge.corpus.extract.padding import PAD

OPEN, CLOSE = "\ufdd0", "\ufdd1"
RESERVED = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
"""Noncharacters: whatever of them is left in a text comes from the page."""

MARK = re.compile(f"{OPEN}([0-9]{{1,9}}){CLOSE}")

Kind = Literal["inline", "display", "code", "block"]


class Entry(NamedTuple):
    """What a mark stands for: a formula (``inline``, ``display``), a piece of ``code`` in a line, or a ``block`` of code lines."""

    kind: Kind
    text: str


@dataclass(slots=True, kw_only=True)
class Formulas:
    """The marks of one page."""

    max_chars: int
    entries: list[Entry] = field(default_factory=list)

    def mark(self, latex: str, *, display: bool = False) -> str:
        """Keep a formula and return its mark; an empty or overlong one is nothing."""
        if len(latex) > 4 * self.max_chars:  # not even tidied: that costs more than to measure it
            return ""
        latex = tidy(latex.replace(PAD, ""))
        return self.keep("display" if display else "inline", latex) if latex and len(latex) <= self.max_chars else ""

    def keep(self, kind: Kind, text: str) -> str:
        """Keep something as it is and return its mark."""
        self.entries.append(Entry(kind, text.replace(PAD, "")))
        return f"{OPEN}{len(self.entries) - 1}{CLOSE}"

    def expand(self, text: str) -> str:
        """Put what the marks stand for back in, without delimiters: for a formula that contains marks."""
        return MARK.sub(lambda mark: self.entries[int(mark[1])].text if int(mark[1]) < len(self.entries) else "", text)


_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n|(?<!\\)%\s*$")
_LAST_COMMENT = re.compile(r"(?<!\\)%(?=[^\n]*$)")
_ENTITY = re.compile(r"&(?:lt|gt|amp|nbsp|quot|#0?39|#x27);")
_SPACE = re.compile(r"\s+")
_SHELL = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"), ("[tex]", "[/tex]"), ("[latex]", "[/latex]"), ("[math]", "[/math]"))
_STYLES = re.compile(
    r"(?:\\(?:displaystyle|textstyle|inline|limits|tiny|small|normalsize|large|Large|LARGE|huge|Huge|bg_[a-z]+|fn_[a-z]+|opaque|reverse)(?![A-Za-z])"
    r"|\\dpi\s*\{[^{}]*\}|\\bg\s*\{[^{}]*\}|\\fg\s*\{[^{}]*\}|\\,|\s)+"
)
_LABEL = re.compile(r"\\label\s*\{[^{}]*\}|\\nonumber(?![A-Za-z])|\\notag(?![A-Za-z])")
_EQUATION = re.compile(r"\\begin\{(equation|displaymath|math)(\*?)\}(.*)\\end\{\1\2\}", re.DOTALL)
_BARE_DOLLAR = re.compile(r"(?<!\\)\$")


def tidy(latex: str) -> str:
    r"""Return LaTeX on one line, without delimiters, comments, labels and sizes that only say how it is drawn.

    >>> tidy("{\\displaystyle  x^{2}\n + 1}")
    'x^{2} + 1'
    """
    if "&" in latex and ";" in latex:  # references to characters that were escaped twice
        latex = _ENTITY.sub(_character, latex.replace("&amp;", "&"))
    if "%" in latex:
        latex = _COMMENT.sub("\n", latex.replace("<![CDATA[", "").replace("]]>", ""))
        if "%" in latex:  # nobody knows where this one ended: its line ends may be gone, and the formula would be, too
            latex = _LAST_COMMENT.sub(r"\\%", latex)
    latex = _SPACE.sub(" ", latex).strip()
    latex = unwrapped(latex)
    if latex.startswith(("{\\displaystyle", "{\\textstyle")) and closes_at_end(latex):
        latex = latex[1:-1].strip()
    if latex.startswith("\\") and (found := _STYLES.match(latex)):
        latex = latex[found.end() :]
    if "\\begin{" in latex and (found := _EQUATION.fullmatch(latex)):
        latex = found[3].strip()
    if "\\label" in latex or "\\no" in latex:
        latex = _LABEL.sub("", latex).strip()
    if "$" in latex:
        sides = iter(("\\(", "\\)") * (latex.count("$") // 2 + 1))
        latex = _BARE_DOLLAR.sub(lambda _: next(sides), latex)
    if latex.endswith("\\") and (len(latex) - len(latex.rstrip("\\"))) % 2:
        latex += " "  # "\ " at the end: its backslash must not reach the closing dollar
    return "" if latex.strip("{}~ \\,;:!") == "" else latex


def _character(found: re.Match[str]) -> str:
    return unescape(found[0]).replace("\xa0", " ")


def unwrapped(latex: str) -> str:
    """Return LaTeX without the delimiters around the whole of it."""
    for left, right in _SHELL:
        if latex.startswith(left) and latex.endswith(right) and len(latex) >= len(left) + len(right):
            inner = latex[len(left) : -len(right)]
            if left not in inner and not inner.endswith("\\"):
                return inner.strip()
    return latex


def closes_at_end(latex: str) -> bool:
    """Return whether the brace at the start closes with the last character."""
    depth = 0
    escaped = False
    for index, char in enumerate(latex):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return index == len(latex) - 1
    return False
