"""Settings from the command line: ``--stages.rl.steps 200``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from reasonforge.config.keys import KeyPath, dotted, parse_dotted
from reasonforge.config.layers import Layer, layer_of
from reasonforge.core.errors import RecipeError

COMMAND_LINE = "command line"
"""The origin of an override."""


def read_overrides(arguments: Sequence[str]) -> tuple[Layer, dict[KeyPath, str]]:
    """Read ``--key.path value`` and ``--key.path=value``; a later one wins.

    A value is read as TOML (numbers, ``true``, ``[1, 2]``, ``{a = 1}``, quoted text) and is plain text where that fails.

    Returns:
        The settings, and the raw text of each value (a text setting takes ``007`` as it was typed).

    Raises:
        RecipeError: no ``--``, no value, a key that is none, or a key below another one's value.
    """
    data: dict[str, Any] = {}
    raw: dict[KeyPath, str] = {}
    for path, text in _pairs(arguments):
        _insert(data, path, parse_value(text))
        raw[path] = text
    return layer_of(data, COMMAND_LINE), raw


def parse_value(text: str) -> Any:
    """Read one value as TOML, or take it as text.

    >>> parse_value("1e-5"), parse_value("[1, 2]"), parse_value("true"), parse_value("runs/a"), parse_value("'7'")
    (1e-05, [1, 2], True, 'runs/a', '7')
    """
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    # Text with a line break could smuggle in further keys.
    return parsed["value"] if parsed.keys() == {"value"} and "\n" not in text else text


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    remaining = iter(arguments)
    for argument in remaining:
        if not argument.startswith("--") or len(argument) == 2:
            raise RecipeError(f"{COMMAND_LINE}: {argument}: expected a setting, --key.path value")
        name, has_value, value = argument.removeprefix("--").partition("=")
        try:
            path = parse_dotted(name)
        except ValueError:
            raise RecipeError(f"{COMMAND_LINE}: --{name}: not a setting's name. Write --key.path value") from None
        if not has_value:
            following = next(remaining, None)
            if following is None or following.startswith("--"):
                raise RecipeError(f"{COMMAND_LINE}: --{name}: needs a value, as in --{name} 1 or --{name} true")
            value = following
        if not value.isprintable() and value.encode("utf-8", "replace").decode() != value:
            raise RecipeError(f"{COMMAND_LINE}: --{name}: the value is not UTF-8")
        yield path, value


def _insert(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for depth, key in enumerate(path[:-1], start=1):
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise RecipeError(
                f"{COMMAND_LINE}: --{dotted(path)}: --{dotted(path[:depth])} already has a value that is no table. Leave one of them out"
            )
    data[path[-1]] = value
