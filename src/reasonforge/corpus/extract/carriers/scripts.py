"""MathJax 2: the source of each formula in a script, beside previews and rendered copies of it."""

from __future__ import annotations

from typing import Any

from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract import asciimath, mathml
from reasonforge.corpus.extract.bounds import beyond_bounds
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import OPEN
from reasonforge.corpus.extract.tree import attached

_MAX_SOURCE_CHARS, _MAX_SOURCE_DEPTH = 200_000, 500
_CLOAKED = str.maketrans("\xab\xbb\xa8\xa7`", "<>\"&'")
"""As WIRIS writes MathML into attributes."""
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
            if attached(element) and element.query_selector("p") is None and not _is_the_only_source(element):
                element.remove()


def _is_the_only_source(element: Any) -> bool:
    """Return whether a formula that MathJax drew carries its source, and no script behind it does."""
    if element.tag != "mjx-container" and not element.hasattr("data-mathml") and element.query_selector("[data-mathml]") is None:
        return False
    behind = element.next_sibling
    while behind is not None and behind.tag == "#text" and not (behind.value or "").strip():
        behind = behind.next_sibling
    return behind is None or behind.tag != "#text" or not (behind.value or "").lstrip().startswith(OPEN)


def mathml_text(source: str) -> str:
    """Return MathML that stands as text in a script or an attribute as LaTeX; nothing where it is too costly to parse."""
    if source.startswith("\xab"):
        source = source.translate(_CLOAKED)
    if len(source) > _MAX_SOURCE_CHARS or beyond_bounds(source, max_depth=_MAX_SOURCE_DEPTH):
        return ""
    body = HTMLTree.parse(source).body
    math = body.query_selector("math") if body is not None else None
    return mathml.to_latex(math) if math is not None else ""
