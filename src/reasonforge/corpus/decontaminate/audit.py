"""Paragraphs that resemble a benchmark text without sharing a run of ten grams with it. A list for people: nothing is dropped by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from reasonforge.corpus.decontaminate.find import find_matches
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.hashing import grams, segment_bounds


class Suspect(NamedTuple):
    """A paragraph and the benchmark text that it resembles."""

    page: int
    """Number of the page's text."""
    segment: int
    benchmark: str
    item: str
    field: str
    jaccard: float
    """What their runs of grams have in common, of what they have together."""


class Audit:
    """Compares paragraphs with all benchmark texts by the runs they share."""

    def __init__(self, texts: Sequence[BenchmarkText], *, n: int, jaccard: float) -> None:
        """Make the index.

        Args:
            texts: of the benchmarks; one of fewer than ``n`` grams is left out.
            n: length of a run.
            jaccard: the least similarity that is listed.
        """
        self._index = Index(texts, n=n, min_n=n)
        self._runs = [_runs(entry, n) for entry in self._index.grams]
        self._n, self._jaccard = n, jaccard

    def suspects(self, texts: Sequence[str]) -> list[Suspect]:
        """Return the paragraphs that resemble a benchmark text, by page, paragraph and benchmark text."""
        pairs: set[tuple[int, int, int]] = set()
        matches = [match for match in find_matches(texts, self._index) if match.segment == match.last_segment]
        shared = {(match.run, match.page, match.segment) for match in matches}
        for run, places in groupby(sorted(shared), key=lambda entry: entry[0]):
            of_run = {place.text for place in self._index.places(run)}
            pairs.update((page, segment, text) for _, page, segment in places for text in of_run)
        found: list[Suspect] = []
        runs: tuple[tuple[int, int], frozenset[tuple[str, ...]]] | None = None
        for page, segment, number in sorted(pairs):
            if runs is None or runs[0] != (page, segment):
                bounds = segment_bounds(texts[page])
                runs = (page, segment), _runs(grams(texts[page][bounds[segment] : bounds[segment + 1]]), self._n)
            mine, theirs = runs[1], self._runs[number]
            similarity = len(mine & theirs) / len(mine | theirs)
            if similarity >= self._jaccard:
                entry = self._index.texts[number]
                found.append(Suspect(page, segment, entry.benchmark, entry.item, entry.field, similarity))
        return found


def _runs(entry: Sequence[str], n: int) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(entry[at : at + n]) for at in range(len(entry) - n + 1))
