"""``reasonforge tasks``: look at the procedural problems before a recipe names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reasonforge.core.errors import RecipeError

if TYPE_CHECKING:
    from reasonforge.core.records import Problem

_Language = Literal["en", "zh"]


def tasks(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A family. Default: list them all.", show_default=False)] = None,
    level: Annotated[int | None, typer.Option(metavar="N", help="Default: all levels, drawn evenly.", show_default=False)] = None,
    language: Annotated[_Language | None, typer.Option(help="Default: all that the family speaks.", show_default=False)] = None,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, max=10_000, help="Default: 1.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Other problems. Default: 0.", show_default=False)] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Judge this answer to the problem instead of showing its own.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per problem.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """List the families of procedural problems, show problems of one with their answers, or judge an answer to one.

    The problems are those of a recipe's source with the same task, levels, language and seed.
    """
    if name is None:
        options = {"--level": level, "--language": language, "--count": count, "--seed": seed, "--answer": answer}
        given = [option for option, value in options.items() if value is not None] + ["--json"] * as_json
        if given:
            raise RecipeError(f"{given[0]}: of which family? Name it first, as in: reasonforge tasks zebra {given[0]}")
        print(_listing())
        return 0
    if answer is not None and (as_json or count is not None):
        raise RecipeError("--answer judges an answer to one problem: leave out --count and --json")
    problems = _problems(name, level, language, count or 1, seed or 0)
    if answer is not None:
        print(_judged(problems[0], answer))
    elif as_json:
        for problem in problems:
            print(_json_line(problem))
    else:
        print("\n\n".join(_shown(problem) for problem in problems))
    return 0


def _listing() -> str:
    from reasonforge.tasks.registry import get_task, task_names

    width = max(map(len, task_names()))
    lines = []
    for name in task_names():
        task = get_task(name)
        levels = f"{task.levels[0]}-{task.levels[1]}"
        lines.append(f"{name:{width}}  {levels:5} {'+'.join(task.languages):6} {task.describe()}")
    return "\n".join([f"{'family':{width}}  level language", *lines])


def _problems(name: str, level: int | None, language: _Language | None, count: int, seed: int) -> list[Problem]:
    from reasonforge.tasks.config import TaskSource
    from reasonforge.tasks.registry import get_task
    from reasonforge.tasks.streams import ProblemStream

    task = get_task(name)
    low, high = task.levels
    if level is not None and not low <= level <= high:
        raise RecipeError(f"--level {level}: {name} has levels {low} to {high}, easiest first")
    if language is not None and language not in task.languages:
        raise RecipeError(f"--language {language}: {name} speaks {' and '.join(task.languages)}")
    source = TaskSource(task=name, levels=None if level is None else (level, level), language=language)
    return ProblemStream(source, seed=seed).take_different(count)


def _shown(problem: Problem, *, gold: bool = True) -> str:
    head = f"# {problem.source.removeprefix('task:')}, level {problem.difficulty}, {problem.language}, id {problem.id}"
    return f"{head}\n{problem.question}" + (f"\n# answer\n{problem.answer}" if gold else "")


def _judged(problem: Problem, answer: str) -> str:
    from reasonforge.tasks.registry import get_task

    text = answer if "<answer>" in answer or "\\boxed" in answer else f"<answer>{answer}</answer>"
    verdict = get_task(problem.source.removeprefix("task:")).verify(problem, text)
    said = [f"# {verdict.status}"]
    if verdict.prediction is not None:
        said.append(f"read as: {verdict.prediction}")
    if verdict.reason:
        said.append(f"because: {verdict.reason}")
    return "\n".join([_shown(problem, gold=False), *said])


def _json_line(problem: Problem) -> str:
    row = {
        "id": problem.id,
        "question": problem.question,
        "answer": problem.answer,
        "solution": problem.solution,
        "level": problem.difficulty,
        "language": problem.language,
    }
    return json.dumps(row, ensure_ascii=False)
