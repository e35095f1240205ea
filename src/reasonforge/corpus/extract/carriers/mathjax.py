"""MathJax as a browser leaves it: version 3 and 4 containers with assistive MathML, version 2 frames with MathML in an attribute."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.carriers.math_elements import latex_of
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.carriers.scripts import mathml_text
from reasonforge.corpus.extract.tree import attached, class_of


def convert(page: MarkupPage) -> None:
    """Replace each container by the formula it draws."""
    for element in page.select("mjx-container") if page.seen.has_tag("mjx") else ():
        if attached(element):
            page.replace(element, _container(element), display=element.getattr("display") in ("true", "block"))
    for element in page.select("[data-mathml]") if "mathml" in page.seen.data else ():
        if attached(element):
            source = element.getattr("data-mathml") or ""
            wrapped = element.parent.tag != "#document" and "MathJax_Display" in class_of(element.parent)
            page.replace(element, mathml_text(source), display=wrapped or 'display="block"' in source[:200])


def _container(element: Any) -> str:
    """Return the formula of one container: its source where version 4 keeps it, else the MathML for screen readers."""
    source = element.query_selector("[data-latex]")
    if source is not None and (source.tag or "").endswith(("math", "mjx-math")):
        return source.getattr("data-latex") or ""
    math = element.query_selector("math")
    return latex_of(math) if math is not None else ""
