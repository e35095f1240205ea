"""Words of a text and hashes of runs of them, for near-duplicates and decontamination: whole files at a time, in NumPy.

A *gram* is a word, case folded: a run of letters, digits and marks of any script; each Chinese or Japanese character; a LaTeX command with
its backslash. Everything else parts grams and counts for nothing. Numbers are grams like any other: ``3`` is never ``27``.

Texts are compared in Unicode's form NFC and without what nobody sees: soft hyphens, zero-width characters, marks of direction, variation
selectors, control characters. A word with one of them inside is the same word.

There are two roads to the grams: :func:`spans` finds them one by one and says where they stand, :func:`hash_texts` hashes those of many
texts without making any. The hashes are the same on every machine; what a letter is and how it is folded is Python's table of Unicode, so
units that store hashes have :data:`UNICODE` among their settings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

UNICODE: Final = unicodedata.unidata_version
"""Version of the table of characters. Under another one a rare character may be another kind, and hashes of its words others."""

_P = 0x9E3779B97F4A7C15
"""Base of the polynomial over the characters of a gram; odd, so that it has an inverse modulo 2^64."""
_Q = 0xD6E8FEB86659FD93
"""Base of the polynomial over the grams of a run."""
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MASK = (1 << 64) - 1
_CHUNK_CHARS = 1 << 17
"""Characters that are worked on at a time: the arrays stay in the processor's cache."""
_PORTION_CHARS, _PORTION_TEXTS = 1 << 25, 2048

_WORD, _SINGLE, _UNSEEN, _JOINING = 1, 2, 3, 4
_MOST_MARKS = 32
"""On one letter; more are composed in parts. Python takes a time that grows with the square of their number, and no language has them."""
_UNSEEN_RANGES = (
    (0x00, 0x08),
    (0x0E, 0x1B),
    (0x7F, 0x84),
    (0x86, 0x9F),
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),  # fillers of Korean syllables
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width, direction
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),  # tags, more variation selectors
)
"""Characters that are not drawn and part nothing: written here, so that no version of Unicode changes them."""
_UNSEEN_CHARACTERS = "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in _UNSEEN_RANGES)
_UNSEEN_RUN = re.compile(f"[{_UNSEEN_CHARACTERS}]+")
_BREAK = re.compile(rf"\n[\s{_UNSEEN_CHARACTERS}]*\n")
_SINGLE_RANGES = (
    (0x3005, 0x3007),  # 々〆〇
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # Katakana, half width
    (0x20000, 0x3FFFD),  # Han, the rarer characters
)
"""Scripts that are written without blanks: each letter is a gram."""


