r"""MathML as LaTeX.

The walk is bounded: elements beyond ``_MAX_DEPTH`` give their text, and after ``_MAX_NODES`` elements the rest of the formula is left
out, so that a formula costs what its size allows. Presentation markup only; of ``semantics`` the first child is read (an annotation in
TeX is the business of the carriers, which look for it before they come here).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from reasonforge.corpus.extract.formulas import closes_at_end
from reasonforge.corpus.extract.symbols import BIG, FUNCTIONS, LIMITS, PRIMES, SPACES, VARIANTS, symbol, symbols, text_in_formula
from reasonforge.corpus.extract.tree import children

_MAX_NODES = 20_000
_MAX_DEPTH = 60

_ACCENTS_OVER = {
    "^": "hat", "ˆ": "hat", "̂": "hat", "~": "tilde", "˜": "tilde", "̃": "tilde", "∼": "tilde", "¯": "bar", "‾": "overline",
    "̅": "overline",
    "_": "overline", "―": "overline", "→": "vec", "⃗": "vec", "⇀": "vec", "˙": "dot", ".": "dot", "̇": "dot", "¨": "ddot", "̈": "ddot",
    "⃛": "dddot",
    "ˇ": "check", "˘": "breve", "´": "acute", "`": "grave", "⏞": "overbrace", "︷": "overbrace", "←": "overleftarrow",
    "↔": "overleftrightarrow",
    "⏜": "overparen", "°": "mathring", "˚": "mathring",
}  # fmt: skip
_ACCENTS_UNDER = {
    "_": "underline",
    "¯": "underline",
    "‾": "underline",
    "̲": "underline",
    "―": "underline",
    "⏟": "underbrace",
    "︸": "underbrace",
}
_WIDE = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
_ARROWS = {
    "→": "xrightarrow",
    "⟶": "xrightarrow",
    "←": "xleftarrow",
    "⟵": "xleftarrow",
    "⇒": "xRightarrow",
    "⟹": "xRightarrow",
    "↦": "xmapsto",
}
_FENCES = {"(": "(", ")": ")", "[": "[", "]": "]", "{": "\\{", "}": "\\}", "|": "|", "‖": "\\|", "∥": "\\|", "||": "\\|",
    "⟨": "\\langle", "⟩": "\\rangle",
           "〈": "\\langle", "〉": "\\rangle", "⌊": "\\lfloor", "⌋": "\\rfloor", "⌈": "\\lceil", "⌉": "\\rceil", "∣": "|",
           "<": "\\langle", ">": "\\rangle"}  # fmt: skip
_OPENING, _CLOSING = frozenset("([{⟨〈⌊⌈"), frozenset(")]}⟩〉⌋⌉")
_BARS = frozenset(("|", "‖", "∥", "||", "∣"))
_MATRICES = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    ("{", "}"): "Bmatrix",
    ("|", "|"): "vmatrix",
    ("‖", "‖"): "Vmatrix",
    ("∥", "∥"): "Vmatrix",
}
_TALL = re.compile(r"\\(?:frac|dfrac|sum|prod|int|oint|begin|binom|sqrt|overbrace|underbrace|bigcup|bigcap|underset|overset)(?![A-Za-z])")
_NOTATIONS = {"box": "boxed{%s}", "roundedbox": "boxed{%s}", "circle": "boxed{%s}", "top": "overline{%s}", "bottom": "underline{%s}",
    "radical": "sqrt{%s}",
              "updiagonalstrike": "cancel{%s}", "downdiagonalstrike": "bcancel{%s}", "horizontalstrike": "not{%s}",
              "actuarial": "overline{%s}|"}  # fmt: skip
_ATOM = re.compile(
    r"(?:\\[A-Za-z]+|\\[^A-Za-z]|[^\\{}^_\s])\s*|\{[^{}]*\}\s*|"
    r"\\(?:mathbb|mathbf|mathcal|mathfrak|mathrm|mathsf|boldsymbol|operatorname)\{[^{}]*\}\s*"
)
_CHOOSE = re.compile(r"\{(.*) \\atop (.*)\}")
_MODULO = re.compile(r"\(\s*\\operatorname\{mod\}\s*([^()]{1,80})\)|\\text\{\(mod ([^(){}]{1,80})\)\}")
_SPACE_AFTER_COMMAND = re.compile(r"(\\[A-Za-z]+|[}\])|]) +(?=[}^_,)\]]|$)")


class _Fence(NamedTuple):
    text: str
    stretchy: bool


class _Walk:
    """One formula: how many elements may still be read."""

    def __init__(self) -> None:
        self.left = _MAX_NODES

    def children(self, element: Any) -> list[Any]:
        nodes = [node for node in children(element) if _name(node)]
        nodes = nodes[: max(self.left, 0)]
        self.left -= len(nodes)
        return nodes

    def latex(self, element: Any, depth: int) -> str:
        if depth > _MAX_DEPTH:
            return symbols(_text(element))
        name = _name(element)
        handler = _HANDLERS.get(name)
        if handler is not None:
            return handler(self, element, depth + 1)
        return "" if name in _SILENT else self.row(self.children(element), depth + 1)

    def argument(self, nodes: list[Any], index: int, depth: int) -> str:
        return self.latex(nodes[index], depth).strip() if index < len(nodes) else ""

    def base(self, nodes: list[Any], depth: int) -> str:
        """Return what scripts hang on, in braces where it is more than one atom."""
        text = self.argument(nodes, 0, depth)
        closed = text[:1] in ("(", "[", "|") and text[-1:] in (")", "]", "|")
        return text if closed or _ATOM.fullmatch(text) or text in _BIG_NAMES else f"{{{text}}}"

    def row(self, nodes: list[Any], depth: int) -> str:
        """Return elements side by side; matching fences around tall content grow with it, fences around a table make a matrix."""
        nodes = [node for node in nodes if _name(node) not in _SILENT]
        parts: list[str] = []
        index = 0
        while index < len(nodes):
            width, text = self.matrix(nodes, index, depth)
            parts += [text if width else self.latex(nodes[index], depth), *[""] * (width - 1)]
            index += max(width, 1)
        fences = [_fence(node) for node in nodes]
        opened: list[tuple[int, str]] = []
        for index, fence in enumerate(fences):
            if fence is None:
                continue
            bar = fence.text in _BARS
            if fence.text in _CLOSING or (bar and opened and opened[-1][1] == fence.text):
                if not opened:
                    continue
                start, _ = opened.pop()
                opening = fences[start]
                if (
                    parts[start]
                    and parts[index]
                    and opening
                    and fence.stretchy
                    and opening.stretchy
                    and _TALL.search("".join(parts[start + 1 : index]))
                ):
                    parts[start] = f"\\left{_FENCES[opening.text]} "
                    parts[index] = f"\\right{_FENCES[fence.text]} "
            elif fence.text in _OPENING or bar:
                opened.append((index, fence.text))
        for index, part in enumerate(parts):
            if "\\atop" not in part or not (choose := _binomial(part)):
                continue
            before, behind = parts[index - 1] if index else "", parts[index + 1] if index + 1 < len(parts) else ""
            if (before, behind) == ("(", ")"):
                parts[index - 1 : index + 2] = ["", choose, ""]
            elif len(parts) > 1 and not any(0 <= beside < len(fences) and fences[beside] for beside in (index - 1, index + 1)):
                parts[index] = choose  # its parentheses were drawn in another way; in other fences it may be a Stirling number
        return "".join(parts)

    def matrix(self, nodes: list[Any], index: int, depth: int) -> tuple[int, str]:
        """Return a table with the fences around it and how many elements that is; 0 where no fenced table starts here."""
        first = _operator(nodes[index])
        if first is None:
            if index or len(nodes) != 2 or (table := _only(nodes[0])) is None or (last := _operator(nodes[1])) not in _FENCES:
                return 0, ""
            return 2, f"\\left. {self.table(table, depth, 'matrix')} \\right{_FENCES[last]} "
        if index + 1 >= len(nodes) or (table := _only(nodes[index + 1])) is None:
            return 0, ""
        last = _operator(nodes[index + 2]) if index + 2 < len(nodes) else None
        if last is not None and last in _OPENING:
            last = None
        width = 2 if last is None else 3
        if first == "{" and not last:
            return width, self.table(table, depth, "cases")
        if name := _MATRICES.get((first, last or "")):
            return width, self.table(table, depth, name)
        left, right = _FENCES.get(first, "."), _FENCES.get(last or "", ".")
        return width, f"\\left{left} {self.table(table, depth, 'matrix')} \\right{right} "

    def table(self, element: Any, depth: int, name: str = "") -> str:
        rows = []
        align = (element.getattr("columnalign") or "").split()
        for row in self.children(element):
            if _name(row) in ("mtr", "mlabeledtr"):
                cells = self.children(row)[1 if _name(row) == "mlabeledtr" else 0 :]
                rows.append(" & ".join(self.latex(cell, depth + 1).strip() for cell in cells))
            else:
                rows.append(self.latex(row, depth + 1).strip())
        if not name:
            lines_up = ("right" in align and len(align) > 1) or (
                element.getattr("displaystyle") == "true" and any("&" in row for row in rows)
            )
            name = "aligned" if lines_up else "matrix"
        body = " \\\\ ".join(rows)
        return f"\\begin{{{name}}} {body} \\end{{{name}}}"


def to_latex(element: Any) -> str:
    r"""Return a ``math`` element (or any part of one) of a parsed page as LaTeX, without delimiters.

    Args:
        element: a resiliparse node, ``math`` or below; a namespace prefix in the names (``mml:mfrac``) does not matter.
    """
    latex = _SPACE_AFTER_COMMAND.sub(r"\1", _Walk().latex(element, 0)).strip()
    if "\\atop" in latex:
        latex = _binomial(latex) or latex
    return _MODULO.sub(lambda found: f"\\pmod{{{(found[1] or found[2]).strip()}}}", latex) if "mod" in latex else latex


def _binomial(text: str) -> str:
    r"""Return ``{n \atop k}`` as ``\binom{n}{k}``; empty where that is not all there is."""
    found = _CHOOSE.fullmatch(text) if text.count("\\atop") == 1 else None
    return f"\\binom{{{found[1]}}}{{{found[2]}}}" if found and closes_at_end(text) else ""


def _name(node: Any) -> str:
    """Return an element's name without prefix, lower case; empty for anything that is no element."""
    name = node.tag or ""
    return "" if name[:1] in ("#", "!", "?") else name.rsplit(":", 1)[-1].lower()


