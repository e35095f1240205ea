"""A listing of every setting a recipe can have: what ``--settings`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reasonforge.config.keys import KeyPath, dotted
from reasonforge.config.schema import Place, element_of, is_table_of_names, place_of

_LIMITS = {
    "gt": "> {}",
    "ge": ">= {}",
    "lt": "< {}",
    "le": "<= {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing a recipe can set."""

    key: str
    """Dotted; ``<name>`` stands for a name of the user's choice, ``[]`` for each element of a list."""
    type_text: str
    """In words, with the range."""
    default: str
    """As TOML; ``required`` when there is none, ``none`` for None."""
    help: str
    """The docstring of the setting."""
    variant: str = ""
    """The ``type`` that the nearest table around it must have; empty = it does not depend on a choice."""


def explain(schema: type[BaseModel]) -> list[Setting]:
    """List every setting of a schema, unions included, in the order the models define them."""
    return list(_settings_of(schema, (), "", ()))


def _settings_of(model: type[BaseModel], path: KeyPath, variant: str, around: tuple[type[BaseModel], ...]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        here, place = (*path, name), place_of(field.annotation, field)
        yield Setting(
            key=".".join(str(part) for part in here).replace(".[]", "[]"),
            type_text=_type_text(place, field),
            default=_default_text(field),
            help=" ".join((field.description or "").split()),
            variant=variant,
        )
        yield from _settings_inside(place, here, (*around, model))


def _settings_inside(place: Place, path: KeyPath, around: tuple[type[BaseModel], ...]) -> Iterator[Setting]:
    tag_of = {model: tag for tag, model in place.tags.items()}
    for model in place.models:
        if model not in around:  # a model that contains itself is listed once
            yield from _settings_of(model, path, tag_of.get(model, ""), around)
    for member in place.members:
        if (element := element_of(member)) is not None:
            yield from _settings_inside(place_of(element), (*path, "<name>" if is_table_of_names(member) else "[]"), around)


def _type_text(place: Place, field: FieldInfo) -> str:
    text = f"a table of type {', '.join(place.tags)}" if place.tags else place.describe()
    limits = [
        wording.format(getattr(rule, limit))
        for rule in field.metadata
        for limit, wording in _LIMITS.items()
        if getattr(rule, limit, None) is not None
    ]
    return ", ".join([text, *limits])


def _default_text(field: FieldInfo) -> str:
    return "required" if field.is_required() else _as_toml(field.get_default(call_default_factory=True, validated_data={}))


def _as_toml(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case BaseModel():
            tag = getattr(value, "type", None)
            return f'{{type = "{tag}"}}' if isinstance(tag, str) else "{}"
        case list() | tuple():
            return f"[{', '.join(_as_toml(item) for item in value)}]"
        case dict():
            return "{" + ", ".join(f"{dotted((str(key),))} = {_as_toml(item)}" for key, item in value.items()) + "}"
        case _:
            return str(value)
