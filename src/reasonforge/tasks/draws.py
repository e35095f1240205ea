"""A tiny random generator over integers. Same seed, same draws, on every machine and every Python: nothing else is promised to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

_MASK = (1 << 64) - 1


class Draws:
    """A stream of draws from one seed (SplitMix64); every range is drawn without bias, by rejection.

    Source:
        Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def word(self) -> int:
        """Draw 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, limit: int) -> int:
        """Draw an integer from 0 to ``limit`` - 1."""
        assert 0 < limit <= _MASK
        bound = (_MASK + 1) - (_MASK + 1) % limit
        while (word := self.word()) >= bound:
            pass
        return word % limit

    def between(self, low: int, high: int) -> int:
        """Draw an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[Item]) -> Item:
        """Draw one item."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return the items in a drawn order (Fisher-Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def chance(self, probability: float) -> bool:
        """Draw True with this probability, to 64 bits; 0 is never and 1 is always."""
        # Scaling a float by a power of two is exact, so no rounding differs between machines.
        return self.word() < int(probability * 2.0**64)
