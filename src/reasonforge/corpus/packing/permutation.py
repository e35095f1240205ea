"""Orders over billions of items that take no memory: item ``i`` of a shuffled epoch is computed, not looked up."""

from __future__ import annotations

import math

from reasonforge.core.seeds import derive_seed

_ROUNDS = 4
_MASK = (1 << 64) - 1


class Permutation:
    """A shuffled order of ``0 .. size - 1`` as a function of its seed.

    A Feistel network on the pair (quotient, remainder) of an item by about the root of ``size``: each round adds to one of the two a hash
    of the other, which can be undone, so no two items meet. Its domain is a little larger than ``size``; an item that lands outside goes
    through again until it is inside, which keeps it a permutation.

    Source:
        Black and Rogaway, Ciphers with Arbitrary Finite Domains (CT-RSA 2002): generalised Feistel and cycle walking.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        """Choose the order.

        Args:
            size: number of items, one or more.
            seed: another seed, another order.
        """
        assert size > 0, "an order of nothing"
        self._size = size
        self._columns = math.isqrt(size - 1) + 1
        self._rows = -(-size // self._columns)
        self._keys = tuple((derive_seed(seed, "row", n), derive_seed(seed, "column", n)) for n in range(_ROUNDS))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> int:
        """Return the item at a place of the order."""
        if not 0 <= place < self._size:
            raise IndexError(f"place {place} of {self._size}")
        item = self._once(place)
        while item >= self._size:
            item = self._once(item)
        return item

    def _once(self, item: int) -> int:
        row, column = divmod(item, self._columns)
        for row_key, column_key in self._keys:
            row = (row + _hash(row_key, column)) % self._rows
            column = (column + _hash(column_key, row)) % self._columns
        return row * self._columns + column


def _hash(key: int, value: int) -> int:
    """Return 64 well-mixed bits (the finaliser of SplitMix64)."""
    mixed = (key + value * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)
