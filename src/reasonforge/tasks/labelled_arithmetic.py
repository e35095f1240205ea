"""Arithmetic modulo ten with labelled steps: ``7a*8b+5c-2=`` starts at 7 and applies *8, +5, -2; the trace writes 6, 1, 9.

Small enough for a model of a few hundred thousand parameters, and thinking pays: one step is one of 270 facts, the direct answer composes
them all. The labels make "which step is next" a look-up.
"""

from __future__ import annotations

import re

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import MAX_VERIFIED_CHARS, THINK_ANSWER_TAGS, Habit, Language, StepCheck, problem_draws, task_problem
from reasonforge.verify.extract import strip_end_marker

_LABELS = "abcdefgh"
_OPERATIONS = "+-*"
_STEP = re.compile(r"([a-h])([+\-*])([0-9])")
_CLAIM = re.compile(r"([a-h])([0-9])")
_TAG = re.compile(r"</?(?:think|answer)>")
_ANSWER = re.compile(r"<answer>([0-9]+)</answer>")
# The prompt may have begun the thinking: then the completion shows only its end.
_TAG_ORDERS = (("<answer>", "</answer>"), THINK_ANSWER_TAGS, THINK_ANSWER_TAGS[1:])


def apply(value: int, operation: str, operand: int) -> int:
    """Return the running value after one step.

    >>> apply(7, "*", 8)
    6
    """
    result = {"+": value + operand, "-": value - operand, "*": value * operand}[operation]
    return result % 10


def running_values(prompt: str) -> list[int]:
    """Return the value after each step of a prompt.

    >>> running_values("7a*8b+5c-2=")
    [6, 1, 9]
    """
    values = [int(prompt[0])]
    for _, operation, operand in _STEP.findall(prompt):
        values.append(apply(values[-1], operation, int(operand)))
    return values[1:]


def judge_digits(problem: Problem, text: str, *, most: int = 1) -> Verdict:
    """Judge a completion by exact text: it must end in ``<answer>d</answer>``, the only answer, thinking closed before it.

    Args:
        most: digits that an answer can have.
    """
    if len(text) > MAX_VERIFIED_CHARS:
        return Verdict(status="no_answer", reason=f"completion of {len(text)} characters")
    text = strip_end_marker(text)
    match = _ANSWER.search(text, max(0, len(text) - len("<answer></answer>") - most))
    if match is None or match.end() != len(text):
        return Verdict(status="no_answer", reason="does not end in <answer>d</answer>")
    if tuple(_TAG.findall(text)) not in _TAG_ORDERS:
        return Verdict(status="no_answer", reason="not one thinking part at most and one answer after it")
    return Verdict(status="correct" if match.group(1) == problem.answer else "wrong", prediction=match.group(1))


class LabelledArithmetic:
    """Completions are checked as exact text: they must end in ``<answer>d</answer>``, the only answer, thinking closed before it."""

    name = "labelled_arithmetic"
    levels = (1, 8)
    languages: tuple[Language, ...] = ("en",)
    step_noise = True
    joint = ""

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Arithmetic modulo ten: a start digit and labelled steps, answered in tags; the level is the number of steps."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem; operands are 1 to 9, the start is 0 to 9."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        steps = "".join(f"{label}{draws.choice(_OPERATIONS)}{draws.between(1, 9)}" for label in _LABELS[:level])
        prompt = f"{draws.below(10)}{steps}="
        values = running_values(prompt)
        return task_problem(self.name, prompt, str(values[-1]), level=level, solution=_think(values))

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge by exact text; the digit is the prediction."""
        return judge_digits(problem, text)

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the right answer at once, or a trace whose steps are each wrong with probability ``step_noise``.

        A wrong value is drawn evenly from the other nine digits; later steps and the answer go on from it.
        """
        if habit == "direct":
            return f"<answer>{problem.answer}</answer>"
        value, values = int(problem.question[0]), []
        for _, operation, operand in _STEP.findall(problem.question):
            value = apply(value, operation, int(operand))
            if draws.chance(step_noise):
                value = (value + draws.between(1, 9)) % 10
            values.append(value)
        return _think(values)

    def check_steps(self, problem: Problem, text: str) -> list[StepCheck]:
        """Check the steps of a trace, in order: right = the label whose turn it is, with the true value.

        A wrong value makes later values wrong unless they come out true again; a step out of turn is wrong and takes no turn.
        """
        values = running_values(problem.question)
        thinking = text[: text.find("</think>")] if "</think>" in text else text[:MAX_VERIFIED_CHARS]
        checks: list[StepCheck] = []
        turn = 0
        for match in _CLAIM.finditer(thinking):
            in_turn = turn < len(values) and match.group(1) == _LABELS[turn]
            checks.append(StepCheck(match.end(), in_turn and int(match.group(2)) == values[turn]))
            turn += in_turn
        return checks

    def alphabet(self) -> str:
        """Return digits, operations, labels and the equals sign."""
        return "".join(sorted(f"0123456789{_OPERATIONS}{_LABELS}="))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the four tags."""
        return THINK_ANSWER_TAGS


def _think(values: list[int]) -> str:
    trace = "".join(f"{label}{value}" for label, value in zip(_LABELS, values, strict=False))
    return f"<think>{trace}</think><answer>{values[-1]}</answer>"
