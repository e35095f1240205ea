"""The benchmark texts and tables of their runs of grams, made for millions of look-ups a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonforge.corpus.hashing import U64, GramHashes, grams, hash_texts, is_word, run_hashes

_MOST_TEXTS = 16
"""Benchmark texts that are listed for one run: an instruction that heads five thousand problems is one finding, not five thousand."""
_FILTER_BITS = (12, 24)
"""Of a filter's address, least and most: 4 KiB to 16 MiB."""


class BenchmarkText(NamedTuple):
    """A text that must not be in the corpus."""

    benchmark: str
    item: str
    field: str
    """Which part of the item it is: question, answer ..."""
    text: str


class Place(NamedTuple):
    """Where a run of grams stands in the benchmarks."""

    text: int
    """Number of the text."""
    position: int
    """The run's first gram."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTable:
    """Distinct runs of one length."""

    length: int
    """Grams in a run."""
    first_id: int
    """Number of the table's first run among the runs of all tables."""
    hashes: U64
    """Distinct and sorted."""
    bounds: NDArray[np.int64]
    """Run ``i`` stands at ``places[bounds[i]:bounds[i + 1]]``."""
    places: NDArray[np.int64]
    """Pairs (text, position)."""
    filter: NDArray[np.bool_]
    """True where a hash with these first bits exists: small enough for the processor's cache."""
    shift: int
    """64 minus the bits of the filter's address."""

    def find(self, hashes: U64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which of these hashes are in the table, and the numbers of their runs in it."""
        maybe = np.flatnonzero(self.filter[(hashes >> np.uint64(self.shift)).view(np.int64)])
        if not maybe.size or not len(self.hashes):
            return maybe[:0], maybe[:0]
        wanted = hashes[maybe]
        at = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        same = self.hashes[at] == wanted
        return maybe[same], at[same]


class Index:
    """All benchmark texts: runs of ``n`` grams of the long ones, the short ones as a whole."""

    def __init__(self, texts: Sequence[BenchmarkText], *, n: int, min_n: int, short_min_words: int = 0) -> None:
        """Make the tables.

        Args:
            texts: in any form of Unicode.
            n: length of a run.
            min_n: texts of fewer than ``n`` grams but at least so many are looked for as a whole.
            short_min_words: of those, only texts with so many words, see :func:`reasonforge.corpus.hashing.is_word`.
        """
        self.n, self.min_n = n, min_n
        self.texts = tuple(texts)
        self.grams = tuple(tuple(grams(entry.text)) for entry in self.texts)
        """Of each text: what hits are confirmed by."""
        hashed = hash_texts([entry.text for entry in self.texts])
        sizes = hashed.counts()
        is_short = (sizes >= min_n) & (sizes < n)
        for number in np.flatnonzero(is_short).tolist() if short_min_words else ():
            is_short[number] = sum(map(is_word, self.grams[number])) >= short_min_words
        self.long = _table(n, 0, *_runs_of(hashed, n))
        """Runs of ``n`` grams."""
        tables: list[RunTable] = []
        first_id = len(self.long.hashes)
        for length in sorted(set(sizes[is_short].tolist())):
            numbers = np.flatnonzero(is_short & (sizes == length))
            runs = run_hashes(hashed.hashes, length)[hashed.offsets[numbers]]
            table = _table(length, first_id, runs, np.stack((numbers, np.zeros_like(numbers)), axis=1))
            first_id += len(table.hashes)
            tables.append(table)
        self.short = tuple(tables)
        """Whole texts of fewer grams, one table for each length."""
        self.num_unchecked = int(((sizes < n) & ~is_short).sum())
        """Texts that are too short to be looked for."""
        self._first_texts: dict[int, tuple[int, ...]] = {}

    def places(self, run: int) -> list[Place]:
        """Return where a run stands in the benchmarks: the same grams, not only the same hash."""
        return list(self._places(run))

    def first_texts(self, run: int) -> tuple[int, ...]:
        """Return the numbers of the texts that a run stands in, the first sixteen; remembered, as many pages have the same runs."""
        known = self._first_texts.get(run)
        if known is None:
            distinct = (text for text, _ in groupby(place.text for place in self._places(run)))  # places come text by text
            known = self._first_texts[run] = tuple(islice(distinct, _MOST_TEXTS))
        return known

    def _places(self, run: int) -> Iterator[Place]:
        table = self.table_of(run)
        at = run - table.first_id
        first: tuple[str, ...] | None = None
        for text, position in table.places[table.bounds[at] : table.bounds[at + 1]]:
            place = Place(int(text), int(position))
            words = self._grams_at(place, table.length)
            first = words if first is None else first
            if words == first:
                yield place

    def run_grams(self, run: int) -> tuple[str, ...]:
        """Return the grams of a run."""
        table = self.table_of(run)
        text, position = table.places[table.bounds[run - table.first_id]].tolist()
        return self._grams_at(Place(text, position), table.length)

    def _grams_at(self, place: Place, length: int) -> tuple[str, ...]:
        return self.grams[place.text][place.position : place.position + length]

    def table_of(self, run: int) -> RunTable:
        """Return the table that a run is in."""
        return next(table for table in (*reversed(self.short), self.long) if table.first_id <= run)


def _runs_of(hashed: GramHashes, length: int) -> tuple[U64, NDArray[np.int64]]:
    """Return the hashes of all runs within one text, and their places."""
    runs = hashed.runs(length)
    at = np.arange(len(runs))
    whole = np.flatnonzero(hashed.whole(at, length)) if len(runs) else at
    texts = hashed.text_of(whole)
    return runs[whole], np.stack((texts, whole - hashed.offsets[texts]), axis=1)


def _table(length: int, first_id: int, runs: U64, places: NDArray[np.int64]) -> RunTable:
    order = np.argsort(runs, kind="stable")
    distinct, first = np.unique(runs[order], return_index=True)
    bits = min(max(int(16 * len(distinct)).bit_length(), _FILTER_BITS[0]), _FILTER_BITS[1])
    present = np.zeros(1 << bits, np.bool_)
    present[(distinct >> np.uint64(64 - bits)).astype(np.int64)] = True
    return RunTable(
        length=length,
        first_id=first_id,
        hashes=distinct,
        bounds=np.append(first, len(runs)),
        places=places[order],
        filter=present,
        shift=64 - bits,
    )
