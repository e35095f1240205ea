"""Whole-number arithmetic with brackets: ``(3 + 4) * 2 - 5``, answered in a box; the level is the number of operations."""

from __future__ import annotations

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.expressions import Expression, Operation, evaluate, parse_expression, reduction_steps, write
from reasonforge.tasks.protocol import Habit, Language, problem_draws, task_problem
from reasonforge.verify.grade import grade

_OPERATORS = "+-*"
_MAX_OPERAND = 20
_MAX_VALUE = 9_999
"""No intermediate result is larger, in absolute value: longer numbers would test multiplication tables, not the order of operations."""
_PROMPT = "Compute {expression}. Put the result in \\boxed{{}}."


class BracketArithmetic:
    """The answer is a whole number, graded by the common strict rules."""

    name = "bracket_arithmetic"
    levels = (1, 8)
    languages: tuple[Language, ...] = ("en",)
    step_noise = False
    joint = "\n"

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Whole-number arithmetic with brackets, answered in a box; the level is the number of operations."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem: a drawn tree of ``level`` operations over operands 1 to 20."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        expression = _drawn_tree(draws, level)
        while not _small(expression):
            expression = _drawn_tree(draws, level)
        text = write(expression)
        steps = reduction_steps(expression)
        lines = [text, *(f"{done}, which leaves {left}" for done, left in steps[:-1]), steps[-1][0]]
        value = steps[-1][1]
        solution = "\n".join(lines) + f"\nThe result is \\boxed{{{value}}}."
        return task_problem(self.name, _PROMPT.format(expression=text), value, level=level, solution=solution, meta={"expression": text})

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge the declared answer exactly."""
        return grade(problem.answer, text)

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the boxed answer, after the worked reduction where the habit is to think."""
        return (problem.solution or "") if habit == "think" else f"\\boxed{{{problem.answer}}}"

    def value(self, problem: Problem) -> int:
        """Evaluate the problem's expression again, from its text."""
        value = evaluate(parse_expression(str(problem.meta["expression"])))
        assert value is not None
        return int(value)

    def alphabet(self) -> str:
        """Return every character of prompts and completions."""
        return "".join(sorted(set("0123456789()+-*= \n\\{},." + _PROMPT + "which leaves The result is")))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the box's opening, which is one sign to a reader."""
        return ("\\boxed{",)


def _drawn_tree(draws: Draws, operations: int) -> Expression:
    if operations == 0:
        return draws.between(1, _MAX_OPERAND)
    left = draws.below(operations)
    return Operation(draws.choice(_OPERATORS), _drawn_tree(draws, left), _drawn_tree(draws, operations - 1 - left))


def _small(expression: Expression) -> bool:
    if isinstance(expression, int):
        return True
    value = evaluate(expression)
    return value is not None and abs(value) <= _MAX_VALUE and _small(expression.left) and _small(expression.right)
