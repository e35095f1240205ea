"""``<sub>`` and ``<sup>``: ``x<sup>2</sup>`` becomes ``x^{2}``, where every plain extraction says ``x2``; ordinals and notes stay words."""

from __future__ import annotations

from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import MARK
from reasonforge.corpus.extract.padding import PAD
from reasonforge.corpus.extract.symbols import symbol
from reasonforge.corpus.extract.tree import attached, put_text

_WORDS = frozenset(
    ["st", "nd", "rd", "th", "er", "re", "e", "ème", "o", "a", "os", "as", "tm", "sm", "®", "©", "™", "*", "**", "†", "‡", "§"]
)
_MAX_CHARS = 60
_MAX_FORMULA_CHARS = 2_000


def convert(page: MarkupPage) -> None:
    """Write scripts with ``^`` and ``_``, innermost first, and Wikipedia's formulas in HTML as formulas."""
    for element in reversed(page.select("sub, sup") if page.seen.has_tag("sub", "sup") else ()):
        if not attached(element):
            continue
        text = element.text or ""
        if len(text) > 2 * _MAX_CHARS:
            continue
        text = " ".join(text.replace(PAD, "").split())
        if not text:
            element.remove()
        elif element.query_selector("a") is None and text.lower() not in _WORDS and len(text) <= _MAX_CHARS and text[0] != "[":
            mark = "_" if (element.tag or "").lower() == "sub" else "^"
            put_text(page.document, element, f"{mark}{{{text}}}")
    for element in page.select("span.texhtml") if page.seen.has_name(("texhtml",)) else ():
        text = element.text or ""
        if attached(element) and len(text) <= _MAX_FORMULA_CHARS and not MARK.search(text):
            page.replace(element, "".join(char if char.isascii() else symbol(char) for char in text))
