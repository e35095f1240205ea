"""All procedural tasks by name, and the one place that judges any problem."""

from __future__ import annotations

import difflib

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.bracket_arithmetic import BracketArithmetic
from reasonforge.tasks.labelled_arithmetic import LabelledArithmetic
from reasonforge.tasks.modular_chain import ModularChain
from reasonforge.tasks.number_games import Countdown, Game24
from reasonforge.tasks.protocol import Task
from reasonforge.tasks.word_problems import WordProblems
from reasonforge.verify.grade import grade as grade_answer

_FAMILIES: tuple[Task, ...] = (LabelledArithmetic(), BracketArithmetic(), ModularChain(), Countdown(), Game24(), WordProblems())
_TASKS: dict[str, Task] = {task.name: task for task in _FAMILIES}
_PREFIX = "task:"


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, easiest family first."""
    return tuple(_TASKS)


def get_task(name: str) -> Task:
    """Return a task.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in _TASKS:
        close = difflib.get_close_matches(name, _TASKS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(_TASKS)}."
        raise RecipeError(f"no task named {name!r}. {hint}")
    return _TASKS[name]


def grade(problem: Problem, text: str) -> Verdict:
    """Judge a completion: a task's problem by the task's own verifier, any other by its reference answer."""
    if problem.source.startswith(_PREFIX):
        return get_task(problem.source.removeprefix(_PREFIX)).verify(problem, text)
    return grade_answer(problem.answer, text, kind=problem.kind)
