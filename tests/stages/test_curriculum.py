"""Easy problems first, the same ones after a resume."""

from __future__ import annotations

import itertools
import json

import pytest

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Message, Problem
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.rl.curriculum import StagedProblems, open_pools, split_by_difficulty
from reasonforge.stages.rl.watch_config import Curriculum
from reasonforge.tasks.config import TaskSource
from reasonforge.tasks.streams import ProblemStream


def problem(number: int, difficulty: int | None) -> Problem:
    return Problem(id=f"p{number}", messages=(Message("user", f"{number}?"),), answer="1", source="test", difficulty=difficulty)


PROBLEMS = [problem(i, 1 + i % 5) for i in range(50)]
STREAM = ProblemStream(TaskSource(task="modular_chain"), seed=1)


def staged(config: Curriculum | None, *, seed: int = 0) -> StagedProblems:
    return StagedProblems(open_pools(PROBLEMS, config, seed=seed), config, seed=seed)


def difficulties(problems: list[Problem]) -> set[int | None]:
    return {problem.difficulty for problem in problems}


def test_two_stages_by_level_hold_their_levels() -> None:
    easy, hard = split_by_difficulty(PROBLEMS, Curriculum(levels=((1, 3), (4, 5))))
    assert difficulties(easy) == {1, 2, 3}
    assert difficulties(hard) == {4, 5}


@pytest.mark.parametrize("num_stages", [2, 3, 5])
def test_equal_shares_are_ordered_by_difficulty_and_lose_nothing(num_stages: int) -> None:
    stages = split_by_difficulty(PROBLEMS, Curriculum(num_stages=num_stages))
    assert max(map(len, stages)) - min(map(len, stages)) <= 1
    assert sorted(problem.id for stage in stages for problem in stage) == sorted(problem.id for problem in PROBLEMS)
    for easier, harder in itertools.pairwise(stages):
        assert max(p.difficulty or 0 for p in easier) <= min(p.difficulty or 0 for p in harder)


def test_five_stages_of_five_levels_are_the_levels() -> None:
    assert [difficulties(stage) for stage in split_by_difficulty(PROBLEMS, Curriculum(num_stages=5))] == [{1}, {2}, {3}, {4}, {5}]


def test_without_a_curriculum_problems_come_in_shuffled_epochs() -> None:
    order = ShuffledOrder(len(PROBLEMS), seed=7)
    assert staged(None, seed=7).draw(70) == [PROBLEMS[order[i]] for i in range(70)]


def test_the_next_stage_begins_after_its_steps() -> None:
    problems = staged(Curriculum(levels=((1, 1), (2, 2), (3, 5)), steps=(2, 1)))
    seen = []
    for _ in range(5):
        seen.append(difficulties(problems.draw(8)))
        problems.update(0.0)
    assert seen[:3] == [{1}, {1}, {2}]
    assert seen[3] <= {3, 4, 5}
    assert problems.stage == 2


def test_the_next_stage_begins_when_accuracy_was_high_for_the_whole_window() -> None:
    problems = staged(Curriculum(num_stages=2, accuracy=0.8, window=3))
    assert [problems.update(accuracy) for accuracy in (0.9, 0.9, 0.7, 0.9, 0.9, 0.8, 0.9, 0.9, 0.9)] == [False] * 8 + [True]


def test_the_last_stage_never_ends() -> None:
    problems = staged(Curriculum(num_stages=2, window=1))
    assert [problems.update(1.0) for _ in range(5)] == [True, False, False, False, False]
    assert problems.stage == 1


def test_old_problems_come_back_in_their_share() -> None:
    problems = staged(Curriculum(levels=((1, 1), (2, 5)), steps=(1,), old_share=0.3))
    assert difficulties(problems.draw(50)) == {1}
    problems.update(0.0)
    old = sum(problem.difficulty == 1 for problem in problems.draw(1000))
    assert 250 <= old <= 350


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
def test_a_resumed_curriculum_draws_the_same_problems(cut: int) -> None:
    config = Curriculum(num_stages=3, window=2, old_share=0.2)
    problems, found = staged(config), []
    reference, expected = staged(config), []
    for step in range(8):
        expected.append(reference.draw(6))
        reference.update(0.9)
        if step == cut:
            state = json.loads(json.dumps(problems.state()))
            problems = staged(config)
            problems.restore(state)
        found.append(problems.draw(6))
        problems.update(0.9)
    assert found == expected
    assert reference.stage == 2


def test_a_stream_is_cut_into_ranges_of_its_levels() -> None:
    low, high = STREAM.levels
    pools = open_pools(STREAM, Curriculum(num_stages=2), seed=0)
    easy, hard = (difficulties([pool[i] for i in range(60)]) for pool in pools)
    assert easy | hard == set(range(low, high + 1))
    assert max(easy, key=lambda level: level or 0) < min(hard, key=lambda level: level or 0)  # type: ignore[operator]


def test_a_stream_without_a_curriculum_is_read_on() -> None:
    problems = StagedProblems(open_pools(STREAM, None, seed=0), None, seed=0)
    assert problems.draw(3) + problems.draw(3) == [STREAM[i] for i in range(6)]


def test_problems_without_difficulty_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 problems state no difficulty"):
        split_by_difficulty([problem(1, 1), problem(2, None)], Curriculum(num_stages=2))


def test_a_stage_without_problems_is_refused() -> None:
    with pytest.raises(DataError, match="stage 2 has no problem"):
        split_by_difficulty(PROBLEMS, Curriculum(levels=((1, 5), (6, 9))))


def test_levels_that_a_task_lacks_are_refused() -> None:
    with pytest.raises(RecipeError, match="levels"):
        open_pools(STREAM, Curriculum(levels=((1, 2), (3, 1000))), seed=0)
    with pytest.raises(RecipeError, match="num_stages"):
        open_pools(STREAM, Curriculum(num_stages=1000), seed=0)
