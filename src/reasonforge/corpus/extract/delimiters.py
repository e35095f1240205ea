r"""Formulas that stand in the text of a page between delimiters, and dollars that are money.

Delimiters count where the page says that it means them: its MathJax or KaTeX set-up, or commands of TeX in its text. ``\(..\)``,
``\[..\]``, ``$$..$$`` and ``\begin{equation}..`` are then formulas. ``\(..\)`` and ``\[..\]`` are, too, where one of them holds what only a
formula does, and ``[tex]..[/tex]`` and ``$latex ..$`` wherever TeX stands in them. ``$..$`` needs more, since a dollar may be money: no
blank just inside, no digit just behind, nothing that reads as an amount in a sentence, and, unless the set-up names the single dollar, a
sign of TeX or a plain short expression.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from reasonforge.corpus.extract import asciimath
from reasonforge.corpus.extract.formulas import CLOSE, OPEN, Formulas

_LOADERS = ("MathJax", "mathjax", "katex", "KaTeX", "tex2jax", "renderMathInElement", "jsMath", "mathquill", "ASCIIMathML")
_ASCII = ("AM_CHTML", "AM_HTMLorMML", "asciimath2jax", "ASCIIMathML", "AM_SVG", "input/asciimath", "tex-am", "asciimath")
_COMMANDS = re.compile(
    r"\\(?:frac|dfrac|sqrt|sum|int|prod|lim|alpha|beta|gamma|delta|epsilon|lambda|theta|pi|sigma|omega|phi|mathbb|mathcal|mathrm|mathbf|"
    r"left|right|"
    r"cdot|times|leq?|geq?|neq?|in|infty|partial|begin|text|operatorname|equiv|subset|to|log|sin|cos)(?![A-Za-z])"
)
_SINGLE_DOLLAR = re.compile(r"""(?:inlineMath|delimiters|left)["']?\s*+:\s*+[^;]{0,200}?["']\$["']""")
_HASHES = re.compile(r"""["']\#\#["']""")

_ENVIRONMENTS = "equation|align|gather|multline|eqnarray|displaymath|alignat|flalign|math"
_OPENING = re.compile(
    rf"\\\\[(\[]|\\[(\[]|\$latex(?=[\s{{\\])|\$\$?|\\begin\{{(?P<name>(?:{_ENVIRONMENTS})\*?)\}}|\[(?P<code>(?i:i?tex|latex|i?math|eqn?))\]|\#\#|`|\\\$|\\\\"
)
_SURE = re.compile(
    r"\\(?:[dt]?frac|sqrt|sum|int|prod|lim|alpha|beta|gamma|delta|epsilon|varepsilon|lambda|theta|pi|sigma|omega|phi|mu|"
    r"math(?:bb|cal|rm|bf|frak)|left|cdot|times|l?dots|leq?|geq?|neq?|in|infty|partial|begin|operatorname|equiv|subset(?:eq)?|log|sin|cos|"
    r"overline|hat|vec)(?![A-Za-z])"
    r"|[A-Za-z0-9)][_^](?:\{|[A-Za-z0-9](?![A-Za-z0-9]))"
)
"""What stands in formulas and in no regular expression."""
_BRACKET = re.compile(r"\\[(\[]|\\\\")
_MAX_BRACKETS = 200
"""Openers that are looked at for a formula on a page without a set-up."""
_TAGGED = re.compile(r"(?i:\[/(?:i?tex|latex|i?math|eqn?)\])|\$latex[\s{\\]")
_OPTIONS = re.compile(r"(?:&(?:bg|fg|s|c)=\w*)+\s*$")
_CLOSERS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$", "##": "##", "`": "`", "\\\\(": "\\\\)", "\\\\[": "\\\\]"}
_MAX_INLINE, _MAX_DISPLAY = 600, 8_000
_SIGN = re.compile(r"\\[A-Za-z,;!{}|]|[\^_]")
_SIMPLE = re.compile(r"[A-Za-z]'*|-?\d+(?:[.,]\d+)*|[A-Za-z0-9+\-*/=<>|.,:;!()\[\]' ∈≤≥≠×·→−∞∪∩⊂⊆Α-ω]{1,80}")
_WORD = re.compile(r"[A-Za-z]{3,}")
_COMMAND = re.compile(r"\\[A-Za-z]+|\\text\{[^{}]*\}|\{[^{}]*\}")
_MONEY = re.compile(r"(?:US)?\s?\d[\d,.]*\s?(?:k|K|M|B|bn|m)?(?:\s|[-–—/]\s?$|$)")
_WORD_MACROS = re.compile(
    r"\\(?:text|mathrm|operatorname|mbox|textrm|mathbf|textbf|begin|end|mathsf|mathit|tag|label|ref|color|class)"
    r"\s*\*?\{[^{}]*\}|\\[A-Za-z]+"
)


class Setup(NamedTuple):
    """Which delimiters mean formulas on a page."""

    tex: bool
    single_dollar: bool
    hashes: bool
    backticks: bool
    brackets: bool
    """``\\(..\\)`` and ``\\[..\\]``, whatever the others mean."""


def read_setup(html: str, text: str) -> Setup:
    """Tell from a page's HTML and text which delimiters it means."""
    loaded = any(name in html for name in _LOADERS)
    commands = 0
    if not loaded and "\\" in text:
        for _ in _COMMANDS.finditer(text):
            commands += 1
            if commands >= 2:
                break
    declared = loaded and "$" in html and _SINGLE_DOLLAR.search(html) is not None
    hashes = "##" in text and ((loaded and "##" in html and _HASHES.search(html) is not None) or "physicsforums" in html)
    backticks = "`" in text and any(name in html for name in _ASCII)
    tex = loaded or commands >= 2
    return Setup(tex, declared, hashes, backticks, tex or ("\\" in text and _has_brackets(text)))


def _has_brackets(text: str) -> bool:
    """Return whether something between ``\\(`` and ``\\)``, or ``\\[`` and ``\\]``, is a formula without a doubt."""
    closing = _Closers(text)
    tries = 0
    for found in _BRACKET.finditer(text):
        if found[0] == "\\\\":
            continue
        tries += 1
        end = closing.after(_CLOSERS[found[0]], found.end())
        if tries > _MAX_BRACKETS or end < 0:
            break
        inner = text[found.end() : min(end, found.end() + _MAX_INLINE)]
        if _SURE.search(inner) and inner.count("{") == inner.count("}"):
            return True
    return False


def mark_delimited(text: str, html: str, formulas: Formulas) -> str:
    """Return the text with a mark in the place of every delimited formula."""
    if "\\" not in text and "$" not in text and "[" not in text and "`" not in text and "##" not in text:
        return text
    setup = read_setup(html, text)
    if not (setup.tex or setup.backticks or setup.hashes or setup.brackets or _TAGGED.search(text)):
        return text
    closing = _Closers(text)
    parts: list[str] = []
    done = position = 0
    while found := _OPENING.search(text, position):
        position = found.end()
        opener = found[0]
        if opener in ("\\$", "\\\\"):
            continue
        end, latex, display = _formula(text, found, setup, closing)
        if end <= 0:
            continue
        if opener == "`":
            latex = asciimath.to_latex(latex)
        mark = formulas.mark(formulas.expand(latex) if OPEN in latex else latex, display=display)
        if opener == "`":
            position = end  # what is no formula is code: its end opens nothing
        if mark:
            parts += [text[done : found.start()], mark]
            done = position = end
    return "".join([*parts, text[done:]])


def num_delimited(text: str) -> int:
    r"""Return how many formulas stand between delimiters in a text whose delimiters mean formulas.

    >>> num_delimited(r"The sum $a+b$ costs $5 or $6, and \\[x^2\\] nothing.")
    2
    """
    formulas = Formulas(max_chars=_MAX_DISPLAY)
    mark_delimited(text, _LOADERS[0], formulas)
    return len(formulas.entries)


class _Closers:
    """The next place of each closing delimiter, looked up once for all openers before it: the search stays linear."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.next: dict[str, int] = {}

    def after(self, closer: str, position: int) -> int:
        """Return where a closer stands next, or -1."""
        known = self.next.get(closer, 0)
        if known == -1 or known >= position:
            return known
        self.next[closer] = known = self.text.find(closer, position)
        return known


def _formula(text: str, found: re.Match[str], setup: Setup, closing: _Closers) -> tuple[int, str, bool]:
    """Return where the formula that opens here ends, its source, and whether it is displayed; 0 where none does."""
    opener, start = found[0], found.end()
    if found["name"]:
        closer, display, whole = f"\\end{{{found['name']}}}", True, True
    elif found["code"]:
        closer, display, whole = (
            f"[/{found['code']}]",
            found["code"].lower() in ("tex", "latex", "math", "eq", "eqn") and _alone(text, found),
            False,
        )
    elif opener == "$":
        return _single_dollar(text, start, setup, closing)
    elif opener == "$latex":
        return _wordpress(text, start, closing)
    else:
        closer, display, whole = _CLOSERS[opener], opener in ("\\[", "$$", "\\\\["), False
    if not _means(found, setup):
        return 0, "", False
    end = closing.after(closer, start)
    if end < 0 or end - start > (_MAX_DISPLAY if display or whole else _MAX_INLINE):
        return 0, "", False
    inner = text[start:end]
    if opener == "`" and "\n" not in inner and not _plausible(inner) and not asciimath.is_formula(inner):
        return end + 1, "", False
    if not inner.strip() or ("\n\n" in inner and not display) or (opener in ("$$", "##") and not _plausible(inner)):
        return 0, "", False
    if found["code"] and not setup.tex and not (_SIGN.search(inner) or (_SIMPLE.fullmatch(inner) and not _WORD.search(inner))):
        return 0, "", False
    if opener.startswith("\\\\") and not _SIGN.search(inner) and not _SIMPLE.fullmatch(inner):
        return 0, "", False
    end += len(closer)
    return end, text[found.start() : end] if whole else inner, display


def _means(found: re.Match[str], setup: Setup) -> bool:
    """Return whether an opener may open a formula on this page."""
    opener = found[0]
    if opener == "`":
        return setup.backticks
    if opener == "##":
        return setup.hashes
    return setup.tex or found["code"] is not None or (setup.brackets and opener in ("\\(", "\\["))


def _wordpress(text: str, start: int, closing: _Closers) -> tuple[int, str, bool]:
    """Read ``$latex x^2 &s=1$``."""
    end = closing.after("$", start)
    while end > start and text[end - 1] == "\\":
        end = closing.after("$", end + 1)
    if end < 0 or end - start > _MAX_DISPLAY:
        return 0, "", False
    inner = _OPTIONS.sub("", text[start:end])
    return (0, "", False) if not inner.strip() or "\n\n" in inner else (end + 1, inner, False)


def _alone(text: str, found: re.Match[str]) -> bool:
    """Return whether nothing stands before an opener on its line. Looks at no more than that: a page may be one line of openers."""
    at = found.start()
    while at and text[at - 1] != "\n":
        at -= 1
        if not text[at].isspace():
            return False
    return True


def _single_dollar(text: str, start: int, setup: Setup, closing: _Closers) -> tuple[int, str, bool]:
    nothing = (0, "", False)
    if not setup.tex or start >= len(text) or text[start].isspace():
        return nothing
    end = start
    depth_limit = start + _MAX_INLINE
    while True:
        end = closing.after("$", end)
        if end < 0 or end > depth_limit:
            return nothing
        if text[end - 1] != "\\" and text.count("{", start, end) <= text.count("}", start, end):
            break
        end += 1
    inner = text[start:end]
    behind = text[end + 1 : end + 2]
    if not inner or inner[-1].isspace() or behind.isdigit() or "\n\n" in inner or OPEN in inner or CLOSE in inner:
        return nothing
    signs = bool(_SIGN.search(inner))
    # A Chinese character may stand right behind a number: there are no blanks between its words.
    is_in_word = behind.isascii() and behind.isalnum()
    if not signs and _MONEY.match(inner) and (not setup.single_dollar or " " in inner.strip() or is_in_word or not _exact(inner)):
        return nothing
    words = _WORD.findall(_WORD_MACROS.sub(" ", inner))
    if len(words) > 2 or (words and not signs) or not (signs or _SIMPLE.fullmatch(inner)):
        return nothing
    return end + 1, inner, False


def _exact(inner: str) -> bool:
    """Return whether an amount may be a number in a formula: between two dollars, with nothing else."""
    return re.fullmatch(r"\d[\d,.]*", inner) is not None


def _plausible(inner: str) -> bool:
    """Return whether text between doubtful delimiters may be a formula: a sign of TeX, or no words."""
    return bool(_SIGN.search(inner)) or len(_WORD.findall(_COMMAND.sub(" ", inner))) <= 1
