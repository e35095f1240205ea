"""The steps of a completion, judged by the rule of the task that its problem comes from."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from reasonforge.core.records import Problem
from reasonforge.tasks.protocol import StepCheck
from reasonforge.tasks.registry import get_task

_TASK = "task:"


@runtime_checkable
class ChecksSteps(Protocol):
    """A task that knows which steps of a completion are right."""

    def check_steps(self, problem: Problem, text: str) -> list[StepCheck]:
        """Return the completion's steps in the order of the text."""
        ...


def rule_steps(problem: Problem, text: str) -> list[StepCheck] | None:
    """Return a completion's steps and whether each is right; None = no rule knows the steps of such a problem."""
    if not problem.source.startswith(_TASK):
        return None
    task = get_task(problem.source.removeprefix(_TASK))
    return task.check_steps(problem, text) if isinstance(task, ChecksSteps) else None
