"""The ways in which pages carry formulas. Each module turns its carrier into marks in the tree: ``convert(page)``.

The order matters: what wraps a ``math`` element (MathJax, KaTeX, Wikipedia) goes before ``math`` itself, and code after whatever puts
formulas into ``code`` elements. Each asks the tree first whether it is there. Measured on pages of 100 KB: such a query takes 0.02 ms, a
plain ``in`` over the HTML 0.1 ms, a regular expression more.
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
