"""Values over the steps, and when the length limit grows."""

from __future__ import annotations

import json

import pytest

from reasonforge.stages.rl.schedules import ContextLimit, value_at
from reasonforge.stages.rl.watch_config import ContextSchedule


def test_a_schedule_runs_straight_between_its_points_and_stays_after_the_last() -> None:
    points = [(10, 0.5), (20, 0.1)]
    assert [value_at(step, 1.0, points) for step in (0, 5, 10, 15, 20, 1000)] == pytest.approx([1.0, 0.75, 0.5, 0.3, 0.1, 0.1])


def test_without_points_the_value_is_constant() -> None:
    assert [value_at(step, 0.04, ()) for step in (0, 7, 10_000)] == [0.04] * 3


def limits(config: ContextSchedule, rows: list[tuple[float, float]], *, longest: int = 64) -> list[int]:
    """The limit after each step of (reward, clipped share)."""
    limit, found = ContextLimit(config, longest=longest), []
    for step, (reward, share) in enumerate(rows, start=1):
        limit.update(step, reward=reward, clipped_share=share)
        found.append(limit.max_new_tokens)
    return found


def test_the_limit_grows_when_completions_are_cut_and_the_reward_stands_still() -> None:
    config = ContextSchedule(lengths=(16, 32), window=3)
    assert limits(config, [(0.5, 0.2)] * 8) == [16, 16, 32, 32, 32, 64, 64, 64]


def test_the_limit_stays_while_the_reward_rises() -> None:
    config = ContextSchedule(lengths=(16,), window=3)
    assert limits(config, [(0.1 * i, 0.9) for i in range(9)]) == [16] * 9


def test_the_limit_stays_while_few_completions_are_cut() -> None:
    config = ContextSchedule(lengths=(16,), window=3, clipped_share=0.1)
    assert limits(config, [(0.5, 0.05)] * 9) == [16] * 9


def test_only_the_last_steps_count() -> None:
    config = ContextSchedule(lengths=(16,), window=3)
    rising = [(0.1 * i, 0.5) for i in range(5)]
    assert limits(config, [*rising, (0.4, 0.5), (0.3, 0.5)])[-2:] == [16, 64]


def test_fixed_steps_decide_alone() -> None:
    config = ContextSchedule(lengths=(16, 32), at_steps=(2, 4))
    assert limits(config, [(0.0, 0.0)] * 5) == [16, 32, 32, 64, 64]


def test_without_a_schedule_the_limit_is_the_longest() -> None:
    limit = ContextLimit(None, longest=64)
    assert limit.max_new_tokens == 64
    assert not limit.update(1, reward=0.0, clipped_share=1.0)


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_resumed_limit_grows_at_the_same_step(cut: int) -> None:
    config = ContextSchedule(lengths=(16, 32), window=3)
    rows = [(0.5, 0.2), (0.6, 0.2), (0.6, 0.3), (0.5, 0.2), (0.5, 0.2), (0.4, 0.5), (0.4, 0.5), (0.4, 0.5)]
    limit, found = ContextLimit(config, longest=64), []
    for step, (reward, share) in enumerate(rows, start=1):
        if step == cut:
            state = json.loads(json.dumps(limit.state()))
            limit = ContextLimit(config, longest=64)
            limit.restore(state)
        limit.update(step, reward=reward, clipped_share=share)
        found.append(limit.max_new_tokens)
    assert found == limits(config, rows)
