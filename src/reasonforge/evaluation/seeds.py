"""Two ways of training, each run with several seeds: how large the difference is, and whether it is more than noise. Torch-free.

The unit is the run: one figure per seed. Samples and problems of one run say how well that one model was measured, not how another run
of the same recipe would come out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST_ARRANGEMENTS = 20_000
"""Above, an exact permutation test would take too long."""
_ROUNDING = 1e-12
"""Differences of sums below this are rounding."""


class SeedMean(NamedTuple):
    """A recipe's mean over its seeds."""

    mean: float
    low: float
    """Of the 95 % interval of the mean (Student's t); -inf with one seed, or no spread to make an interval of."""
    high: float
    deviation: float
    """Sample standard deviation over seeds; 0 with one seed."""
    num_seeds: int


class SeedDifference(NamedTuple):
    """First minus second, from one figure per seed of each."""

    difference: float
    low: float
    """Of the interval at the level asked for; -inf where there are too few seeds for one, or no spread to make one of."""
    high: float
    p: float
    """Two-sided, of Student's t; 1 where there are too few seeds. Without any spread t says nothing: then of dealing out the figures."""
    exact_p: float | None
    """Two-sided, of the exact permutation test; None = too many arrangements."""
    standard_error: float
    """Infinite where there are too few seeds."""
    degrees_of_freedom: float
    method: Literal["paired", "welch"]
    """Paired where both have the same seeds."""


def mean_over_seeds(figures: Sequence[float], *, level: float = 0.95) -> SeedMean:
    """Return the mean of one figure per seed with Student's t interval.

    >>> [round(x, 3) for x in mean_over_seeds([0.4, 0.5, 0.6])[:4]]
    [0.5, 0.252, 0.748, 0.1]
    """
    values = _figures(figures)
    mean, count = float(values.mean()), len(values)
    if count == 1:
        return SeedMean(mean, -math.inf, math.inf, 0.0, 1)
    if not (deviation := _deviation(values)):
        return SeedMean(mean, -math.inf, math.inf, 0.0, count)
    half = student_quantile((1 + level) / 2, count - 1) * deviation / math.sqrt(count)
    return SeedMean(mean, mean - half, mean + half, deviation, count)


def seed_difference(first: Mapping[int, float], second: Mapping[int, float], *, level: float = 0.95) -> SeedDifference:
    """Compare two recipes by one figure per seed: paired by seed where both have the same seeds, otherwise Welch's test.

    Runs of one seed share their problems and their held-out set, so what is hard for one is hard for the other, and pairing takes it out.

    Source:
        Student (1908) and Welch (1947); for runs of reinforcement learning, Colas, Sigaud and Oudeyer (arXiv:1904.06979).
    """
    if first.keys() == second.keys():
        seeds = sorted(first)
        return _paired(_figures([first[seed] for seed in seeds]), _figures([second[seed] for seed in seeds]), level)
    return _welch(_figures(list(first.values())), _figures(list(second.values())), level)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for having looked at all of them: the chance of one false alarm among them stays below the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    Source:
        Holm (1979).
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def smallest_visible(
    standard_error: float, degrees_of_freedom: float, *, comparisons: int = 1, power: float = 0.8, level: float = 0.95
) -> float:
    """Return the true difference that would be found beyond the noise with a chance of ``power``; a smaller one is more often missed.

    Args:
        standard_error: of the difference, as found.
        degrees_of_freedom: behind the standard error.
        comparisons: pairs looked at; each is held to the level divided by them.
        power: the chance.
        level: of the intervals.

    Source:
        ``(t_(1 - alpha/2) + t_power) s``, the usual approximation of the noncentral t.
    """
    if not math.isfinite(standard_error):
        return math.inf
    tail = (1 - level) / comparisons / 2
    return (student_quantile(1 - tail, degrees_of_freedom) + student_quantile(power, degrees_of_freedom)) * standard_error


def student_tail(t: float, degrees_of_freedom: float) -> float:
    """Return the chance that Student's t is above ``t``.

    >>> round(student_tail(2.776, 4), 4)
    0.025
    """
    if t < 0:
        return 1.0 - student_tail(-t, degrees_of_freedom)
    if math.isinf(t):
        return 0.0
    return 0.5 * _incomplete_beta(degrees_of_freedom / (degrees_of_freedom + t * t), degrees_of_freedom / 2, 0.5)


