"""How well scores tell positives from negatives: on domains that the classifier has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

LEAST_POSITIVES = 20
"""On fewer held-out positives an area under the curve says nothing: one page more or less moves it by a twentieth and more."""

_BINS = 10


class AtThreshold(NamedTuple):
    """What collecting everything from a score on would give."""

    threshold: float
    precision: float | None
    """Share of the collected that are positives; None = nothing is collected."""
    recall: float
    """Share of the positives that are collected."""


class CalibrationBin(NamedTuple):
    """Examples whose probability lies in one tenth."""

    low: float
    number: int
    mean_probability: float
    share_positive: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures on held-out domains."""

    num_positives: int
    num_negatives: int
    num_domains: int
    pr_auc: float
    """Average precision: the mean over positives of the precision at their rank; equal scores share a rank."""
    roc_auc: float
    """Chance that a positive scores higher than a negative; equal scores count half."""
    at: tuple[AtThreshold, ...]
    calibration: tuple[CalibrationBin, ...]
    """Bins that hold nothing are left out."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            **asdict(self),
            "at": [entry._asdict() for entry in self.at],
            "calibration": [entry._asdict() for entry in self.calibration],
        }


def evaluate(
    probabilities: np.ndarray, positive: np.ndarray, *, num_domains: int, thresholds: tuple[float, ...] = (0.5,)
) -> Evaluation | None:
    """Return the figures; None = one of the two kinds is missing, and none of them means anything.

    Args:
        probabilities: of a positive, one per example.
        positive: whether it is one.
        num_domains: that the examples come from.
        thresholds: where precision and recall are wanted.
    """
    num_positives = int(positive.sum())
    if not 0 < num_positives < len(positive):
        return None
    return Evaluation(
        num_positives=num_positives,
        num_negatives=len(positive) - num_positives,
        num_domains=num_domains,
        pr_auc=average_precision(probabilities, positive),
        roc_auc=_roc_auc(probabilities, positive),
        at=tuple(at_threshold(probabilities, positive, threshold) for threshold in thresholds),
        calibration=calibration(probabilities, positive),
    )


def average_precision(probabilities: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the precision-recall curve, without interpolation: sum of (R_n - R_{n-1}) P_n over distinct scores.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    hits, taken = _cumulative(probabilities, positive)
    precision = hits / taken
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])


def at_threshold(probabilities: np.ndarray, positive: np.ndarray, threshold: float) -> AtThreshold:
    """Return precision and recall of collecting what has at least a probability."""
    collected = probabilities >= threshold
    hits = int((collected & positive).sum())
    return AtThreshold(threshold, hits / int(collected.sum()) if collected.any() else None, hits / int(positive.sum()))


def calibration(probabilities: np.ndarray, positive: np.ndarray) -> tuple[CalibrationBin, ...]:
    """Return the share of positives beside the mean probability, by tenths of probability."""
    index = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    found = []
    for number in np.unique(index):
        mine = index == number
        low, count = number / _BINS, int(mine.sum())
        found.append(CalibrationBin(low, count, float(probabilities[mine].mean()), float(positive[mine].mean())))
    return tuple(found)


def _cumulative(probabilities: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positives and examples collected down to each distinct score, from the highest."""
    order = np.argsort(-probabilities, kind="stable")
    last_of_score = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)
    return np.cumsum(positive[order])[last_of_score].astype(np.int64), last_of_score + 1


def _roc_auc(probabilities: np.ndarray, positive: np.ndarray) -> float:
    hits, taken = _cumulative(probabilities, positive)
    misses = taken - hits
    new_misses = np.diff(misses, prepend=0)
    before = np.concatenate([[0], hits[:-1]])
    return float(np.sum(new_misses * (before + hits) / 2) / (hits[-1] * misses[-1]))