def _text(element: Any) -> str:
    return " ".join((element.text or "").split())


def _only(node: Any) -> Any | None:
    """Return the table that is all there is in a node, or None."""
    for _ in range(8):
        if _name(node) == "mtable":
            return node
        if _name(node) not in ("mrow", "mstyle", "mpadded", "mtd", "math", "semantics"):
            return None
        inner = [child for child in children(node) if _name(child) and _name(child) not in _SILENT]
        if len(inner) != 1:
            return None
        node = inner[0]
    return None


def _operator(node: Any) -> str | None:
    """Return the text of an operator that may be a fence; None for anything else."""
    if _name(node) != "mo":
        return None
    text = _text(node)
    return text if not text or text in _FENCES else None


def _fence(node: Any) -> _Fence | None:
    if _name(node) != "mo" or (text := _text(node)) not in _FENCES or text in "<>":
        return None
    return _Fence(text, node.getattr("stretchy") != "false")


def _identifier(walk: _Walk, element: Any, depth: int) -> str:
    text = _text(element) or (element.text or "")[:1]
    variant = element.getattr("mathvariant") or ""
    joined = text.replace(" ", "")
    if len(text) > 1 and joined.isascii() and joined.isalpha():
        if joined in FUNCTIONS:
            return f"\\{joined} "
        upright = VARIANTS.get(variant, "\\mathrm") if variant or len(text) < 3 else "\\operatorname"
        return f"{upright}{{{text}}}"
    latex = "".join(symbol(char) for char in text)
    if variant in VARIANTS and latex.strip():
        return f"{VARIANTS[variant]}{{{latex.strip()}}}"
    return f"\\mathrm{{{latex}}}" if variant == "normal" and len(text) == 1 and text.isascii() and text.isalpha() else latex


