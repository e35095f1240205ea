"""What a carrier works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reasonforge.corpus.extract.formulas import Formulas
from reasonforge.corpus.extract.sketch import Sketch
from reasonforge.corpus.extract.tree import select


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkupPage:
    """A parsed page and its formulas so far."""

    document: Any
    formulas: Formulas
    seen: Sketch
    """What may be in the page: asked before the tree is."""

    def select(self, selector: str) -> list[Any]:
        """Return the elements that a CSS selector names, in document order."""
        return select(self.document, selector)

    def replace(self, element: Any, latex: str, *, display: bool = False) -> None:
        """Put a formula in an element's place; an empty one removes the element."""
        if element.parent is None:
            return
        if mark := self.formulas.mark(latex, display=display):
            element.replace_with(self.document.create_text_node(mark))
        else:
            element.remove()
