"""What pages say, as data: grammars by file and name."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Literal

from reasonforge.corpus.synthetic.grammar import Grammar

Collection = Literal["maths", "near", "other", "chinese", "code"]


@functools.cache
def grammars(collection: Collection) -> Mapping[str, Grammar]:
    """Return the grammars of a file by name."""
    return {name: Grammar(rules) for name, rules in _read(collection).items() if name != "topics"}


@functools.cache
def topics() -> Sequence[Sequence[str]]:
    """Return English mathematical terms, a list per field."""
    return tuple(tuple(terms) for terms in _read("maths")["topics"].values())


@functools.cache
def collection_of(dialect: str) -> Collection | None:
    """Return the file of pages that are no mathematics; None = the dialect is another."""
    names: tuple[Collection, ...] = ("near", "other", "chinese")
    return next((name for name in names if dialect in grammars(name)), None)


def is_chinese(dialect: str) -> bool:
    """Return whether pages of a dialect are Chinese."""
    return dialect == "chinese" or dialect.startswith("zh_")


def _read(collection: str) -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(files("reasonforge.corpus.synthetic.texts").joinpath(f"{collection}.toml").read_text(encoding="utf-8"))
