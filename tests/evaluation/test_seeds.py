from __future__ import annotations

import math

import numpy as np
import pytest

from reasonforge.evaluation.seeds import (
    holm,
    mean_over_seeds,
    seed_difference,
    smallest_visible,
    student_quantile,
    student_tail,
)


def _by_seed(values: np.ndarray, first: int = 1) -> dict[int, float]:
    return {first + i: float(value) for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("share", "freedom", "quantile"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 4, 2.7764), (0.8, 3, 0.9785), (0.995, 10, 3.1693), (0.975, 100, 1.9840)],
)
def test_quantiles_are_those_of_the_printed_tables(share: float, freedom: int, quantile: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(quantile, abs=6e-5)
    assert student_quantile(1 - share, freedom) == pytest.approx(-quantile, abs=6e-5)


@pytest.mark.parametrize("freedom", [1.0, 2.7, 9.0, 250.0])
def test_the_tail_is_the_integral_of_the_density(freedom: float) -> None:
    # The density integrated from 0 to 1.3, by Simpson's rule.
    xs = np.linspace(0.0, 1.3, 2001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    density = scale * (1 + xs**2 / freedom) ** (-(freedom + 1) / 2)
    weights = np.where(np.arange(2001) % 2, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    area = float((weights * density).sum() * (xs[1] - xs[0]) / 3)
    assert student_tail(1.3, freedom) == pytest.approx(0.5 - area, abs=1e-9)


def test_a_paired_difference_by_hand() -> None:
    found = seed_difference({1: 0.5, 2: 0.6, 3: 0.7}, {3: 0.7, 2: 0.5, 1: 0.4})
    # Differences 0.1, 0.1, 0.0: mean 1/15, deviation 0.1/sqrt(3), standard error 1/30, t = 2 with two degrees of freedom.
    assert found.method == "paired"
    assert (found.difference, found.standard_error) == pytest.approx((1 / 15, 1 / 30))
    assert found.p == pytest.approx(0.18350, abs=1e-5)
    assert found.high - found.difference == pytest.approx(4.30265 / 30, abs=1e-5)
    assert found.exact_p == pytest.approx(4 / 8)  # the third sign does not matter, and the other two must agree


def test_other_seeds_make_it_welchs_test() -> None:
    found = seed_difference({1: 0.5, 2: 0.6, 3: 0.7}, {4: 0.4, 5: 0.5, 6: 0.6, 7: 0.5})
    assert found.method == "welch"
    assert found.difference == pytest.approx(0.1)
    assert found.standard_error == pytest.approx(math.sqrt(0.01 / 3 + 0.02 / 3 / 4))
    assert found.degrees_of_freedom == pytest.approx(3.448, abs=0.7)


def test_the_smallest_exact_p_is_one_arrangement_of_all_and_its_mirror_image() -> None:
    high, low = np.array([0.9, 0.8, 0.85]), np.array([0.1, 0.2, 0.15])
    assert seed_difference(_by_seed(high), _by_seed(low)).exact_p == pytest.approx(2 / 2**3)
    assert seed_difference(_by_seed(high), _by_seed(low, 11)).exact_p == pytest.approx(2 / 20)


def test_one_seed_never_shows_a_difference() -> None:
    for second in ({1: 0.0}, {2: 0.0}, {2: 0.0, 3: 0.1}):
        found = seed_difference({1: 1.0}, second)
        assert (found.p, found.low, found.high) == (1.0, -math.inf, math.inf)
        assert smallest_visible(found.standard_error, found.degrees_of_freedom) == math.inf
    assert mean_over_seeds([0.3]).low == -math.inf


def test_equal_figures_are_no_difference() -> None:
    same = {seed: 0.1 * seed for seed in range(1, 6)}
    found = seed_difference(same, same)
    assert (found.p, found.low, found.high) == (1.0, -math.inf, math.inf)
    many = dict.fromkeys(range(20), 0.5)
    assert seed_difference(many, many).p == 1.0


def test_seeds_that_agree_have_no_interval() -> None:
    assert mean_over_seeds([0.5, 0.5, 0.5]) == (0.5, -math.inf, math.inf, 0.0, 3)


def test_a_constant_difference_has_no_rounding_error() -> None:
    same = {seed: 0.1 * seed for seed in range(1, 6)}
    assert seed_difference({seed: value + 0.3 for seed, value in same.items()}, same).standard_error == 0.0


@pytest.mark.parametrize("first", [1, 11])
def test_figures_without_spread_are_told_apart_by_their_number_alone(first: int) -> None:
    for count in (2, 3, 4, 5):
        found = seed_difference(_by_seed(np.full(count, 0.75)), _by_seed(np.full(count, 0.25), first))
        assert found.p == pytest.approx(2 / math.comb(2 * count, count))
        assert (found.low, found.high) == (-math.inf, math.inf)


def test_coarse_figures_of_recipes_that_are_the_same_raise_no_more_false_alarms_than_stated() -> None:
    # Eight problems each: two seeds often differ by the same amount.
    figures = np.random.default_rng(0).binomial(8, 0.8, size=(2000, 2, 2)) / 8
    alarms = np.mean([seed_difference(_by_seed(a), _by_seed(b)).p < 0.05 for a, b in figures])
    assert alarms <= 0.05


def test_a_figure_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        seed_difference({1: math.nan, 2: 0.1}, {1: 0.1, 2: 0.2})


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_paired_recipes_that_are_the_same_raise_false_alarms_as_often_as_stated(num_seeds: int) -> None:
    rng = np.random.default_rng(0)
    count = 4000
    shared = rng.normal(0.5, 0.2, size=(count, 1, num_seeds))  # what the seed does to both
    figures = shared + rng.normal(0.0, 0.05, size=(count, 2, num_seeds))
    found = [seed_difference(_by_seed(first), _by_seed(second)) for first, second in figures]
    alarms = float(np.mean([one.p < 0.05 for one in found]))
    # Four standard errors around the level.
    assert alarms == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / count))
    assert [one.p < 0.05 for one in found] == [not one.low <= 0 <= one.high for one in found]


def test_unpaired_recipes_that_are_the_same_raise_no_more_false_alarms_than_stated() -> None:
    rng = np.random.default_rng(1)
    count = 1200
    # Unlike spreads and counts, where a test that pools the variances would be wrong.
    found = [seed_difference(_by_seed(rng.normal(0.5, 0.1, 3)), _by_seed(rng.normal(0.5, 0.02, 6), 11)) for _ in range(count)]
    alarms = float(np.mean([one.p < 0.05 for one in found]))
    assert 0.02 < alarms < 0.05 + 4 * math.sqrt(0.05 * 0.95 / count)


def test_the_exact_test_raises_no_more_false_alarms_than_stated_whatever_the_distribution() -> None:
    rng = np.random.default_rng(2)
    count = 1500
    first, second = rng.lognormal(0.0, 2.0, size=(2, count, 6))
    found = [seed_difference(_by_seed(a), _by_seed(b)).exact_p for a, b in zip(first, second, strict=True)]
    assert np.mean([p is not None and p <= 0.05 for p in found]) < 0.05 + 4 * math.sqrt(0.05 * 0.95 / count)


@pytest.mark.parametrize("num_seeds", [2, 3, 8])
def test_the_interval_of_a_mean_holds_the_true_mean_as_often_as_stated(num_seeds: int) -> None:
    rng = np.random.default_rng(3)
    count = 3000
    found = [mean_over_seeds(list(row)) for row in rng.normal(0.7, 0.1, size=(count, num_seeds))]
    covered = float(np.mean([one.low <= 0.7 <= one.high for one in found]))
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / count))


