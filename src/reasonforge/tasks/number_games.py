"""Countdown and 24: reach a target from given numbers with ``+ - * /``. The answer is an expression; it is read, never executed."""

from __future__ import annotations

from collections import Counter

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.declared import judge_declared, undressed
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.expressions import (
    Expression,
    ExpressionError,
    Operation,
    evaluate,
    numbers_in,
    parse_expression,
    reduction_steps,
    write,
)
from reasonforge.tasks.family import Texts
from reasonforge.tasks.number_search import make_target
from reasonforge.tasks.protocol import THINK_ANSWER_TAGS, Habit, Language, problem_draws, task_problem

_COUNTDOWN_PROMPTS: Texts = {
    "en": "Use the numbers {numbers} to reach {target}. Each number may be used at most once, with +, -, *, / and brackets. "
    "Give the expression inside <answer> </answer>.",
    "zh": "用 {numbers} 这些数算出 {target}：每个数最多用一次，可以用 +、-、*、/ 和括号。把算式写在 <answer> </answer> 里。",
}
_GAME24_PROMPTS: Texts = {
    "en": "Use each of the numbers {numbers} exactly once, with +, -, *, / and brackets, to make 24. "
    "Give the expression inside <answer> </answer>.",
    "zh": "用 {numbers} 这四个数算出 24：每个数恰好用一次，可以用 +、-、*、/ 和括号。把算式写在 <answer> </answer> 里。",
}
_SMALL = range(1, 11)
_LARGE = (25, 50, 75, 100)
_TARGETS = range(10, 1000)


def judge_expression(problem: Problem, text: str) -> Verdict:
    """Judge a completion whose answer is an expression over the problem's numbers. ``prediction`` is the expression in normal form.

    A right-hand side is allowed if it is the target (``8 * 3 = 24``). Signs in front of numbers are not among the operations.
    """
    return judge_declared(text, lambda answer: _judge_answer(problem, answer))


def _judge_answer(problem: Problem, answer: str) -> Verdict:
    target = int(problem.meta["target"])
    claim, equals, right_side = undressed(answer).rpartition("=")
    try:
        expression = parse_expression(claim if equals else right_side)
    except ExpressionError as error:
        return Verdict(status="no_answer", reason=f"not an expression: {error}")
    prediction = write(expression)
    said = right_side.strip()[:20]
    if equals and said != str(target):
        return Verdict(status="wrong", prediction=f"{prediction} = {said}", reason=f"says it makes {said}, not {target}")
    used, given = Counter(numbers_in(expression)), Counter(problem.meta["numbers"])
    if used - given:
        return Verdict(status="wrong", prediction=prediction, reason=f"uses {min((used - given).elements())} more often than it is given")
    if problem.meta["use"] == "all" and given - used:
        return Verdict(status="wrong", prediction=prediction, reason=f"does not use {min((given - used).elements())}")
    value = evaluate(expression)
    if value != target:
        return Verdict(status="wrong", prediction=prediction, reason=f"makes {'no number' if value is None else value}, not {target}")
    return Verdict(status="correct", prediction=prediction)


class _NumberGame:
    """What both games share."""

    languages: tuple[Language, ...] = ("en", "zh")
    step_noise = False
    joint = "\n"
    _prompts: Texts

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge the expression exactly: its numbers, then its value."""
        return judge_expression(problem, text)

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the stored solution, with its steps where the habit is to think."""
        return (problem.solution or "") if habit == "think" else f"<answer>{problem.answer}</answer>"

    def alphabet(self) -> str:
        """Return every character of prompts and completions."""
        prompts = [prompt.replace("<answer> </answer>", "").format(numbers="", target="") for prompt in self._prompts.values()]
        return "".join(sorted(set("0123456789()+-*/= ,.\n" + "".join(prompts))))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the four tags."""
        return THINK_ANSWER_TAGS


class Countdown(_NumberGame):
    """A target from 10 to 999 and three to six numbers, each used at most once."""

    name = "countdown"
    levels = (3, 6)
    _prompts = _COUNTDOWN_PROMPTS

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Reach a target from given numbers, each used at most once; the level is how many numbers are given."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one solvable problem: the target is the value of a drawn expression whose intermediate values are whole and positive."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        language = draws.choice(self.languages)
        while True:
            # Sorted, so that one set of numbers has one prompt.
            numbers = sorted(draws.choice(_LARGE) if draws.chance(0.2) else draws.choice(_SMALL) for _ in range(level))
            expression, value = _drawn_expression(draws, draws.shuffled(numbers)[: draws.between(max(2, level - 1), level)])
            if value in _TARGETS and value not in numbers:
                break
        prompt = _COUNTDOWN_PROMPTS[language].format(numbers=", ".join(map(str, numbers)), target=value)
        return task_problem(
            self.name,
            prompt,
            write(expression),
            level=level,
            solution=_solution([done for done, _ in reduction_steps(expression)], expression),
            meta={"numbers": numbers, "target": value, "use": "any"},
            language=language,
            content=f"{numbers} {value}",
        )


class Game24(_NumberGame):
    """Four numbers from 1 to 13, each used exactly once, make 24."""

    name = "game24"
    levels = (1, 2)
    _prompts = _GAME24_PROMPTS

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Make 24 from four numbers, each used exactly once; level 1 can do with + - *, level 2 needs a division."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem that an exhaustive search has solved."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        language = draws.choice(self.languages)
        while True:
            numbers = tuple(sorted(draws.between(1, 13) for _ in range(4)))
            without_division = make_target(numbers, 24, operators="+-*")
            if level == 1 and without_division is not None:
                expression = without_division
                break
            if level == 2 and without_division is None and (found := make_target(numbers, 24, operators="+-*/")) is not None:
                expression = found
                break
        return task_problem(
            self.name,
            _GAME24_PROMPTS[language].format(numbers=", ".join(map(str, numbers))),
            write(expression),
            level=level,
            solution=_solution(_exact_steps(expression), expression),
            meta={"numbers": list(numbers), "target": 24, "use": "all"},
            language=language,
            content=str(numbers),
        )


def _drawn_expression(draws: Draws, numbers: list[int]) -> tuple[Expression, int]:
    """Join numbers two by two until one expression is left; every value on the way is a whole number above zero."""
    pool: list[tuple[int, Expression]] = [(number, number) for number in numbers]
    while len(pool) > 1:
        # The larger first: differences stay positive, and quotients have a chance to be whole.
        (left, left_tree), (right, right_tree) = sorted(draws.shuffled(pool)[:2], key=lambda item: -item[0])
        choices = "+*" + ("-" if left > right else "") + ("/" if right > 1 and left % right == 0 else "")
        operator = draws.choice(choices)
        value = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[operator]
        pool.remove((left, left_tree))
        pool.remove((right, right_tree))
        pool.append((value, Operation(operator, left_tree, right_tree)))
    return pool[0][1], pool[0][0]


def _exact_steps(expression: Expression) -> list[str]:
    """Return one line per operation, innermost left first; values may be fractions."""
    if isinstance(expression, int):
        return []
    values = [evaluate(side) for side in (expression.left, expression.right)]
    shown = [f"({value})" if value is not None and (value < 0 or value.denominator > 1) else str(value) for value in values]
    line = f"{shown[0]} {expression.operator} {shown[1]} = {evaluate(expression)}"
    return [*_exact_steps(expression.left), *_exact_steps(expression.right), line]


def _solution(steps: list[str], expression: Expression) -> str:
    return "<think>" + "\n".join(steps) + f"</think>\n<answer>{write(expression)}</answer>"
