"""From a recipe's data table to problems, demonstrations and documents."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from reasonforge.core.errors import DataError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Document, Message, Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.tasks.config import DataSource, FileSource, TaskSource
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.files import Row, read_rows
from reasonforge.tasks.streams import Demonstration, DemonstrationStream, DocumentStream, ProblemStream
from reasonforge.verify.extract import last_boxed

Item = TypeVar("Item", Problem, Document)

_CALCULATOR_MARK = re.compile(r"<<[^<>\n]*>>")
_HASHES = re.compile(r"\n?#### *([^\n]*)\s*\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")


def load_problems(source: DataSource, *, seed: int) -> list[Problem] | ProblemStream:
    """Return the problems of a source: a list, or an endless stream for a task without a count.

    Args:
        seed: the run's seed for data; a task source with a seed of its own ignores it, and files do not need it.

    Raises:
        DataError: something is wrong with a file or a row; the line says where.
        RecipeError: a task holds fewer different problems than are wanted.
    """
    if isinstance(source, FileSource):
        return _load(source, _problem)
    stream = ProblemStream(source, seed=seed)
    return stream if source.count is None else stream.take_different(source.count)


def load_demonstrations(source: DataSource, *, seed: int) -> list[Demonstration] | DemonstrationStream:
    """Return problems with completions to imitate: a file's own solutions, or a task's written ones in its mixture.

    Raises:
        DataError: as for ``load_problems``, or a problem has no solution.
    """
    if isinstance(source, TaskSource):
        return DemonstrationStream(source, seed=seed)
    problems = _load(source, _problem)
    for problem in problems:
        if problem.solution is None:
            raise DataError(
                f"{source.path[0]}: problem {problem.id} has no solution to imitate. Map a column with fields.solution or choose other data"
            )
    return [Demonstration(problem, problem.solution or "") for problem in problems]


def load_documents(source: DataSource, *, seed: int) -> list[Document] | DocumentStream:
    """Return the documents of a source, for pre-training: a list, or an endless stream for a task.

    Raises:
        DataError: something is wrong with a file or a row; the line says where.
    """
    if isinstance(source, TaskSource):
        return DocumentStream(source, seed=seed)
    return _load(source, _document)


def _load(source: FileSource, convert: Callable[[FileSource, Row], Item]) -> list[Item]:
    """Read all rows, refuse or drop repeated ids, then shuffle and cut."""
    items: dict[str, Item] = {}
    repeats = 0
    first_repeat = ""
    for row in _rows(source):
        item = convert(source, row)
        if item.id in items:
            repeats += 1
            first_repeat = first_repeat or f"{row.place} repeats id {item.id!r}"
        else:
            items[item.id] = item
        # The files' own order: nothing after the limit has to be read.
        if source.shuffle_seed is None and len(items) == source.limit:
            break
    if repeats and source.duplicates == "refuse":
        raise DataError(f"{first_repeat} ({repeats} such rows). Make them different, or set duplicates = 'drop'")
    if not items:
        raise DataError(f"{', '.join(map(str, source.path))}: no rows")
    ordered = list(items.values())
    if source.shuffle_seed is not None:
        ordered = Draws(derive_seed(source.shuffle_seed, "shuffle")).shuffled(ordered)
    return ordered[: source.limit]


def _rows(source: FileSource) -> Iterator[Row]:
    for path in source.path:
        yield from read_rows(path)


def _document(source: FileSource, row: Row) -> Document:
    text = _text(row, source.fields.text, "text")
    identity = content_id(text) if source.fields.id is None else _scalar(row, source.fields.id, "id")
    return Document(id=identity, text=text, source=source.source_name)


def _problem(source: FileSource, row: Row) -> Problem:
    fields = source.fields
    question = _text(row, fields.question, "question")
    stated = _scalar(row, fields.answer, "answer")
    solution = None if fields.solution is None else _text(row, fields.solution, "solution")
    if source.answer_format == "gsm8k":
        answer, solution = _from_gsm8k(source, row, stated)
    elif source.answer_format == "boxed":
        boxed = last_boxed(stated)
        if boxed is None or not boxed.strip():
            raise DataError(f"{row.place}: column {fields.answer!r} has no balanced \\boxed{{}}, or an empty one")
        answer = boxed.strip()
        solution = stated if solution is None else solution
    else:
        answer = stated
    return Problem(
        id=content_id([source.source_name, question]) if fields.id is None else _scalar(row, fields.id, "id"),
        messages=(Message("user", question),),
        answer=answer,
        kind=source.kind,
        source=source.source_name,
        language=source.language,
        difficulty=None if fields.difficulty is None else _whole(row, fields.difficulty),
        solution=solution,
    )


def _from_gsm8k(source: FileSource, row: Row, worked: str) -> tuple[str, str]:
    """Return (answer, solution) of GSM8K's answer text: steps, then ``#### N``; N may have thousands separators."""
    match = _HASHES.search(worked)
    if match is None or not match.group(1).strip():
        raise DataError(f"{row.place}: column {source.fields.answer!r} does not end in '#### answer'. Is answer_format gsm8k right?")
    answer = match.group(1).strip().replace(",", "")
    steps = worked[: match.start()].rstrip()
    if not source.keep_calculator_marks:
        steps = _CALCULATOR_MARK.sub("", steps)
    ending = f"\\boxed{{{answer}}}" if source.solution_ending == "boxed" else f"#### {answer}"
    return answer, f"{steps}\n{ending}" if steps else ending


def _column(row: Row, name: str, role: str) -> Any:
    if name not in row.values:
        there = ", ".join(map(str, list(row.values)[:20])) or "none"
        raise DataError(f"{row.place}: no column {name!r} for the {role}. Columns there: {there}. Set fields.{role}")
    value = row.values[name]
    if value is None:
        raise DataError(f"{row.place}: column {name!r} ({role}) is null")
    return value


def _text(row: Row, name: str, role: str) -> str:
    value = _column(row, name, role)
    if not isinstance(value, str):
        raise DataError(f"{row.place}: column {name!r} ({role}) is {_shown(value)}, not text")
    return _checked(row, name, role, value)


def _scalar(row: Row, name: str, role: str) -> str:
    """Return text or a number as text: 70.0 is "70", because data sets store whole answers as floats."""
    value = _column(row, name, role)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise DataError(f"{row.place}: column {name!r} ({role}) is {_shown(value)}, not text or a number")
    return _checked(row, name, role, value.strip())


def _whole(row: Row, name: str) -> int:
    value = _column(row, name, "difficulty")
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{row.place}: column {name!r} (difficulty) is {_shown(value)}, not a whole number")
    return value


def _checked(row: Row, name: str, role: str, text: str) -> str:
    if not text.strip():
        raise DataError(f"{row.place}: column {name!r} ({role}) is empty")
    # Half of a UTF-16 pair can be written in JSON and in no file: refuse it here, not when the first record is saved.
    if _SURROGATE.search(text):
        raise DataError(f"{row.place}: column {name!r} ({role}) holds half of a surrogate pair, which is no character")
    return text


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {json.dumps(value, default=str)[:40]}"
