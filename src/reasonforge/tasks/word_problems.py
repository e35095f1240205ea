"""Word problems in English and Chinese that are two linear equations in two unknowns with one whole, positive solution."""

from __future__ import annotations

import re
from dataclasses import asdict

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.declared import judge_declared
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import Habit, Language, problem_draws, task_problem
from reasonforge.tasks.word_templates import DEFAULT_QUANTITY, PHRASES, QUANTITY, STORIES, Kind, Phrases, Story
from reasonforge.verify.cleaning import strip_dressing
from reasonforge.verify.grade import grade
from reasonforge.verify.numbers import parse_number

Equation = tuple[int, int, int]
"""(a, b, c) of a x + b y = c."""

_KINDS: dict[int, tuple[Kind, ...]] = {1: ("difference", "multiple", "parts"), 2: ("parts", "basket"), 3: ("parts", "basket")}
_LARGEST = {1: 20, 2: 60, 3: 200}
_LARGEST_COEFFICIENT = {1: 5, 2: 5, 3: 12}
_PAIR_SEPARATOR = re.compile(r"[,;]|\band\b|和")
_PAIR_NAMES = (re.compile(r"x\s?="), re.compile(r"y\s?="))


class WordProblems:
    """The answer is one quantity, or both in the order asked; graded exactly."""

    name = "word_problems"
    levels = (1, 3)
    languages: tuple[Language, ...] = ("en", "zh")
    step_noise = False
    joint = "\n"

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "Stories in English and Chinese that are two linear equations; a level brings larger numbers and harder coefficients."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem; its language is drawn."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        language = draws.choice(self.languages)
        kind = draws.choice(_KINDS[level])
        story = draws.choice([story for story in STORIES[language] if story.kind == kind])
        choice = draws.below(len(story.names))
        x, y = draws.between(1, _LARGEST[level]), draws.between(1, _LARGEST[level])
        first, second, (x, y) = _drawn_system(draws, kind, level, (x, y), story.rates[choice] if story.rates else None)
        ask = draws.choice(("x", "y", "both"))
        answer = {"x": str(x), "y": str(y), "both": f"{x}, {y}"}[ask]
        quantity = QUANTITY.get((language, kind), DEFAULT_QUANTITY[language])
        names = story.names[choice]
        return task_problem(
            self.name,
            _told(story, names, first, second) + ("" if language == "zh" else " ") + _asked(PHRASES[language], ask, names, quantity),
            answer,
            level=level,
            solution=_worked(PHRASES[language], names, quantity, first, second, answer),
            meta={"first": list(first), "second": list(second), "ask": ask},
            language=language,
        )

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge one quantity by the common strict rules; judge two as an ordered pair of numbers."""
        if problem.meta["ask"] != "both":
            return grade(problem.answer, text)
        return judge_declared(text, lambda answer: _judged_pair(problem, answer))

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the boxed answer, after the elimination where the habit is to think."""
        return (problem.solution or "") if habit == "think" else f"\\boxed{{{problem.answer}}}"

    def alphabet(self) -> str:
        """Return every character of prompts and completions, both languages."""
        texts = ["0123456789+-=xy ,.()\n"]
        for language, stories in STORIES.items():
            texts += [story.text + "".join(map("".join, story.names)) for story in stories]
            texts += [*asdict(PHRASES[language]).values(), DEFAULT_QUANTITY[language]]
        return "".join(sorted(set("".join([*texts, *QUANTITY.values()]))))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the box's opening, which is one sign to a reader."""
        return ("\\boxed{",)


