"""The walk over one formula, and its bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reasonforge.corpus.extract.mathml.nodes import EMPTY, SILENT, name_of, text_of
from reasonforge.corpus.extract.symbols import BIG, LIMITS, symbols
from reasonforge.corpus.extract.tree import children

_MAX_NODES = 20_000
_MAX_DEPTH = 60
BIG_NAMES = frozenset(BIG.values()) | {f"\\{name}" for name in LIMITS}
"""Operators whose scripts stand above and below."""
_ATOM = re.compile(
    r"(?:\\[A-Za-z]+|\\[^A-Za-z]|[^\\{}^_\s])\s*|\{[^{}]*\}\s*|"
    r"\\(?:mathbb|mathbf|mathcal|mathfrak|mathrm|mathsf|boldsymbol|operatorname)\{[^{}]*\}\s*"
)

Handler = Callable[["Walk", Any, int], str]
"""Turns an element at a depth into LaTeX."""


class Walk:
    """One formula: how each element is read, and how many may still be."""

    def __init__(self, handlers: Mapping[str, Handler], *, others: Handler) -> None:
        """Begin.

        Args:
            handlers: by the element's name.
            others: for those that are not among them.
        """
        self._handlers = handlers
        self._others = others
        self._left = _MAX_NODES

    def children(self, element: Any) -> list[Any]:
        """Return the elements in one, as far as they may still be read."""
        nodes = [node for node in children(element) if name_of(node)]
        if any(name_of(node) in EMPTY and node.child_element_count for node in nodes):
            nodes = _opened(nodes, self._left)
        nodes = nodes[: max(self._left, 0)]
        self._left -= len(nodes)
        return nodes

    def latex(self, element: Any, depth: int) -> str:
        """Return an element as LaTeX; below the deepest level, its text."""
        if depth > _MAX_DEPTH:
            return symbols(text_of(element))
        name = name_of(element)
        return "" if name in SILENT else self._handlers.get(name, self._others)(self, element, depth + 1)

    def measured(self, element: Any, depth: int, read: Callable[[Walk, Any, int], tuple[str, int]]) -> tuple[str, int]:
        """Return what another reader says of an element, within the same bounds."""
        return (symbols(text_of(element)), 0) if depth > _MAX_DEPTH else read(self, element, depth + 1)

    def argument(self, nodes: list[Any], index: int, depth: int) -> str:
        """Return one of the parts that an element needs; empty where it is missing."""
        return self.latex(nodes[index], depth).strip() if index < len(nodes) else ""

    def base(self, nodes: list[Any], depth: int) -> str:
        """Return what scripts hang on, in braces where it is more than one atom."""
        text = self.argument(nodes, 0, depth)
        closed = text[:1] in ("(", "[", "|") and text[-1:] in (")", "]", "|")
        return text if closed or _ATOM.fullmatch(text) or text in BIG_NAMES else f"{{{text}}}"


def _opened(nodes: list[Any], most: int) -> list[Any]:
    """Return elements in a row with what an empty one swallowed: a parser of HTML takes ``<mml:none/>`` for one that is left open."""
    found: list[Any] = []
    waiting = nodes[::-1]
    while waiting and len(found) < most:
        node = waiting.pop()
        found.append(node)
        if name_of(node) in EMPTY:
            waiting += [inner for inner in children(node) if name_of(inner)][::-1]
    return found
