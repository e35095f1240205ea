"""Slopes and Student's t."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.stages.rl.trend import normal_tail, student_tail, trend_of


@pytest.mark.parametrize(
    ("df", "tail", "t"),
    [
        (1, 0.10, 3.0777), (1, 0.005, 63.6567), (2, 0.10, 1.8856), (2, 0.005, 9.9248), (3, 0.10, 1.6377), (3, 0.05, 2.3534),
        (4, 0.025, 2.7764), (5, 0.01, 3.3649), (10, 0.05, 1.8125), (10, 0.01, 2.7638), (30, 0.10, 1.3104), (120, 0.025, 1.9799),
    ],
)  # fmt: skip
def test_students_tail_matches_the_printed_table(df: int, tail: float, t: float) -> None:
    assert student_tail(t, df) == pytest.approx(tail, rel=2e-4)


@given(t=st.floats(-30, 30), df=st.integers(1, 60))
def test_students_tails_sum_to_one(t: float, df: int) -> None:
    assert student_tail(t, df) + student_tail(-t, df) == pytest.approx(1.0, abs=1e-12)


def test_with_many_degrees_of_freedom_students_tail_is_the_normal_one() -> None:
    assert student_tail(2.0, 100_000) == pytest.approx(normal_tail(2.0), rel=1e-3)


def test_the_slope_test_agrees_with_a_case_worked_by_hand() -> None:
    # y = 1, 3, 2, 5: mean 2.75, slope 5.5 / 5 = 1.1, residuals -0.1, 0.8, -1.3, 0.6; se = sqrt(2.7 / 2 / 5); t = 1.1 / se with 2 degrees,
    # whose tail is (1 - t / sqrt(2 + t^2)) / 2.
    trend = trend_of([1, 3, 2, 5])
    t = 1.1 / math.sqrt(2.7 / 2 / 5)
    assert trend.slope == pytest.approx(1.1)
    assert trend.p_rising == pytest.approx((1 - t / math.sqrt(2 + t * t)) / 2)


@pytest.mark.parametrize(("values", "p"), [([1, 2, 3], 0.0), ([3, 2, 1], 1.0), ([2, 2, 2], 0.5), ([0.1, 0.1, 0.1, 0.1], 0.5)])
def test_a_line_without_noise_leaves_no_doubt(values: list[float], p: float) -> None:
    assert trend_of(values).p_rising == p


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=9), st.floats(-5, 5))
def test_a_falling_series_is_a_rising_one_upside_down(values: list[float], shift: float) -> None:
    up, down = trend_of(values), trend_of([shift - value for value in values])
    assert up.slope == pytest.approx(-down.slope, abs=1e-9)