def _drawn_system(
    draws: Draws, kind: Kind, level: int, solution: tuple[int, int], rates: tuple[int, int] | None
) -> tuple[Equation, Equation, tuple[int, int]]:
    """Return two independent equations that the (possibly adjusted) solution satisfies, and the solution."""
    x, y = solution
    largest = _LARGEST_COEFFICIENT[level]
    match kind:
        case "parts":
            a2, b2 = rates or _two_different(draws, largest)
            return (1, 1, x + y), (a2, b2, a2 * x + b2 * y), (x, y)
        case "basket":
            while True:
                a1, b1, a2, b2 = (draws.between(1, largest) for _ in range(4))
                if a1 * b2 != a2 * b1:
                    return (a1, b1, a1 * x + b1 * y), (a2, b2, a2 * x + b2 * y), (x, y)
        case "difference":
            x = x + y  # "more x than y"
            return (1, 1, x + y), (1, -1, x - y), (x, y)
        case "multiple":
            factor, more = draws.between(2, 4), x
            x = factor * y + more
            return (1, 1, x + y), (1, -factor, more), (x, y)


def _two_different(draws: Draws, largest: int) -> tuple[int, int]:
    low = draws.between(1, largest)
    return low, low + draws.between(1, largest)


def _told(story: Story, names: tuple[str, str], first: Equation, second: Equation) -> str:
    (a1, b1, c1), (a2, b2, c2) = first, second
    return story.text.format(x=names[0], y=names[1], a1=a1, b1=b1, c1=c1, a2=a2, b2=b2, c2=c2, k=-b2)


def _asked(phrases: Phrases, ask: str, names: tuple[str, str], quantity: str) -> str:
    if ask == "both":
        return phrases.ask_both.format(x=names[0], y=names[1], quantity=quantity)
    return phrases.ask_one.format(name=names[0 if ask == "x" else 1], quantity=quantity)


def _worked(phrases: Phrases, names: tuple[str, str], quantity: str, first: Equation, second: Equation, answer: str) -> str:
    """Solve by elimination, written out; the coefficient of x is never zero in these systems."""
    (a1, b1, c1), (a2, b2, c2) = first, second
    left, right = (a1 * a2, b1 * a2, c1 * a2), (a2 * a1, b2 * a1, c2 * a1)
    determinant, total = left[1] - right[1], left[2] - right[2]
    y = total // determinant
    x = (c1 - b1 * y) // a1
    lines = [
        phrases.let.format(x=names[0], y=names[1], quantity=quantity),
        f"(1) {_text(first)}",
        f"(2) {_text(second)}",
    ]
    if a1 != a2:
        lines.append(phrases.scale.format(m1=a2, m2=a1, first=_text(left), second=_text(right)))
    lines += [
        phrases.subtract.format(equation=_text((0, determinant, total) if a1 != a2 else (0, b1 - b2, c1 - c2)), y=y),
        phrases.substitute.format(equation=f"{_term(a1, 'x')} + {b1 * y} = {c1}", x=x),
        phrases.result.format(answer=answer),
    ]
    return "\n".join(lines)


def _text(equation: Equation) -> str:
    a, b, c = equation
    if a == 0:
        return f"{_term(b, 'y')} = {c}"
    return f"{_term(a, 'x')} {'-' if b < 0 else '+'} {_term(abs(b), 'y')} = {c}"


def _term(coefficient: int, name: str) -> str:
    return {1: name, -1: f"-{name}"}.get(coefficient, f"{coefficient}{name}")


def _judged_pair(problem: Problem, answer: str) -> Verdict:
    pair = _pair(answer)
    if pair is None:
        return Verdict(status="wrong", prediction=strip_dressing(answer), reason="not two numbers")
    return Verdict(status="correct" if pair == problem.answer else "wrong", prediction=pair)


def _pair(answer: str) -> str | None:
    """Return an ordered pair of numbers in normal form ("3, 5"); None where the text is anything else."""
    text = strip_dressing(answer)
    if text[:1] + text[-1:] == "()":
        text = text[1:-1]
    parts = _PAIR_SEPARATOR.split(text)
    if len(parts) != 2:
        return None
    # "y = 5, x = 3" names the second first: only the order that was asked for is read.
    bare = [name.sub("", part.strip(), count=1) for name, part in zip(_PAIR_NAMES, parts, strict=True)]
    first, second = (None if "=" in part else parse_number(part) for part in bare)
    return f"{first}, {second}" if first is not None and second is not None else None
