"""The ways in which pages carry formulas. Each module turns its carrier into marks in the tree: ``convert(page)``.

The order matters: what wraps a ``math`` element (MathJax, KaTeX, Wikipedia) goes before ``math`` itself, and code after whatever puts formulas
into ``code`` elements. A carrier runs only where one of its words stands in the HTML: plain ``in`` tests, since they cost a tenth of a search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reasonforge.corpus.extract.carriers import code, images, katex, marked, math_elements, mathjax, scripts, subsup
from reasonforge.corpus.extract.carriers.page import MarkupPage


class Carrier(NamedTuple):
    """A carrier and the words without which it cannot be on a page."""

    name: str
    words: tuple[str, ...]
    convert: Callable[[MarkupPage], None]


CARRIERS = (
    Carrier("scripts", ("math/tex", "math/asciimath", "math/mml"), scripts.convert),
    Carrier("mathjax", ("mjx-container", "data-mathml"), mathjax.convert),
    Carrier("katex", ("katex",), katex.convert),
    Carrier("math", ("<math", ":math", "<MATH", "mwe-math"), math_elements.convert),
    Carrier("images", ("<img", "<IMG"), images.convert),
    Carrier("attributes", tuple(f"{name}=" for name in marked.ATTRIBUTES), marked.convert_attributes),
    Carrier("classes", marked.WORDS, marked.convert_classes),
    Carrier("subsup", ("<sub", "<sup", "<SUB", "<SUP", "texhtml"), subsup.convert),
    Carrier("code", ("<pre", "<code", "<PRE", "<CODE"), code.convert),
)


def convert_all(page: MarkupPage) -> None:
    """Put marks in the place of every formula that the tree carries."""
    for carrier in CARRIERS:
        for word in carrier.words:
            if word in page.html:
                carrier.convert(page)
                break
