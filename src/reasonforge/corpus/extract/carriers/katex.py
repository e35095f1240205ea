"""KaTeX: a formula stands there up to three times (MathML, its annotation, the drawing); the annotation is kept, once."""

from __future__ import annotations

from reasonforge.corpus.extract.carriers.math_elements import latex_of
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.tree import attached, class_of


def convert(page: MarkupPage) -> None:
    """Replace each drawn formula by its source."""
    if not page.seen.has_name(("katex", "katex-error")):
        return
    for element in page.select("span.katex-error"):
        page.replace(element, element.text or "")
    for element in page.select("span.katex"):
        if not attached(element):
            continue
        math = element.query_selector("math")
        if math is None:
            continue  # drawn without MathML: its characters stay as text
        parent = element.parent
        page.replace(element, latex_of(math), display="katex-display" in class_of(parent) if parent.tag != "#document" else False)