def test_the_interval_of_a_difference_holds_the_true_difference_as_often_as_stated() -> None:
    rng = np.random.default_rng(4)
    count = 3000
    found = [seed_difference(_by_seed(rng.normal(0.6, 0.1, 4)), _by_seed(rng.normal(0.5, 0.05, 4))) for _ in range(count)]
    covered = float(np.mean([one.low <= 0.1 <= one.high for one in found]))
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / count))


def test_holm_keeps_the_chance_of_any_false_alarm_among_all_pairs_below_the_level() -> None:
    rng = np.random.default_rng(5)
    count, any_raw, any_corrected = 1500, 0, 0
    for _ in range(count):
        arms = [_by_seed(rng.normal(0.5, 0.1, 5)) for _ in range(4)]
        raw = [seed_difference(arms[i], arms[j]).p for i in range(4) for j in range(i)]
        any_raw += min(raw) < 0.05
        any_corrected += min(holm(raw)) < 0.05
    assert any_raw / count > 0.1
    assert any_corrected / count < 0.05 + 4 * math.sqrt(0.05 * 0.95 / count)


def test_holm_by_hand_and_in_the_order_given() -> None:
    assert holm([0.03, 0.005, 0.02, 0.5]) == pytest.approx([0.06, 0.02, 0.06, 0.5])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_difference_of_the_smallest_visible_size_is_found_about_as_often_as_stated() -> None:
    rng = np.random.default_rng(6)
    count, num_seeds, deviation = 3000, 5, 0.05
    size = smallest_visible(deviation / math.sqrt(num_seeds), num_seeds - 1)
    found = [
        seed_difference(_by_seed(row), dict.fromkeys(range(1, 6), 0.0)).p < 0.05 for row in rng.normal(size, deviation, (count, num_seeds))
    ]
    assert float(np.mean(found)) == pytest.approx(0.8, abs=0.06)


def test_more_comparisons_need_a_larger_difference() -> None:
    assert smallest_visible(0.02, 4, comparisons=6) > 1.4 * smallest_visible(0.02, 4)
