"""Code: its lines and dollars are its own. Blocks are written between fences, code in a line with dollars between backticks."""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import MARK
from reasonforge.corpus.extract.tree import attached, class_of, select

_DELIMITERS = ("\\(", "\\[", "$", "\\begin{")
_TYPESETTERS = ("MathJax", "mathjax", "katex", "renderMathInElement", "tex2jax")
_CLASSES = ("highlight", "code", "lang-", "language-", "brush", "prettyprint", "source", "listing", "programlisting", "sh_", "r ")


def convert(page: MarkupPage) -> None:
    """Put marks in the place of code blocks, and of code in lines that holds delimiters of formulas."""
    is_set: bool | None = None  # asked once, and only where it matters
    for element in page.select("pre") if page.seen.has_tag("pre") else ():
        if not attached(element):
            continue
        is_code = _is_code(element)
        if not is_code and _has_delimiters(element):
            is_set = _is_set_by_a_program(page) if is_set is None else is_set
            is_code = is_set
        if is_code:
            text = _lines(page, element)
            if text.strip():
                element.text = page.formulas.keep("block", text)
    for element in page.select("code, kbd, samp, tt") if page.seen.has_tag("code", "kbd", "samp", "tt") else ():
        text = element.text or ""
        if ("$" in text or "\\(" in text or "\\[" in text or "`" in text or "[/" in text) and not MARK.search(text):
            element.text = page.formulas.keep("code", " ".join(text.split()))


def _is_code(pre: Any) -> bool:
    parent = pre.parent
    names = class_of(pre) + (class_of(parent) if parent is not None and parent.tag not in ("#document", "body") else "")
    return pre.query_selector("code") is not None or any(name in names for name in _CLASSES)


def _has_delimiters(pre: Any) -> bool:
    text = pre.text or ""
    return any(delimiter in text for delimiter in _DELIMITERS) and not MARK.search(text)


def _is_set_by_a_program(page: MarkupPage) -> bool:
    """Return whether a program sets the formulas of the page: it leaves what is preformatted as it is."""
    sources = ((script.getattr("src") or script.text or "") for script in page.select("script"))
    return any(name in source for source in sources for name in _TYPESETTERS)


def _lines(page: MarkupPage, pre: Any) -> str:
    """Return the text of a code block with its lines, whether newlines, ``<br>`` or one element each make them."""
    for line_break in select(pre, "br"):
        line_break.replace_with(page.document.create_text_node("\n"))
    text = pre.text or ""
    if "\n" not in text.strip("\n"):
        lines = select(pre, "div, li, tr")
        if len(lines) > 1:
            text = "\n".join(line.text or "" for line in lines)
    return MARK.sub(lambda mark: page.formulas.expand(mark[0]), text).strip("\n")
