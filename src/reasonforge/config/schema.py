"""What a settings model allows at each place, read from the pydantic models."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reasonforge.config.keys import KeyPath

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Any: "anything"}


@dataclass(frozen=True, slots=True)
class Place:
    """What may stand at one place of a recipe."""

    members: tuple[Any, ...]
    """The alternatives, without None; empty = nothing is known about this place."""
    optional: bool = False
    """None is allowed."""
    field: FieldInfo | None = None
    """None = not a setting of its own but an element of a list or a table under a name of the user's choice."""

    @property
    def models(self) -> tuple[type[BaseModel], ...]:
        """Alternatives that are tables."""
        return tuple(member for member in self.members if inspect.isclass(member) and issubclass(member, BaseModel))

    @property
    def tags(self) -> dict[str, type[BaseModel]]:
        """Alternatives by their ``type``; empty when there is no choice between tables."""
        if len(self.models) < 2:
            return {}
        return {str(tag): model for model in self.models for tag in literals(model.model_fields.get("type"))}

    @property
    def default_tag(self) -> str | None:
        """The ``type`` of the table that stands here when the recipe says nothing; None = there is no such table."""
        default = self.field.get_default(call_default_factory=True, validated_data={}) if self.field is not None else None
        return getattr(default, "type", None) if isinstance(default, BaseModel) else None

    def describe(self) -> str:
        """Say in words what is expected here."""
        return " or ".join(dict.fromkeys(_words(member) for member in self.members)) or "something else"


def place_of(annotation: Any, field: FieldInfo | None = None) -> Place:
    """Return what an annotation allows."""
    members = tuple(_flatten(annotation))
    return Place(tuple(member for member in members if member is not type(None)), type(None) in members, field)


def follow(schema: type[BaseModel], loc: Sequence[str | int]) -> tuple[KeyPath, Place]:
    """Turn pydantic's location of an error into a path in the recipe, and return what is allowed there.

    Pydantic also names the chosen alternative of a union, and marks a bad key with ``[key]``; neither is part of the path.
    """
    path: KeyPath = ()
    place = Place((schema,))
    for position, part in enumerate(loc, start=1):
        if part in place.tags:
            place = replace(place, members=(place.tags[str(part)],))
        elif len(place.members) > 1:
            # At the end of the location every alternative was refused, and all of them are what was expected.
            chosen = tuple(member for member in place.members if getattr(member, "__name__", None) == part and position < len(loc))
            place = replace(place, members=chosen or place.members)
        elif part != "[key]":
            path += (part,)
            place = inside(place, part)
    return path, place


def element_of(annotation: Any) -> Any:
    """Return the type of what a list or a table of names holds; None for anything else."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if not inspect.isclass(origin) or not arguments:
        return None
    if issubclass(origin, Mapping):
        return arguments[1]
    return arguments[0] if issubclass(origin, (Sequence, set, frozenset)) else None


def literals(field: FieldInfo | None) -> tuple[Any, ...]:
    """Return the choices of a field that is a closed choice; nothing for any other."""
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def is_table_of_names(annotation: Any) -> bool:
    """Say whether the keys of a table are the user's to choose."""
    origin = get_origin(annotation)
    return inspect.isclass(origin) and issubclass(origin, Mapping)


def _flatten(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flatten(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _flatten(member)
    else:
        yield annotation


def inside(place: Place, part: str | int) -> Place:
    """Return what may stand under a name of a table, or in a list."""
    for member in place.members:
        if member in place.models:
            if (field := member.model_fields.get(part)) is not None:
                return place_of(field.annotation, field)
        elif (element := element_of(member)) is not None:
            return place_of(element)
    return Place(())


def _words(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(annotation))
    if is_table_of_names(annotation):
        return "a table of names"
    if (element := element_of(annotation)) is not None:
        return f"a list ({place_of(element).describe()} each)"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "a table"
    return _WORDS.get(annotation) or getattr(annotation, "__name__", str(annotation)).lower()