class Gram(NamedTuple):
    """A gram and where it stands."""

    text: str
    """Case folded."""
    start: int
    """First character, in the text as it was given."""
    end: int
    """The character after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GramHashes:
    """Hashes of the grams of many texts, one text after the other."""

    hashes: U64
    offsets: NDArray[np.int64]
    """Where a text begins, and at the end where the last one ends: text ``i`` is ``hashes[offsets[i]:offsets[i + 1]]``."""
    segments: NDArray[np.int64]
    """Where a segment begins that has a gram, and at the end where the last one ends. Empty unless they were asked for."""

    def counts(self) -> NDArray[np.int64]:
        """Return how many grams each text has."""
        return np.diff(self.offsets)

    def text_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return to which text grams belong."""
        return np.searchsorted(self.offsets, positions, side="right") - 1

    def runs(self, length: int) -> U64:
        """Return the hash of the run of grams that begins at each position; it may reach into the next text, see :meth:`whole`."""
        return run_hashes(self.hashes, length)

    def whole(self, positions: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Return which runs lie within one text."""
        return positions + length <= self.offsets[self.text_of(positions) + 1]


def spans(text: str) -> list[Gram]:
    """Return the grams of a text in order.

    >>> [gram.text for gram in spans(r"Let $x_1 = 3.14$: 求\\Frac12和")]
    ['let', 'x', '1', '3', '14', '求', '\\\\frac', '12', '和']
    """
    folded = fold(text)
    if text.isascii() and len(folded) == len(text):
        return [Gram(found[0], found.start(), found.end()) for found in _pattern().finditer(folded)]
    starts, ends = _origins(text)
    return [Gram(found[0], starts[found.start()], ends[found.end() - 1]) for found in _pattern().finditer(folded)]


def grams(text: str) -> list[str]:
    """Return the grams of a text as they are compared."""
    return _pattern().findall(fold(text))


def fold(text: str) -> str:
    """Return a text as it is compared: what is not seen left out, Unicode's form NFC, case folded.

    >>> fold("Le\\u200bAk ma\\u00adths")
    'leak maths'
    """
    return _normal(_UNSEEN_RUN.sub("", text)).casefold()


def is_word(gram: str) -> bool:
    """Tell whether a gram is a word: two letters or more, or a Chinese or Japanese character; no number, no LaTeX command.

    >>> [gram for gram in ["let", "x", "12", "x1", "\\\\frac", "求"] if is_word(gram)]
    ['let', '求']
    """
    if gram.startswith("\\"):
        return False
    return sum(character.isalpha() for character in gram) >= 2 or bool(_kinds()[ord(gram[0])] == _SINGLE)


def _normal(text: str) -> str:
    return "".join([unicodedata.normalize("NFC", piece) for piece in _pieces(text)])


def _pieces(text: str) -> list[str]:
    """Return a text in pieces that can be normalised one by one: one, if it is normal, else each letter with its marks."""
    if text.isascii() or (not _many_marks().search(text) and unicodedata.is_normalized("NFC", text)):
        return [text]
    return list(_letters(text))


def _origins(text: str) -> tuple[list[int], list[int]]:
    """Return for each character of the folded text where in the text stands what it comes from: the first character, and after the last."""
    places = [place for place, character in enumerate(text) if not _UNSEEN_RUN.match(character)]
    seen = "".join([text[place] for place in places])
    starts: list[int] = []
    ends: list[int] = []
    # Within a letter and its marks characters are joined and change places; beyond them never.
    at = 0
    for piece in _pieces(seen):
        normal = unicodedata.normalize("NFC", piece)
        for number, character in enumerate(normal):
            same = normal == piece
            first, last = (places[at + number], places[at + number]) if same else (places[at], places[at + len(piece) - 1])
            for _ in character.casefold():
                starts.append(first)
                ends.append(last + 1)
        at += len(piece)
    return starts, ends


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or 0x1160 <= ord(character) <= 0x11FF


def _letters(text: str) -> Iterator[str]:
    """Yield each character with the marks, and the further parts of a Korean syllable, that follow it."""
    first = 0
    for place, character in enumerate(text):
        if place > first and (place - first > _MOST_MARKS or not _joins(character)):
            yield text[first:place]
            first = place
    if text:
        yield text[first:]


def segment_bounds(text: str) -> list[int]:
    """Return where the segments of a text begin, and its end: segments are parted by blank lines, each ends where the next begins."""
    return [0, *(found.end() for found in _BREAK.finditer(text)), len(text)]


def hash_texts(texts: Sequence[str], *, segments: bool = False) -> GramHashes:
    """Return the hashes of the grams of many texts.

    Args:
        texts: in any form of Unicode.
        segments: also say where their segments begin.
    """
    counts = np.zeros(len(texts), np.int64)
    parts: list[U64] = []
    borders: list[NDArray[np.int64]] = []
    first, size, before = 0, 0, 0
    chunk: list[str] = []
    for number, text in enumerate(texts):
        # What is not seen or not normal is looked for in the array of characters, and only then mended: few texts have any.
        chunk.append(folded := text.casefold())
        size += len(folded) + 1
        if size >= _CHUNK_CHARS or number + 1 == len(texts):
            hashes, counts[first : number + 1], at = _hash_chunk(chunk, segments=segments, given=texts[first : number + 1])
            parts.append(hashes)
            borders.append(at + before)
            before += len(hashes)
            first, size, chunk = number + 1, 0, []
    hashes = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    return GramHashes(hashes=hashes, offsets=offsets, segments=np.unique(np.concatenate((*borders, offsets)) if segments else offsets[:0]))


def portions(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield texts a few thousand at a time, fewer if they are long, each time with the number of the first: so memory is bounded."""
    first, size = 0, 0
    for number, text in enumerate(texts):
        size += len(text)
        if size >= _PORTION_CHARS or number + 1 == len(texts) or number + 1 - first == _PORTION_TEXTS:
            yield first, texts[first : number + 1]
            first, size = number + 1, 0


def run_hashes(hashes: U64, length: int) -> U64:
    """Return the hash of the run of ``length`` grams that begins at each position, as long as there are so many."""
    count = len(hashes) - length + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    # Horner from the last gram to the first.
    total = hashes[length - 1 :].copy()
    factor = np.uint64(_Q)
    for place in range(length - 2, -1, -1):
        total *= factor
        total += hashes[place : place + count]
    return total


def mixed(values: U64) -> U64:
    """Return values whose every bit depends on every bit (the finaliser of SplitMix64); works in place."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(_MIX[0])
    values ^= values >> np.uint64(27)
    values *= np.uint64(_MIX[1])
    values ^= values >> np.uint64(31)
    return values


def _hash_chunk(
    folded: Sequence[str], *, segments: bool, given: Sequence[str] | None = None
) -> tuple[U64, NDArray[np.int64], NDArray[np.int64]]:
    """Return the hashes of all grams of texts, how many each text has, and which ones stand behind blank lines.

    Args:
        folded: the texts, case folded.
        segments: look for blank lines.
        given: the texts as they were given, if it is not sure that case folding was all they need. None = it was.
    """
    joined = "\n".join(folded) + "\n"  # no gram reaches over a line's end
    size = len(joined)
    if joined.isascii():
        codes = np.frombuffer(joined.encode("ascii"), np.uint8)
        kinds = _kinds()[:128][codes]
        singles = False
    else:
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = _kinds()[codes]
        singles = True
    if given is not None and kinds.max() >= _UNSEEN:
        return _hash_chunk([fold(text) for text in given], segments=segments)
    inside = np.zeros(size + 1, np.bool_)  # by character, with one that is no gram's before the first
    np.not_equal(kinds, 0, out=inside[1:])
    cuts: list[NDArray[np.int64]] = []
    if "\\" in joined:
        cuts.append(_command_cuts(codes, inside))
    if singles and (at := np.flatnonzero(kinds == _SINGLE)).size:
        cuts += [at, at + 1]
    borders = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = borders[0::2], borders[1::2]
    if cuts:
        cut = np.unique(np.concatenate(cuts))
        cut = cut[inside[cut] & inside[1:][cut]]  # where two grams touch
        starts = np.sort(np.concatenate((starts, cut)), kind="stable")
        ends = np.sort(np.concatenate((ends, cut)), kind="stable")
    powers, inverses = _powers(size)
    sums = np.empty(size + 1, np.uint64)
    sums[0] = 0
    np.cumsum(np.multiply(codes, powers[:size], dtype=np.uint64), out=sums[1:])
    hashes = mixed((sums[ends] - sums[starts]) * inverses[starts])
    bounds = np.cumsum([len(text) + 1 for text in folded])
    breaks = np.fromiter((found.end() for found in _BREAK.finditer(joined)), np.int64) if segments else bounds[:0]
    return hashes, np.diff(np.searchsorted(starts, bounds), prepend=0), np.searchsorted(starts, breaks)


def _command_cuts(codes: NDArray[np.uint8] | NDArray[np.uint32], inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Make the backslash of each LaTeX command part of a gram, and return where commands begin and end.

    A backslash begins a command if an ASCII letter follows and no other backslash stands before it (``\\\\x`` is a line's end and an x).
    """
    back = codes == 92
    letter = (codes >= 97) & (codes <= 122)  # case folded
    at = np.flatnonzero(back[:-1] & letter[1:])
    at = at[(at == 0) | ~back[at - 1]]
    others = np.flatnonzero(~letter)
    inside[at + 1] = True
    return np.concatenate((at, others[np.searchsorted(others, at + 1)]))


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return what each character is: part of a word, a gram by itself, not seen, in need of normalising, or none of these (0)."""
    kinds = np.fromiter((unicodedata.category(chr(code))[0] in "LNM" for code in range(0x110000)), np.uint8, 0x110000)
    for first, last in _SINGLE_RANGES:
        kinds[first : last + 1] *= _SINGLE
    for code in range(0x300, 0x110000):
        if _joins(character := chr(code)) or not unicodedata.is_normalized("NFC", character):
            kinds[code] = _JOINING
    for first, last in _UNSEEN_RANGES:
        kinds[first : last + 1] = _UNSEEN
    return kinds


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of one gram in a case-folded text."""
    kinds = _kinds()
    return re.compile(rf"(?<!\\)\\[a-z]+|[{_class(kinds == _SINGLE)}]|[{_class((kinds == _WORD) | (kinds == _JOINING))}]+")


@cache
def _many_marks() -> re.Pattern[str]:
    """Return the pattern of more marks than a letter has."""
    joining = np.fromiter(map(_joins, map(chr, range(0x110000))), np.bool_, 0x110000)
    return re.compile(rf"[{_class(joining)}]{{{_MOST_MARKS},}}")


def _class(members: NDArray[np.bool_]) -> str:
    padded = np.concatenate(([False], members, [False]))
    borders = np.flatnonzero(padded[1:] != padded[:-1])
    pairs = zip(borders[0::2].tolist(), borders[1::2].tolist())
    return "".join(f"\\U{first:08x}-\\U{last - 1:08x}" for first, last in pairs)


_power_tables: list[U64] = []


def _powers(size: int) -> tuple[U64, U64]:
    """Return the powers of the base and of its inverse, at least ``size`` of each and one more."""
    if not _power_tables or len(_power_tables[0]) <= size:
        count = max(size + 1, 2 * _CHUNK_CHARS)
        tables = []
        for base in (_P, pow(_P, -1, 1 << 64)):
            steps = np.full(count, base, np.uint64)
            steps[0] = 1
            tables.append(np.cumprod(steps))
        _power_tables[:] = tables
    return _power_tables[0], _power_tables[1]