@lru_cache(maxsize=256)
def student_quantile(share: float, degrees_of_freedom: float) -> float:
    """Return the value below which Student's t lies with the chance ``share``.

    >>> round(student_quantile(0.975, 2), 3)
    4.303
    """
    if not 0 < share < 1 or degrees_of_freedom <= 0:
        raise ValueError(f"quantile {share} of {degrees_of_freedom} degrees of freedom: need 0 < share < 1 and at least some freedom")
    if share < 0.5:
        return -student_quantile(1 - share, degrees_of_freedom)
    low, high = 0.0, 1.0
    while student_tail(high, degrees_of_freedom) > 1 - share:
        low, high = high, high * 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, degrees_of_freedom) > 1 - share else (low, middle)
    return (low + high) / 2


def _paired(first: NDArray[np.float64], second: NDArray[np.float64], level: float) -> SeedDifference:
    values = first - second
    count, mean = len(values), float(values.mean())
    if count == 1:
        return SeedDifference(mean, -math.inf, math.inf, 1.0, 1.0, math.inf, 0, "paired")
    error, exact = _deviation(values) / math.sqrt(count), _sign_flips(values)
    if error == 0:
        return _spreadless(mean, _exchanges(first, second), exact, count - 1, "paired")
    return _student(mean, error, count - 1, exact, "paired", level)


def _welch(first: NDArray[np.float64], second: NDArray[np.float64], level: float) -> SeedDifference:
    mean = float(first.mean() - second.mean())
    if min(len(first), len(second)) == 1:
        return SeedDifference(mean, -math.inf, math.inf, 1.0, _exchanges(first, second), math.inf, 0, "welch")
    shares = [_deviation(values) ** 2 / len(values) for values in (first, second)]
    error = math.sqrt(sum(shares))
    # Without any spread the formula divides zero by zero; the smaller of its bounds is then as careful as can be.
    spread = sum(share**2 / (len(values) - 1) for share, values in zip(shares, (first, second), strict=True))
    freedom = sum(shares) ** 2 / spread if spread > 0 else float(min(len(first), len(second)) - 1)
    exact = _exchanges(first, second)
    if error == 0:
        return _spreadless(mean, exact, exact, freedom, "welch")
    return _student(mean, error, freedom, exact, "welch", level)


def _spreadless(mean: float, p: float | None, exact: float | None, freedom: float, method: Literal["paired", "welch"]) -> SeedDifference:
    """Return a difference that is the same for every seed: figures of few problems are coarse, so that two or three agree by chance."""
    if p is None:  # so many seeds that agree are no chance
        p = float(abs(mean) <= _ROUNDING)
    return SeedDifference(mean, -math.inf, math.inf, p, exact, 0.0, freedom, method)


def _student(
    mean: float, error: float, freedom: float, exact: float | None, method: Literal["paired", "welch"], level: float
) -> SeedDifference:
    half = student_quantile((1 + level) / 2, freedom) * error
    p = min(1.0, 2 * student_tail(abs(mean) / error, freedom))
    return SeedDifference(mean, mean - half, mean + half, p, exact, error, freedom, method)


def _sign_flips(differences: NDArray[np.float64]) -> float | None:
    """Share of sign patterns with a mean at least as far from zero: exact where neither recipe is better than the other."""
    if 2 ** len(differences) > _MOST_ARRANGEMENTS:
        return None
    sums = np.abs(np.array(list(product((1.0, -1.0), repeat=len(differences)))) @ differences)
    return float((sums >= abs(differences.sum()) - _ROUNDING).mean())


def _exchanges(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Share of the ways to deal out all figures whose means are at least as far apart."""
    everything = np.concatenate([first, second])
    if math.comb(len(everything), len(first)) > _MOST_ARRANGEMENTS:
        return None
    sums = np.array([everything[list(chosen)].sum() for chosen in combinations(range(len(everything)), len(first))])
    apart = np.abs(sums / len(first) - (everything.sum() - sums) / len(second))
    return float((apart >= abs(first.mean() - second.mean()) - _ROUNDING).mean())


def _deviation(values: NDArray[np.float64]) -> float:
    """Sample standard deviation; that of equal figures is zero and no rounding error, which a t-test would divide by."""
    return float(values.std(ddof=1)) if np.ptp(values) > _ROUNDING else 0.0


def _figures(values: Sequence[float]) -> NDArray[np.float64]:
    figures = np.asarray(values, dtype=np.float64)
    if not len(figures) or not np.isfinite(figures).all():
        raise ValueError("a comparison over seeds needs at least one figure, and all of them finite")
    return figures


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by the continued fraction of DLMF 8.17.22 evaluated from the front (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1.0 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    numerator, denominator, result = 1.0, 0.0, 1.0
    for i in range(500):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        denominator = 1.0 / (1.0 + term * denominator or tiny)
        numerator = 1.0 + term / numerator or tiny
        result *= numerator * denominator
        if i and abs(numerator * denominator - 1.0) < 1e-14:
            break
    return front * (result - 1.0)