def _number(walk: _Walk, element: Any, depth: int) -> str:
    latex = symbols(_text(element))
    variant = element.getattr("mathvariant") or ""
    return f"{VARIANTS[variant]}{{{latex}}}" if variant in VARIANTS else latex


def _sign(walk: _Walk, element: Any, depth: int) -> str:
    text = _text(element)
    if len(text) > 1 and text.isascii() and text.isalpha():
        return f"\\{text} " if text in FUNCTIONS else "\\bmod " if text == "mod" else f"\\operatorname{{{text}}}"
    if text in PRIMES:
        return PRIMES[text]
    if text in _BARS and len(text) == 1:
        return "\\| " if text in "‖∥" else "|" if text == "|" else "\\mid "
    return symbols(text)


def _words(walk: _Walk, element: Any, depth: int) -> str:
    inner = [node for node in children(element) if _name(node)]
    if inner and any(_name(node) == "math" for node in inner):
        return "".join(walk.latex(node, depth) if _name(node) else text_in_formula(node.value or "") for node in children(element))
    text = re.sub(r"\s+", " ", element.text or "")
    if not text.strip(" \u2003\u2009\u200a"):
        return "".join(SPACES.get(char, " ") for char in text if char != " ") + " " if text else ""
    return text_in_formula(text)


