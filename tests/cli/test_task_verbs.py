"""``reasonforge tasks``: families listed, problems shown, answers judged."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from reasonforge.tasks.config import TaskSource
from reasonforge.tasks.registry import get_task, task_names
from reasonforge.tasks.sources import load_problems

Call = Callable[..., tuple[int, str, str]]


def test_every_family_is_listed_in_a_line(call: Call) -> None:
    code, out, _ = call("tasks")
    assert code == 0
    head, *lines = out.splitlines()
    assert head.split() == ["family", "level", "language"]
    assert [line.split()[0] for line in lines] == list(task_names())
    for line in lines:
        task = get_task(line.split()[0])
        assert line.split()[1:3] == [f"{task.levels[0]}-{task.levels[1]}", "+".join(task.languages)]
        assert line.endswith(task.describe())


def test_problems_are_shown_with_their_answers(call: Call) -> None:
    code, out, _ = call("tasks", "zebra", "--level", "3", "--count", "2", "--language", "zh")
    assert code == 0
    problems = load_problems(TaskSource(task="zebra", levels=(3, 3), language="zh", count=2), seed=0)
    assert isinstance(problems, list)
    assert out == "\n\n".join(
        f"# zebra, level 3, zh, id {problem.id}\n{problem.question}\n# answer\n{problem.answer}" for problem in problems
    ) + "\n"  # fmt: skip


def test_lines_of_json_hold_the_solution_too(call: Call) -> None:
    code, out, _ = call("tasks", "sorting", "--count", "3", "--seed", "5", "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    problems = load_problems(TaskSource(task="sorting", count=3), seed=5)
    assert isinstance(problems, list)
    assert [(row["id"], row["question"], row["answer"], row["solution"]) for row in rows] == [
        (problem.id, problem.question, problem.answer, problem.solution) for problem in problems
    ]


@pytest.mark.parametrize("wrapped", ["{}", "<answer>{}</answer>", "\\boxed{{{}}}"])
def test_an_answer_is_judged(call: Call, wrapped: str) -> None:
    for name in ("chain_sum", "zebra", "countdown"):
        problems = load_problems(TaskSource(task=name, count=1), seed=0)
        assert isinstance(problems, list)
        _, right, _ = call("tasks", name, "--answer", wrapped.format(problems[0].answer))
        assert f"\n# correct\nread as: {problems[0].answer}\n" in right
        assert "# answer" not in right
        _, other, _ = call("tasks", name, "--answer", wrapped.format("999"))
        assert "# correct" not in other


def test_a_verdict_is_shown_with_its_reason(call: Call) -> None:
    _, out, _ = call("tasks", "countdown", "--answer", "1/(2-2)")
    assert "\n# wrong\nread as: 1 / (2 - 2)\nbecause: uses " in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("zebr",), "no task named 'zebr'. Did you mean 'zebra'?"),
        (("zebra", "--level", "9"), "--level 9: zebra has levels 1 to 8, easiest first"),
        (("tool_arithmetic", "--language", "zh"), "--language zh: tool_arithmetic speaks en"),
        (("--count", "3"), "--count: of which family? Name it first"),
        (("--json",), "--json: of which family? Name it first"),
        (("zebra", "--answer", "x", "--count", "2"), "--answer judges an answer to one problem"),
        (("labelled_arithmetic", "--level", "1", "--count", "2000"), "hold about"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(call: Call, arguments: tuple[str, ...], reason: str) -> None:
    code, out, errors = call("tasks", *arguments)
    assert (code, out) == (2, "")
    assert reason in errors
    assert len(errors.splitlines()) == 1


def test_the_help_has_an_example_that_calls_it(call: Call) -> None:
    code, out, _ = call("tasks", "--help")
    assert code == 0
    assert "Example:  reasonforge tasks zebra --level 3" in out
