"""MathJax 2: the source of each formula in a script, beside previews and rendered copies of it."""

from __future__ import annotations

from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract import asciimath, mathml
from reasonforge.corpus.extract.bounds import beyond_bounds
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.tree import attached

_MAX_SOURCE_CHARS, _MAX_SOURCE_DEPTH = 200_000, 500
_RENDERED = ", ".join(
    (
        ".MathJax_Preview", ".MathJax", ".MathJax_Display", ".MathJax_SVG", ".MathJax_SVG_Display", ".MathJax_CHTML", ".mjx-chtml",
        ".MJXc-display", ".MathJax_MathML",
    )
)  # fmt: skip


def convert(page: MarkupPage) -> None:
    """Replace the scripts and drop what MathJax drew beside them."""
    if not page.seen.has_tag("script"):
        return
    sources = page.select('script[type^="math/"]')
    for element in sources:
        kind = element.getattr("type") or ""
        source = element.text or ""
        if kind.startswith("math/tex"):
            latex = source
        elif kind.startswith("math/asciimath"):
            latex = asciimath.to_latex(source)
        elif kind.startswith("math/mml"):
            latex = mathml_text(source)
        else:
            continue
        page.replace(element, latex, display="mode=display" in kind.replace(" ", "") or 'display="block"' in source[:200])
    if sources:
        for element in page.select(_RENDERED):
            if attached(element) and element.query_selector("p") is None:
                element.remove()


def mathml_text(source: str) -> str:
    """Return MathML that stands as text in a script or an attribute as LaTeX; nothing where it is too costly to parse."""
    if len(source) > _MAX_SOURCE_CHARS or beyond_bounds(source, max_depth=_MAX_SOURCE_DEPTH):
        return ""
    body = HTMLTree.parse(source).body
    math = body.query_selector("math") if body is not None else None
    return mathml.to_latex(math) if math is not None else ""
