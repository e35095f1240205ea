"""One tokenisation for training and for scoring: fastText parts words at blanks, so ``$x^2+\\alpha$`` would be one rare word.

The rules, all on the bytes of UTF-8, so that they are the same on every machine and in every version of Python:

- letters up to U+07FF (Latin, Greek, Cyrillic, Armenian) are lower case; a run of letters is a token, and a backslash belongs to the
  letters after it (``\\alpha``);
- a run of digits is a token, and every digit is written ``0``: how long a number is tells something, which number it is does not;
- every other ASCII character is a token of its own; so is every character from U+0080 to U+00BF, ``×``, ``÷``, and every symbol, CJK
  character and kana from U+2000 on, Hangul excepted;
- every white space, control or zero-width character is a blank; blanks are collapsed.

No token can be taken for a label (``__label__``) or for the end of a line (``</s>``): underscores and angle brackets are parted.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import polars as pl
import xxhash

VERSION = "bytes-1"
"""Raised when any text gets other tokens."""

_BLANK, _LETTER, _DIGIT, _SINGLE, _WIDE, _REST, _BACKSLASH, _END = range(8)
"""Kinds of bytes. WIDE starts a character of several bytes that is a token of its own, REST are its other bytes."""

_LINE_FEED, _SPACE = 0x0A, 0x20
_BLOCK_BYTES = 1 << 17
"""Taken at a time, so that all of it stays in the cache and no page of memory is new; a longer text is taken whole."""
_PROBE = "Let $x_1=3.14$, \\alpha\\{y\\}²×2: __label__a </s> Ünï ΔΣ 数学で한국\u2028\u0085\ta\u200bb\U0001d400 don't\n"


def _kinds() -> np.ndarray:
    kinds = np.full(256, _LETTER, np.uint8)
    kinds[:0x80] = _SINGLE
    kinds[: 0x20 + 1] = _BLANK
    kinds[0x7F] = _BLANK
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    kinds[ord("a") : ord("z") + 1] = _LETTER
    kinds[ord("A") : ord("Z") + 1] = _LETTER
    kinds[ord("\\")] = _BACKSLASH
    kinds[0xC2] = _WIDE  # U+0080..U+00BF: signs, fractions, raised digits
    kinds[0xE2:0xEA] = _WIDE  # U+2000..U+9FFF: punctuation, operators, arrows, kana, CJK
    kinds[0xEE:] = _WIDE  # U+E000 on: compatibility forms, mathematical letters, the rarer CJK
    return kinds


def _written() -> np.ndarray:
    """Return what each byte is written as."""
    written = np.arange(256, dtype=np.uint8)
    written[ord("A") : ord("Z") + 1] += 0x20
    written[ord("0") : ord("9") + 1] = ord("0")
    written[_kinds() == _BLANK] = _SPACE
    return written


def _emitted() -> np.ndarray:
    """Return how many bytes a byte becomes, by ``8 * kind of the one before + its kind``: 2 = with a blank before, 0 = none."""
    emitted = np.ones((8, 8), np.uint8)
    inside = (_LETTER, _DIGIT, _SINGLE, _WIDE, _BACKSLASH)
    for before in (*inside, _REST):
        for kind in inside:
            runs_on = (before == kind and kind in (_LETTER, _DIGIT)) or (before == _BACKSLASH and kind == _LETTER)
            if not runs_on:
                emitted[before, kind] = 2
    emitted[_BLANK, (_BLANK, _END)] = 0
    return np.concatenate([emitted.ravel(), np.zeros(256 - 64, np.uint8)])


def _lower() -> np.ndarray:
    """Return the lower case of each character that takes two bytes, where it takes two bytes as well."""
    lower = np.arange(0x800, dtype=np.uint16)
    for code in range(0x80, 0x800):
        folded = chr(code).lower()
        if len(folded) == 1 and 0x80 <= ord(folded) < 0x800:
            lower[code] = ord(folded)
    return lower


def _is_blank() -> np.ndarray:
    """Return which characters from U+0080 to U+FFFF are white space, control or of no width."""
    blank = np.zeros(1 << 16, bool)
    for first, last in (
        (0x80, 0xA0),
        (0xAD, 0xAD),
        (0x2000, 0x200F),
        (0x2028, 0x202F),
        (0x205F, 0x206F),
        (0x3000, 0x3000),
        (0xFEFF, 0xFEFF),
    ):
        blank[first : last + 1] = True
    return blank


_KINDS, _WRITTEN, _EMITTED = _kinds().tobytes(), _written().tobytes(), _emitted().tobytes()
_LOWER, _IS_BLANK = _lower(), _is_blank()


def tokens(text: str) -> str:
    """Return the tokens of one text, parted by single blanks: the words that the classifier sees.

    >>> tokens("Let $x_1 = 3.14$.")
    'let $ x _ 0 = 0 . 00 $ .'
    """
    return tokens_of([text])[0]


def tokens_of(texts: Sequence[str] | pl.Series, *, max_chars: int = 0) -> list[str]:
    """Return the tokens of many texts, see :func:`tokens`.

    Args:
        texts: in NFC, as pages are.
        max_chars: leave out what follows so many characters of a text; 0 = take all.
    """
    if not len(texts):
        return []
    return str(tokenised(texts, max_chars=max_chars), "utf-8").split("\n")[:-1]


def tokenised(texts: Sequence[str] | pl.Series, *, max_chars: int = 0) -> bytes:
    """Return the tokens of many texts as UTF-8, a line each: what fastText reads from a file."""
    column = texts if isinstance(texts, pl.Series) else _series(texts)
    if column.null_count():
        column = column.fill_null("")
    if max_chars:
        column = column.str.head(max_chars)
    ends = np.cumsum(column.str.len_bytes().to_numpy().astype(np.int64) + 1)
    parts, start, first = [], 0, 0
    workspace = np.empty(_BLOCK_BYTES, np.int64)
    while first < len(ends):
        last = max(first + 1, int(np.searchsorted(ends, start + _BLOCK_BYTES, "right")))
        parts.append(_block(_bytes_of(column[first:last] + "\n"), ends[first:last] - start - 1, workspace))
        start, first = int(ends[last - 1]), last
    return b"".join(parts)


def _block(text: bytes, ends: np.ndarray, workspace: np.ndarray) -> bytes:
    """Return the tokens of a few whole texts, each of which ends with a line feed, at ``ends``."""
    # bytes.translate, not an index into a table: NumPy would make 8 bytes of every index first.
    kinds = np.frombuffer(bytearray(text.translate(_KINDS)), np.uint8)
    written = np.frombuffer(bytearray(text.translate(_WRITTEN)), np.uint8)
    _read_wide(np.frombuffer(text, np.uint8), kinds, written)
    kinds[ends] = _END
    written[ends] = _LINE_FEED
    pairs = kinds << 3
    pairs[1:] = pairs[:-1] | kinds[1:]
    pairs[0] = _END << 3 | kinds[0]
    emitted = np.frombuffer(pairs.tobytes().translate(_EMITTED), np.uint8)
    positions = np.cumsum(emitted, dtype=np.int64, out=workspace[: len(text)] if len(text) <= len(workspace) else None)
    out = np.full(positions[-1] + 1, _SPACE, np.uint8)
    out[positions] = written  # in order: the end of a line takes the place of a blank before it
    lines = out[1:].tobytes()
    if kinds[0] == _BLANK or (kinds[ends[:-1] + 1] == _BLANK).any():
        lines = lines.removeprefix(b" ").replace(b"\n ", b"\n")
    return lines


@functools.cache
def digest() -> str:
    """Return what tells this tokenisation from any other: a model that was trained by another one is refused."""
    hasher = xxhash.xxh3_128(VERSION.encode())
    for table in (_KINDS, _WRITTEN, _EMITTED, _LOWER.astype("<u2").tobytes(), _IS_BLANK.tobytes()):
        hasher.update(table)
    hasher.update(tokenised([_PROBE]))
    return hasher.hexdigest()


def _series(texts: Sequence[str]) -> pl.Series:
    try:
        return pl.Series(texts, dtype=pl.String)
    except UnicodeEncodeError:  # half a surrogate pair: no text has it, but JSON can
        return pl.Series([text.encode("utf-8", "replace").decode() for text in texts], dtype=pl.String)


def _bytes_of(column: pl.Series) -> bytes:
    """Return the bytes of all texts, one after the other."""
    array = column.rechunk().to_arrow()
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(data_buffer)[offsets[0] : offsets[-1]].tobytes()


def _read_wide(data: np.ndarray, kinds: np.ndarray, written: np.ndarray) -> None:
    """Read the characters of several bytes: lower their case, blank the white space, part those that are tokens of their own."""
    pairs = np.flatnonzero(data - np.uint8(0xC3) <= 0xDF - 0xC3)
    if len(pairs):
        codes = (data[pairs].astype(np.uint16) & 0x1F) << 6 | (data[pairs + 1] & 0x3F)
        kinds[pairs[(codes == 0xD7) | (codes == 0xF7)]] = _WIDE  # the signs × and ÷ among letters
        lower = _LOWER[codes]
        written[pairs] = 0xC0 | (lower >> 6)
        written[pairs + 1] = 0x80 | (lower & 0x3F)
    leads = np.flatnonzero(kinds == _WIDE)
    if not len(leads):
        return
    first = data[leads]
    kinds[leads + 1] = _REST
    long = leads[first >= 0xE0]
    kinds[long + 2] = _REST
    kinds[leads[first >= 0xF0] + 3] = _REST
    codes = data[leads + 1].astype(np.uint16)  # of U+0080 to U+00BF the second byte is the number
    of_three = (first >= 0xE0) & (first < 0xF0)
    threes = leads[of_three]
    codes[of_three] = (data[threes] & 0x0F).astype(np.uint16) << 12 | (codes[of_three] & 0x3F) << 6 | (data[threes + 2] & 0x3F)
    blank = leads[_IS_BLANK[codes] & (first != 0xC3) & (first < 0xF0)]
    if len(blank):
        for step in range(3):
            at = blank[data[blank] >= 0xE0] + step if step == 2 else blank + step
            kinds[at], written[at] = _BLANK, _SPACE
