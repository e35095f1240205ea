"""Countdown and 24: the rules of the games, and that every problem can be solved."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction

import pytest

from reasonforge.core.records import Problem
from reasonforge.tasks.number_games import Countdown, Game24
from reasonforge.tasks.number_search import make_target
from tests.tasks.grading import grade

from .arithmetic_oracle import exact_value

FOUR = Problem(id="p", messages=(), answer="", source="task:game24", meta={"numbers": [1, 2, 3, 4], "target": 24, "use": "all"})
SOME = Problem(id="p", messages=(), answer="", source="task:countdown", meta={"numbers": [1, 2, 3, 4], "target": 24, "use": "any"})


def solvable_by_brute_force(numbers: tuple[int, ...], operators: str) -> bool:
    """Try every order, every operator and all five bracketings of four numbers: the other road to "is there a solution"."""
    shapes = ("(({}{}{}){}{}){}{}", "({}{}({}{}{})){}{}", "{}{}(({}{}{}){}{})", "{}{}({}{}({}{}{}))", "({}{}{}){}({}{}{})")
    for a, b, c, d in set(itertools.permutations(numbers)):
        for p, q, r in itertools.product(operators, repeat=3):
            for shape in shapes:
                try:
                    if exact_value(shape.format(a, p, b, q, c, r, d)) == 24:
                        return True
                except ZeroDivisionError:
                    continue
    return False


@pytest.mark.parametrize("task", [Countdown(), Game24()], ids=["countdown", "game24"])
def test_stored_solutions_obey_the_rules_by_a_second_evaluator(task: Countdown | Game24) -> None:
    for index in range(150):
        problem = task.problem(1, index)
        assert exact_value(problem.answer) == problem.meta["target"]
        used = Counter(int(token) for token in problem.answer.replace("(", " ").replace(")", " ").split() if token.isdigit())
        given = Counter(problem.meta["numbers"])
        assert not used - given
        assert task.name == "countdown" or used == given


def test_every_line_of_a_solution_is_true() -> None:
    for task in (Countdown(), Game24()):
        for index in range(100):
            thinking = (task.problem(3, index).solution or "").partition("</think>")[0].removeprefix("<think>")
            for line in thinking.splitlines():
                left, right = line.split(" = ")
                assert exact_value(left) == Fraction(right)


def test_levels_of_24_mean_what_they_say() -> None:
    task = Game24()
    for index in range(2):
        easy = tuple(task.problem(0, index, 1).meta["numbers"])
        hard = tuple(task.problem(0, index, 2).meta["numbers"])
        assert solvable_by_brute_force(easy, "+-*")
        assert not solvable_by_brute_force(hard, "+-*")


@pytest.mark.parametrize("numbers", [(1, 1, 1, 1), (1, 5, 5, 5), (3, 3, 8, 8), (1, 1, 1, 11), (13, 13, 13, 13), (2, 3, 5, 12)])
def test_the_search_finds_a_solution_exactly_where_there_is_one(numbers: tuple[int, ...]) -> None:
    found = make_target(numbers, 24, operators="+-*/")
    assert (found is not None) == solvable_by_brute_force(numbers, "+-*/")


@pytest.mark.parametrize(
    "answer",
    ["1*2*3*4", "(1+2+3)*4", "4 × 3 × 2 × 1", "4x3x2x1", "$4 \\times 3 \\times 2 \\times 1$", "1*2*3*4 = 24", "\\frac{4}{1}*(2*3)",
     "４*３*２*１", "[1+2+3]*4", "1*2*3*4=24", "2*3*4:1"],
)  # fmt: skip
def test_right_expressions_in_any_dress_are_correct(answer: str) -> None:
    assert grade(FOUR, f"<answer>{answer}</answer>").correct
    assert grade(FOUR, f"\\boxed{{{answer}}}").correct


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("24", "uses 24"),
        ("1*2*3*4*1", "uses 1"),
        ("2*3*4", "does not use 1"),
        ("1+2+3+4", "makes 10"),
        ("1/(2-2)*3*4", "uses 2"),
        ("1/(4-3-1)*2", "uses 1"),
        ("1*2*3*4 = 25", "says it makes 25"),
        ("4*3*2*1 + 0", "uses 0"),
        ("-1*-2*3*4", "uses -2"),
        ("12*(3-1)", "uses 12"),
    ],
)
def test_rule_breaks_are_wrong_with_their_reason(answer: str, reason: str) -> None:
    verdict = grade(FOUR, f"<answer>{answer}</answer>")
    assert verdict.status == "wrong"
    assert verdict.reason.startswith(reason)
    assert verdict.prediction is not None


@pytest.mark.parametrize(
    "answer", ["", "none", "1**24", "4!", "1*2*3*4 = 24 = 24", "sqrt(4)", "1,2,3,4", "1 2 3 4", "2^3*4-1", "(1*2*3*4", "12//3"]
)
def test_what_is_no_expression_is_no_answer(answer: str) -> None:
    assert grade(FOUR, f"<answer>{answer}</answer>").status == "no_answer"


def test_countdown_lets_numbers_lie_idle_and_24_does_not() -> None:
    assert grade(SOME, "<answer>2*3*4</answer>").correct
    assert not grade(FOUR, "<answer>2*3*4</answer>").correct


def test_division_by_zero_is_wrong() -> None:
    problem = Problem(id="p", messages=(), answer="", source="task:countdown", meta={"numbers": [1, 2, 3], "target": 24, "use": "any"})
    verdict = grade(problem, "<answer>1/(3-2-1)</answer>")
    assert not verdict.correct
    zero = Problem(id="p", messages=(), answer="", source="task:countdown", meta={"numbers": [1, 2, 2], "target": 24, "use": "any"})
    assert grade(zero, "<answer>1/(2-2)</answer>").reason == "makes no number, not 24"


def test_equal_expressions_have_one_prediction() -> None:
    texts = ["1*2*3*4", "1 * 2 * 3 * 4", "((1*2)*3)*4", "1×2×3×4", "1*2*3*4 = 24"]
    assert {grade(FOUR, f"<answer>{text}</answer>").prediction for text in texts} == {"1 * 2 * 3 * 4"}
