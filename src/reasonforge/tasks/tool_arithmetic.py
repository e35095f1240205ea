"""Products and sums that a small model cannot do in its head: it can write them as a program and read the result.

What the tool recipe trains on. The skills are copying an expression into ``print`` and copying what was printed into the answer.
"""

from __future__ import annotations

import re

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import MAX_VERIFIED_CHARS, Habit, Language, problem_draws, task_problem
from reasonforge.verify.extract import strip_end_marker

_ANSWER = re.compile(r"<answer>(-?[0-9]{1,12})</answer>")
_TOKENS = ("<answer>", "</answer>", "```python\nprint(", ")\n```\n", "```output\n", "\n```\n")
_PRINTABLE = "".join(map(chr, range(32, 127))) + "\n"


class ToolArithmetic:
    """Completions must end in ``<answer>N</answer>``, the only answer. How it was found does not matter."""

    name = "tool_arithmetic"
    levels = (1, 3)
    languages: tuple[Language, ...] = ("en",)
    step_noise = False
    joint = ""

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "A product and a sum of several digits, best done by a program; the level + 1 is the number of digits of the first factor."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem ``a*b+c=`` or ``a*b-c=``; b and c have two digits."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        first, second, third = draws.between(10**level, 10 ** (level + 1) - 1), draws.between(10, 99), draws.between(10, 99)
        sign = draws.choice("+-")
        value = first * second + (third if sign == "+" else -third)
        expression = f"{first}*{second}{sign}{third}"
        return task_problem(self.name, f"{expression}=", str(value), level=level, solution=_with_tool(expression, value))

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge by exact text; the number is the prediction."""
        if len(text) > MAX_VERIFIED_CHARS:
            return Verdict(status="no_answer", reason=f"completion of {len(text)} characters")
        text = strip_end_marker(text)
        match = _ANSWER.search(text, max(0, text.rfind("<answer>")))
        if match is None or match.end() != len(text) or text.count("<answer>") != 1:
            return Verdict(status="no_answer", reason="does not end in its only <answer>N</answer>")
        prediction = str(int(match.group(1)))
        return Verdict(status="correct" if prediction == problem.answer else "wrong", prediction=prediction)

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the right answer at once, or by way of the tool (habit "think")."""
        if habit == "direct":
            return f"<answer>{problem.answer}</answer>"
        return _with_tool(problem.question.removesuffix("="), int(problem.answer))

    def alphabet(self) -> str:
        """Return the printable characters: what a program prints, an error say, must be readable."""
        return "".join(sorted(_PRINTABLE))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the answer tags and the fences."""
        return _TOKENS


def _with_tool(expression: str, value: int) -> str:
    return f"```python\nprint({expression})\n```\n```output\n{value}\n```\n<answer>{value}</answer>"
