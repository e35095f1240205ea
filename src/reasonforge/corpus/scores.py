"""Scores of pages: the classifier's log-odds in 16 bits.

Pages far from the border are most of what a budget is filled from, and their probabilities differ in the seventh digit after 0.9999: of
probabilities in 16 bits they would all be 1, and the budget would be cut by hash. Steps of equal log-odds tell them apart.
"""

from __future__ import annotations

import numpy as np

NUM_SCORES = 1 << 16
SCALE = "log-odds/20"
"""Name of this scale, in the settings of units that write scores."""

_MOST = 20.0
"""Log-odds of the highest score; those of the lowest are its negative. Beyond, at 2e-9, the classifier's own sums are rounding errors."""
_LAST = NUM_SCORES - 1

SHARES = 65_535
"""What :func:`shares_of` returns for a probability of 1."""


def score_of(log_odds: np.ndarray) -> np.ndarray:
    """Return log-odds as scores, uint16: 0 is -20 and less, 65,535 is 20 and more."""
    bounded = np.clip(np.asarray(log_odds, np.float64), -_MOST, _MOST)
    return np.rint((bounded + _MOST) / (2 * _MOST) * _LAST).astype(np.uint16)


def score_of_probability(probability: float) -> int:
    """Return the score of a probability, 0 to 1: the nearest, so that a threshold holds to half a step, 3e-4 of the log-odds."""
    with np.errstate(divide="ignore"):
        log_odds = np.log(probability) - np.log1p(-probability)
    return int(score_of(log_odds))


def probability_of(score: np.ndarray | int) -> np.ndarray:
    """Return the probabilities of scores."""
    log_odds = np.asarray(score, np.float64) / _LAST * (2 * _MOST) - _MOST
    return 1.0 / (1.0 + np.exp(-log_odds))


_SHARES = np.rint(probability_of(np.arange(NUM_SCORES)) * SHARES).astype(np.uint16)


def shares_of(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of scores in parts of :data:`SHARES`, uint16: integers, so that sums do not depend on the pages' order."""
    return _SHARES[scores]


def shown(score: int) -> str:
    """Return the probability of a score for people to read: near 0 and 1 by its distance from them.

    >>> shown(32768), shown(65535), shown(0)
    ('0.500', '1 - 2e-09', '2e-09')
    """
    probability = float(probability_of(score))
    if 0.001 <= probability <= 0.999:
        return f"{probability:.3f}"
    return f"{probability:.0e}" if probability < 0.5 else f"1 - {float(probability_of(_LAST - score)):.0e}"
