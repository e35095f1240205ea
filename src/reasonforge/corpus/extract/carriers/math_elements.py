"""``math`` elements: an annotation in TeX where there is one, ``alttext`` where it is TeX (LaTeXML, ar5iv), else the MathML itself."""

from __future__ import annotations

import re
from typing import Any

from reasonforge.corpus.extract import mathml
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import tidy
from reasonforge.corpus.extract.tree import attached, class_of, put_text, select

_TEX = ("application/x-tex", "tex", "latex", "application/x-latex", "text/x-tex", "texvc")
_TEX_SIGN = re.compile(r"\\[A-Za-z]|[\^_{}]")


def latex_of(math: Any) -> str:
    """Return the formula of one ``math`` element."""
    for note in select(math, "annotation"):
        if (note.getattr("encoding") or "").lower() in _TEX and (text := (note.text or "").strip()):
            return text
    alt = math.getattr("alttext") or ""
    if alt and (_TEX_SIGN.search(alt) or "ltx_" in class_of(math) or len(alt) < 4):
        return alt
    return mathml.to_latex(math)


def convert(page: MarkupPage) -> None:
    """Replace what wraps formulas first, then formulas on their own."""
    if page.seen.has_name(("mwe-math-element",)):
        _convert_wiki(page)
    if page.seen.has_name(("ltx_eqn_table",)):
        _convert_latexml_tables(page)
    if not page.seen.has_tag("math", "mml", "m"):
        return
    for element in page.select("math, mml\\:math, m\\:math"):
        if attached(element):
            page.replace(element, latex_of(element), display=_is_display(element))


def _is_display(math: Any) -> bool:
    return math.getattr("display") == "block" or math.getattr("mode") == "display"


def _convert_wiki(page: MarkupPage) -> None:
    for element in page.select(".mwe-math-element"):
        if not attached(element):
            continue
        math = element.query_selector("math")
        if math is not None:
            latex = latex_of(math)
        else:
            image = element.query_selector("img")
            latex = (image.getattr("alt") or "") if image is not None else element.text or ""
        display = element.query_selector(".mwe-math-mathml-display, .mwe-math-fallback-image-display") is not None
        page.replace(element, latex, display=display or "mwe-math-element-block" in class_of(element))


def _convert_latexml_tables(page: MarkupPage) -> None:
    """Join the cells of displayed equations: LaTeXML lays ``a &= b`` out as a table of formulas."""
    for table in page.select("table.ltx_eqn_table"):
        if not attached(table):
            continue
        lines = []
        for row in select(table, "tr.ltx_eqn_row"):
            latex = " ".join(tidy(latex_of(math)) for math in select(row, "math"))
            tag = row.query_selector(".ltx_tag")
            number = (tag.text or "").strip() if tag is not None else ""
            lines.append(f"{page.formulas.mark(latex, display=True)} {number}".strip())
        block = page.document.create_element("div")
        block.append_child(page.document.create_text_node("\n".join(lines)))
        if any(lines):
            table.replace_with(block)
        else:
            put_text(page.document, table, "")
