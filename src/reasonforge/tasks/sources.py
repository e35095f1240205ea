"""From a recipe's data table to problems, demonstrations and documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Document, Message, Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.tasks.benchmarks.load import load_benchmark
from reasonforge.tasks.code import suite_fault
from reasonforge.tasks.config import BenchmarkSource, DataSource, FileSource, ReasoningGymSource, SelectedSource, TaskSource
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.fields import boxed_of, scalar_of, split_gsm8k, text_of, value_of, whole_of
from reasonforge.tasks.files import Row, read_rows
from reasonforge.tasks.reasoning_gym import load_reasoning_gym
from reasonforge.tasks.selected import load_selected
from reasonforge.tasks.streams import Demonstration, DemonstrationStream, DocumentStream, ProblemStream

Item = TypeVar("Item", Problem, Document)


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
    if isinstance(source, BenchmarkSource):
        return _shuffled_and_cut(load_benchmark(source.name, source.path, split=source.split), source)
    if isinstance(source, ReasoningGymSource):
        return load_reasoning_gym(source, seed=seed)
    if isinstance(source, SelectedSource):
        return load_selected(source)
    if not isinstance(source, TaskSource):
        raise RecipeError(f"data of type {source.type} holds no problems: read those of rollouts through a select stage")
    stream = ProblemStream(source, seed=seed)
    return stream if source.count is None else stream.take_different(source.count)


def load_demonstrations(source: DataSource, *, seed: int) -> list[Demonstration] | DemonstrationStream:
    """Return problems with completions to imitate: a file's own solutions, or a task's written ones in its mixture.

    Raises:
        DataError: as for ``load_problems``, or a problem has no solution.
    """
    if isinstance(source, TaskSource):
        return DemonstrationStream(source, seed=seed)
    problems = load_problems(source, seed=seed)
    assert isinstance(problems, list)  # only tasks have endless streams
    for problem in problems:
        if problem.solution is None:
            remedy = "Map a column with fields.solution or choose other data" if isinstance(source, FileSource) else "Choose other data"
            raise DataError(f"{_place(source)}: problem {problem.id} has no solution to imitate. {remedy}")
    return [Demonstration(problem, problem.solution or "") for problem in problems]


def load_documents(source: DataSource, *, seed: int) -> list[Document] | DocumentStream:
    """Return the documents of a source, for pre-training: a list, or an endless stream for a task.

    Raises:
        DataError: something is wrong with a file or a row; the line says where.
    """
    if isinstance(source, TaskSource):
        return DocumentStream(source, seed=seed)
    if not isinstance(source, FileSource):
        raise RecipeError(f"{_place(source)} holds no documents: pre-train on a source of type file or task")
    return _load(source, _document)


def _place(source: DataSource) -> str:
    match source:
        case ReasoningGymSource():
            return f"reasoning_gym task {source.task!r}"
        case BenchmarkSource():
            return f"benchmark {source.name}"
        case FileSource():
            return str(source.path[0])
        case _:
            return f"data of type {source.type}"


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
    return _shuffled_and_cut(list(items.values()), source)


def _shuffled_and_cut(items: list[Item], source: FileSource | BenchmarkSource) -> list[Item]:
    if source.shuffle_seed is not None:
        items = Draws(derive_seed(source.shuffle_seed, "shuffle")).shuffled(items)
    return items[: source.limit]


def _rows(source: FileSource) -> Iterator[Row]:
    for path in source.path:
        yield from read_rows(path)


def _document(source: FileSource, row: Row) -> Document:
    text = text_of(row, (source.fields.text,), "text", hint=_hint("text"))
    identity = content_id(text) if source.fields.id is None else scalar_of(row, (source.fields.id,), "id", hint=_hint("id"))
    return Document(id=identity, text=text, source=source.source_name)


def _problem(source: FileSource, row: Row) -> Problem:
    fields = source.fields
    question = text_of(row, (fields.question,), "question", hint=_hint("question"))
    stated = scalar_of(row, (fields.answer,), "answer", hint=_hint("answer"))
    solution = None if fields.solution is None else text_of(row, (fields.solution,), "solution", hint=_hint("solution"))
    if source.answer_format == "gsm8k":
        answer, steps = split_gsm8k(row, fields.answer, stated, keep_calculator_marks=source.keep_calculator_marks)
        ending = f"\\boxed{{{answer}}}" if source.solution_ending == "boxed" else f"#### {answer}"
        solution = f"{steps}\n{ending}" if steps else ending
    elif source.answer_format == "boxed":
        answer = boxed_of(row, fields.answer, stated)
        solution = stated if solution is None else solution
    else:
        answer = stated
    return Problem(
        id=content_id([source.source_name, question]) if fields.id is None else scalar_of(row, (fields.id,), "id", hint=_hint("id")),
        messages=(Message("user", question),),
        answer=answer,
        kind=source.kind,
        source=source.source_name,
        language=source.language,
        difficulty=None if fields.difficulty is None else whole_of(row, (fields.difficulty,), "difficulty", hint=_hint("difficulty")),
        solution=solution,
        meta=_meta(source, row),
    )


def _meta(source: FileSource, row: Row) -> dict[str, Any]:
    """Return the columns that are kept as they are."""
    meta = {name: value_of(row, (name,), "meta", hint=_hint("meta"))[1] for name in source.fields.meta}
    if source.kind == "code":
        fault = suite_fault(meta.get("tests"))
        if fault:
            remedy = "Mend it" if "tests" in meta else "Name the column of test suites: fields.meta = ['tests']"
            raise DataError(f"{row.place}: the tests of a problem of kind code cannot be read: {fault}. {remedy}")
    return meta


def _hint(role: str) -> str:
    return f". Set fields.{role}"
