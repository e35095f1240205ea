"""The best evaluation so far, and when to stop waiting."""

from __future__ import annotations

import json

import pytest

from reasonforge.stages.rl.early_stop import BestSoFar
from reasonforge.stages.rl.watch_config import EarlyStop


def stops_at(config: EarlyStop | None, accuracies: list[float]) -> int | None:
    best = BestSoFar(config)
    return next((i for i, accuracy in enumerate(accuracies) if best.update(i, accuracy)), None)


def test_it_stops_after_so_many_evaluations_without_a_new_best() -> None:
    assert stops_at(EarlyStop(patience=2), [0.1, 0.3, 0.2, 0.4, 0.3, 0.4]) == 5


def test_a_new_best_starts_the_wait_anew() -> None:
    assert stops_at(EarlyStop(patience=2), [0.1, 0.0, 0.2, 0.1, 0.3, 0.2]) is None


def test_a_gain_within_min_delta_is_no_new_best() -> None:
    accuracies = [0.50, 0.51, 0.52]
    assert stops_at(EarlyStop(patience=2, min_delta=0.02), accuracies) == 2
    assert stops_at(EarlyStop(patience=2), accuracies) is None


def test_without_patience_it_only_remembers_the_best() -> None:
    best = BestSoFar(None)
    assert not any(best.update(step, accuracy) for step, accuracy in enumerate([0.2, 0.5, *[0.1] * 50]))
    assert (best.step, best.accuracy) == (1, 0.5)


def test_only_the_newest_best_is_newest() -> None:
    best, newest = BestSoFar(None), []
    assert not best.is_newest
    for step, accuracy in enumerate([0.2, 0.5, 0.5, 0.6]):
        best.update(step, accuracy)
        newest.append(best.is_newest)
    assert newest == [True, True, False, True]


@pytest.mark.parametrize("cut", range(6))
def test_a_resumed_wait_goes_on(cut: int) -> None:
    accuracies = [0.1, 0.3, 0.2, 0.25, 0.2, 0.1]
    best, found = BestSoFar(EarlyStop(patience=3)), []
    for step, accuracy in enumerate(accuracies):
        if step == cut:
            state = json.loads(json.dumps(best.state(), allow_nan=False))
            best = BestSoFar(EarlyStop(patience=3))
            best.restore(state)
        found.append(best.update(step, accuracy))
    assert found == [False, False, False, False, True, True]
