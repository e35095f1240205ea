r"""Formulas that a Markdown engine took for emphasis: of ``$a_i + b_i$`` it made ``$a<em>i + b</em>i$``, and the indices are gone.

Each end of such an element lies between the delimiters of a formula, with no blank beside it: emphasis of words has blanks around.
An asterisk makes the same element; the underscore is what formulas are full of.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import OPEN
from reasonforge.corpus.extract.tree import children, put_text

_DELIMITER = re.compile(r"\\\\?[(\[)\]]|\\.|\$\$?", re.DOTALL)
_CLOSERS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]", "\\\\(": "\\\\)", "\\\\[": "\\\\]"}
_WALL = "\ufdd2"
"""Any other element: no formula reaches over it. Noncharacters are taken out of every page before."""
_MAX_CHARS = 2_000
_EMPHASIS = ("em", "i")


def convert(page: MarkupPage) -> None:
    """Write such elements with underscores."""
    if not page.seen.has_tag(*_EMPHASIS):
        return
    parents: dict[Any, None] = {}
    for element in page.select(", ".join(_EMPHASIS)):
        if element.text and (parent := element.parent) is not None:  # most are icons: nothing in them
            parents[parent] = None
    for parent in parents:
        _repair(page, parent)


def _repair(page: MarkupPage, parent: Any) -> None:
    pieces: list[str] = []
    found: list[tuple[int, int, Any]] = []
    position = 0
    for node in children(parent):
        is_emphasis = node.tag in _EMPHASIS and not node.child_element_count
        piece = (node.text or "") if is_emphasis or node.tag == "#text" else _WALL
        if is_emphasis and piece:
            found.append((position, position + len(piece), node))
        pieces.append(piece)
        position += len(piece)
    text = "".join(pieces)
    if not found or ("$" not in text and "\\(" not in text and "\\[" not in text):
        return
    spans = _spans(text)
    for start, end, node in found:
        before, behind = text[start - 1 : start], text[end : end + 1]
        if before.strip() and behind.strip() and _is_within(spans, start) and _is_within(spans, end):
            put_text(page.document, node, f"_{text[start:end]}_")


def _spans(text: str) -> list[tuple[int, int]]:
    """Return where the delimited formulas lie, without their delimiters."""
    spans = []
    opener, start = "", 0
    for found in _DELIMITER.finditer(text):
        token = found[0]
        if opener and token == _CLOSERS[opener]:
            inner = text[start : found.start()]
            is_formula = len(inner) <= _MAX_CHARS and _WALL not in inner and OPEN not in inner and "\n\n" not in inner
            if is_formula and inner and (opener != "$" or not (inner[0].isspace() or inner[-1].isspace())):
                spans.append((start, found.start()))
                opener = ""
            else:  # an amount: what seemed to close may open
                opener, start = (token, found.end()) if token in _CLOSERS else ("", 0)
        elif token in _CLOSERS and (not opener or found.start() - start > _MAX_CHARS):
            opener, start = token, found.end()
    return spans


def _is_within(spans: list[tuple[int, int]], position: int) -> bool:
    index = bisect_right(spans, (position, position)) - 1
    return index >= 0 and spans[index][0] < position < spans[index][1]
