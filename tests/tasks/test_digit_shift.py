"""Digits to be raised: exact answers, steps that a rule checks, noise as asked for."""

from __future__ import annotations

import re

import pytest

from reasonforge.tasks.digit_shift import DigitShift
from reasonforge.tasks.draws import Draws

TASK = DigitShift()
PROBLEM = next(p for p in (TASK.problem(0, index, 3) for index in range(100_000)) if p.question == "a7b0c9+2=")


def test_the_worked_example() -> None:
    assert PROBLEM.answer == "921"
    assert PROBLEM.solution == "<think>a9b2c1</think><answer>921</answer>"


def test_answers_equal_counting_on() -> None:
    for index in range(300):
        problem = TASK.problem(1, index)
        shift = int(re.findall(r"\+([1-3])=", problem.question)[0])
        counted = "".join("0123456789012"[int(digit) :][shift] for digit in re.findall("[a-h]([0-9])", problem.question))
        assert problem.answer == counted


def test_a_solution_is_right_and_so_is_every_step_of_it() -> None:
    for index in range(100):
        problem = TASK.problem(2, index)
        text = problem.solution or ""
        assert TASK.verify(problem, text).correct
        assert [ok for _, ok in TASK.check_steps(problem, text)] == [True] * (problem.difficulty or 0)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("<answer>921</answer>", "correct"),
        ("<answer>922</answer>", "wrong"),
        ("<answer>92</answer>", "wrong"),
        ("<answer>0921</answer>", "wrong"),
        ("921", "no_answer"),
        ("<answer></answer>", "no_answer"),
        ("<answer>921</answer><answer>921</answer>", "no_answer"),
        ("<answer>123456789</answer>", "no_answer"),
    ],
)
def test_an_answer_is_judged_by_exact_text(text: str, status: str) -> None:
    assert TASK.verify(PROBLEM, text).status == status


@pytest.mark.parametrize(
    ("trace", "right"),
    [("a9b2c1", [True, True, True]), ("a9b3c1", [True, False, True]), ("b2c1", [False, False]), ("a9a9", [True, False]), ("", [])],
    ids=["true", "a wrong digit", "a skipped label", "a repeated label", "nothing"],
)
def test_a_step_is_right_in_its_turn_with_the_true_digit_only(trace: str, right: list[bool]) -> None:
    assert [ok for _, ok in TASK.check_steps(PROBLEM, f"<think>{trace}</think><answer>9</answer>")] == right


def test_noise_makes_each_digit_wrong_with_its_probability_and_the_answer_repeats_the_trace() -> None:
    wrong = digits = 0
    for index in range(600):
        problem = TASK.problem(2, index, 8)
        text = TASK.completion(problem, Draws(index), habit="think", step_noise=0.2)
        trace = "".join(re.findall("[a-h]([0-9])", text))
        assert text.endswith(f"<answer>{trace}</answer>")
        wrong, digits = wrong + sum(a != b for a, b in zip(trace, problem.answer, strict=True)), digits + len(trace)
    # 4,800 digits at 0.2: standard deviation 28.
    assert abs(wrong - 0.2 * digits) < 140


def test_the_direct_habit_is_right_whatever_the_noise() -> None:
    assert TASK.completion(PROBLEM, Draws(0), habit="direct", step_noise=1.0) == "<answer>921</answer>"
