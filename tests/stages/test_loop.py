"""What a step of the loop hands to whom: which policy is the old one, at which temperature, when the reference moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonforge.core.rollouts import PolicySample
from reasonforge.stages.rl.credit import assign_credit
from reasonforge.stages.rl.loop import PolicyTraining
from tests.stages.bandit import bandit, new_run
from tests.stages.graded import config

SIZES: dict[str, Any] = {
    "steps": 8,
    "prompts_per_step": 2,
    "group_size": 4,
    "sampling": {"max_new_tokens": 1},
    "training": {"optimizer": {"type": "adamw", "lr": 1e-2, "weight_decay": 0.0}},
}
PPO: dict[str, Any] = {"advantage": {"type": "gae"}, "critic": {"training": {"optimizer": {"type": "adamw", "lr": 1e-2}}}}


def watch(trainer: PolicyTraining, monkeypatch: pytest.MonkeyPatch) -> list[list[PolicySample]]:
    """Return a list that will hold the samples of every update of the policy."""
    updates: list[list[PolicySample]] = []
    step = trainer.learner.step

    def watched(samples: list[PolicySample], *args: Any, **kwargs: Any) -> Any:
        updates.append(list(samples))
        return step(samples, *args, **kwargs)

    monkeypatch.setattr(trainer.learner, "step", watched)
    return updates


def copied(weights: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in weights.items()}


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_old_policy_and_the_old_critic_are_those_before_a_steps_first_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(**SIZES | {"group_size": 16}, **PPO, updates_per_step=4)
    with new_run(tmp_path / "run") as run:
        trainer = bandit(settings, run, seed=0)
        trainer.train_step(0)
        assert trainer._critic is not None
        updates = watch(trainer, monkeypatch)
        before = bandit(settings, run, seed=0)
        before.learner.load_state(*trainer.learner.state())
        assert before._critic is not None
        before._critic.restore(*trainer._critic.state())
        trainer.train_step(1)
    assert [len(update) for update in updates] == [8] * 4
    samples = [sample for update in updates for sample in update]
    judged, _ = before._critic.judge(samples)
    for sample, logprobs, own in zip(samples, before.learner.logprobs(samples), judged):
        assert sample.old_logprobs is not None
        np.testing.assert_allclose(sample.old_logprobs, logprobs, atol=1e-6)
        assert sample.values is not None
        assert own.values is not None
        np.testing.assert_allclose(sample.values, own.values, atol=1e-6)
    moved = trainer.learner.logprobs(samples)
    assert max(np.abs(now - sample.old_logprobs).max() for now, sample in zip(moved, samples) if sample.old_logprobs is not None) > 1e-3


def test_a_single_update_has_no_other_old_policy_than_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**SIZES), run, seed=0)
        updates = watch(trainer, monkeypatch)
        for step in range(4):
            trainer.train_step(step)
    assert any(updates)
    assert all(sample.old_logprobs is None for update in updates for sample in update)


def test_everything_is_scored_at_the_temperature_it_was_drawn_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampler, learner and reference agree on a policy that has not moved, whatever the schedule says."""
    settings = SIZES | {"sampling": {"max_new_tokens": 1, "temperature": 1.5}, "kl": {"coef": 0.1}, "updates_per_step": 2}
    settings |= {"schedules": {"temperature": [[4, 0.5]]}, "training": {"optimizer": {"type": "adamw", "lr": 1e-12, "weight_decay": 0.0}}}
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**settings), run, seed=0)
        updates = watch(trainer, monkeypatch)
        rows = [trainer.train_step(step) for step in range(5)]
    assert [row["schedule/temperature"] for row in rows] == pytest.approx([1.5, 1.25, 1.0, 0.75, 0.5])
    drawn = [sample for update in updates for sample in update]
    assert len({round(float(sample.sampler_logprobs[-1]), 3) for sample in drawn}) > 5
    for sample in drawn:
        assert sample.old_logprobs is not None
        assert sample.ref_logprobs is not None
        np.testing.assert_allclose(sample.old_logprobs, sample.sampler_logprobs, atol=1e-5)
        np.testing.assert_allclose(sample.ref_logprobs, sample.sampler_logprobs, atol=1e-5)
    assert all(row["sampler_gap/max"] < 1e-5 for row in rows)
    # Both updates see a ratio of 1: what moves the loss is neither the temperature nor a stale policy.
    assert all(row["kl"] == pytest.approx(0.0, abs=1e-8) for row in rows)


@pytest.mark.parametrize("setting", [{"reference_refresh_every": 3}, {"iterations": {"steps": 3}}], ids=["refresh", "iterations"])
def test_the_reference_is_the_policy_at_the_start_of_every_third_step(tmp_path: Path, setting: dict[str, Any]) -> None:
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**SIZES, **setting, kl={"coef": 0.1}), run, seed=0)
        assert trainer._reference is not None
        expected = copied(trainer.learner.weights())
        for step in range(8):
            if step % 3 == 0:
                expected = copied(trainer.learner.weights())
            assert same(expected, trainer._reference.weights()), step
            before = copied(trainer.learner.weights())
            trainer.train_step(step)
            assert not same(before, trainer.learner.weights())


def test_without_a_refresh_the_reference_stays_the_stages_start(tmp_path: Path) -> None:
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**SIZES, kl={"coef": 0.1}), run, seed=0)
        assert trainer._reference is not None
        start = copied(trainer.learner.weights())
        for step in range(4):
            trainer.train_step(step)
        assert same(start, trainer._reference.weights())
        assert not same(start, trainer.learner.weights())


def test_the_rewards_divergence_weighs_what_the_schedule_says_of_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SIZES | {"kl": {"coef": 0.4, "estimator": "k1", "place": "reward"}, "schedules": {"kl_coef": [[4, 0.2]]}}
    paid: list[float] = []
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**settings), run, seed=0)
        monkeypatch.setattr(
            "reasonforge.stages.rl.loop.assign_credit",
            lambda *args, kl_coef, **more: paid.append(kl_coef) or assign_credit(*args, kl_coef=kl_coef, **more),
        )
        for step in range(6):
            trainer.train_step(step)
    assert paid == pytest.approx([0.4, 0.35, 0.3, 0.25, 0.2, 0.2])


def test_the_coefficient_of_the_divergence_waits_for_the_policy(tmp_path: Path) -> None:
    """While the critic learns alone the divergence is nothing, whatever the coefficient."""
    kl = {"coef": 0.2, "estimator": "k1", "place": "reward", "controller": {"target": 0.1, "horizon": 8}}
    critic = PPO["critic"] | {"warmup_steps": 3}
    coefs = []
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**SIZES | PPO | {"kl": kl, "critic": critic}), run, seed=0)
        for step in range(5):
            trainer.train_step(step)
            coefs.append(trainer.extra_state()[1]["kl_coef"])
    assert coefs[:3] == [0.2] * 3
    assert coefs[3] == pytest.approx(0.2 * 0.8)  # the fourth step still sampled from the reference
    assert coefs[4] != coefs[3]
