"""Pairs of responses of which one is preferred, and responses with a label: what preference learning and reward models read. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Role
from reasonforge.core.seeds import derive_seed
from reasonforge.runs.reader import RunReader
from reasonforge.tasks.config import LabelledSource, PairFields, PairSource
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.fields import checked, scalar_of, shown, text_of, value_of
from reasonforge.tasks.files import Row, read_rows

PAIRS_FILE = "pairs.jsonl"
"""What a ``judge`` stage leaves in its folder of artefacts."""

_FIELDS = PairFields(margin="margin", id="id")
"""Columns of such a file."""

Item = TypeVar("Item", "Pair", "Labelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two responses to one conversation, the better one first."""

    id: str
    messages: tuple[Message, ...]
    """The conversation up to the point where the model must speak."""
    chosen: str
    rejected: str
    margin: float | None
    """How much better the chosen one was found, on the scale of whoever judged it; None = not known."""
    source: str
    """Name of the data set, or ``judge:<stage>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One response with a label."""

    id: str
    messages: tuple[Message, ...]
    response: str
    label: float
    """1 = good (safe), 0 = bad; between them it is a share of people or models."""
    source: str


def load_pairs(source: PairSource, run_path: Path) -> list[Pair]:
    """Return the pairs of a source: of files, or of a ``judge`` stage.

    Args:
        source: the data table.
        run_path: folder of the run that asks; a source that names a run of its own is read from there. Files do not need it.

    Raises:
        DataError: the stage has not run, or something is wrong with a file or a row; the line says where.
    """
    if source.stage is None:
        return _load(source.path, source, lambda row: _pair(row, source.fields, source.source_name))
    run = RunReader((source.run or run_path).expanduser())
    path = run.artefacts_dir(source.stage) / PAIRS_FILE
    if not path.is_file():
        known = ", ".join(stage.name for stage in run.info.stages) or "none"
        raise DataError(f"{run.path}: stage {source.stage!r} has left no pairs (stages of this run: {known}). Run it to its end first.")
    return _load((path,), source, lambda row: _pair(row, _FIELDS, f"judge:{source.stage}"))


def load_labelled(source: LabelledSource) -> list[Labelled]:
    """Return the labelled responses of a source.

    Raises:
        DataError: something is wrong with a file or a row; the line says where.
    """
    return _load(source.path, source, lambda row: _labelled(row, source))


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write pairs as a file that ``load_pairs`` reads, whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    rows = (
        {"id": pair.id, "prompt": [{"role": message.role, "content": message.content} for message in pair.messages]}
        | {"chosen": pair.chosen, "rejected": pair.rejected, "margin": pair.margin}
        for pair in pairs
    )
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def _load(paths: Sequence[Path], source: PairSource | LabelledSource, convert: Callable[[Row], Item]) -> list[Item]:
    """Read all rows; refuse ids that come twice, since a held-out split goes by them."""
    items: dict[str, Item] = {}
    for path in paths:
        for row in read_rows(path):
            # The files' own order: nothing after the limit has to be read.
            if source.shuffle_seed is None and len(items) == source.limit:
                break
            item = convert(row)
            if item.id in items:
                raise DataError(f"{row.place} repeats id {item.id!r}. Remove the row, or name a column of different ids with fields.id")
            items[item.id] = item
    if not items:
        raise DataError(f"{', '.join(map(str, paths))}: no rows")
    found = list(items.values())
    if source.shuffle_seed is not None:
        found = Draws(derive_seed(source.shuffle_seed, "shuffle")).shuffled(found)
    return found[: source.limit]


