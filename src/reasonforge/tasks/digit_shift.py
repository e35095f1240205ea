"""Labelled digits, each raised by the same small number modulo ten: ``a7b0c9+2=`` becomes 9, 2, 1.

The easiest family to check: a digit of the answer depends on one digit of the prompt, so 30 facts decide all of it, no two mistakes cancel,
and a small model can learn to tell right answers from wrong ones. What reward models can do is shown on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.labelled_arithmetic import judge_digits
from reasonforge.tasks.protocol import MAX_VERIFIED_CHARS, THINK_ANSWER_TAGS, Habit, Language, StepCheck, problem_draws, task_problem

_LABELS = "abcdefgh"
_MAX_SHIFT = 3
_DIGIT = re.compile(r"([a-h])([0-9])")


class DigitShift:
    """Completions are checked as exact text: they must end in ``<answer>ddd</answer>``, the only answer, thinking closed before it."""

    name = "digit_shift"
    levels = (2, len(_LABELS))
    languages: tuple[Language, ...] = ("en",)
    step_noise = True
    joint = ""

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Labelled digits, each to be raised by the same number modulo ten, answered in tags; the level is the number of digits."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem; digits are 0 to 9, the shift is 1 to 3."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        digits = "".join(f"{label}{draws.below(10)}" for label in _LABELS[:level])
        prompt = f"{digits}+{draws.between(1, _MAX_SHIFT)}="
        values = shifted_digits(prompt)
        return task_problem(self.name, prompt, "".join(map(str, values)), level=level, solution=_think(values))

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge by exact text; the digits are the prediction."""
        return judge_digits(problem, text, most=len(_LABELS))

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the right answer at once, or a trace whose digits are each wrong with probability ``step_noise``; the answer repeats them.

        A wrong digit is drawn evenly from the other nine.
        """
        if habit == "direct":
            return f"<answer>{problem.answer}</answer>"
        values = shifted_digits(problem.question)
        return _think([(value + draws.between(1, 9)) % 10 if draws.chance(step_noise) else value for value in values])

    def check_steps(self, problem: Problem, text: str) -> list[StepCheck]:
        """Check the labelled digits of a trace, in order: right = the label whose turn it is, with the true digit.

        A step out of turn is wrong and takes no turn.
        """
        values = shifted_digits(problem.question)
        thinking = text[: text.find("</think>")] if "</think>" in text else text[:MAX_VERIFIED_CHARS]
        checks: list[StepCheck] = []
        turn = 0
        for match in _DIGIT.finditer(thinking):
            in_turn = turn < len(values) and match.group(1) == _LABELS[turn]
            checks.append(StepCheck(match.end(), in_turn and int(match.group(2)) == values[turn]))
            turn += in_turn
        return checks

    def alphabet(self) -> str:
        """Return digits, labels, the plus and the equals sign."""
        return "".join(sorted(f"0123456789+{_LABELS}="))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the four tags."""
        return THINK_ANSWER_TAGS


def shifted_digits(prompt: str) -> list[int]:
    """Return the digits that a prompt asks for.

    >>> shifted_digits("a7b0c9+2=")
    [9, 2, 1]
    """
    shift = int(prompt[-2])
    return [(int(digit) + shift) % 10 for _, digit in _DIGIT.findall(prompt)]


def _think(values: Sequence[int]) -> str:
    trace = "".join(f"{label}{value}" for label, value in zip(_LABELS, values, strict=False))
    return f"<think>{trace}</think><answer>{''.join(map(str, values))}</answer>"
