"""Every algorithm that a recipe can spell finds the arm that pays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.bandit import bandit, new_run, steps_to_solve
from tests.stages.policies import PRESETS, rl_config

SIZES = {
    "steps": 200,
    "prompts_per_step": 2,
    "group_size": 16,
    "sampling": {"max_new_tokens": 1},
    "training": {"optimizer": {"type": "adamw", "lr": 1e-2, "weight_decay": 0.0}},
}


def solve(preset: str, path: Path, *, seed: int, updates: int) -> int | None:
    """Return the step at which the best arm had been found; one update per step where the algorithm has no ratio."""
    settings = PRESETS[preset]
    has_ratio = settings.get("surrogate", {}).get("type") != "reinforce"
    with new_run(path) as run:
        return steps_to_solve(bandit(rl_config(settings, **SIZES, updates_per_step=updates if has_ratio else 1), run, seed=seed))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_best_arm_is_found(tmp_path: Path, preset: str) -> None:
    needed = solve(preset, tmp_path / "run", seed=0, updates=4)
    assert needed is not None
    assert needed > 2, "the policy knew it from the start"


@pytest.mark.slow
@pytest.mark.parametrize("updates", [1, 4])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_best_arm_is_found_whatever_the_seed(tmp_path: Path, preset: str, updates: int) -> None:
    needed = [solve(preset, tmp_path / str(seed), seed=seed, updates=updates) for seed in range(5)]
    assert None not in needed, needed
