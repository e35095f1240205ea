"""Arithmetic modulo ten written out: each line of a trace repeats its label, the running value and the operation: ``b6+5=1``.

The long sister of ``labelled_arithmetic``: seven tokens a step and up to 24 steps, so that a chain of sixteen has more than a hundred
tokens. Every sign of a line can be read off the prompt, the line itself or the line before, so a tiny model learns it whatever the length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.labelled_arithmetic import apply, judge_digits
from reasonforge.tasks.protocol import MAX_VERIFIED_CHARS, THINK_ANSWER_TAGS, Habit, Language, StepCheck, problem_draws, task_problem

_LABELS = "abcdefghijklmnopqrstuvwx"
_OPERATIONS = "+-*"
_STEP = re.compile(r"([a-x])([+\-*])([1-9])")
_LINE = re.compile(r"([a-x])([0-9])([+\-*])([1-9])=([0-9])\n")


class WrittenArithmetic:
    """Completions are checked as exact text: they must end in ``<answer>d</answer>``, the only answer, thinking closed before it."""

    name = "written_arithmetic"
    levels = (1, len(_LABELS))
    languages: tuple[Language, ...] = ("en",)
    step_noise = True
    joint = ""

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Long arithmetic modulo ten: labelled steps, each written out on a line of its own; the level is the number of steps."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem; operands are 1 to 9, the start is 0 to 9."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        steps = "".join(f"{label}{draws.choice(_OPERATIONS)}{draws.between(1, 9)}" for label in _LABELS[:level])
        prompt = f"{draws.below(10)}{steps}="
        values = written_values(prompt)
        return task_problem(self.name, prompt, str(values[-1]), level=level, solution=_think(prompt, values))

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge by exact text; the digit is the prediction."""
        return judge_digits(problem, text)

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the right answer at once, or a trace whose lines each have a wrong result with probability ``step_noise``.

        A wrong result is drawn evenly from the other nine digits; later lines and the answer go on from it.
        """
        if habit == "direct":
            return f"<answer>{problem.answer}</answer>"
        values = [int(problem.question[0])]
        for _, operation, operand in _STEP.findall(problem.question):
            value = apply(values[-1], operation, int(operand))
            values.append((value + draws.between(1, 9)) % 10 if draws.chance(step_noise) else value)
        return _think(problem.question, values)

    def check_steps(self, problem: Problem, text: str) -> list[StepCheck]:
        """Check the lines of a trace, in order: right = the label whose turn it is, with its operation, and true before and after.

        A wrong result makes later lines wrong unless they come out true again; a line out of turn is wrong and takes no turn.
        """
        steps, values = _STEP.findall(problem.question), written_values(problem.question)
        thinking = text[: text.find("</think>")] if "</think>" in text else text[:MAX_VERIFIED_CHARS]
        checks: list[StepCheck] = []
        turn = 0
        for match in _LINE.finditer(thinking):
            label, before, operation, operand, after = match.groups()
            in_turn = turn < len(steps) and label == _LABELS[turn]
            true = in_turn and steps[turn] == (label, operation, operand) and (int(before), int(after)) == (values[turn], values[turn + 1])
            checks.append(StepCheck(match.end(), true))
            turn += in_turn
        return checks

    def alphabet(self) -> str:
        """Return digits, operations, labels, the equals sign and the newline."""
        return "".join(sorted(f"0123456789{_OPERATIONS}{_LABELS}=\n"))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the four tags."""
        return THINK_ANSWER_TAGS


def written_values(prompt: str) -> list[int]:
    """Return the start of a prompt and the value after each of its steps.

    >>> written_values("7a*8b+5c-2=")
    [7, 6, 1, 9]
    """
    values = [int(prompt[0])]
    for _, operation, operand in _STEP.findall(prompt):
        values.append(apply(values[-1], operation, int(operand)))
    return values


def _think(prompt: str, values: Sequence[int]) -> str:
    steps = _STEP.findall(prompt)
    lines = (f"{label}{values[i]}{operation}{operand}={values[i + 1]}\n" for i, (label, operation, operand) in enumerate(steps))
    return f"<think>{''.join(lines)}</think><answer>{values[-1]}</answer>"
