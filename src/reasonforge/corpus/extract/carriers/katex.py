"""KaTeX: a formula stands there up to three times (MathML, its annotation, the drawing); the annotation is kept, once.

Some pages have the drawing alone: it is read as far as it consists of symbols, scripts, limits, accents, fractions and roots. Where it has
more its characters stay as plain text, and not as a formula: they stand in the order of the drawing.
"""

from __future__ import annotations

from typing import Any

from reasonforge.corpus.extract.carriers.math_elements import latex_of
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.padding import PAD
from reasonforge.corpus.extract.symbols import BIG, LIMITS, symbols, text_in_formula
from reasonforge.corpus.extract.tree import attached, children, class_of, put_text

_SILENT = frozenset(("strut", "pstrut", "vlist-s", "nulldelimiter", "mspace", "katex-mathml", "frac-line", "hide-tail"))
_UNREADABLE = frozenset(("vlist-t", "mtable", "stretchy", "root", "munder", "mover", "cancel-pad", "boxpad"))
_OPERATORS = frozenset([*(command for command in BIG.values()), *(f"\\{name}" for name in LIMITS)])
_ACCENTS = {
    "\\wedge": "hat",
    "ˆ": "hat",
    "˜": "tilde",
    "\\sim": "tilde",
    "ˉ": "bar",
    "¯": "bar",
    "˙": "dot",
    "¨": "ddot",
    "⃗": "vec",
    "ˇ": "check",
}
_MAX_DEPTH = 60
_MAX_NODES = 5_000


class _Unreadable(Exception):
    """The drawing has more than is understood here."""


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
        drawing = None if math is not None else element.query_selector(".katex-html")
        if math is None and drawing is None:
            continue  # something else of this name: its characters stay as text
        parent = element.parent
        latex = latex_of(math) if math is not None else _read(drawing)
        if latex or math is not None:
            page.replace(element, latex, display="katex-display" in class_of(parent) if parent.tag != "#document" else False)
        else:
            put_text(page.document, element, " ".join((element.text or "").replace("\u200b", "").split()))


def _read(drawing: Any) -> str:
    """Return what is drawn as LaTeX; empty where it cannot be told."""
    if drawing.query_selector(".strut") is None:  # every line that KaTeX draws has one
        return ""
    try:
        return _Drawing().latex(drawing, 0).strip()
    except _Unreadable:
        return ""


class _Drawing:
    def __init__(self) -> None:
        self.left = _MAX_NODES

    def latex(self, node: Any, depth: int) -> str:
        self.left -= 1
        if depth > _MAX_DEPTH or self.left < 0:
            raise _Unreadable
        if node.tag == "#text":
            text = (node.value or "").replace("\u200b", "").replace(PAD, "").strip()
            return "\\mid " if text == "∣" and "mrel" in class_of(node.parent) else symbols(text)
        names = frozenset((node.getattr("class") or "").split()) if node.tag == "span" else frozenset()
        if node.tag == "svg" or not names.isdisjoint(_SILENT):
            return ""
        if "msupsub" in names:
            rows = self.rows(node, depth)
            has_sub = node.query_selector(".vlist-t2") is not None
            scripts = (rows[0] if has_sub else "", rows[-1] if len(rows) > 1 or not has_sub else "")
            return "".join(f"{mark}{{{script}}}" for mark, script in zip("_^", scripts, strict=True) if script)
        if "mfrac" in names:
            rows = self.rows(node, depth)
            below, above = rows[0], rows[-1]
            return f"\\frac{{{above}}}{{{below}}}" if node.query_selector(".frac-line") is not None else f"{{{above} \\atop {below}}}"
        if "op-limits" in names:
            return self.limits(node, depth)
        if "accent" in names:
            return self.accent(node, depth)
        if "sqrt" in names:
            if node.query_selector(".root") is not None:
                raise _Unreadable
            return f"\\sqrt{{{self.rows(node, depth)[0]}}}"
        if not names.isdisjoint(_UNREADABLE) or ("delimsizing" in names and "mult" in names):
            raise _Unreadable
        text = (node.text or "").replace(PAD, "")
        if "text" in names:
            return text_in_formula(text)
        if "mop" in names and text.isalpha() and len(text) > 1 and text.isascii():
            return f"\\{text} "
        return "".join(self.latex(child, depth + 1) for child in children(node))

    def rows(self, node: Any, depth: int, *, most: int = 2) -> list[str]:
        """Return what stands above each other, from below."""
        stack = node.query_selector(".vlist")
        if stack is None:
            raise _Unreadable
        rows = [self.latex(row, depth + 1).strip() for row in children(stack) if row.tag == "span"]
        rows = [row for row in rows if row]
        if not 1 <= len(rows) <= most:
            raise _Unreadable
        return rows

    def limits(self, node: Any, depth: int) -> str:
        """Return an operator with what stands below and above it."""
        rows = self.rows(node, depth, most=3)
        has_lower = node.query_selector(".vlist-t2") is not None
        at = next((index for index, row in enumerate(rows) if row in _OPERATORS), -1)
        if at < 0 or at != (1 if has_lower and len(rows) > 1 else 0):
            raise _Unreadable
        lower = f"_{{{rows[0]}}}" if at else ""
        upper = f"^{{{rows[at + 1]}}}" if at + 1 < len(rows) else ""
        return rows[at] + lower + (upper or " ")

    def accent(self, node: Any, depth: int) -> str:
        """Return a letter with its accent."""
        rows = self.rows(node, depth)
        if len(rows) != 2 or rows[1] not in _ACCENTS:
            raise _Unreadable
        return f"\\{_ACCENTS[rows[1]]}{{{rows[0]}}}"
