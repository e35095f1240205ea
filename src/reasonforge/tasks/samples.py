"""The table of all tasks and one real problem of each, as the documentation shows them.

``python -m reasonforge.tasks.samples docs/tasks.md`` brings that page up to date: the table and, under each task's heading, what stands
up to the end of its sample.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reasonforge.core.records import Problem
from reasonforge.tasks.registry import get_task, task_names

SAMPLE_SEED = 0
SAMPLE_INDEX = 8
_TABLE_HEAD = "| task | levels | languages | what is asked | an answer |\n|---|---|---|---|---|\n"
_LONGEST_ANSWER = 32
_FENCE = "~~~"
"""Not of backticks: solutions hold those."""


def sample(name: str) -> Problem:
    """Return the problem that stands for a task, of its middle level."""
    task = get_task(name)
    return task.problem(SAMPLE_SEED, SAMPLE_INDEX, sum(task.levels) // 2)


def render_sample(name: str) -> str:
    """Return a task's sample as Markdown: what it is, then question, solution and answer."""
    task, problem = get_task(name), sample(name)
    shown = f"question  {problem.question}\nsolution  {problem.solution}\nanswer    {problem.answer}"
    where = f"Levels {task.levels[0]} to {task.levels[1]}; this is level {problem.difficulty}."
    return f"{task.describe()} {where}\n\n{_FENCE}\n{shown}\n{_FENCE}\n"


def render_table() -> str:
    """Return a Markdown table with a row per task."""
    rows = []
    for name in task_names():
        task, answer = get_task(name), sample(name).answer
        if len(answer) > _LONGEST_ANSWER:
            answer = answer[:_LONGEST_ANSWER].rstrip() + "..."
        levels = f"{task.levels[0]}-{task.levels[1]}"
        rows.append(f"| [{name}](#{name}) | {levels} | {', '.join(task.languages)} | {task.describe()} | `{answer}` |\n")
    return _TABLE_HEAD + "".join(rows)


def updated(page: str) -> str:
    """Return the page with the table and the samples that hold now; what is written below a sample stays."""
    before, _, after = page.partition(_TABLE_HEAD)
    after = after[after.index("\n\n") + 1 :] if after else "\n"
    page = before + render_table() + after
    for name in task_names():
        heading = f"\n## {name}\n\n"
        if heading not in page:
            continue
        before, _, section = page.partition(heading)
        prose = section.split(f"\n{_FENCE}\n", 2)[2]
        page = before + heading + render_sample(name) + prose
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
