"""Unicode's form NFC in a time that grows with the text, whatever the text is.

Marks that follow a letter are sorted when it is composed, and Python sorts them by insertion: a page of one letter with two million marks
would take hours. Unicode has the remedy (UAX #15, "Stream-Safe Text Format"): no language puts more than thirty marks on one letter.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from unicodedata import combining, is_normalized, normalize

MOST_MARKS: Final = 30
"""On one letter; further ones are left out."""

_STEP = 10
_MARKS_IN_A_ROW = re.compile(rb"[^\0]{3}")
"""In every tenth character: more than thirty marks in a row hold three of these, and hardly anything else does."""
_DOUBLE_MARKS = "\u0f73\u0f75\u0f81"
"""Letters by their class, and marks as soon as they are taken apart."""


class Composed(NamedTuple):
    """A text in form NFC."""

    text: str
    is_cut: bool
    """Marks were left out."""


def nfc(text: str) -> Composed:
    r"""Return a text in form NFC, with at most ``MOST_MARKS`` marks on a letter.

    >>> nfc("e\u0301" + 40 * "\u0323") == (chr(0x1EB9) + "\u0323" * 28 + "\u0301", True)
    True
    """
    if text.isascii():
        return Composed(text, False)
    is_cut = False
    if _MARKS_IN_A_ROW.search(bytes(map(combining, text[::_STEP]))) or any(mark in text for mark in _DOUBLE_MARKS):
        few = _with_few_marks(text)
        text, is_cut = few, len(few) < len(text)
    return Composed(text if is_normalized("NFC", text) else normalize("NFC", text), is_cut)


def _with_few_marks(text: str) -> str:
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if combining(character) else run + 2 if character in _DOUBLE_MARKS else 0
        if run <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
