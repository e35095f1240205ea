"""Paths of a recipe, made to hold wherever a later command is called from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from reasonforge.config.loader import LoadedRecipe
from reasonforge.corpus.config import CorpusRecipe

_MAGIC = frozenset("*?[")


def anchored(loaded: LoadedRecipe[CorpusRecipe], folder: Path) -> LoadedRecipe[CorpusRecipe]:
    """Return a recipe whose relative paths are below a folder; URLs and absolute paths stay. No unit is another one by it.

    Args:
        loaded: as it was given.
        folder: absolute: where the command is called.
    """
    resolved = json.loads(json.dumps(loaded.resolved))
    for table, key in _places(resolved):
        table[key] = _each(table[key], lambda path: _anchored(path, folder))
    recipe = CorpusRecipe.model_validate_json(json.dumps(resolved))
    return replace(loaded, recipe=recipe, resolved=recipe.model_dump(mode="json"))


def _places(resolved: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return every table that holds a path, or a list of them, and under which key."""
    pack, decontamination = resolved["pack"] or {}, resolved["decontamination"] or {}
    return [
        (resolved, "truth"),
        *((source, "paths") for part in ("crawl", "seed_documents") for source in resolved[part]["inputs"]),
        *((table, "path") for table in (resolved["annotation"], pack.get("tokenizer", {})) if "path" in table),
        *((source, "path") for source in decontamination.get("sources", ())),
        *((source, "paths") for source in pack.get("sources", {}).values()),
    ]


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [change(path) for path in value]
    return None if value is None else change(value)


def _anchored(path: str, folder: Path) -> str:
    # A pattern below a folder whose own name has a wildcard would mean something else: it stays as it is.
    if "://" in path or (_MAGIC & {*path} and _MAGIC & {*str(folder)}):
        return path
    return os.path.join(folder, os.path.expanduser(path))
