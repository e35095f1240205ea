"""pydantic's findings as lines for people: ``recipes/x.toml:14: rl.group_sizee: no such setting. Did you mean rl.group_size?``"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from reasonforge.config.explain import explain
from reasonforge.config.keys import KeyPath, dotted, read_key
from reasonforge.config.schema import Place, follow, literals

MAX_LINES = 10
_MAX_SHOWN_VALUE = 60
_MAX_SHOWN_CHOICES = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that pydantic refuses, at a place the user can find."""

    path: KeyPath
    place: Place
    details: ErrorDetails


def find(schema: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[Finding]:
    """Locate each error in the recipe."""
    return [Finding(*follow(schema, error["loc"]), error) for error in errors]


def describe(findings: Sequence[Finding], schema: type[BaseModel], *, origins: Mapping[KeyPath, str], fallback: str) -> str:
    """Write one line per problem, at most ten.

    Args:
        origins: who set each key (``file:line`` or the command line).
        fallback: where to point when nothing around the problem was set by anybody.
    """
    lines = list(dict.fromkeys(_line(finding, schema, origins, fallback) for finding in findings))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [f"{fallback}: and {len(lines) - MAX_LINES + 1} more problems like these"]
    return "\n".join(lines)


def _line(finding: Finding, schema: type[BaseModel], origins: Mapping[KeyPath, str], fallback: str) -> str:
    path, text = finding.path, _WORDING.get(finding.details["type"], _otherwise)(finding)
    if finding.details["type"] == "union_tag_invalid":
        path += ("type",)
    if finding.details["type"] == "union_tag_not_found":
        text += _suggest_table(path, origins)
    if finding.details["type"] == "extra_forbidden":
        text += _suggest_setting(finding, schema)
    if finding.details["type"] in ("value_error", "assertion_error"):
        path, text = _split_path(path, text, origins)
    where = next((origins[path[:length]] for length in range(len(path), 0, -1) if path[:length] in origins), fallback)
    return f"{where}: {dotted(path)}: {text}" if path else f"{where}: {text}"


def _split_path(path: KeyPath, text: str, origins: Mapping[KeyPath, str]) -> tuple[KeyPath, str]:
    """Move a key that a validator's message begins with ("stages.rl.data: ...") into the path, where the recipe has that key."""
    try:
        parts, end = read_key(text, 0)
    except ValueError:
        return path, text
    if text.startswith(": ", end) and (*path, *parts) in origins:
        return (*path, *parts), text[end + 2 :]
    return path, text


def _otherwise(finding: Finding) -> str:
    message = finding.details["msg"]
    return f"{message[:1].lower()}{message[1:]}; got {_shown(finding.details['input'])}"


def _expected(finding: Finding) -> str:
    given = finding.details["input"]
    by_number = isinstance(given, dict) and given and all(str(name).isdigit() for name in given)
    hint = ". A list is set whole: write it in a file and name that behind the recipe" if by_number else ""
    return f"expected {finding.place.describe()}; got {_shown(given)}{hint}"


def _validator_message(finding: Finding) -> str:
    cause = finding.details.get("ctx", {}).get("error")
    return " ".join(str(cause if cause is not None else finding.details["msg"]).split())


def _limit(wording: str, limit: str) -> Callable[[Finding], str]:
    def describe_limit(finding: Finding) -> str:
        return f"must be {wording} {finding.details.get('ctx', {})[limit]:.12g}; got {_shown(finding.details['input'])}"

    return describe_limit


def _length(wording: str, limit: str, unit: str) -> Callable[[Finding], str]:
    def describe_length(finding: Finding) -> str:
        return f"needs {wording} {finding.details.get('ctx', {})[limit]} {unit}; got {_shown(finding.details['input'])}"

    return describe_length


def _pattern(finding: Finding) -> str:
    return f"must fit the pattern {finding.details.get('ctx', {})['pattern']}; got {_shown(finding.details['input'])}"


def _missing(finding: Finding) -> str:
    tags = finding.place.tags
    expected = f"a table with a type ({_listed(list(tags))})" if tags else finding.place.describe()
    field = finding.place.field
    # The first sentence of the docstring; the rest is for the listing.
    help_text = " ".join(field.description.replace("``", "").split()).split(". ")[0].rstrip(".") if field and field.description else ""
    return f"must be set: {expected}" + (f" ({help_text})" if help_text else "")


def _unknown_choice(finding: Finding) -> str:
    choices = [str(choice) for choice in literals(finding.place.field)]
    value = finding.details["input"]
    return f"must be one of {_listed(choices)}; got {_shown(value)}{_suggest(value, choices)}" if choices else _otherwise(finding)


def _unknown_tag(finding: Finding) -> str:
    choices = list(finding.place.tags)
    value = finding.details["input"].get("type")
    return f"there is no type {json.dumps(value, ensure_ascii=False, default=str)}. Choices: {_listed(choices)}{_suggest(value, choices)}"


def _no_tag(finding: Finding) -> str:
    return f"needs a type. Choices: {_listed(list(finding.place.tags))}"


_WORDING: Mapping[str, Callable[[Finding], str]] = {
    "extra_forbidden": lambda _: "no such setting",
    "missing": _missing,
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _no_tag,
    "literal_error": _unknown_choice,
    "value_error": _validator_message,
    "assertion_error": _validator_message,
    "greater_than": _limit("greater than", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("less than", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "multiple_of": _limit("a multiple of", "multiple_of"),
    "too_short": _length("at least", "min_length", "elements"),
    "too_long": _length("at most", "max_length", "elements"),
    "string_too_short": _length("at least", "min_length", "characters"),
    "string_too_long": _length("at most", "max_length", "characters"),
    "finite_number": lambda finding: f"must be a finite number; got {_shown(finding.details['input'])}",
    "string_pattern_mismatch": _pattern,
    **dict.fromkeys(
        (
            "int_type",
            "int_parsing",
            "int_from_float",
            "float_type",
            "float_parsing",
            "bool_type",
            "bool_parsing",
            "string_type",
            "path_type",
            "list_type",
            "tuple_type",
            "set_type",
            "frozen_set_type",
            "dict_type",
            "model_type",
            "model_attributes_type",
        ),
        _expected,
    ),
}


def _suggest_setting(finding: Finding, schema: type[BaseModel]) -> str:
    """Look for the setting that was meant: first in the same table, then by its last name anywhere in the recipe."""
    *table, name = finding.path
    _, place = follow(schema, finding.details["loc"][:-1])
    siblings = [field for model in place.models for field in model.model_fields]
    if close := get_close_matches(str(name), siblings, n=1):
        return f". Did you mean {dotted((*table, close[0]))}?"
    same_name = [setting for setting in explain(schema) if setting.key.rpartition(".")[2] == name]
    here = [setting for setting in same_name if _is_at(setting.key, finding.path)]
    if types := list(dict.fromkeys(setting.variant for setting in here if setting.variant)):
        return f". It belongs to type {_listed(types)}"
    elsewhere = [setting.key for setting in same_name if setting not in here]
    if elsewhere:
        return f". Did you mean {elsewhere[0]}?"
    return f". This table has: {_listed(siblings)}" if siblings else ""


def _is_at(key: str, path: KeyPath) -> bool:
    """Say whether a key of the listing of all settings names the place of a path."""
    parts = key.replace("[]", ".[]").split(".")
    return len(parts) == len(path) and all(
        part == ("[]" if isinstance(given, int) else given) or part == "<name>" for part, given in zip(parts, path)
    )


def _suggest_table(path: KeyPath, origins: Mapping[KeyPath, str]) -> str:
    """Look for the table that was meant: a name that is new may be a misspelt one of its neighbours'."""
    *table, name = path
    neighbours = {str(key[len(table)]) for key in origins if len(key) > len(path) and key[: len(table)] == tuple(table)} - {str(name)}
    close = get_close_matches(str(name), sorted(neighbours), n=1)
    return f". Did you mean {dotted((*table, close[0]))}?" if close else ""


def _suggest(value: Any, choices: Sequence[str]) -> str:
    close = get_close_matches(str(value), choices, n=1)
    return f". Did you mean {close[0]}?" if close else ""


def _listed(choices: Sequence[str]) -> str:
    return ", ".join(choices[:_MAX_SHOWN_CHOICES]) + (", ..." if len(choices) > _MAX_SHOWN_CHOICES else "")


def _shown(value: Any) -> str:
    """Show a value as the recipe has it, short and on one line."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case str():
            text = f"the text {json.dumps(value, ensure_ascii=False)}"
        case None:
            return "none"
        case _:
            text = json.dumps(value, default=str)
    return text if len(text) <= _MAX_SHOWN_VALUE else text[: _MAX_SHOWN_VALUE - 3] + "..."
