"""Figures of a classifier, beside slow ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.classifier.measure import at_threshold, average_precision, calibration, evaluate

EXAMPLES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({kind for _, kind in rows}) == 2
)


def arrays(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([value for value, _ in rows]), np.array([kind for _, kind in rows])


@given(EXAMPLES)
def test_average_precision_is_the_mean_precision_at_each_positive(rows: list[tuple[float, bool]]) -> None:
    slow = [sum(kind for other, kind in rows if other >= value) / sum(other >= value for other, _ in rows) for value, kind in rows if kind]
    assert average_precision(*arrays(rows)) == pytest.approx(np.mean(slow))


@given(EXAMPLES)
def test_roc_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, bool]]) -> None:
    pairs = [(high > low) + (high == low) / 2 for high, kind in rows if kind for low, other in rows if not other]
    found = evaluate(*arrays(rows), num_domains=1)
    assert found is not None
    assert found.roc_auc == pytest.approx(np.mean(pairs))


def test_precision_and_recall_by_hand() -> None:
    found = at_threshold(np.array([0.9, 0.6, 0.5, 0.2]), np.array([True, False, True, True]), 0.5)
    assert found == (0.5, 2 / 3, 2 / 3)


def test_collecting_nothing_has_no_precision() -> None:
    assert at_threshold(np.array([0.1]), np.array([True]), 0.5) == (0.5, None, 0.0)


def test_the_calibration_table_by_hand() -> None:
    found = calibration(np.array([0.05, 0.07, 0.95, 1.0]), np.array([False, True, True, True]))
    assert [entry[:2] for entry in found] == [(0.0, 2), (0.9, 2)]
    np.testing.assert_allclose([entry[2:] for entry in found], [(0.06, 0.5), (0.975, 1.0)])


@pytest.mark.parametrize("kinds", [[True, True], [False, False], []])
def test_one_kind_alone_has_no_figures(kinds: list[bool]) -> None:
    assert evaluate(np.zeros(len(kinds)), np.array(kinds, dtype=bool), num_domains=1) is None
