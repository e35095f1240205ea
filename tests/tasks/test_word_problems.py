"""Word problems: a search over all whole numbers finds the one solution that the elimination finds."""

from __future__ import annotations

import re

import pytest

from reasonforge.core.records import Problem
from reasonforge.tasks.word_problems import WordProblems
from tests.tasks.grading import grade

TASK = WordProblems()


def whole_solutions(problem: Problem, limit: int = 1200) -> list[tuple[int, int]]:
    """Search all whole x for which both equations give the same whole y."""
    (a1, b1, c1), (a2, b2, c2) = problem.meta["first"], problem.meta["second"]
    found = []
    for x in range(limit):
        y, rest = divmod(c1 - a1 * x, b1)
        if rest == 0 and y > 0 and x > 0 and a2 * x + b2 * y == c2:
            found.append((x, y))
    return found


def test_the_solution_is_the_only_whole_one() -> None:
    for index in range(300):
        problem = TASK.problem(1, index)
        ((x, y),) = whole_solutions(problem)
        assert problem.answer == {"x": f"{x}", "y": f"{y}", "both": f"{x}, {y}"}[problem.meta["ask"]]


def test_the_story_states_every_number_of_the_system() -> None:
    for index in range(300):
        problem = TASK.problem(1, index)
        told = {int(number) for number in re.findall(r"\d+", problem.question)}
        (a1, b1, c1), (a2, b2, c2) = problem.meta["first"], problem.meta["second"]
        assert {c1, c2} <= told
        if (a1, b1) != (1, 1):
            assert {a1, b1} <= told
        if b2 > 0:
            assert {a2, b2} <= told
        elif b2 < -1:
            assert -b2 in told


def test_every_equation_of_a_solution_holds() -> None:
    for index in range(200):
        problem = TASK.problem(4, index)
        ((x, y),) = whole_solutions(problem)
        text = problem.solution or ""
        equations = re.findall(r"(?:(-?\d*)x ([-+]) (\d*)y|(-?\d*)y|(-?\d*)x \+ (-?\d+)) = (-?\d+)", text)
        assert len(equations) >= 4
        for both_x, sign, both_y, only_y, only_x, constant, total in equations:
            if sign:
                value = _factor(both_x) * x + (1 if sign == "+" else -1) * _factor(both_y) * y
            elif constant:
                value = _factor(only_x) * x + int(constant)
            else:
                value = _factor(only_y) * y
            assert value == int(total), text


def test_both_languages_and_all_questions_occur() -> None:
    problems = [TASK.problem(0, index) for index in range(200)]
    assert {(problem.language, problem.meta["ask"]) for problem in problems} == {(l, a) for l in ("en", "zh") for a in ("x", "y", "both")}  # noqa: E741
    for problem in problems:
        assert bool(re.search("[\u4e00-\u9fff]", problem.question)) == (problem.language == "zh")


PAIR = Problem(id="p", messages=(), answer="3, 5", source="task:word_problems", meta={"ask": "both"})


@pytest.mark.parametrize(
    "answer",
    ["3, 5", "3,5", "(3, 5)", "3，5", "3; 5", "3 and 5", "3和5", "x = 3, y = 5", "x=3,y=5", "３，５", "3.0, 5", "3 hens, 5 cows", "$3, 5$"],
)
def test_ways_to_write_the_pair(answer: str) -> None:
    verdict = grade(PAIR, f"\\boxed{{{answer}}}")
    assert verdict.correct
    assert verdict.prediction == "3, 5"


@pytest.mark.parametrize(
    "answer", ["5, 3", "3", "3, 5, 7", "y = 3, x = 5", "x = 5, y = 3", "3 or 5", "35", "3, 5 or 6", "{3, 5", "3, x", ",", "3,"]
)
def test_other_answers_are_not_the_pair(answer: str) -> None:
    assert not grade(PAIR, f"\\boxed{{{answer}}}").correct


def _factor(text: str) -> int:
    return {"": 1, "-": -1}.get(text, 0) or int(text)
