"""What stands at an element or above and below it: indices, limits, accents."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.mathml.nodes import name_of, text_of
from reasonforge.corpus.extract.mathml.walk import BIG_NAMES, Walk
from reasonforge.corpus.extract.symbols import LIMITS

_ACCENTS_OVER = {
    "^": "hat", "ˆ": "hat", "̂": "hat",
    "~": "tilde", "˜": "tilde", "̃": "tilde", "∼": "tilde",
    "¯": "bar",
    "‾": "overline", "̅": "overline", "_": "overline", "―": "overline",
    "→": "vec", "⃗": "vec", "⇀": "vec",
    "˙": "dot", ".": "dot", "̇": "dot",
    "¨": "ddot", "̈": "ddot",
    "⃛": "dddot",
    "ˇ": "check",
    "˘": "breve",
    "´": "acute",
    "`": "grave",
    "⏞": "overbrace", "︷": "overbrace",
    "←": "overleftarrow",
    "↔": "overleftrightarrow",
    "⏜": "overparen",
    "°": "mathring", "˚": "mathring",
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


def sub(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``msub``."""
    nodes = walk.children(element)
    return _spaced(walk.base(nodes, depth) + _script(walk.argument(nodes, 1, depth), "_"))


def sup(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``msup``."""
    nodes = walk.children(element)
    return _spaced(walk.base(nodes, depth) + _script(walk.argument(nodes, 1, depth), "^"))


def sub_sup(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``msubsup``."""
    nodes = walk.children(element)
    return _spaced(walk.base(nodes, depth) + _script(walk.argument(nodes, 1, depth), "_") + _script(walk.argument(nodes, 2, depth), "^"))


def under(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``munder``."""
    nodes = walk.children(element)
    return _stack(walk, nodes, under=nodes[1] if len(nodes) > 1 else None, over=None, depth=depth)


def over(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mover``."""
    nodes = walk.children(element)
    return _stack(walk, nodes, under=None, over=nodes[1] if len(nodes) > 1 else None, depth=depth)


def under_over(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``munderover``."""
    nodes = walk.children(element)
    return _stack(walk, nodes, under=nodes[1] if len(nodes) > 1 else None, over=nodes[2] if len(nodes) > 2 else None, depth=depth)


def multiscripts(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mmultiscripts``: indices on both sides."""
    nodes = walk.children(element)
    before, after = [], []
    side = after
    for node in nodes[1:]:
        if name_of(node) == "mprescripts":
            side = before
        else:
            side.append("" if name_of(node) == "none" else walk.latex(node, depth).strip())

    def scripts(texts: list[str]) -> str:
        lower, upper = "".join(texts[::2]), "".join(texts[1::2])
        return (f"_{{{lower}}}" if lower else "") + (f"^{{{upper}}}" if upper else "")

    return ("{}" + scripts(before) if any(before) else "") + _spaced(walk.base(nodes, depth) + scripts(after))


def _stack(walk: Walk, nodes: list[Any], *, under: Any, over: Any, depth: int) -> str:
    """Return limits of an operator, the label of an arrow, an accent, or whatever else stands above and below."""
    if not nodes:
        return ""
    base = walk.argument(nodes, 0, depth)
    below = walk.latex(under, depth).strip() if under is not None else ""
    above = walk.latex(over, depth).strip() if over is not None else ""
    if (
        base in BIG_NAMES
        or base.startswith(("\\underbrace{", "\\overbrace{"))
        or base.removeprefix("\\operatorname{").rstrip("}") in LIMITS
    ):
        return _spaced(base + _script(below, "_") + _script(above, "^"))
    sign = text_of(nodes[0])
    if sign in _ARROWS and (above or below):
        return f"\\{_ARROWS[sign]}{f'[{below}]' if below else ''}{{{above}}} "
    if over is not None and above:
        accent = _ACCENTS_OVER.get(text_of(over))
        if accent is None:
            base = f"\\overset{{{above}}}{{{base}}}"
        else:
            base = f"\\{_WIDE.get(accent, accent) if len(sign) > 1 else accent}{{{base}}}"
    if under is not None and below:
        accent = _ACCENTS_UNDER.get(text_of(under))
        base = f"\\underset{{{below}}}{{{base}}}" if accent is None else f"\\{accent}{{{base}}}"
    return base


def _script(text: str, mark: str) -> str:
    """Return an index with its mark; primes are written as such."""
    if not text:
        return ""
    if mark == "^" and (text.strip("'") == "" or text.replace("\\prime", "").strip() == ""):
        return "'" * (text.count("'") + text.count("\\prime"))
    return f"{mark}{{{text}}}"


def _spaced(text: str) -> str:
    """Return LaTeX that a letter may follow."""
    return text + " " if text[-1:].isalpha() else text
