"""Propositional logic: truth values that make a formula true. Every assignment that does is right."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, holds, read_assignments, unreadable

Clause = list[int]
"""Literals joined by "or": 2 is the second letter, -2 its negation."""

_LETTERS = "pqrstu"
_VALUES = {"true": True, "t": True, "1": True, "真": True, "false": False, "f": False, "0": False, "假": False}


class Satisfiability(Family):
    """Clauses are drawn until at most two assignments are left, so a guess does not do."""

    name = "satisfiability"
    levels = (1, 4)
    kind = "logic"
    description = "Truth values that make a formula of and, or, not true; the level + 2 is how many letters."
    form: ClassVar[Texts] = {"en": "a value for each letter, like p=true, q=false,", "zh": "每个字母的值（例如 p=true, q=false）"}
    _question: ClassVar[Texts] = {
        "en": "Find truth values of {letters} that make this formula true.\n{formula}",
        "zh": "给出 {letters} 的一组真值，使下面的公式为真。\n{formula}",
    }
    _words: ClassVar[Mapping[Language, tuple[str, str, str]]] = {"en": ("not ", " or ", " and "), "zh": ("非 ", " 或 ", " 且 ")}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw an assignment, then clauses that it satisfies and others do not."""
        letters = _LETTERS[: level + 2]
        planted = tuple(draws.chance(0.5) for _ in letters)
        left, clauses = list(itertools.product((False, True), repeat=len(letters))), []
        while len(left) > 2 or len(clauses) < 2:
            picked = draws.shuffled(range(1, len(letters) + 1))[: draws.between(2, min(3, len(letters)))]
            clause = [letter if draws.chance(0.5) else -letter for letter in sorted(picked)]
            fitting = [values for values in left if _is_true(clause, values)]
            if clause not in clauses and _is_true(clause, planted) and (len(fitting) < len(left) or len(left) <= 2):
                left = fitting
                clauses.append(clause)
        negation, disjunction, conjunction = self._words[language]
        shown = [disjunction.join(negation * (literal < 0) + letters[abs(literal) - 1] for literal in clause) for clause in clauses]
        answer = ", ".join(f"{letter}={str(value).lower()}" for letter, value in zip(letters, planted, strict=True))
        steps = []
        for text, clause in zip(shown, clauses, strict=True):
            literal = next(literal for literal in clause if _is_true([literal], planted))
            steps.append(f"{text}: {letters[abs(literal) - 1]}={str(literal > 0).lower()}")
        question = self._question[language].format(letters=", ".join(letters), formula=conjunction.join(f"({text})" for text in shown))
        return Drawn(question=question, content=str(clauses), answer=answer, steps=steps, meta={"clauses": clauses, "letters": letters})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Put the values in."""
        found = read_assignments(answer)
        if found is None or not all(value.lower() in _VALUES for value in found.values()):
            return unreadable("a list like p=true, q=false")
        values = {letter: _VALUES[value.lower()] for letter, value in found.items()}
        prediction = ", ".join(f"{letter}={str(value).lower()}" for letter, value in sorted(values.items()))
        letters, clauses = problem.meta["letters"], problem.meta["clauses"]
        if set(values) != set(letters):
            return holds(prediction, f"names {', '.join(sorted(values))}, not {', '.join(letters)}")
        world = tuple(values[letter] for letter in letters)
        failing = next((number for number, clause in enumerate(clauses, 1) if not _is_true(clause, world)), None)
        return holds(prediction, None if failing is None else f"bracket {failing} is false")

    def texts(self) -> str:
        """Return the characters of questions and steps."""
        return "".join([*self._question.values(), *("".join(words) for words in self._words.values()), _LETTERS, ":"])


def _is_true(clause: Clause, values: tuple[bool, ...]) -> bool:
    return any(values[abs(literal) - 1] == (literal > 0) for literal in clause)
