"""Where to cut a ranking of any length: from histograms of scores, which are summed over files in any order.

Pages are ranked by score, and pages of one score by a hash of their id. A cut takes a first part of that ranking, the longest whose tokens
are within the budget; so a larger budget takes all that a smaller one does, and files, workers and their order do not matter. The ranking
is never written down: 65,536 sums by score find the score at which the budget ends, 65,536 sums by hash over the pages of that score find
where among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import xxhash

from reasonforge.core.errors import DataError
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.scores import NUM_SCORES, score_of_probability

NUM_BINS = NUM_SCORES
"""Of scores, and of hashes: both have 16 bits."""

_SCHEMA = pl.Schema({"bin": pl.UInt16, "pages": pl.UInt64, "tokens": pl.UInt64})


class Histogram(NamedTuple):
    """Pages and tokens by bin."""

    pages: np.ndarray
    """uint64, one number per bin."""
    tokens: np.ndarray

    def __add__(self, other: object) -> Histogram:
        """Return the sum, bin by bin."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return Histogram(self.pages + other.pages, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which pages are selected: those above a score, and of that score those whose hash is small enough."""

    score: int
    """0 to 65,535."""
    hash_below: int
    """Of the pages of exactly that score, those with a smaller 16-bit hash of their id: 0 = none, 65,536 = all."""
    tokens: int
    """That are selected, by estimate."""
    pages: int

    def to_dict(self) -> dict[str, int]:
        """Return JSON-able values."""
        return {"score": self.score, "hash_below": self.hash_below, "tokens": self.tokens, "pages": self.pages}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cut:
        """Read what :meth:`to_dict` returned."""
        return cls(**{name: int(values[name]) for name in ("score", "hash_below", "tokens", "pages")})


def empty() -> Histogram:
    """Return a histogram of nothing."""
    return Histogram(np.zeros(NUM_BINS, np.uint64), np.zeros(NUM_BINS, np.uint64))


def histogram(scores: pl.DataFrame) -> Histogram:
    """Return pages and tokens by score.

    Args:
        scores: ``score`` (0 to 65,535) and ``num_tokens``.
    """
    return _histogram(scores["score"].to_numpy(), scores["num_tokens"].to_numpy())


def tie_histogram(scores: pl.DataFrame, score: int) -> Histogram:
    """Return pages and tokens of one score by the hash of their id."""
    tied = scores.filter(pl.col("score") == score)
    return _histogram(hashes(tied["id"]), tied["num_tokens"].to_numpy())


def hashes(ids: pl.Series) -> np.ndarray:
    """Return a 16-bit hash of each id: the same on every machine."""
    return np.fromiter((xxhash.xxh3_64_intdigest(value.encode()) >> 48 for value in ids), np.uint16, count=len(ids))


def cut(scores: Histogram, *, token_budget: int | None = None, threshold: float | None = None, ties: Histogram | None = None) -> Cut:
    """Return where to cut.

    Args:
        scores: sum over all files of :func:`histogram`.
        token_budget: tokens that may be selected.
        threshold: in its place, the probability from which on all is selected.
        ties: sum over all files of :func:`tie_histogram` at the score of the cut that is returned without it; None = of the pages of the
            score at which the budget ends none are selected.

    Raises:
        DataError: there is nothing to select from.
    """
    assert (token_budget is None) != (threshold is None), "a budget or a threshold"
    if not scores.pages.any():
        raise DataError("no page has a score, so none can be selected. Were all pages dropped?")
    if threshold is not None:
        return _cut(scores, score_of_probability(threshold), whole=True)
    assert token_budget is not None
    from_top = np.cumsum(scores.tokens[::-1])[::-1]  # tokens of each score and all above it
    if int(from_top[0]) <= token_budget:
        return _cut(scores, 0, whole=True)
    score = int(np.flatnonzero(from_top > np.uint64(token_budget))[-1])
    above = _cut(scores, score, whole=False)
    if ties is None:
        return above
    if int(ties.tokens.sum()) != int(scores.tokens[score]):
        raise DataError(
            f"the ties have {int(ties.tokens.sum())} tokens, the score {score} has {int(scores.tokens[score])}. Count both again"
        )
    from_start = np.cumsum(ties.tokens)
    hash_below = int(np.searchsorted(from_start, np.uint64(token_budget - above.tokens), "right"))
    return Cut(
        score=score,
        hash_below=hash_below,
        tokens=above.tokens + int(ties.tokens[:hash_below].sum()),
        pages=above.pages + int(ties.pages[:hash_below].sum()),
    )


def selected(scores: pl.DataFrame, where: Cut) -> pl.DataFrame:
    """Return the rows of a table of scores that are selected, in its order."""
    tied = (scores["score"] == where.score).to_numpy()
    chosen = (scores["score"] > where.score).to_numpy().copy()
    if where.hash_below == NUM_BINS:
        chosen |= tied
    elif where.hash_below and tied.any():
        at = np.flatnonzero(tied)
        chosen[at] = hashes(scores["id"].gather(at)) < where.hash_below
    return scores.filter(pl.Series(chosen))


def write_histogram(path: Path, content: Histogram) -> None:
    """Write the bins that hold something."""
    bins = np.flatnonzero(content.pages)
    columns = {"bin": bins.astype(np.uint16), "pages": content.pages[bins], "tokens": content.tokens[bins]}
    write_table(path, pl.DataFrame(columns, schema=_SCHEMA))


def read_histograms(paths: Iterable[str | Path]) -> Histogram:
    """Return the sum of what :func:`write_histogram` wrote, bin by bin: one file at a time, of which only the bins that hold something.

    Raises:
        DataError: a file is something else.
    """
    found = empty()
    for path in paths:
        table = read_table(path, _SCHEMA.names())
        if table.schema != _SCHEMA or table["bin"].n_unique() != table.height:
            raise DataError(f"{path}: no histogram of scores. Delete its folder, and the unit is done again")
        bins = table["bin"].to_numpy()
        found.pages[bins] += table["pages"].to_numpy()
        found.tokens[bins] += table["tokens"].to_numpy()
    return found


def _histogram(bins: np.ndarray, tokens: np.ndarray) -> Histogram:
    # np.bincount sums weights in float64, exact to 2^53 tokens: a file has fewer.
    return Histogram(
        np.bincount(bins, minlength=NUM_BINS).astype(np.uint64), np.bincount(bins, tokens, minlength=NUM_BINS).astype(np.uint64)
    )


def _cut(scores: Histogram, score: int, *, whole: bool) -> Cut:
    first = score if whole else score + 1
    return Cut(
        score=score,
        hash_below=NUM_BINS if whole else 0,
        tokens=int(scores.tokens[first:].sum()),
        pages=int(scores.pages[first:].sum()),
    )
