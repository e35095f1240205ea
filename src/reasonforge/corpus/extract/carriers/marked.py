"""Formulas in elements that say so: an attribute with the source, or a class and the source as text."""

from __future__ import annotations

import re
from typing import Any

from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import OPEN, unwrapped
from reasonforge.corpus.extract.tree import attached, put_text

_DATA = ("tex", "latex", "formula", "equation", "math", "katex", "value")
_ATTRIBUTES = tuple(f"data-{name}" for name in _DATA)
_WITH_ATTRIBUTES = ", ".join(f"[{name}]" for name in _ATTRIBUTES)
_NAMED = (
    "math", "math-container", "math-tex", "math-display", "math-inline", "arithmatex", "tex", "latex", "mathquill-embedded-latex",
    "wp-katex-eq",
)  # fmt: skip
_CLASSES = (
    "span.math, div.math, p.math, code.math, pre.math, .math-container, .math-tex, .math-display, .math-inline, .arithmatex, "
    "math-renderer, span.tex, "
    "div.tex, span.latex, div.latex, .mathquill-embedded-latex, .wp-katex-eq"
)
_DRAWINGS = frozenset({"svg", "img", "canvas"})
_TEX_SIGN = re.compile(r"\\[A-Za-z,;!\[(]|[\^_]")
_COMMAND = re.compile(r"\\[A-Za-z]{2}|\^")
_NAMES = re.compile(r"math|tex|formula|equation|katex|eq\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{4,}")


def convert_attributes(page: MarkupPage) -> None:
    """Replace elements whose source stands in an attribute."""
    if page.seen.data.isdisjoint(_DATA):
        return
    for element in page.select(_WITH_ATTRIBUTES):
        if not attached(element):
            continue
        source = next(value for name in _ATTRIBUTES if (value := element.getattr(name)) is not None).strip()
        named = element.getattr("class") or element.tag or ""
        if source and _NAMES.search(named) and (_TEX_SIGN.search(source) or not _WORD.search(source)):
            page.replace(element, source, display=_is_display(element, source))


def convert_labels(page: MarkupPage) -> None:
    """Replace drawings whose label for screen readers is the source."""
    if not page.seen.labels:
        return
    for element in page.select("[aria-label]"):
        role = element.getattr("role")
        if role != "math" and (element.tag not in _DRAWINGS or role not in (None, "img")):
            continue
        source = (element.getattr("aria-label") or "").strip()
        sign = _TEX_SIGN if role == "math" else _COMMAND  # an icon may be called arrow_back
        if attached(element) and sign.search(source) and OPEN not in (element.text or ""):
            page.replace(element, source, display=_is_display(element, source))


def convert_classes(page: MarkupPage) -> None:
    """Replace elements whose class says that their text is a formula."""
    if not page.seen.has_name(_NAMED) and not page.seen.has_tag("math"):
        return
    for element in page.select(_CLASSES):
        if not attached(element):
            continue
        number = _taken_number(element)
        text = (element.text or "").strip()
        inner = unwrapped(text)
        nested = element.child_element_count and not (element.tag == "pre" and element.query_selector("code :first-child") is None)
        if inner == text and (nested or not _is_bare_source(text)):
            if number:
                element.append_child(page.document.create_text_node(f" {number}"))
            continue
        if number:
            put_text(page.document, element, f"{page.formulas.mark(inner, display=True)} {number}")
        else:
            page.replace(element, inner, display=_is_display(element, text))


def _taken_number(element: Any) -> str:
    """Take the number of an equation out of the element around it and its source, as Sphinx writes them."""
    span = element.query_selector("span.eqno") if element.tag == "div" else None
    if span is None:
        return ""
    number = (span.text or "").replace("\xb6", "").strip()
    span.remove()
    return number


def _is_bare_source(text: str) -> bool:
    """Return whether text without delimiters is TeX and nothing else."""
    if "\\(" in text or "\\[" in text or "$" in text or "\ufdd0" in text:
        return False
    return bool(_TEX_SIGN.search(text)) or (0 < len(text) <= 60 and not _WORD.search(text))


def _is_display(element: Any, source: str) -> bool:
    if source.startswith(("\\[", "$$", "\\begin{")):
        return True
    if source.startswith(("\\(", "$")):
        return False
    names = f"{element.getattr('class') or ''} {element.getattr('data-math-style') or ''} {element.getattr('data-display') or ''}"
    return element.tag in ("div", "p", "pre") or "display" in names or "block" in names or " true" in names
