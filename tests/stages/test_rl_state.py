"""All that a policy's training remembers between steps is in its checkpoint: whoever takes it back goes on to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reasonforge.runs.metrics import is_reproducible
from reasonforge.stages.rl.loop import PolicyTraining
from tests.stages.bandit import bandit, new_run
from tests.stages.graded import config

SIZES: dict[str, Any] = {
    "steps": 6,
    "prompts_per_step": 2,
    "group_size": 4,
    "updates_per_step": 2,
    "sampling": {"max_new_tokens": 1},
    "training": {"optimizer": {"type": "adamw", "lr": 1e-2, "weight_decay": 0.0}},
}
K1: dict[str, Any] = {"coef": 0.05, "estimator": "k1", "place": "reward"}
MEMORIES: dict[str, dict[str, Any]] = {
    "ppo": {"advantage": {"type": "gae"}, "critic": {"training": {"optimizer": {"type": "adamw", "lr": 1e-2}}}, "kl": K1},
    "ppo with warm-up": {"advantage": {"type": "gae"}, "critic": {"warmup_steps": 4}},
    "dynamic sampling": {"dynamic_sampling": {"max_batches": 4}},
    "adaptive divergence": {"kl": {**K1, "controller": {"target": 0.01, "horizon": 20}}},
    "a moving reference": {"kl": {"coef": 0.05}, "reference_refresh_every": 2},
}


def go_on(trainer: PolicyTraining, steps: range) -> list[dict[str, float]]:
    rows = [trainer.train_step(step) for step in steps]
    return [{name: value for name, value in row.items() if is_reproducible(name)} for row in rows]


@pytest.mark.parametrize("name", MEMORIES)
def test_a_resumed_training_is_the_undisturbed_one(tmp_path: Path, name: str) -> None:
    settings = config(**SIZES | MEMORIES[name])
    with new_run(tmp_path / "undisturbed") as run:
        undisturbed = bandit(settings, run, seed=0)
        expected = go_on(undisturbed, range(6))
    with new_run(tmp_path / "first") as run:
        first = bandit(settings, run, seed=0)
        go_on(first, range(3))
        tensors, scalars = first.learner.state()
        files, state = first.extra_state()
        files = {file: {key: tensor.clone() for key, tensor in content.items()} for file, content in files.items()}
    with new_run(tmp_path / "second") as run:
        second = bandit(settings, run, seed=0)
        second.learner.load_state(tensors, scalars)
        second.restore(files, json.loads(json.dumps(dict(state))))
        assert go_on(second, range(3, 6)) == expected[3:]
    for weight, tensor in undisturbed.learner.weights().items():
        assert torch.equal(tensor, second.learner.weights()[weight]), weight


def test_while_the_critic_warms_up_the_policy_stays(tmp_path: Path) -> None:
    settings = config(**SIZES | {"advantage": {"type": "gae"}, "critic": {"warmup_steps": 4}})
    with new_run(tmp_path / "run") as run:
        trainer = bandit(settings, run, seed=0)
        rows = go_on(trainer, range(5))
    assert [("loss" in row, "value/loss" in row) for row in rows] == [(False, True)] * 4 + [(True, True)]
    assert trainer.learner.version == 2


def test_a_critic_comes_to_foresee_its_returns(tmp_path: Path) -> None:
    """The arm is known once the value is asked behind it; before it, a constant is all there is to say, and it is learned."""
    critic = {"clip": None, "training": {"optimizer": {"type": "adamw", "lr": 1e-2}}, "warmup_steps": 30}
    settings = config(**SIZES | {"steps": 31, "advantage": {"type": "gae"}, "critic": critic})
    with new_run(tmp_path / "run") as run:
        rows = go_on(bandit(settings, run, seed=0), range(30))
    returns = sum(row["reward"] for row in rows[-10:]) / 10
    assert sum(row["value/loss"] for row in rows[-10:]) / 10 == pytest.approx(0.5 * returns * (1 - returns), rel=0.3)
