"""Brackets: a second evaluator agrees, and the worked reduction is true line by line."""

from __future__ import annotations

import re

from reasonforge.tasks.bracket_arithmetic import BracketArithmetic

from .arithmetic_oracle import exact_value

TASK = BracketArithmetic()


def expression_of(question: str) -> str:
    match = re.fullmatch(r"Compute (.*)\. Put the result in \\boxed\{\}\.", question)
    assert match is not None
    return match.group(1)


def test_answers_equal_a_second_evaluation_of_the_prompt() -> None:
    for index in range(400):
        problem = TASK.problem(1, index)
        assert exact_value(expression_of(problem.question)) == int(problem.answer) == TASK.value(problem)


def test_the_level_is_the_number_of_operations() -> None:
    for level in range(1, 9):
        assert len(re.findall(r" [-+*] ", expression_of(TASK.problem(0, 5, level).question))) == level


def test_every_line_of_a_solution_keeps_the_value() -> None:
    for index in range(200):
        problem = TASK.problem(2, index)
        assert problem.solution is not None
        for line in problem.solution.splitlines():
            done, _, left = line.partition(", which leaves ")
            if left:
                assert exact_value(left) == int(problem.answer)
            if " = " in done:
                operation, value = done.split(" = ")
                assert exact_value(operation) == int(value)


def test_intermediate_values_stay_small() -> None:
    for index in range(200):
        solution = TASK.problem(3, index, 8).solution or ""
        assert all(abs(int(value)) <= 9_999 for value in re.findall(r"= (-?[0-9]+)", solution))
