"""Who is next: named sources in stated shares, spread as evenly as whole entries can be, computed for any entry without those before."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from fractions import Fraction

from reasonforge.core.errors import RecipeError

MAX_PERIOD = 100_000
"""Entries after which the pattern begins again, at most."""


class Interleaver:
    """An endless sequence of sources in which every stretch holds every source in its share.

    Of the first ``n`` entries, a source of share ``w`` has had ``n * w``, give or take less than one, whatever ``n`` is; after a whole
    period exactly its share. Entry ``i`` needs no entry before it, so any rank of any world reads its own entries, and a run goes on
    anywhere.

    Source:
        Tijdeman, The chairman assignment problem (Discrete Mathematics 32, 1980), for the order within a period.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Work out the pattern.

        Args:
            weights: share of each source, in any unit; they need not come to one.

        Raises:
            RecipeError: a weight is not above zero, or the weights have no common measure short enough.
        """
        self.names = tuple(weights)
        counts = _whole(weights)
        self._counts = counts
        self.period = sum(counts)
        """Entries after which the pattern begins again."""
        self._places = _chairmen(counts)

    def share(self, source: int) -> Fraction:
        """Return a source's share, exactly."""
        return Fraction(self._counts[source], self.period)

    def __getitem__(self, entry: int) -> tuple[int, int]:
        """Return (source, how many entries of that source come before) of an entry."""
        assert entry >= 0
        block, place = divmod(entry, self.period)
        for source, places in enumerate(self._places):
            at = bisect_left(places, place)
            if at < len(places) and places[at] == place:
                return source, block * self._counts[source] + at
        raise AssertionError("a place of nobody")

    def count(self, source: int, entries: int) -> int:
        """Return how many of the first ``entries`` entries are a source's."""
        block, place = divmod(entries, self.period)
        return block * self._counts[source] + bisect_left(self._places[source], place)


def _whole(weights: Mapping[str, float]) -> list[int]:
    """Return the smallest whole numbers in the proportion of the weights, read as they are written: 0.1 is a tenth."""
    if not weights:
        raise RecipeError("a mixture needs a source")
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight > 0):
            raise RecipeError(f"weight of source {name!r}: {weight:g} is no share: give a number above zero, or leave the source out")
    exact = [Fraction(str(weight)) for weight in weights.values()]
    denominator = math.lcm(*(fraction.denominator for fraction in exact))
    whole = [int(fraction * denominator) for fraction in exact]
    divisor = math.gcd(*whole)
    whole = [number // divisor for number in whole]
    if sum(whole) > MAX_PERIOD:
        raise RecipeError(
            f"weights {', '.join(f'{weight:g}' for weight in weights.values())}: they come out even only after {sum(whole)} windows, "
            f"the limit is {MAX_PERIOD}: give fewer digits"
        )
    return whole


def _chairmen(counts: list[int]) -> list[list[int]]:
    """Return the places of each source within a period, by Tijdeman's rule in whole numbers."""
    period, sources = sum(counts), len(counts)
    places: list[list[int]] = [[] for _ in counts]
    if sources == 1:
        places[0] = list(range(period))
        return places
    slack = 2 * sources - 2
    for place in range(period):
        chosen, least = -1, Fraction(0)
        for source, count in enumerate(counts):
            # What the source is owed after this place, less what it has had: in units of 1 / period.
            owed = (place + 1) * count - len(places[source]) * period
            if owed * slack < period:
                continue
            # Who would be a whole entry behind soonest comes first; of equals the one named first.
            deadline = Fraction(period * (slack - 1) - owed * slack, count)
            if chosen < 0 or deadline < least:
                chosen, least = source, deadline
        assert chosen >= 0
        places[chosen].append(place)
    return places
