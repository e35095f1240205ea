"""Benchmark texts from the files of a benchmark: by the package's own readers, so that what is evaluated is what is kept out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.core.records import Problem
from reasonforge.corpus.decontaminate.config import BenchmarkSource, FileSource, ProblemField
from reasonforge.corpus.decontaminate.index import BenchmarkText
from reasonforge.tasks.benchmarks.items import FIRST_OPTION
from reasonforge.tasks.benchmarks.load import load_benchmark
from reasonforge.tasks.files import read_rows


def source_files(source: BenchmarkSource | FileSource) -> list[Path]:
    """Return the files of a source in order: what an index depends on.

    Raises:
        DataError: there are none.
    """
    path = Path(source.path).expanduser()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if not files or not path.exists():
        raise DataError(f"{path}: no files of {source.name} here: a source of decontamination names the benchmark's file or folder")
    return files


def texts_of(source: BenchmarkSource | FileSource, path: Path, fields: Iterable[ProblemField]) -> list[BenchmarkText]:
    """Read the texts of one benchmark.

    Args:
        source: what the files are.
        path: where they lie.
        fields: the parts that are wanted; of a source of type ``file``, its columns are.

    Raises:
        DataError: a file cannot be read as what it should be.
    """
    if isinstance(source, FileSource):
        return list(_file_texts(source, path))
    problems = load_benchmark(source.name, path, split=source.split)
    return problem_texts(problems, fields)


def problem_texts(problems: Iterable[Problem], fields: Iterable[ProblemField]) -> list[BenchmarkText]:
    """Return the wanted parts of problems, those that are empty left out."""
    wanted = tuple(fields)
    texts: list[BenchmarkText] = []
    for problem in problems:
        question, found, options = problem.question.partition(FIRST_OPTION)
        parts: dict[ProblemField, str | None] = {
            "question": question,
            "options": found + options,
            "answer": problem.answer,
            "solution": problem.solution,
        }
        texts += [BenchmarkText(problem.source, problem.id, field, text) for field in wanted if (text := (parts[field] or "").strip())]
    return texts


def _file_texts(source: FileSource, path: Path) -> Iterator[BenchmarkText]:
    for number, row in enumerate(read_rows(path), start=1):
        item = str(number) if source.id_column is None else str(_column(row.values, source.id_column, row.place, "id_column"))
        for column in source.columns:
            value = _column(row.values, column, row.place, "columns")
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str):
                    raise DataError(f"{row.place}: {column!r} is no text, and no list of texts")
                if text.strip():
                    yield BenchmarkText(source.name, item, column, text)


def _column(values: dict, name: str, place: str, setting: str) -> object:
    if name not in values:
        there = ", ".join(sorted(values))
        raise DataError(f"{place}: no column {name!r}. There are: {there}. Name the right one as {setting} in [[decontamination.sources]]")
    return values[name]
