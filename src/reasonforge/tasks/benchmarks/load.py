"""From a benchmark's name and path to its problems."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Problem
from reasonforge.tasks.benchmarks.items import FIRST_OPTION, Item
from reasonforge.tasks.benchmarks.rows import Place, read_places
from reasonforge.tasks.benchmarks.table import BENCHMARKS, Benchmark

_FEWEST = 10
"""Files with fewer questions are not compared: MATH comes as one file for each problem."""


def benchmark_names() -> tuple[str, ...]:
    """Return the names of all benchmarks."""
    return tuple(BENCHMARKS)


def get_benchmark(name: str) -> Benchmark:
    """Return a benchmark.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in BENCHMARKS:
        close = difflib.get_close_matches(name, BENCHMARKS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(BENCHMARKS)}."
        raise RecipeError(f"no benchmark named {name!r}. {hint}")
    return BENCHMARKS[name]


def load_benchmark(name: str, path: Path, *, split: str | None = None) -> list[Problem]:
    """Return a benchmark's problems, every row of it in the files' order.

    Args:
        name: one of ``benchmark_names()``.
        path: its file, or the folder in which its files lie.
        split: which files of the folder (or, for MBPP and PubMedQA, which rows); None = the split that scores are given for.

    Raises:
        RecipeError: no benchmark has that name.
        DataError: something is wrong with a file or a row; the line says where.
    """
    benchmark = get_benchmark(name)
    if benchmark.read is not None:
        places = benchmark.read(path, split)
    else:
        places = read_places(path, split=split, default_split=benchmark.split, columns=benchmark.csv_columns)
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    questions: dict[str, set[str]] = {}
    for place in places:
        if benchmark.keep is None or benchmark.keep(place):
            item = benchmark.convert(place)
            problems.append(_problem(benchmark, place, item, seen))
            questions.setdefault(_file_of(place), set()).add(item.question.partition(FIRST_OPTION)[0])
    if not problems:
        raise DataError(f"{path}: no row of {name}")
    _refuse_twice(path, questions)
    return problems


def _file_of(place: Place) -> str:
    return re.sub(r":(?: row)? ?\d+\Z", "", place.row.place)


def _refuse_twice(path: Path, questions: Mapping[str, set[str]]) -> None:
    """Refuse files that hold the same questions: a download with all of its configurations side by side would be counted twice.

    Raises:
        DataError: most questions of a file stand in another one too.
    """
    first_in: dict[str, str] = {}
    for file, asked in questions.items():
        known = Counter(first_in[question] for question in asked if question in first_in)
        if len(asked) >= _FEWEST and known and 2 * known.most_common(1)[0][1] > len(asked):
            other = known.most_common(1)[0][0]
            raise DataError(f"{path}: {other} and {file} hold the same questions. Name the one that you mean")
        first_in |= dict.fromkeys(asked - first_in.keys(), file)


def _problem(benchmark: Benchmark, place: Place, item: Item, seen: dict[str, int]) -> Problem:
    # HumanEval/0 is known by that name everywhere; a bare 0 is not, and evaluations mix benchmarks.
    stated = item.identity or content_id(item.question)
    identity = stated if "/" in stated else f"{benchmark.name}/{stated}"
    seen[identity] = seen.get(identity, 0) + 1
    # CMATH has one question twice. A benchmark is scored row for row, so both stay, under two names.
    if seen[identity] > 1:
        identity = f"{identity}-{seen[identity]}"
    subject = {"subject": place.stem} if benchmark.subject_in_name else {}
    return Problem(
        id=identity,
        messages=(Message("user", item.question),),
        answer=item.answer,
        kind=item.kind or benchmark.kind,
        source=benchmark.name,
        language=benchmark.language,
        difficulty=item.difficulty,
        solution=item.solution,
        meta={"published_profile": benchmark.profile, "shots": benchmark.shots, **subject, **item.meta},
    )
