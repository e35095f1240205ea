"""Recipes written for one test, loaded from the folder they lie in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.config.loader import LoadedRecipe, load_recipe
from tests.config.schema import Recipe

Load = Callable[..., LoadedRecipe[Recipe]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write ``x.toml`` (and further files by keyword, ``base_toml=...``) and load it with the given overrides."""
    monkeypatch.chdir(tmp_path)

    def write_and_load(text: str | bytes, *overrides: str, overlays: tuple[str, ...] = (), **files: str) -> LoadedRecipe[Recipe]:
        for name, content in files.items():
            Path(name.replace("_toml", ".toml")).write_text(content)
        Path("x.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_recipe(Recipe, [Path("x.toml"), *map(Path, overlays)], overrides)

    return write_and_load
