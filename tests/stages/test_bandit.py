"""Every algorithm that a recipe can spell finds the arm that pays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.bandit import bandit, new_run, steps_to_solve
from tests.stages.policies import ALGORITHMS, algorithm, rl_config

SIZES = {
    "steps": 200,
    "prompts_per_step": 4,
    "group_size": 8,
    "sampling": {"max_new_tokens": 1},
    "truncated": "keep",  # one token of one: every pull runs into the limit
    "training": {"optimizer": {"type": "adamw", "lr": 1e-2, "weight_decay": 0.0}},
}


def solve(name: str, path: Path, *, seed: int, updates: int) -> int | None:
    """Return the step at which the best arm had been found; one update per step where the algorithm has no ratio."""
    settings = algorithm(name)
    has_ratio = settings["surrogate"]["type"] != "reinforce"
    with new_run(path) as run:
        return steps_to_solve(bandit(rl_config(settings, **SIZES, updates_per_step=updates if has_ratio else 1), run, seed=seed))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_best_arm_is_found(tmp_path: Path, name: str) -> None:
    needed = solve(name, tmp_path / "run", seed=0, updates=4)
    assert needed is not None
    assert needed > 2, "the policy knew it from the start"


@pytest.mark.slow
@pytest.mark.parametrize("updates", [1, 4])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_best_arm_is_found_whatever_the_seed(tmp_path: Path, name: str, updates: int) -> None:
    needed = [solve(name, tmp_path / str(seed), seed=seed, updates=updates) for seed in range(5)]
    assert None not in needed, needed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_r1s_sixteen_updates_per_rollout_find_the_best_arm(tmp_path: Path, seed: int) -> None:
    """A clip of 10 and a reference that is replaced: fifteen of sixteen updates are off-policy, and nothing is clipped."""
    settings = algorithm("r1")
    assert settings["surrogate"]["eps_low"] == settings["surrogate"]["eps_high"] == 10
    with new_run(tmp_path / "run") as run:
        trainer = bandit(rl_config(settings | {"reference_refresh_every": 5}, **SIZES, updates_per_step=16), run, seed=seed)
        assert steps_to_solve(trainer) is not None
