"""What the tests of families share: problems of a family in one language, and verdicts on bare answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from reasonforge.core.records import Problem
from reasonforge.tasks.registry import get_task


def problems(name: str, count: int = 100, *, language: str | None = "en") -> list[Problem]:
    """Return problems of all levels of a family."""
    return list(itertools.islice(_stream(name, language), count))


def status(problem: Problem, answer: str) -> str:
    """Return the verdict on an answer block."""
    return get_task(problem.source.removeprefix("task:")).verify(problem, f"<answer>{answer}</answer>").status


def _stream(name: str, language: str | None) -> Iterator[Problem]:
    for index in itertools.count():
        problem = get_task(name).problem(11, index)
        if language in (None, problem.language):
            yield problem
