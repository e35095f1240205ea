"""What the elements of a formula are called and hold."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.tree import children

SILENT = frozenset({"annotation", "annotation-xml", "mprescripts", "none", "maligngroup", "malignmark", "script", "style", "template"})
"""Elements that are no part of what is read."""


def name_of(node: Any) -> str:
    """Return an element's name without prefix, lower case; empty for anything that is no element."""
    name = node.tag or ""
    return "" if name[:1] in ("#", "!", "?") else name.rsplit(":", 1)[-1].lower()


def text_of(element: Any) -> str:
    """Return the characters of an element, blanks in order."""
    return " ".join((element.text or "").split())


def only_table(node: Any) -> Any | None:
    """Return the table that is all there is in a node, or None."""
    for _ in range(8):
        if name_of(node) == "mtable":
            return node
        if name_of(node) not in ("mrow", "mstyle", "mpadded", "mtd", "math", "semantics"):
            return None
        inner = [child for child in children(node) if name_of(child) and name_of(child) not in SILENT]
        if len(inner) != 1:
            return None
        node = inner[0]
    return None
