"""One real problem of every task, as the documentation shows it: ``python -m reasonforge.tasks.samples``."""

from __future__ import annotations

from reasonforge.core.records import Problem
from reasonforge.tasks.registry import get_task, task_names

SAMPLE_SEED = 0
SAMPLE_INDEX = 8


def sample(name: str) -> Problem:
    """Return the problem that stands for a task, of its middle level."""
    task = get_task(name)
    return task.problem(SAMPLE_SEED, SAMPLE_INDEX, sum(task.levels) // 2)


def render_sample(name: str) -> str:
    """Return a task's sample as Markdown: what it is, then question, solution and answer."""
    task, problem = get_task(name), sample(name)
    shown = f"question  {problem.question}\nsolution  {problem.solution}\nanswer    {problem.answer}"
    return f"{task.describe()} Levels {task.levels[0]} to {task.levels[1]}; this is level {problem.difficulty}.\n\n```\n{shown}\n```"


if __name__ == "__main__":
    for task_name in task_names():
        print(f"## {task_name}\n\n{render_sample(task_name)}\n")
