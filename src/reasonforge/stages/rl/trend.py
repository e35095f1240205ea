"""Does a series rise? Ordinary least squares and Student's t, written out: a monitor needs two numbers, not a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A straight line through equally spaced values."""

    slope: float
    """Change per value."""
    p_rising: float
    """Chance of at least such a slope were there none, one-sided. 0 or 1 where the values lie on a line that is not level, 0.5 on a
    level one."""


def trend_of(values: Sequence[float]) -> Trend:
    """Fit a line to values at 0, 1, 2, ... and test its slope: t = slope / se, with n - 2 degrees of freedom."""
    n = len(values)
    assert n >= 3, "two points always lie on a line"
    middle, mean = (n - 1) / 2, math.fsum(values) / n
    spread = math.fsum((i - middle) ** 2 for i in range(n))
    slope = math.fsum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    residual = math.fsum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    error = math.sqrt(residual / (n - 2) / spread)
    # Rounding leaves something of the size of the values' last digits where there is nothing.
    dust = 1e-12 * max(map(abs, values))
    if error <= dust:
        return Trend(slope=slope, p_rising=0.5 if abs(slope) <= dust else float(slope < 0))
    return Trend(slope=slope, p_rising=student_tail(slope / error, n - 2))


def student_tail(t: float, df: int) -> float:
    """Return P(T > t) of Student's t with ``df`` degrees of freedom, from the finite series for whole df.

    Exact to about 1e-15 in absolute terms; a tail below that is rounded to nothing.

    Source:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    assert df >= 1
    angle = math.atan2(abs(t), math.sqrt(df))
    sine, cosine_squared = math.sin(angle), math.cos(angle) ** 2
    # The central mass P(|T| < |t|): odd df walk over the even factors, even df over the odd ones.
    term = math.cos(angle) if df % 2 else 1.0
    total = 0.0
    for k in range(1, df // 2 + 1):
        total += term
        term *= cosine_squared * (2 * k / (2 * k + 1) if df % 2 else (2 * k - 1) / (2 * k))
    central = 2 / math.pi * (angle + sine * total) if df % 2 else sine * total
    tail = max(0.0, (1 - central) / 2)
    return tail if t >= 0 else 1 - tail


def normal_tail(z: float) -> float:
    """Return P(Z > z) of the standard normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2))
