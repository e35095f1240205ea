"""The ways in which pages carry formulas. Each module turns its carrier into marks in the tree: ``convert(page)``.

The order matters: what wraps a ``math`` element (MathJax, KaTeX, Wikipedia) goes before ``math`` itself, and code after whatever puts
formulas into ``code`` elements, and underscores that became emphasis after all that makes text. Each asks the page's sketch first whether
it may be there, and only then the tree.
"""

from __future__ import annotations

from reasonforge.corpus.extract.carriers import code, emphasis, images, katex, marked, math_elements, mathjax, scripts, subsup
from reasonforge.corpus.extract.carriers.page import MarkupPage

CARRIERS = (
    scripts.convert,
    mathjax.convert,
    katex.convert,
    math_elements.convert,
    images.convert,
    marked.convert_labels,
    marked.convert_attributes,
    marked.convert_classes,
    subsup.convert,
    emphasis.convert,
    code.convert,
)


def convert_all(page: MarkupPage) -> None:
    """Put marks in the place of every formula that the tree carries."""
    for convert in CARRIERS:
        convert(page)
