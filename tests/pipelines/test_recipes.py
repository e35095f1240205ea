"""Every recipe that is shipped can be read, and is the same recipe when a run reads back what it has stored of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from reasonforge.config.loader import load_recipe, reload_recipe
from reasonforge.pipelines.config import Recipe

FOLDER = Path(__file__).resolve().parents[2] / "recipes"


def is_whole(path: Path) -> bool:
    """Whether a file is a recipe by itself: others are overlays, which recipes build on."""
    content = tomllib.loads(path.read_text())
    return "name" in content and ("model" in content or "extends" in content)


RECIPES = sorted(path for path in FOLDER.rglob("*.toml") if is_whole(path))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_stored_recipe_is_the_recipe(path: Path, tmp_path: Path) -> None:
    given = load_recipe(Recipe, [path])
    stored = tmp_path / "recipe.resolved.json"
    stored.write_text(json.dumps(given.resolved))
    again = reload_recipe(Recipe, stored, path)
    assert again.recipe == given.recipe
    assert again.resolved == given.resolved


def test_there_are_recipes() -> None:
    assert RECIPES
