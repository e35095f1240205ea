"""Layers of settings: a later one wins, and every value remembers who set it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reasonforge.config.files import TomlFile
from reasonforge.config.keys import KeyPath

NONE = "none"
"""Stands for no value, as TOML has no null."""


@dataclass(slots=True)
class Layer:
    """A tree of settings with the origin (``file:line`` or the command line) of each of its keys."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    emptied: set[KeyPath] = field(default_factory=set)
    """Where ``"none"`` took the place of a table."""

    def overlay(self, top: Layer) -> None:
        """Put another layer on top: tables merge key by key, everything else is replaced.

        A table whose ``type`` changes is replaced whole: its old keys belong to another kind of thing.
        """
        self._merge(self.data, top.data, (), top.origins)

    def _merge(self, below: dict[str, Any], above: dict[str, Any], path: KeyPath, origins: dict[KeyPath, str]) -> None:
        for key, value in above.items():
            here = (*path, key)
            if _is_same_table(below.get(key), value):
                self.origins[here] = origins[here]
                self._merge(below[key], value, here, origins)
            else:
                self._note_emptied(here, below.get(key), value)
                below[key] = value
                self._replace_origins(here, origins)

    def _note_emptied(self, path: KeyPath, before: Any, value: Any) -> None:
        if value != NONE:
            self.emptied = {known for known in self.emptied if known[: len(path)] != path}
        elif isinstance(before, dict):
            self.emptied.add(path)

    def _replace_origins(self, path: KeyPath, origins: dict[KeyPath, str]) -> None:
        depth = len(path)
        for old in [known for known in self.origins if known[:depth] == path]:
            del self.origins[old]
        self.origins.update({new: origin for new, origin in origins.items() if new[:depth] == path})


def layer_of_file(file: TomlFile) -> Layer:
    """Return a file's settings, each with its line."""
    return Layer(file.data, {path: file.origin(path) for path in _paths(file.data, ())})


def layer_of(data: dict[str, Any], origin: str) -> Layer:
    """Return settings that all come from one place."""
    return Layer(data, dict.fromkeys(_paths(data, ()), origin))


def _is_same_table(below: Any, above: Any) -> bool:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return False
    return "type" not in above or "type" not in below or above["type"] == below["type"]


def _paths(value: Any, path: KeyPath) -> list[KeyPath]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, child in value.items():
            found += _paths(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            found += _paths(child, (*path, index))
    return found
