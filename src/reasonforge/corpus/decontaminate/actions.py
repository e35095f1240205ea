"""What becomes of a page with hits: which of its characters go, or all of it. The page itself stays as it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from reasonforge.corpus.decontaminate.config import DropDoc, DropSegment, Excise
from reasonforge.corpus.decontaminate.find import Hit
from reasonforge.corpus.hashing import grams, segment_bounds, spans

DROP_DOC = "drop_doc"


class Cut(NamedTuple):
    """An entry of the table of actions."""

    action: str
    """``drop_doc``: the page goes. Otherwise its characters from ``start`` to before ``end`` go."""
    start: int
    end: int


def cuts_of(text: str, hits: Sequence[Hit], action: DropDoc | DropSegment | Excise, *, n: int) -> list[Cut]:
    """Return what becomes of one page.

    Args:
        text: the page.
        hits: what it shares with benchmarks.
        action: what the settings ask for.
        n: length of runs; a hit of a shorter text has a smaller ``n``.

    Returns:
        One ``drop_doc``, or stretches in order that neither touch nor overlap.
    """
    if not hits:
        return []
    if isinstance(action, DropDoc):
        return [Cut(DROP_DOC, 0, len(text))]
    if isinstance(action, Excise):
        return _excised(text, hits, action)
    bounds = segment_bounds(text)
    gone = {segment for hit in hits for segment in range(hit.segment, hit.last_segment + 1)}
    filled = {number for number, (start, end) in enumerate(pairwise(bounds)) if grams(text[start:end])}
    short = action.short_drops_page and any(hit.n < n for hit in hits)
    if short or len(gone & filled) > action.max_share * len(filled):
        return [Cut(DROP_DOC, 0, len(text))]
    return _joined(action.type, [(bounds[segment], bounds[segment + 1]) for segment in sorted(gone)])


def _excised(text: str, hits: Sequence[Hit], action: Excise) -> list[Cut]:
    """Widen every hit by the window, and on to the end of a gram: no word is cut in two."""
    words = spans(text)
    starts = [word.start for word in words]
    stretches: list[tuple[int, int]] = []
    for hit in hits:
        start, end = max(hit.start - action.window, 0), min(hit.end + action.window, len(text))
        # The last word that begins before a border is the only one that can go on beyond it.
        if (before := bisect_left(starts, start) - 1) >= 0 and words[before].end > start:
            start = words[before].start
        if (before := bisect_left(starts, end) - 1) >= 0 and words[before].end > end:
            end = words[before].end
        stretches.append((start, end))
    cuts = _joined(action.type, sorted(stretches))
    left = "".join(text[start:end] for start, end in zip([0, *(cut.end for cut in cuts)], [*(cut.start for cut in cuts), len(text)]))
    return cuts if grams(left) else [Cut(DROP_DOC, 0, len(text))]


def _joined(action: str, stretches: Sequence[tuple[int, int]]) -> list[Cut]:
    """Join stretches that touch or overlap; they come in order."""
    cuts: list[Cut] = []
    for start, end in stretches:
        if cuts and start <= cuts[-1].end:
            cuts[-1] = Cut(action, cuts[-1].start, max(end, cuts[-1].end))
        else:
            cuts.append(Cut(action, start, end))
    return cuts