def _fraction(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    above, below = walk.argument(nodes, 0, depth), walk.argument(nodes, 1, depth)
    if re.fullmatch(r"0+(?:\.0+)?[a-z%]*", element.getattr("linethickness") or ""):
        return f"{{{above} \\atop {below}}}"
    return f"{{{above}}}/{{{below}}}" if element.getattr("bevelled") == "true" else f"\\frac{{{above}}}{{{below}}}"


def _root(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return f"\\sqrt[{walk.argument(nodes, 1, depth)}]{{{walk.argument(nodes, 0, depth)}}}"


def _square_root(walk: _Walk, element: Any, depth: int) -> str:
    return f"\\sqrt{{{walk.row(walk.children(element), depth).strip()}}}"


def _spaced(text: str) -> str:
    """Return LaTeX that a letter may follow."""
    return text + " " if text[-1:].isalpha() else text


def _script(text: str, mark: str) -> str:
    if not text:
        return ""
    if mark == "^" and (text.strip("'") == "" or text.replace("\\prime", "").strip() == ""):
        return "'" * (text.count("'") + text.count("\\prime"))
    return f"{mark}{{{text}}}"


def _sub(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return _spaced(walk.base(nodes, depth) + _script(walk.argument(nodes, 1, depth), "_"))


def _sup(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return _spaced(walk.base(nodes, depth) + _script(walk.argument(nodes, 1, depth), "^"))


def _sub_sup(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return _spaced(walk.base(nodes, depth) + _script(walk.argument(nodes, 1, depth), "_") + _script(walk.argument(nodes, 2, depth), "^"))


def _under(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return _stack(walk, nodes, under=nodes[1] if len(nodes) > 1 else None, over=None, depth=depth)


def _over(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return _stack(walk, nodes, under=None, over=nodes[1] if len(nodes) > 1 else None, depth=depth)


def _under_over(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    return _stack(walk, nodes, under=nodes[1] if len(nodes) > 1 else None, over=nodes[2] if len(nodes) > 2 else None, depth=depth)


def _stack(walk: _Walk, nodes: list[Any], *, under: Any, over: Any, depth: int) -> str:
    if not nodes:
        return ""
    base = walk.argument(nodes, 0, depth)
    below = walk.latex(under, depth).strip() if under is not None else ""
    above = walk.latex(over, depth).strip() if over is not None else ""
    if (
        base in _BIG_NAMES
        or base.startswith(("\\underbrace{", "\\overbrace{"))
        or base.removeprefix("\\operatorname{").rstrip("}") in LIMITS
    ):
        return _spaced(base + _script(below, "_") + _script(above, "^"))
    sign = _text(nodes[0])
    if sign in _ARROWS and (above or below):
        return f"\\{_ARROWS[sign]}{f'[{below}]' if below else ''}{{{above}}} "
    if over is not None and above:
        accent = _ACCENTS_OVER.get(_text(over))
        if accent is None:
            base = f"\\overset{{{above}}}{{{base}}}"
        else:
            base = f"\\{_WIDE.get(accent, accent) if len(sign) > 1 else accent}{{{base}}}"
    if under is not None and below:
        accent = _ACCENTS_UNDER.get(_text(under))
        base = f"\\underset{{{below}}}{{{base}}}" if accent is None else f"\\{accent}{{{base}}}"
    return base


def _multiscripts(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    before, after = [], []
    side = after
    for node in nodes[1:]:
        if _name(node) == "mprescripts":
            side = before
        else:
            side.append("" if _name(node) == "none" else walk.latex(node, depth).strip())

    def scripts(texts: list[str]) -> str:
        lower, upper = "".join(texts[::2]), "".join(texts[1::2])
        return (f"_{{{lower}}}" if lower else "") + (f"^{{{upper}}}" if upper else "")

    return ("{}" + scripts(before) if any(before) else "") + _spaced(walk.base(nodes, depth) + scripts(after))


def _fenced(walk: _Walk, element: Any, depth: int) -> str:
    nodes = walk.children(element)
    opening, closing = element.getattr("open"), element.getattr("close")
    opening, closing = "(" if opening is None else opening.strip(), ")" if closing is None else closing.strip()
    if len(nodes) == 1 and (table := _only(nodes[0])) is not None:
        name = "cases" if (opening, closing) == ("{", "") else _MATRICES.get((opening, closing))
        if name:
            return walk.table(table, depth, name)
    given = element.getattr("separators")
    marks = "," if given is None else "".join(given.split())
    parts = []
    for index, node in enumerate(nodes):
        parts.append(walk.latex(node, depth))
        if marks and index < len(nodes) - 1:
            parts.append(symbols(marks[min(index, len(marks) - 1)]))
    inner = "".join(parts)
    if _TALL.search(inner) or not opening or not closing:
        return f"\\left{_FENCES.get(opening, opening or '.')} {inner}\\right{_FENCES.get(closing, closing or '.')} "
    if (opening, closing) == ("(", ")") and (choose := _binomial(inner)):
        return choose
    left, right = _FENCES.get(opening, symbols(opening)), _FENCES.get(closing, symbols(closing))
    return (left + " " if left[-1:].isalpha() else left) + inner + (right + " " if right[-1:].isalpha() else right)


def _space(walk: _Walk, element: Any, depth: int) -> str:
    width = element.getattr("width") or ""
    found = re.fullmatch(r"(\d*\.?\d+)em", width.strip())
    size = float(found[1]) if found else 0.0
    return "\\quad " if 0.9 <= size < 1.9 else "\\qquad " if size >= 1.9 else "\\\\ " if element.getattr("linebreak") == "newline" else " "


def _enclosed(walk: _Walk, element: Any, depth: int) -> str:
    text = walk.row(walk.children(element), depth).strip()
    for notation in (element.getattr("notation") or "longdiv").split()[:4]:
        if notation in _NOTATIONS:
            text = "\\" + _NOTATIONS[notation].replace("%s", text)
    return text


def _phantom(walk: _Walk, element: Any, depth: int) -> str:
    return ""


def _first(walk: _Walk, element: Any, depth: int) -> str:
    return walk.argument(walk.children(element), 0, depth)


def _table(walk: _Walk, element: Any, depth: int) -> str:
    return walk.table(element, depth)


def _quoted(walk: _Walk, element: Any, depth: int) -> str:
    return text_in_formula(f'"{_text(element)}"')


_SILENT = frozenset({"annotation", "annotation-xml", "mprescripts", "none", "maligngroup", "malignmark", "script", "style", "template"})
_BIG_NAMES = frozenset(BIG.values()) | {f"\\{name}" for name in LIMITS}
_HANDLERS: dict[str, Callable[[_Walk, Any, int], str]] = {
    "mi": _identifier, "mn": _number, "mo": _sign, "mtext": _words, "ms": _quoted, "mspace": _space, "mfrac": _fraction,
    "msqrt": _square_root,
    "mroot": _root, "msub": _sub, "msup": _sup, "msubsup": _sub_sup, "munder": _under, "mover": _over, "munderover": _under_over,
    "mmultiscripts": _multiscripts, "mfenced": _fenced, "mtable": _table, "menclose": _enclosed, "mphantom": _phantom, "semantics": _first,
    "maction": _first,
}  # fmt: skip
