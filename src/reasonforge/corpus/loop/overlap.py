"""How much of one round's selection an earlier round already had: what the loop stops on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Pages and tokens that the selections of rounds 1 to n have in common. A sum over files of pages."""

    pages: tuple[tuple[int, ...], ...]
    """``pages[i][j]`` are in the selections of rounds ``i + 1`` and ``j + 1``; the diagonal is the selections themselves."""
    tokens: tuple[tuple[int, ...], ...]

    @property
    def num_rounds(self) -> int:
        """Return how many rounds are compared."""
        return len(self.pages)

    def share(self, new: int, old: int) -> float:
        """Return the share of the pages of round ``new`` that round ``old`` had selected; 1 where ``new`` is empty.

        Rounds are counted from 1.
        """
        return _share(self.pages, new, old)

    def token_share(self, new: int, old: int) -> float:
        """Return the same in tokens."""
        return _share(self.tokens, new, old)

    def __add__(self, other: Overlap) -> Overlap:
        """Return the sum of two parts of the crawl."""
        assert self.num_rounds == other.num_rounds
        return Overlap(pages=_sum(self.pages, other.pages), tokens=_sum(self.tokens, other.tokens))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {"pages": [list(row) for row in self.pages], "tokens": [list(row) for row in self.tokens]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` returned."""
        return cls(pages=tuple(map(tuple, content["pages"])), tokens=tuple(map(tuple, content["tokens"])))


def overlap(selections: Sequence[pl.DataFrame]) -> Overlap:
    """Compare the selections of rounds 1 to n on one file of pages.

    Args:
        selections: columns ``id`` and ``num_tokens``, ids unique.
    """
    pages, tokens = [], []
    for left in selections:
        common = [left.join(right, on="id", how="semi") for right in selections]
        pages.append(tuple(both.height for both in common))
        tokens.append(tuple(int(both["num_tokens"].cast(pl.UInt64).sum()) for both in common))
    return Overlap(pages=tuple(pages), tokens=tuple(tokens))


def summed(parts: Iterable[Overlap]) -> Overlap:
    """Return the sum of at least one part."""
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def converged(found: Overlap, *, threshold: float) -> bool:
    """Return whether the last round brought nothing new: so much of it was in the round before, in pages.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: stopped when nearly 98 % of the fourth iteration's data was that of the third.
    """
    last = found.num_rounds
    return last >= 2 and found.pages[-1][-1] > 0 and found.share(last, last - 1) >= threshold


def _share(matrix: tuple[tuple[int, ...], ...], new: int, old: int) -> float:
    whole = matrix[new - 1][new - 1]
    return matrix[new - 1][old - 1] / whole if whole else 1.0


def _sum(left: tuple[tuple[int, ...], ...], right: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(a + b for a, b in zip(mine, theirs, strict=True)) for mine, theirs in zip(left, right, strict=True))
