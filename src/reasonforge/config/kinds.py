"""Kinds of recipes, told apart by the tables that only one of them has: who gives one to another's verb is told the verb."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from reasonforge.core.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Recipes that one verb runs."""

    words: str
    verb: str
    keys: frozenset[str]
    """Settings at the top that every recipe of this kind must have, and no other kind knows."""


KINDS = (
    Kind(words="a recipe of stages", verb="reasonforge run", keys=frozenset({"model", "data", "stages"})),
    Kind(words="a corpus recipe", verb="reasonforge corpus run", keys=frozenset({"crawl", "seed_documents", "rounds"})),
)
"""The schemas lie on floors above; that they have these keys is tested."""


def check_kind(schema: type[BaseModel], data: Mapping[str, Any], name: str) -> None:
    """Refuse a recipe that is plainly of another kind than the schema. One with keys of two kinds, or of none, is nobody's to guess at.

    Args:
        schema: what the recipe is read as.
        data: the recipe.
        name: of its file, as people typed it.

    Raises:
        RecipeError: with the verb that takes it.
    """
    found = [kind for kind in KINDS if kind.keys & data.keys()]
    if len(found) == 1 and not found[0].keys & schema.model_fields.keys():
        raise RecipeError(f"{name}: this is {found[0].words}: {found[0].verb} {shlex.quote(name)}")
