"""Written-out arithmetic: the same answers as its short sister, long traces, and lines that a rule checks."""

from __future__ import annotations

import re

import pytest

from reasonforge.tasks.draws import Draws
from reasonforge.tasks.labelled_arithmetic import running_values
from reasonforge.tasks.written_arithmetic import WrittenArithmetic

TASK = WrittenArithmetic()
PROBLEM = TASK.problem(0, 0, 3)
LINES = (PROBLEM.solution or "").removeprefix("<think>").split("</think>")[0].splitlines(keepends=True)


def with_result(line: str, change: int) -> str:
    """Return a line with another result."""
    return f"{line[:-2]}{(int(line[-2]) + change) % 10}\n"


def test_the_worked_example() -> None:
    problem = next(p for p in (TASK.problem(0, index, 2) for index in range(100_000)) if p.question == "7a*8b+5=")
    assert problem.solution == "<think>a7*8=6\nb6+5=1\n</think><answer>1</answer>"


def test_answers_equal_a_brute_force_evaluation() -> None:
    for index in range(300):
        problem = TASK.problem(1, index)
        value = int(problem.question[0])
        # The other road: repeated addition instead of products and remainders.
        for operation, operand in re.findall(r"[a-x]([-+*])([1-9])", problem.question):
            total = sum([value] * int(operand)) if operation == "*" else value + int(operand) * (1 if operation == "+" else -1)
            value = int(str(total + 100)[-1])
        assert problem.answer == str(value)


def test_a_chain_of_eight_has_the_answer_of_the_short_task() -> None:
    problem = TASK.problem(3, 0, 8)
    assert problem.answer == str(running_values(problem.question)[-1])


def test_sixteen_steps_take_more_than_a_hundred_tokens() -> None:
    tags = re.compile("</?(?:think|answer)>")  # a tag is one token
    assert len(tags.sub("#", TASK.problem(0, 0, 16).solution or "")) == 16 * 7 + 5


def test_every_line_of_a_solution_is_right_and_ends_in_a_newline() -> None:
    for index in range(100):
        problem = TASK.problem(2, index)
        text = problem.solution or ""
        checks = TASK.check_steps(problem, text)
        assert [ok for _, ok in checks] == [True] * (problem.difficulty or 0)
        assert all(text[end - 1] == "\n" for end, _ in checks)


@pytest.mark.parametrize(
    ("lines", "right"),
    [
        ([LINES[0], with_result(LINES[1], 1), LINES[2]], [True, False, True]),
        ([LINES[0], LINES[0], LINES[0]], [True, False, False]),
        ([LINES[1], LINES[2]], [False, False]),
        ([*LINES, LINES[2]], [True, True, True, False]),
        (["x" + LINES[0]], [True]),
        ([LINES[0].rstrip()], []),
    ],
    ids=["a wrong result", "a repeated line", "a skipped line", "a line too many", "signs before a line", "no newline"],
)
def test_a_line_is_right_in_its_turn_with_true_values_only(lines: list[str], right: list[bool]) -> None:
    assert [ok for _, ok in TASK.check_steps(PROBLEM, f"<think>{''.join(lines)}</think>")] == right


@pytest.mark.parametrize("place", [1, 2, 3], ids=["value before", "operation", "operand"])
def test_a_line_that_misquotes_the_problem_is_wrong(place: int) -> None:
    other = {"+": "-", "-": "*", "*": "+"}.get(LINES[0][place]) or str(int(LINES[0][place]) % 9 + 1)
    line = LINES[0][:place] + other + LINES[0][place + 1 :]
    assert [ok for _, ok in TASK.check_steps(PROBLEM, line)] == [False]


def test_lines_after_the_thinking_are_no_steps() -> None:
    assert TASK.check_steps(PROBLEM, f"<think></think>{LINES[0]}") == []


def test_noise_makes_each_result_wrong_with_its_probability_and_goes_on_from_there() -> None:
    wrong = lines = 0
    for index in range(400):
        problem = TASK.problem(2, index, 16)
        text = TASK.completion(problem, Draws(index), habit="think", step_noise=0.1)
        written = re.findall(r"[a-p]([0-9])[-+*][1-9]=([0-9])\n", text)
        assert [before for before, _ in written[1:]] == [after for _, after in written[:-1]]
        assert text.endswith(f"</think><answer>{written[-1][1]}</answer>")
        for (before, after), (operation, operand) in zip(written, re.findall("[a-p]([-+*])([1-9])", problem.question), strict=True):
            truth = {"+": int(before) + int(operand), "-": int(before) - int(operand), "*": int(before) * int(operand)}[operation] % 10
            wrong, lines = wrong + (int(after) != truth), lines + 1
    # 6,400 lines at 0.1: standard deviation 24.
    assert abs(wrong - 0.1 * lines) < 120


def test_the_direct_habit_is_right_whatever_the_noise() -> None:
    assert TASK.completion(PROBLEM, Draws(0), habit="direct", step_noise=1.0) == f"<answer>{PROBLEM.answer}</answer>"
