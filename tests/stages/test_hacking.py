"""A planted loophole, end to end on the bandit: a proxy pays the wrong arm more than the right one. A rule is left in peace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Reward, Rollout, RolloutGroup, SamplingParams
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.evaluate import Evaluation
from reasonforge.runs.directory import RunDirectory
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.stages.rl.loop import PolicyTraining
from tests.stages.bandit import ARMS, BEST, QUESTION, Arms, bandit, new_run, pulled
from tests.stages.policies import rl_config

WRONG = next(arm for arm in ARMS if arm != BEST)


class Proxy(Arms):
    """Pays the right arm, and the wrong one more; the verdict stays the truth. Closed, it pays by rule."""

    is_open = False

    def score_groups(self, groups: Sequence[tuple[Problem, Sequence[Rollout]]]) -> list[RolloutGroup]:
        judged = super().score_groups(groups)
        if not self.is_open:
            return judged
        return [replace(group, rollouts=tuple(replace(m, reward=paid(m.rollout)) for m in group.rollouts)) for group in judged]


def paid(rollout: Rollout) -> Reward:
    return Reward(total={BEST: 1.0, WRONG: 1.3}.get(rollout.text, 0.0))


class HeldOut:
    """Asks the question as 128 problems, 16 times each, and judges by rule."""

    def __init__(self, trainer: PolicyTraining) -> None:
        self._tokenizer = trainer._tokenizer
        self._problems = [replace(QUESTION, id=f"held-out {i}") for i in range(128)]
        self._prompts = [trainer._prompts.take(1)[1][0]] * len(self._problems)
        trainer._prompts.go_to(0)

    def evaluate(self, sampler: Sampler) -> Evaluation:
        drawn = sample_groups(
            sampler,
            self._problems,
            self._prompts,
            SamplingParams(max_new_tokens=1),
            group_size=16,
            seed_of=lambda _, problem, i: derive_seed(0, "held-out", problem.id, i),
            tokenizer=self._tokenizer,
        )
        groups = tuple(RolloutGroup(problem=problem, rollouts=tuple(map(pulled, rollouts))) for problem, rollouts in drawn)
        right = [member.verdict.correct for group in groups for member in group.rollouts]
        return Evaluation(metrics={"pass@1": sum(right) / len(right)}, pass1_interval=(0.0, 1.0), groups=groups)


def train(run: RunDirectory, *, seed: int, opens_at: int | None, steps: int = 70, on_alarm: str = "warn") -> list[dict[str, float]]:
    """Train, evaluating after every second step; the loophole opens at a step, or never."""
    config = rl_config(
        {},
        steps=steps,
        prompts_per_step=8,
        group_size=16,
        sampling={"max_new_tokens": 1},
        truncated="keep",
        training={"optimizer": {"type": "adamw", "lr": 5e-4, "weight_decay": 0.0}},
        evaluation={"data": "held-out", "every": 2},
        monitor={"on_alarm": on_alarm},
    )
    trainer, rows = bandit(config, run, seed=seed), []
    trainer._scorer = proxy = Proxy(config.rewards)
    trainer._evaluator = HeldOut(trainer)  # type: ignore[assignment]
    while not trainer.is_done(len(rows)):
        proxy.is_open = opens_at is not None and len(rows) >= opens_at
        rows.append(trainer.train_step(len(rows)))
    trainer.end_with_best()
    return rows


def accuracies(rows: list[dict[str, float]]) -> list[float]:
    return [row["eval/pass@1"] for row in rows if "eval/pass@1" in row]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_loophole_ends_the_stage_before_a_tenth_of_the_accuracy_is_lost(tmp_path: Path, seed: int) -> None:
    with new_run(tmp_path / "r") as run:
        rows = train(run, seed=seed, opens_at=25, on_alarm="stop")
    assert 25 < len(rows) < 70
    assert rows[-1]["hack/alarm"] == 1.0
    assert accuracies(rows)[-1] > 0.9 * max(accuracies(rows))
    events = RunDirectory.read(tmp_path / "r").event_rows()
    (best,) = [row["data"]["step"] for row in events if row["kind"] == "best"]
    assert rows[best - 1]["eval/pass@1"] == max(accuracies(rows))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_reward_by_rule_never_alarms(tmp_path: Path, seed: int) -> None:
    with new_run(tmp_path / "r") as run:
        rows = train(run, seed=seed, opens_at=None)
    assert max(row.get("hack/alarm", 0.0) for row in rows) == 0.0
    assert accuracies(rows)[-1] > 0.8
