"""The algorithms of the papers, as the recipes spell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reasonforge.config.loader import load_recipe
from reasonforge.pipelines.config import Recipe
from reasonforge.stages.rl.config import RLConfig

Settings = dict[str, Any]

_RECIPES = Path(__file__).resolve().parents[2] / "recipes"
TOY = _RECIPES / "toy" / "r1_zero.toml"
ALGORITHMS = {path.stem: path for path in sorted((_RECIPES / "algorithms").glob("*.toml"))}
"""Overlays by name; each picks one choice per axis."""

AXES = {"advantage", "ratio", "surrogate", "aggregation", "kl", "reference_refresh_every", "truncated"}
"""Everything that makes an algorithm. The rest is sizes."""


def algorithm(name: str, *, over: Path = TOY) -> Settings:
    """Return what an algorithm's overlay makes of a recipe on every axis."""
    stage = load_recipe(Recipe, [over, ALGORITHMS[name]]).recipe.stages["rl"]
    return stage.model_dump(include=AXES)


def rl_config(settings: Settings, **more: Any) -> RLConfig:
    """Return a stage's settings; sizes are small unless given."""
    sizes = {"data": "d", "steps": 1, "prompts_per_step": 1, "group_size": 4, "sampling": {"max_new_tokens": 8}}
    return RLConfig.model_validate(sizes | settings | more)
