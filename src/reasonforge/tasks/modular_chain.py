"""Chains of definitions modulo a small number: ``x1 = 3, x2 = x1*4+2, x3 = x1+x2, mod 7``. Each step can be checked by rule."""

from __future__ import annotations

import re
from typing import NamedTuple

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import MAX_VERIFIED_CHARS, Habit, Language, StepCheck, problem_draws, task_problem
from reasonforge.verify.grade import grade

_MODULI = (5, 7, 9, 10, 11, 13)
_PROMPT = "All values are taken mod {modulus}. {definitions}. Find x{last}. Put the result in \\boxed{{}}."
# A stated value: "x3 = 2*4+1 = 9 = 2" or "x3 = 2"; the last number of the line is the claim.
_CLAIM = re.compile(r"^x([0-9]{1,2}) ?=[^\n]{0,80}?(?<![0-9-])([0-9]{1,4})(?: ?\(?mod [0-9]{1,3}\)?)?[.,]?[ ]*$", re.MULTILINE)


class Link(NamedTuple):
    """x_i = x_left * factor + addend, or x_left + x_right; indices count from 1."""

    left: int
    right: int
    """0 = the first form."""
    factor: int
    addend: int

    def text(self, name: str) -> str:
        """Return the definition as the prompt states it."""
        return f"{name} = x{self.left} + x{self.right}" if self.right else f"{name} = x{self.left} * {self.factor} + {self.addend}"

    def filled(self, values: list[int]) -> tuple[str, int]:
        """Return the definition with values put in, and the value before it is reduced."""
        left = values[self.left - 1]
        if self.right:
            right = values[self.right - 1]
            return f"{left} + {right}", left + right
        return f"{left} * {self.factor} + {self.addend}", left * self.factor + self.addend


class ModularChain:
    """The answer is the last value; every line ``xk = ...`` of a completion is a step that a rule can check."""

    name = "modular_chain"
    levels = (1, 10)
    languages: tuple[Language, ...] = ("en",)
    step_noise = True
    joint = "\n"

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return "A chain of definitions modulo a small number, worked out line by line; the level is the number of links after the first."

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem; each link uses the previous value, so none can be skipped."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        modulus = draws.choice(_MODULI)
        start = draws.between(1, modulus - 1)
        links = []
        for position in range(1, level + 1):
            right = draws.between(1, position) if draws.chance(0.4) else 0
            links.append(Link(position, right, draws.between(2, 9), draws.between(1, 9)))
        definitions = [f"x1 = {start}", *(link.text(f"x{number}") for number, link in enumerate(links, 2))]
        prompt = _PROMPT.format(modulus=modulus, definitions=", ".join(definitions), last=level + 1)
        meta: dict[str, object] = {"modulus": modulus, "start": start, "links": [list(link) for link in links]}
        values = _values(modulus, start, links)
        solution = _trace(modulus, start, links, values)
        return task_problem(self.name, prompt, str(values[-1]), level=level, solution=solution, meta=meta)

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge the declared answer exactly."""
        return grade(problem.answer, text)

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the boxed answer, after a trace where the habit is to think; a wrong value is any other residue, and is gone on from."""
        if habit == "direct":
            return f"\\boxed{{{problem.answer}}}"
        modulus, start, links = _parts(problem)
        values = [start]
        for link in links:
            value = link.filled(values)[1] % modulus
            values.append((value + draws.between(1, modulus - 1)) % modulus if draws.chance(step_noise) else value)
        return _trace(modulus, start, links, values)

    def check_steps(self, problem: Problem, text: str) -> list[StepCheck]:
        """Check every variable's first claim, in the order of the text: right = the true value.

        Later claims about the same variable are no steps: a completion cannot earn by repeating itself.
        """
        values = _values(*_parts(problem))
        checks: dict[int, StepCheck] = {}
        for match in _CLAIM.finditer(text[:MAX_VERIFIED_CHARS]):
            number = int(match.group(1))
            if 1 <= number <= len(values) and number not in checks:
                checks[number] = StepCheck(match.end(), int(match.group(2)) == values[number - 1])
        return list(checks.values())

    def alphabet(self) -> str:
        """Return every character of prompts and completions."""
        return "".join(sorted(set("0123456789x=+* ,.\n\\{}" + _PROMPT.format(modulus="", definitions="", last="") + "mod")))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the box's opening, which is one sign to a reader."""
        return ("\\boxed{",)


def _parts(problem: Problem) -> tuple[int, int, list[Link]]:
    return problem.meta["modulus"], problem.meta["start"], [Link(*link) for link in problem.meta["links"]]


def _values(modulus: int, start: int, links: list[Link]) -> list[int]:
    values = [start]
    for link in links:
        values.append(link.filled(values)[1] % modulus)
    return values


def _trace(modulus: int, start: int, links: list[Link], values: list[int]) -> str:
    """Write one line per variable. ``values`` may be wrong ones: the line shows what was put in, then what was concluded."""
    lines = [f"x1 = {start}"]
    for number, link in enumerate(links, 2):
        filled, total = link.filled(values)
        lines.append(f"x{number} = {filled} = {total} = {values[number - 1]}")
    return "\n".join(lines) + f"\n\\boxed{{{values[-1]}}}"
