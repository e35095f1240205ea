"""Elements that hold characters: identifiers, numbers, operators, words, spaces."""

from __future__ import annotations

import re
from typing import Any

from reasonforge.corpus.extract.mathml.nodes import name_of, text_of
from reasonforge.corpus.extract.mathml.rows import BARS
from reasonforge.corpus.extract.mathml.walk import Walk
from reasonforge.corpus.extract.symbols import FUNCTIONS, PRIMES, SPACES, VARIANTS, symbol, symbols, text_in_formula
from reasonforge.corpus.extract.tree import children

_MAX_ROW = 30
"""Elements on either side that are looked at for the partner of a bar."""


def identifier(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mi``: a letter, or the name of a function."""
    text = text_of(element) or (element.text or "")[:1]
    variant = element.getattr("mathvariant") or ""
    joined = text.replace(" ", "")
    if len(text) > 1 and joined.isascii() and joined.isalpha():
        if joined in FUNCTIONS:
            return f"\\{joined} "
        upright = VARIANTS.get(variant, "\\mathrm") if variant or len(text) < 3 else "\\operatorname"
        return f"{upright}{{{text}}}"
    latex = "".join(symbol(char) for char in text)
    if variant in VARIANTS and latex.strip():
        return f"{VARIANTS[variant]}{{{latex.strip()}}}"
    return f"\\mathrm{{{latex}}}" if variant == "normal" and len(text) == 1 and text.isascii() and text.isalpha() else latex


def number(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mn``."""
    latex = symbols(text_of(element))
    variant = element.getattr("mathvariant") or ""
    return f"{VARIANTS[variant]}{{{latex}}}" if variant in VARIANTS else latex


def operator(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mo``."""
    text = text_of(element)
    if len(text) > 1 and text.isascii() and text.isalpha():
        return f"\\{text} " if text in FUNCTIONS else "\\bmod " if text == "mod" else f"\\operatorname{{{text}}}"
    if text in PRIMES:
        return PRIMES[text]
    if text in BARS and len(text) == 1:
        return "\\| " if text in "‖∥" else "\\mid " if text == "∣" and not _is_fence(element) else "|"
    return symbols(text)


def _is_fence(bar: Any) -> bool:
    """Return whether a bar stands around something, and does not say *divides* or *given*: it is drawn so, or has a partner."""
    if bar.hasattr("stretchy") or bar.hasattr("fence"):
        return True
    first, count = bar, 1
    element = bar.previous_element_sibling
    for _ in range(_MAX_ROW):
        if element is None:
            break
        if name_of(element) == "mo" and text_of(element) == "∣":
            first, count = element, count + 1
        element = element.previous_element_sibling
    element = bar.next_element_sibling
    for _ in range(_MAX_ROW):
        if element is None:
            break
        count += name_of(element) == "mo" and text_of(element) == "∣"
        element = element.next_element_sibling
    before = first.previous_element_sibling
    return count % 2 == 0 and (before is None or name_of(before) == "mo")


def words(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mtext``; formulas in it stay formulas."""
    inner = [node for node in children(element) if name_of(node)]
    if inner and any(name_of(node) == "math" for node in inner):
        return "".join(walk.latex(node, depth) if name_of(node) else text_in_formula(node.value or "") for node in children(element))
    text = re.sub(r"\s+", " ", element.text or "")
    if not text.strip(" \u2003\u2009\u200a"):
        return "".join(SPACES.get(char, " ") for char in text if char != " ") + " " if text else ""
    return text_in_formula(text)


def quoted(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``ms``."""
    return text_in_formula(f'"{text_of(element)}"')


def space(walk: Walk, element: Any, depth: int) -> str:
    """Return an ``mspace``."""
    width = element.getattr("width") or ""
    found = re.fullmatch(r"(\d*\.?\d+)em", width.strip())
    size = float(found[1]) if found else 0.0
    return "\\quad " if 0.9 <= size < 1.9 else "\\qquad " if size >= 1.9 else "\\\\ " if element.getattr("linebreak") == "newline" else " "
