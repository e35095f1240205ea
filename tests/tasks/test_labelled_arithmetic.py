"""The demonstration task: its answers, its exact text rules, and the noise of its corpus."""

from __future__ import annotations

import re

import pytest

from reasonforge.tasks.draws import Draws
from reasonforge.tasks.labelled_arithmetic import LabelledArithmetic, apply, running_values

TASK = LabelledArithmetic()
PROBLEM = next(p for p in (TASK.problem(0, index, 3) for index in range(1000)) if p.answer == "9")


def test_the_worked_example() -> None:
    assert running_values("7a*8b+5c-2=") == [6, 1, 9]


def test_answers_equal_a_brute_force_evaluation() -> None:
    for index in range(500):
        problem = TASK.problem(1, index)
        value = int(problem.question[0])
        # The other road: repeated addition instead of products and remainders.
        for operation, operand in re.findall(r"[a-h]([-+*])([1-9])", problem.question):
            total = sum([value] * int(operand)) if operation == "*" else value + int(operand) * (1 if operation == "+" else -1)
            value = int(str(total + 100)[-1])
        assert problem.answer == str(value)


def test_prompts_have_the_stated_form() -> None:
    for level in range(1, 9):
        assert re.fullmatch(r"[0-9](?:[a-h][-+*][1-9])+=", TASK.problem(0, 0, level).question)
        assert re.findall("[a-h]", TASK.problem(0, 0, level).question) == list("abcdefgh"[:level])


@pytest.mark.parametrize(
    "text",
    [
        "<answer>9</answer>",
        "<answer>9</answer><eos>",
        "<answer>9</answer>\n",
        "<think>a1b2c9</think><answer>9</answer>",
        "<think>nonsense</think><answer>9</answer>",
        "a1b2c9</think><answer>9</answer>",
        "<think></think> so <answer>9</answer>",
    ],
)
def test_an_answer_at_the_end_counts(text: str) -> None:
    assert TASK.verify(PROBLEM, text).correct


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9",
        "<answer>9",
        "9</answer>",
        "<answer>9</answer>.",
        "<answer>9</answer> so 9",
        "<answer> 9</answer>",
        "<answer>９</answer>",
        "<answer>09</answer>",
        "<answer>8</answer><answer>9</answer>",
        "<answer>9</answer><answer>9</answer>",
        "<answer><answer>9</answer>",
        "<think><answer>9</answer>",
        "<think>a1<answer>9</answer></think>",
        "<think>a1</think><think>b2</think><answer>9</answer>",
        "</think><think><answer>9</answer>",
        "<answer>9</answer><think></think>",
        "</answer><answer>9</answer>",
        "<answer>9</answer></think>",
        "\\boxed{9}",
        "The answer is 9",
    ],
)
def test_any_other_text_declares_no_answer(text: str) -> None:
    verdict = TASK.verify(PROBLEM, text)
    assert verdict.status == "no_answer"
    assert verdict.prediction is None


def test_another_digit_is_wrong_and_is_the_prediction() -> None:
    verdict = TASK.verify(PROBLEM, "<think>a1</think><answer>3</answer>")
    assert (verdict.status, verdict.prediction) == ("wrong", "3")


def test_the_direct_habit_is_right_whatever_the_noise() -> None:
    assert TASK.completion(PROBLEM, Draws(0), habit="direct", step_noise=1.0) == "<answer>9</answer>"


def test_noise_makes_each_step_wrong_with_its_probability_and_goes_on_from_there() -> None:
    wrong = steps = 0
    drawn = set()
    for index in range(1500):
        problem = TASK.problem(2, index, 5)
        text = TASK.completion(problem, Draws(index), habit="think", step_noise=0.2)
        claims = [int(value) for value in re.findall("[a-e]([0-9])", text)]
        assert text.endswith(f"</think><answer>{claims[-1]}</answer>")
        value = int(problem.question[0])
        for claim, (operation, operand) in zip(claims, re.findall("[a-e]([-+*])([1-9])", problem.question), strict=True):
            truth = apply(value, operation, int(operand))
            wrong, steps = wrong + (claim != truth), steps + 1
            if claim != truth:
                drawn.add((claim - truth) % 10)
            value = claim
    # 7,500 steps at 0.2: standard deviation 35.
    assert abs(wrong - 0.2 * steps) < 175
    assert drawn == set(range(1, 10))


def test_noise_one_makes_every_step_wrong() -> None:
    text = TASK.completion(PROBLEM, Draws(5), habit="think", step_noise=1.0)
    assert int(re.findall("a([0-9])", text)[0]) != running_values(PROBLEM.question)[0]


def test_steps_are_checked_where_they_end() -> None:
    values = running_values(PROBLEM.question)
    text = f"<think>a{values[0]}b{(values[1] + 1) % 10}c{values[2]}</think><answer>{values[2]}</answer>"
    checks = TASK.check_steps(PROBLEM, text)
    assert [(text[end - 2 : end - 1], ok) for end, ok in checks] == [("a", True), ("b", False), ("c", True)]


def test_repeated_or_skipped_steps_earn_nothing() -> None:
    values = running_values(PROBLEM.question)
    repeated = f"<think>a{values[0]}a{values[0]}a{values[0]}</think>"
    assert [ok for _, ok in TASK.check_steps(PROBLEM, repeated)] == [True, False, False]
    skipped = f"<think>b{values[1]}c{values[2]}</think>"
    assert [ok for _, ok in TASK.check_steps(PROBLEM, skipped)] == [False, False]
    assert TASK.check_steps(PROBLEM, f"</think>a{values[0]}") == []
