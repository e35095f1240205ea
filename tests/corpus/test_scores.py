"""Scores keep the order of probabilities that single precision calls equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.scores import NUM_SCORES, SHARES, probability_of, score_of, score_of_probability, shares_of, shown


def test_scores_use_all_sixteen_bits() -> None:
    assert score_of(np.array([-np.inf, -20.0, 0.0, 20.0, np.inf])).tolist() == [0, 0, 32768, 65535, 65535]


def test_near_certain_pages_have_scores_of_their_own() -> None:
    rest = np.array([7e-6, 4e-6, 1e-6, 6e-8])  # of which 16 bits of probability would make one score
    assert len(set(score_of(np.log1p(-rest) - np.log(rest)).tolist())) == len(rest)
    assert len(set(np.rint((1 - rest) * 65535).tolist())) == 1


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_the_order_stays(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert score_of(np.array([low]))[0] <= score_of(np.array([high]))[0]


@given(st.floats(1e-8, 1 - 1e-8))
def test_a_probability_comes_back(probability: float) -> None:
    odds = probability / (1 - probability)
    found = float(probability_of(score_of_probability(probability)))
    assert found / (1 - found) == pytest.approx(odds, rel=4e-4)


@pytest.mark.parametrize(("probability", "score"), [(0.0, 0), (0.5, 32768), (1.0, 65535)])
def test_thresholds_at_the_ends_and_in_the_middle(probability: float, score: int) -> None:
    assert score_of_probability(probability) == score


def test_shares_are_rounded_probabilities() -> None:
    every = np.arange(NUM_SCORES)
    np.testing.assert_allclose(shares_of(every) / SHARES, probability_of(every), atol=0.5 / SHARES + 1e-12)


@pytest.mark.parametrize(("score", "text"), [(32768, "0.500"), (65535, "1 - 2e-09"), (0, "2e-09"), (44000, "0.999"), (22000, "0.001")])
def test_probabilities_are_shown_by_how_near_they_are_to_the_ends(score: int, text: str) -> None:
    assert shown(score) == text
