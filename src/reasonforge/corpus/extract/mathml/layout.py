"""Elements that arrange others: fractions, roots, fences, boxes."""

from __future__ import annotations

import re
from typing import Any

from reasonforge.corpus.extract.mathml.nodes import only_table
from reasonforge.corpus.extract.mathml.rows import FENCES, MATRICES, TALL, as_table, binomial, in_row
from reasonforge.corpus.extract.mathml.walk import Walk
from reasonforge.corpus.extract.symbols import symbols

_NOTATIONS = {
    "box": "boxed{%s}", "roundedbox": "boxed{%s}", "circle": "boxed{%s}", "top": "overline{%s}", "bottom": "underline{%s}",
    "radical": "sqrt{%s}", "updiagonalstrike": "cancel{%s}", "downdiagonalstrike": "bcancel{%s}", "horizontalstrike": "not{%s}",
    "actuarial": "overline{%s}|",
}  # fmt: skip


def fraction(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mfrac``; without a line, what ``binomial`` may still make of it."""
    nodes = walk.children(element)
    above, below = walk.argument(nodes, 0, depth), walk.argument(nodes, 1, depth)
    if re.fullmatch(r"0+(?:\.0+)?[a-z%]*", element.getattr("linethickness") or ""):
        return f"{{{above} \\atop {below}}}"
    return f"{{{above}}}/{{{below}}}" if element.getattr("bevelled") == "true" else f"\\frac{{{above}}}{{{below}}}"


def root(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mroot``."""
    nodes = walk.children(element)
    return f"\\sqrt[{walk.argument(nodes, 1, depth)}]{{{walk.argument(nodes, 0, depth)}}}"


def square_root(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``msqrt``."""
    return f"\\sqrt{{{in_row(walk, walk.children(element), depth).strip()}}}"


def fenced(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mfenced``: the old way to write parentheses."""
    nodes = walk.children(element)
    opening, closing = element.getattr("open"), element.getattr("close")
    opening, closing = "(" if opening is None else opening.strip(), ")" if closing is None else closing.strip()
    if len(nodes) == 1 and (table := only_table(nodes[0])) is not None:
        name = "cases" if (opening, closing) == ("{", "") else MATRICES.get((opening, closing))
        if name:
            return as_table(walk, table, depth, name)
    given = element.getattr("separators")
    marks = "," if given is None else "".join(given.split())
    parts = []
    for index, node in enumerate(nodes):
        parts.append(walk.latex(node, depth))
        if marks and index < len(nodes) - 1:
            parts.append(symbols(marks[min(index, len(marks) - 1)]))
    inner = "".join(parts)
    if TALL.search(inner) or not opening or not closing:
        return f"\\left{FENCES.get(opening, opening or '.')} {inner}\\right{FENCES.get(closing, closing or '.')} "
    if (opening, closing) == ("(", ")") and (choose := binomial(inner)):
        return choose
    left, right = FENCES.get(opening, symbols(opening)), FENCES.get(closing, symbols(closing))
    return (left + " " if left[-1:].isalpha() else left) + inner + (right + " " if right[-1:].isalpha() else right)


def enclosed(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``menclose``: boxed, struck out, or with a line."""
    text = in_row(walk, walk.children(element), depth).strip()
    for notation in (element.getattr("notation") or "longdiv").split()[:4]:
        if notation in _NOTATIONS:
            text = "\\" + _NOTATIONS[notation].replace("%s", text)
    return text


def grid(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mtable`` that no fence stands around."""
    return as_table(walk, element, depth)


def first(walk: Walk, element: Any, depth: int) -> str:
    """Return the first of several forms of one thing."""
    return walk.argument(walk.children(element), 0, depth)


def phantom(walk: Walk, element: Any, depth: int) -> str:
    """Return nothing: it is there to take room."""
    return ""


def side_by_side(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mrow``, or anything else that holds elements."""
    return in_row(walk, walk.children(element), depth)
