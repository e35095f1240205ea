"""The algorithms of the papers, as the recipes spell them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from reasonforge.config.loader import load_recipe
from reasonforge.pipelines.config import Recipe
from reasonforge.stages.rl.config import RLConfig

Settings = dict[str, Any]

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
CHAIN = RECIPES / "toy" / "chain.toml"
"""Model and data for an algorithm to lie on."""
METHODS = {path.stem: path for path in sorted((RECIPES / "algorithms").glob("*.toml"))}
"""Every method by name, with the values of its paper."""

AXES = {
    "advantage",
    "process",
    "critic",
    "ratio",
    "surrogate",
    "aggregation",
    "kl",
    "reference_refresh_every",
    "truncated",
    "dynamic_sampling",
}
"""Everything that makes an update. The rest is sizes, rewards and schedules."""

SCHEDULES = ("curriculum2", "curriculum5", "progressive_context")
"""Methods that say when what is learned, and update as GRPO does."""


def algorithm(name: str, *, over: Path = CHAIN) -> Settings:
    """Return what a method makes of a recipe's ``rl`` stage on every axis, with the rewards where steps are paid."""
    stage = load_recipe(Recipe, [over, METHODS[name]]).recipe.stages["rl"]
    assert isinstance(stage, RLConfig)
    return stage.model_dump(include=AXES | ({"rewards"} if stage.process is not None else set()))


def _adds_only_rl(path: Path) -> bool:
    return tomllib.loads(path.read_text(encoding="utf-8"))["stages"].keys() == {"rl"}


ALGORITHMS = {name: path for name, path in METHODS.items() if name not in SCHEDULES and _adds_only_rl(path)}
"""The methods that are one ``rl`` stage and nothing before it."""


def rl_config(settings: Settings, **more: Any) -> RLConfig:
    """Return a stage's settings; sizes are small unless given."""
    sizes = {"data": "d", "steps": 1, "prompts_per_step": 1, "group_size": 4, "sampling": {"max_new_tokens": 8}}
    return RLConfig.model_validate(sizes | settings | more)
