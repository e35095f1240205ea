"""A stage's schedules and watchers behind one door: what they say, and that a resumed stage hears the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reasonforge.core.rollouts import RolloutGroup
from reasonforge.evaluation.evaluate import Evaluation
from reasonforge.runs.directory import RunDirectory
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.course import Course
from reasonforge.stages.rl.curriculum import StagedProblems, open_pools
from tests.runs.fabricate import group, new_run
from tests.stages.test_curriculum import PROBLEMS

Settings = dict[str, Any]
EVALUATION = {"data": "d", "every": 1}


def open_course(run: RunDirectory, **settings: Any) -> Course:
    given = {"data": "d", "steps": 40, "prompts_per_step": 2, "group_size": 4, "sampling": {"max_new_tokens": 32}, **settings}
    config = RLConfig.model_validate(given)
    problems = StagedProblems(open_pools(PROBLEMS, config.curriculum, seed=0), config.curriculum, seed=0)
    return Course(config, problems, run.stage("rl", 40, type="rl"))


def step_metrics(**values: float) -> dict[str, float]:
    return {"reward": 0.5, "accuracy": 0.5, "completions/clipped_ratio": 0.0, **values}


def evaluation(accuracy: float, *, problems: int = 20) -> Evaluation:
    """An evaluation of ten completions per problem, all problems equally hard."""
    right = round(accuracy * 10)
    groups: tuple[RolloutGroup, ...] = tuple(group(i, [1.0] * right + [0.0] * (10 - right)) for i in range(problems))
    return Evaluation(metrics={"pass@1": right / 10}, pass1_interval=(0.0, 1.0), groups=groups)


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((3,), value)}


def test_without_schedules_nothing_changes_and_nothing_is_logged(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        course = open_course(run)
        for step in range(40):
            assert course.values(step) == {}
            assert (course.max_new_tokens, course.temperature(step)) == (32, 1.0)
            course.stepped(step + 1, step_metrics())
        assert not course.is_over


def test_a_step_says_the_values_it_was_drawn_with(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        course = open_course(
            run,
            kl={"coef": 0.2},
            schedules={"kl_coef": [[2, 0.1]], "temperature": [[4, 0.6]]},
            context={"lengths": [8], "at_steps": [2]},
            curriculum={"num_stages": 2, "steps": [3]},
        )
        rows = []
        for step in range(4):
            rows.append(course.values(step))
            course.stepped(step + 1, step_metrics())
    assert [row["kl_coef"] for row in rows] == pytest.approx([0.2, 0.15, 0.1, 0.1])
    assert [row["schedule/temperature"] for row in rows] == pytest.approx([1.0, 0.9, 0.8, 0.7])
    assert [row["schedule/max_new_tokens"] for row in rows] == [8, 8, 32, 32]
    assert [row["schedule/curriculum_stage"] for row in rows] == [1, 1, 1, 2]
    kinds = [row["kind"] for row in RunDirectory.read(tmp_path / "r").event_rows()]
    assert kinds.count("context") == kinds.count("curriculum") == 1


def test_early_stop_ends_the_stage_with_the_weights_of_its_best_evaluation(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        course = open_course(run, evaluation=EVALUATION, early_stop={"patience": 2}, monitor=None)
        over = []
        for step, accuracy in enumerate([0.2, 0.6, 0.5, 0.4], start=1):
            course.stepped(step, step_metrics())
            course.evaluated(step, evaluation(accuracy), weights(float(step)))
            over.append(course.is_over)
        best = course.final_weights()
    assert over == [False, False, False, True]
    assert best is not None
    assert best["w"].tolist() == [2.0] * 3


def test_the_best_weights_do_not_move_with_the_policy(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        course = open_course(run, evaluation=EVALUATION, early_stop={})
        live = weights(1.0)
        course.evaluated(1, evaluation(0.5), live)
        live["w"].fill_(7.0)
        best = course.final_weights()
    assert best is not None
    assert best["w"].tolist() == [1.0] * 3


ACCURACIES = [0.7] * 6 + [0.3] * 6


@pytest.mark.parametrize("on_alarm", ["warn", "stop"])
def test_an_alarm_is_told_and_ends_the_stage_only_where_it_is_asked_to(tmp_path: Path, on_alarm: str) -> None:
    with new_run(tmp_path / "r") as run:
        course = open_course(run, evaluation=EVALUATION, monitor={"on_alarm": on_alarm})
        alarms = []
        for step, accuracy in enumerate(ACCURACIES, start=1):
            course.stepped(step, step_metrics(reward=step / 12))
            alarms.append(course.evaluated(step, evaluation(accuracy), weights(float(step)))["hack/alarm"])
        assert (course.final_weights() is not None) == (on_alarm == "stop")
    first = alarms.index(1.0) + 1
    assert first > 6
    (found,) = RunDirectory.read(tmp_path / "r").alarms()
    assert (found["stage"], found["step"]) == ("rl", first)
    assert "reward hacking suspected" in found["message"]
    assert course.is_over == (on_alarm == "stop")


def test_the_monitor_looks_at_the_total_reward_and_at_strict_held_out_accuracy(tmp_path: Path) -> None:
    # Training accuracy falls with the held-out one; the proxy rises. Only the totals and the evaluation decide.
    with new_run(tmp_path / "r") as run:
        course = open_course(run, evaluation=EVALUATION)
        seen = []
        for step, accuracy in enumerate(ACCURACIES, start=1):
            course.stepped(step, step_metrics(reward=step / 12, accuracy=accuracy))
            seen.append(course.evaluated(step, evaluation(accuracy), {})["hack/alarm"])
    assert max(seen) == 1.0


@pytest.mark.parametrize("cut", [1, 4, 7, 10])
def test_a_resumed_course_goes_the_same_way(tmp_path: Path, cut: int) -> None:
    settings: Settings = {
        "evaluation": EVALUATION,
        "early_stop": {"patience": 4},
        "context": {"lengths": [8, 16], "window": 3},
        "curriculum": {"num_stages": 3, "window": 2, "old_share": 0.2},
    }

    def walk(run: RunDirectory, cut: int | None) -> list[Any]:
        course, rows = open_course(run, **settings), []
        rng = np.random.default_rng(0)
        for step, accuracy in enumerate(ACCURACIES, start=1):
            if step == cut:
                files, state = course.state()
                kept = {name: {key: tensor.clone() for key, tensor in tensors.items()} for name, tensors in files.items()}
                course = open_course(run, **settings)
                course.restore(kept, json.loads(json.dumps(state, allow_nan=False)))
            values = course.values(step)
            metrics = step_metrics(reward=step / 12, accuracy=float(rng.random() * 0.5 + 0.6))
            course.stepped(step, metrics | {"completions/clipped_ratio": 0.5, "reward": 0.5 + 0.1 * (step == 2)})
            rows.append((values, course.evaluated(step, evaluation(accuracy), weights(float(step))), course.is_over))
        best = course.final_weights()
        return [*rows, None if best is None else best["w"].tolist(), course.state()[1]]

    with new_run(tmp_path / "whole") as whole, new_run(tmp_path / "cut") as interrupted:
        assert walk(interrupted, cut) == walk(whole, None)
