"""How good scores are: do they rank, do they mean the probabilities they say, do they only count words. Numbers in, numbers out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_BINS = 10
"""Of the calibration error, equally wide."""
MATCHED_LENGTH = 0.1
"""Two answers are of matched length when their lengths differ by at most this share of their mean [ours]."""


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """Return the probabilities that logits stand for, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))


def area_under_curve(scores: ArrayLike, is_good: ArrayLike) -> float:
    """Return the chance that a good one scores higher than a bad one, ties counting half; NaN without one of each.

    Exact, from the ranks (Mann-Whitney).

    >>> area_under_curve([0.1, 0.4, 0.4, 0.9], [False, False, True, True])
    0.875
    """
    values, good = np.asarray(scores, dtype=np.float64), np.asarray(is_good, dtype=np.bool_)
    num_good, num_bad = int(good.sum()), int((~good).sum())
    if not num_good or not num_bad:
        return math.nan
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place]  # tied scores share the mean of their ranks
    return float((ranks[good].sum() - num_good * (num_good + 1) / 2) / (num_good * num_bad))


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean squared distance of probabilities from what came true; 0 is perfect, 0.25 is a coin that knows it is one.

    Source:
        Brier (1950).
    """
    return float(np.mean((np.asarray(probabilities, dtype=np.float64) - np.asarray(labels, dtype=np.float64)) ** 2))


def calibration_error(probabilities: ArrayLike, labels: ArrayLike, *, num_bins: int = NUM_BINS) -> float:
    """Return the expected calibration error: how far what is said lies from what comes true, averaged over bins by their size.

    Args:
        probabilities: that the label is 1.
        labels: 0, 1, or a share between.
        num_bins: equally wide, over [0, 1].

    Source:
        Guo et al. (arXiv:1706.04599), Eq. 5, of the probability of a good answer rather than of the likelier class.
    """
    said, came = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    bins = np.minimum((said * num_bins).astype(np.int64), num_bins - 1)
    gaps = np.bincount(bins, weights=said - came, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(said))


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Pearson's correlation; 0 where one of the two does not vary."""
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / scale) if scale > 0 else 0.0


class PairAccuracy(NamedTuple):
    """How often the better of two scores higher; ties count half. NaN without a pair."""

    all: float
    matched: float
    """Of the pairs whose lengths differ by at most ``MATCHED_LENGTH``: what is left when length says nothing."""
    num_pairs: int
    num_matched: int


def pair_accuracy(better: ArrayLike, worse: ArrayLike, *, better_lengths: ArrayLike, worse_lengths: ArrayLike) -> PairAccuracy:
    """Compare the scores of pairs.

    Args:
        better: score of the better one of each pair.
        worse: score of the other.
        better_lengths: in tokens.
        worse_lengths: in tokens.
    """
    high, low = np.asarray(better, dtype=np.float64), np.asarray(worse, dtype=np.float64)
    right = (high > low) + 0.5 * (high == low)
    first, second = np.asarray(better_lengths, dtype=np.float64), np.asarray(worse_lengths, dtype=np.float64)
    matched = np.abs(first - second) <= MATCHED_LENGTH * (first + second) / 2
    return PairAccuracy(_mean(right), _mean(right[matched]), len(right), int(matched.sum()))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan
