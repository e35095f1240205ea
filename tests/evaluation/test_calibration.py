"""Ranks, probabilities and pairs of scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reasonforge.evaluation.calibration import area_under_curve, brier_score, calibration_error, correlation, pair_accuracy, sigmoid


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    generator = np.random.default_rng(0)
    scores, good = generator.integers(0, 5, 40).astype(float), generator.random(40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[good] for b in scores[~good]]
    assert area_under_curve(scores, good) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_equal_scores_rank_nothing() -> None:
    assert area_under_curve([1.0, 1.0, 1.0], [True, False, True]) == 0.5


def test_labels_of_one_sort_have_no_area() -> None:
    assert math.isnan(area_under_curve([0.1, 0.2], [True, True]))


def test_the_brier_score_by_hand() -> None:
    assert brier_score([0.8, 0.3], [1, 0]) == pytest.approx((0.04 + 0.09) / 2)


def test_the_calibration_error_by_hand() -> None:
    # Bin [0.2, 0.3): said 0.25 twice, came 0.5; bin [0.9, 1]: said 1 once, came 1; bin [0.6, 0.7): said 0.6, came 0.
    assert calibration_error([0.25, 0.25, 1.0, 0.6], [0, 1, 1, 0]) == pytest.approx((0.5 + 0.0 + 0.6) / 4)


def test_probabilities_that_come_true_have_no_calibration_error() -> None:
    said = np.repeat([0.25, 0.75], 4)
    assert calibration_error(said, [1, 0, 0, 0, 1, 1, 1, 0]) == 0


def test_correlation_is_pearsons_and_zero_for_a_constant() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 30))
    assert correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert correlation(x, np.ones(30)) == 0


def test_pairs_of_matched_length_are_counted_apart() -> None:
    found = pair_accuracy([3, 1, 2], [1, 2, 2], better_lengths=[100, 100, 50], worse_lengths=[10, 105, 50])
    assert (found.all, found.matched, found.num_pairs, found.num_matched) == (0.5, 0.25, 3, 2)


def test_no_pair_has_no_accuracy() -> None:
    assert math.isnan(pair_accuracy([], [], better_lengths=[], worse_lengths=[]).all)


def test_huge_logits_are_certain() -> None:
    assert sigmoid([-1e6, 0.0, 1e6]).tolist() == [0.0, 0.5, 1.0]
