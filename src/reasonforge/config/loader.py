"""Recipes: TOML files on top of each other and the command line on top of them, checked against a schema."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from reasonforge.config.files import TomlFile, display_name, read_text, read_toml
from reasonforge.config.keys import KeyPath, dotted
from reasonforge.config.kinds import check_kind
from reasonforge.config.layers import NONE, Layer, layer_of, layer_of_file
from reasonforge.config.overrides import read_overrides
from reasonforge.config.problems import Finding, describe, find
from reasonforge.config.schema import Place, inside
from reasonforge.core.errors import RecipeError

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecipe(Generic[T]):
    """A recipe and where everything in it comes from."""

    recipe: T
    text: str
    """The first file as given."""
    resolved: dict[str, Any]
    """Every setting, defaults included, JSON-able."""
    origins: Mapping[str, str]
    """Dotted key of each setting in ``resolved`` -> ``default``, ``file.toml:line`` or ``command line``."""
    files: tuple[Path, ...]
    """Every file read, in the order they were laid on top of each other."""


def load_recipe(schema: type[T], files: Sequence[Path], overrides: Sequence[str] = ()) -> LoadedRecipe[T]:
    """Load a recipe: each file over what it extends, overlays over the first file, ``--key.path value`` over all.

    Raises:
        RecipeError: anything that is wrong with the files or the settings, one line per problem, at most ten; or the recipe is of another
            kind.
    """
    if not files:
        raise RecipeError("no recipe given. Name a .toml file")
    layer = Layer()
    read: list[TomlFile] = []
    for path in files:
        for file in _with_bases(path, ()):
            layer.overlay(layer_of_file(file))
            read.append(file)
    first = next(file for file in read if file.path == files[0])
    check_kind(schema, layer.data, first.name)
    return _finish(schema, layer, overrides, text=first.text, files=tuple(file.path for file in read), fallback=first.name)


def reload_recipe(schema: type[T], resolved: Path, as_given: Path, overrides: Sequence[str] = ()) -> LoadedRecipe[T]:
    """Load the recipe that a run has stored, with all that once lay on top of it.

    Args:
        resolved: the JSON file of every setting.
        as_given: the recipe's text as it was given.

    Raises:
        RecipeError: a file is missing or broken, or an override is wrong.
    """
    name = display_name(resolved)
    try:
        data = json.loads(read_text(resolved))
    except (ValueError, RecursionError) as error:
        if isinstance(error, RecipeError):
            raise
        raise RecipeError(f"{name}: not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise RecipeError(f"{name}: expected a table of settings")
    return _finish(schema, layer_of(data, name), overrides, text=read_text(as_given), files=(resolved,), fallback=name)


def _with_bases(path: Path, above: tuple[TomlFile, ...], asked_by: str = "") -> Iterator[TomlFile]:
    """Yield the file's bases, depth first, then the file itself, without its ``extends`` key."""
    if any(os.path.realpath(path) == os.path.realpath(file.path) for file in above):
        circle = [*(file.name for file in above), display_name(path)]
        raise RecipeError(f"{asked_by}goes in a circle: {' -> '.join(circle)}")
    try:
        file = read_toml(path)
    except RecipeError as error:
        raise RecipeError(f"{asked_by}{error}") from None
    where = f"{file.origin(('extends',))}: extends: "
    bases = file.data.pop("extends", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise RecipeError(f"{where}expected the name of a file, or a list of names")
    for base in bases:
        yield from _with_bases(path.parent / base, (*above, file), where)
    yield file


def _finish(
    schema: type[T], layer: Layer, overrides: Sequence[str], *, text: str, files: tuple[Path, ...], fallback: str
) -> LoadedRecipe[T]:
    command_line, typed = read_overrides(overrides)
    layer.overlay(command_line)
    layer.data = _without_none(Place((schema,)), layer.data)
    recipe = _validate(schema, layer, typed, fallback)
    resolved = recipe.model_dump(mode="json")
    origins = {dotted(path): layer.origins.get(path, "default") for path in _leaves(resolved, ())}
    return LoadedRecipe(recipe=recipe, text=text, resolved=resolved, origins=origins, files=files)


def _validate(schema: type[T], layer: Layer, typed: Mapping[KeyPath, str], fallback: str) -> T:
    while True:
        try:
            # Strict, so that "yes" is no boolean and true no number. As JSON, because TOML too has lists but no tuples or paths.
            return schema.model_validate_json(json.dumps(layer.data, default=_date_text), strict=True)
        except ValidationError as error:
            findings = find(schema, error.errors(include_url=False))
        if not any([_reread(layer, finding, typed) for finding in findings]):
            findings = [_nothing_to_drop(layer, finding) if _is_drop(layer, finding) else finding for finding in findings]
            raise RecipeError(describe(findings, schema, origins=layer.origins, fallback=fallback))


def _without_none(place: Place, value: Any) -> Any:
    """Read ``"none"`` as no value wherever the setting may have none and would take the word for a text or the name of a file.

    What takes no text is refused and read again, see :func:`_reread`.
    """
    if value == NONE and place.optional and {str, Path} & {*place.members}:
        return None
    if isinstance(value, dict):
        tag = value.get("type", place.default_tag)
        if isinstance(tag, str) and tag in place.tags:
            place = replace(place, members=(place.tags[tag],))
        return {name: _without_none(inside(place, name), child) for name, child in value.items()}
    return [_without_none(inside(place, 0), child) for child in value] if isinstance(value, list) else value


def _reread(layer: Layer, finding: Finding, typed: Mapping[KeyPath, str]) -> bool:
    """Read a refused value the only other way it can be meant; False when there is none."""
    path, place, kind = finding.path, finding.place, finding.details["type"]
    value = _get(layer.data, path)
    if kind in ("int_type", "int_from_float") and isinstance(value, float) and value.is_integer():
        _set(layer.data, path, int(value))  # 1e6 steps
    elif kind == "string_type" and path in typed:
        _set(layer.data, path, typed[path])  # --name 007: a command line has no quotes
    elif value == NONE and place.optional:
        _set(layer.data, path, None)
    elif _is_drop(layer, finding) and path in layer.emptied:
        del _get(layer.data, path[:-1])[path[-1]]
    elif kind == "union_tag_not_found" and isinstance(value, dict) and place.default_tag is not None:
        value["type"] = place.default_tag  # a setting of the table that stands there by default
    else:
        return False
    return True


def _is_drop(layer: Layer, finding: Finding) -> bool:
    """Say whether ``"none"`` stands for a table under a name of the user's choice: layers merge, so nothing else drops one."""
    path, place = finding.path, finding.place
    return bool(path and place.models) and place.field is None and isinstance(path[-1], str) and _get(layer.data, path) == NONE


def _nothing_to_drop(layer: Layer, finding: Finding) -> Finding:
    names = [str(name) for name, value in _get(layer.data, finding.path[:-1]).items() if value != NONE]
    close = get_close_matches(str(finding.path[-1]), names, n=1)
    meant = f". Did you mean {close[0]}?" if close else ""
    error = ValueError(f"there is nothing of this name to drop (there are: {', '.join(names) or 'none'}){meant}")
    return replace(finding, details={**finding.details, "type": "value_error", "ctx": {"error": error}})


def _get(data: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _set(data: Any, path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


def _leaves(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, (*path, key))
    else:
        yield path


def _date_text(value: Any) -> str:
    assert isinstance(value, (datetime.date, datetime.time)), type(value)
    return value.isoformat()
