"""Which problems are worth training on."""

from __future__ import annotations

import numpy as np
import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.stages.select.config import SelectConfig
from reasonforge.stages.select.score import accuracy_curves, impact_scores, learning_impact, level_of
from reasonforge.tasks.config import RolloutSource
from tests.oracle import case
from tests.runs.fabricate import group

LIM = case("schedules_and_selection", "lim")


def test_the_learning_impact_is_the_oracles() -> None:
    curves = np.array(LIM.inputs["reward_per_epoch"])
    np.testing.assert_allclose(curves.mean(0), LIM.expected["average_curve"], atol=LIM.tolerance)
    scores = learning_impact(curves)
    np.testing.assert_allclose(scores, LIM.expected["scores"], atol=LIM.tolerance)
    assert (scores > LIM.inputs["theta"]).tolist() == LIM.expected["keep"]


def test_a_problem_that_follows_the_average_scores_one() -> None:
    curves = np.array([[0.2, 0.6], [0.1, 0.5], [0.3, 0.7]])
    assert learning_impact(curves)[0] == pytest.approx(1)


def test_what_is_always_right_everywhere_has_no_impact() -> None:
    assert learning_impact(np.ones((3, 4))).tolist() == [0, 0, 0]


def visits(*curves: list[int]) -> list[RolloutGroup]:
    """Groups of an rl stage: problem i is right ``curves[i][k]`` times of 2 at its visit k."""
    found = []
    for step in range(max(map(len, curves))):
        for i, curve in enumerate(curves):
            if step < len(curve):
                found.append(group(i, [1.0] * curve[step] + [0.0] * (2 - curve[step]), step=step))
    return found


def test_curves_are_the_accuracy_at_each_visit() -> None:
    assert accuracy_curves(visits([0, 1, 2], [1, 1, 1])) == {"p-0": [0, 0.5, 1], "p-1": [0.5, 0.5, 0.5]}


def test_a_problem_seen_in_fewer_epochs_than_most_has_no_score() -> None:
    scores = impact_scores(accuracy_curves(visits([0, 1, 2], [1, 1, 2], [0, 1])))
    assert set(scores) == {"p-0", "p-1"}


def test_an_epoch_that_few_problems_reached_does_not_count() -> None:
    with_rest = impact_scores(accuracy_curves(visits([0, 1, 2], [1, 1], [0, 1])))
    without = impact_scores(accuracy_curves(visits([0, 1], [1, 1], [0, 1])))
    assert with_rest == without


def test_one_visit_is_no_curve() -> None:
    with pytest.raises(DataError, match="no curve: train for several epochs"):
        accuracy_curves(visits([1], [0]))


@pytest.mark.parametrize(("rate", "level"), [(1.0, 1), (0.81, 1), (0.8, 2), (0.6, 3), (0.5, 3), (0.2, 5), (0.0, 5)])
def test_difficulty_is_the_band_of_the_pass_rate(rate: float, level: int) -> None:
    assert level_of(rate, 5) == level


def test_a_stage_without_a_criterion_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to select by"):
        SelectConfig(data="samples")


@pytest.mark.parametrize(
    "settings", [{"only": "correct"}, {"pass_rate": [0, 0.5]}, {"distinct": "text"}, {"max_per_problem": 2}, {"shuffle_seed": 1}]
)
def test_a_filtered_table_is_refused(settings: dict[str, object]) -> None:
    source = RolloutSource.model_validate({"stage": "s", **settings})
    with pytest.raises(ValueError, match=f"data.samples.{min(settings)}: a select stage measures over all"):
        SelectConfig(data="samples", levels=2).check_source(source)