def _pair(row: Row, fields: PairFields, source: str) -> Pair:
    chosen, rejected = (_turns(row, name, role) for name, role in ((fields.chosen, "chosen"), (fields.rejected, "rejected")))
    stated = () if row.values.get(fields.prompt) is None else _turns(row, fields.prompt, "prompt")
    messages = _conversation(row, fields, stated, chosen)
    if messages != _conversation(row, fields, stated, rejected):
        raise DataError(f"{row.place}: the chosen and the rejected response follow different conversations")
    texts = chosen[-1].content, rejected[-1].content
    if texts[0] == texts[1]:
        raise DataError(f"{row.place}: the chosen and the rejected response are the same text")
    conversation = [[message.role, message.content] for message in messages]
    return Pair(
        id=content_id([conversation, *texts]) if fields.id is None else scalar_of(row, (fields.id,), "id"),
        messages=messages,
        chosen=texts[0],
        rejected=texts[1],
        margin=None if fields.margin is None or row.values.get(fields.margin) is None else _number(row, fields.margin, "margin"),
        source=source,
    )


def _conversation(row: Row, fields: PairFields, stated: tuple[Message, ...], response: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return what a response follows: the stated prompt, or, where a whole conversation stands in its column, all but its last turn."""
    if response[-1].role != "assistant":
        raise DataError(f"{row.place}: a response ends with a turn of the {response[-1].role}, not of the assistant")
    before = response[:-1]
    if before and stated and before != stated:
        raise DataError(f"{row.place}: a response repeats another conversation than column {fields.prompt!r} holds")
    if not (before or stated):
        # Says which columns there are.
        value_of(row, (fields.prompt,), "prompt", hint=". Set fields.prompt")
    return stated or before


def _turns(row: Row, name: str, role: str) -> tuple[Message, ...]:
    """Read a column that holds a text or a conversation (a list of tables with role and content)."""
    hint = f". Set fields.{role}"
    _, value = value_of(row, (name,), role, hint=hint)
    if isinstance(value, str):
        return (Message("user" if role == "prompt" else "assistant", text_of(row, (name,), role, hint=hint)),)
    if not isinstance(value, list) or not value:
        raise DataError(f"{row.place}: column {name!r} ({role}) is {shown(value)}, neither text nor a list of turns")
    turns = []
    for turn in value:
        known = isinstance(turn, Mapping) and turn.get("role") in get_args(Role) and isinstance(turn.get("content"), str)
        if not known:
            raise DataError(f"{row.place}: column {name!r} ({role}) holds {shown(turn)}, not a turn with role and content")
        turns.append(Message(cast(Role, turn["role"]), checked(row, name, role, turn["content"])))
    return tuple(turns)


def _labelled(row: Row, source: LabelledSource) -> Labelled:
    fields = source.fields
    response = _turns(row, fields.response, "response")
    messages = _turns(row, fields.prompt, "prompt")
    if len(response) != 1 or response[-1].role != "assistant":
        raise DataError(f"{row.place}: column {fields.response!r} (response) must hold one turn of the assistant, or its text")
    label = _label(row, source)
    conversation = [[message.role, message.content] for message in messages]
    return Labelled(
        id=content_id([conversation, response[-1].content]) if fields.id is None else scalar_of(row, (fields.id,), "id"),
        messages=messages,
        response=response[-1].content,
        label=label,
        source=source.source_name,
    )


def _label(row: Row, source: LabelledSource) -> float:
    name = source.fields.label
    _, value = value_of(row, (name,), "label", hint=". Set fields.label")
    if isinstance(value, str):
        if value in source.good:
            return 1.0
        if value in source.bad:
            return 0.0
        raise DataError(f"{row.place}: column {name!r} (label) is {value[:40]!r}: say what it means with good or bad of the data table")
    number = float(value) if isinstance(value, bool) else _number(row, name, "label")
    if not 0 <= number <= 1:
        raise DataError(f"{row.place}: column {name!r} (label) is {number:g}: a label lies between 0 (bad) and 1 (good)")
    return number


def _number(row: Row, name: str, role: str) -> float:
    value: Any = row.values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise DataError(f"{row.place}: column {name!r} ({role}) is {shown(value)}, not a number")
    return float(value)
