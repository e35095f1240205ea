"""Benchmark text in pages: by hash through all of them, then word by word where a hash was found."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonforge.corpus.decontaminate.index import Index, RunTable
from reasonforge.corpus.hashing import GramHashes, hash_texts, portions, run_hashes, segment_bounds, spans

ShortMatch = Literal["whole_segment", "substring"]

_SHOWN_GRAMS = 50


class Match(NamedTuple):
    """A run of an index at one place of a page."""

    page: int
    """Number of the page's text."""
    position: int
    """The page's gram that it begins with."""
    run: int
    """Number of the run in the index."""
    length: int
    """Grams in it."""
    start: int
    """First character."""
    end: int
    """The character after the last."""
    segment: int
    """Number of the paragraph that it begins in."""
    last_segment: int
    """Number of the paragraph that it ends in: runs are found across blank lines, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a page shares with one benchmark text, at one place."""

    page: int
    """Number of the page's text."""
    benchmark: str
    item: str
    field: str
    """Part of the item."""
    n: int
    """The rule that found it: the length of runs, or of the short text."""
    length: int
    """Grams in a row that are shared, at least ``n``."""
    gram: str
    """These grams, the first fifty, blanks between them."""
    segment: int
    last_segment: int
    start: int
    """First character."""
    end: int
    """The character after the last."""


def find_hits(
    texts: Sequence[str], index: Index, *, short_match: ShortMatch = "whole_segment", ignored: Container[int] = frozenset()
) -> list[Hit]:
    """Return what pages share with the benchmarks, page by page.

    Args:
        texts: the pages.
        index: the benchmarks.
        short_match: ``whole_segment`` or ``substring``, see :mod:`reasonforge.corpus.decontaminate.config`.
        ignored: runs that do not count.
    """
    return hits_of(texts, find_matches(texts, index, short_match=short_match), index, ignored=ignored)


def find_matches(
    texts: Sequence[str], index: Index, *, short_match: ShortMatch = "whole_segment", begin: Callable[[int], bool] = lambda page: True
) -> list[Match]:
    """Return every place of pages where a run of the index stands, by page and position.

    A hash that is found is only a reason to look: the grams themselves decide.

    Args:
        texts: the pages.
        index: the benchmarks.
        short_match: as for :func:`find_hits`.
        begin: asked with its number before a page is looked at word by word; False = leave it.
    """
    whole_segments = short_match == "whole_segment" and bool(index.short)
    matches: list[Match] = []
    for first, part in portions(texts):
        hashed = hash_texts(part, segments=whole_segments)
        found = [_candidates(hashed, index.long)]
        for table in index.short:
            found.append(_whole_segments(hashed, table) if whole_segments else _candidates(hashed, table))
        at = np.concatenate([positions for positions, _ in found])
        runs = np.concatenate([numbers for _, numbers in found])
        order = np.lexsort((runs, at))
        at, runs = at[order], runs[order]
        pages = hashed.text_of(at)
        for page in np.unique(pages).tolist():
            if not begin(first + page):
                continue
            of_page = slice(*np.searchsorted(pages, (page, page + 1)))
            positions = at[of_page] - hashed.offsets[page]
            matches += _confirmed(texts[first + int(page)], first + page, positions.tolist(), runs[of_page].tolist(), index)
    return matches


def _candidates(hashed: GramHashes, table: RunTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the hash of a run of a table stands within one text, and which run it is."""
    at, runs = table.find(hashed.runs(table.length))
    if at.size:
        whole = hashed.whole(at, table.length)
        at, runs = at[whole], runs[whole]
    return at, runs + table.first_id


def _whole_segments(hashed: GramHashes, table: RunTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which segments have the hash of a run of a table, by their first gram, and which run it is."""
    starts = hashed.segments[:-1][np.diff(hashed.segments) == table.length]
    members = hashed.hashes[starts[:, None] + np.arange(table.length)].ravel()
    at, runs = table.find(run_hashes(members, table.length)[:: table.length])
    return starts[at], runs + table.first_id


def _confirmed(text: str, page: int, positions: Sequence[int], runs: Sequence[int], index: Index) -> list[Match]:
    grams = spans(text)
    bounds = segment_bounds(text)
    matches: list[Match] = []
    for position, run in zip(positions, runs, strict=True):
        wanted = index.run_grams(run)
        stretch = grams[position : position + len(wanted)]
        if tuple(gram.text for gram in stretch) == wanted:
            start, end = stretch[0].start, stretch[-1].end
            matches.append(Match(page, position, run, len(wanted), start, end, segment_at(bounds, start), segment_at(bounds, end - 1)))
    return matches


def segment_at(bounds: Sequence[int], place: int) -> int:
    """Return the number of the segment that a character is in, by what :func:`~reasonforge.corpus.hashing.segment_bounds` returned."""
    return bisect_right(bounds, place, 1, len(bounds) - 1) - 1


def hits_of(texts: Sequence[str], matches: Sequence[Match], index: Index, *, ignored: Container[int] = frozenset()) -> list[Hit]:
    """Join matches to hits: what a page shares with one benchmark text without a gap is one hit.

    Of a run that stands in many benchmark texts the first sixteen are listed.

    Args:
        texts: the pages that the matches are of.
        matches: by page and position.
        index: that they were found with.
        ignored: runs that do not count.
    """
    open_hits: dict[tuple[int, int], tuple[Match, Match]] = {}
    hits: list[tuple[Match, Match, int]] = []
    for match in matches:
        for text in index.first_texts(match.run) if match.run not in ignored else ():
            first, last = open_hits.get((match.page, text), (match, match))
            if match.position > last.position + last.length:
                hits.append((first, last, text))
                first = match
            open_hits[match.page, text] = (first, match)
    hits += [(first, last, text) for (_, text), (first, last) in open_hits.items()]
    hits.sort(key=lambda hit: (hit[0].page, hit[0].position, hit[2]))
    return [_hit(texts[first.page], first, last, text, index) for first, last, text in hits]


def _hit(page_text: str, first: Match, last: Match, text: int, index: Index) -> Hit:
    entry = index.texts[text]
    shared = [gram.text for gram in spans(page_text[first.start : last.end])]
    return Hit(
        page=first.page,
        benchmark=entry.benchmark,
        item=entry.item,
        field=entry.field,
        n=first.length,
        length=last.position + last.length - first.position,
        gram=" ".join(shared[:_SHOWN_GRAMS]),
        segment=first.segment,
        last_segment=last.last_segment,
        start=first.start,
        end=last.end,
    )
