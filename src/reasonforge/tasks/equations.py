"""Fractions, and linear equations in one unknown. Answers are exact rationals: any way to write the value is right."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Language, NumberFamily, Texts


class Fractions(NumberFamily):
    """Fractions joined by signs, worked out from left to right."""

    name = "fractions"
    levels = (1, 4)
    description = "Fractions to add and subtract, from level 3 also to multiply; the level + 1 is how many fractions."
    _question: ClassVar[Texts] = {"en": "Work out {expression}. The result may be a fraction.", "zh": "计算 {expression}，结果可以是分数。"}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw the fractions; a sum is bracketed before it is multiplied."""
        value = _drawn_fraction(draws, level)
        text, steps, is_sum = str(value), [], False
        for _ in range(level):
            operator, operand = draws.choice("+-*" if level > 2 else "+-"), _drawn_fraction(draws, level)
            result = {"+": value + operand, "-": value - operand, "*": value * operand}[operator]
            text = f"({text}) {operator} {operand}" if operator == "*" and is_sum else f"{text} {operator} {operand}"
            steps.append(f"{value} {operator} {operand} = {result}")
            value, is_sum = result, operator != "*"
        return Drawn(question=self._question[language].format(expression=text), content=text, answer=str(value), steps=steps)

    def texts(self) -> str:
        """Return the question's characters."""
        return "".join(self._question.values())


class LinearEquation(NumberFamily):
    """``a (x + b) + c = d x + e``, simpler at the lower levels, always with one solution."""

    name = "linear_equation"
    levels = (1, 4)
    description = "A linear equation in x: a x + c = e, then x on both sides, then brackets; only at level 4 may x be a fraction."
    form: ClassVar[Texts] = {"en": "the value of x", "zh": " x 的值"}
    _question: ClassVar[Texts] = {"en": "Solve for x: {equation}", "zh": "解方程：{equation}"}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw the coefficients; up to level 3 the right-hand constant follows from a drawn whole solution."""
        largest = 6 + 4 * level
        inner, outer = (draws.between(1, 9) if level > 2 else 0), draws.between(-largest, largest)
        right = draws.between(1, 9) if level > 1 else 0
        factor = draws.choice([number for number in range(2, 10) if number != right])
        solution = draws.between(-largest, largest)
        constant = factor * (solution + inner) + outer - right * solution + (draws.between(1, 9) if level == 4 else 0)
        left_side = f"{factor}(x + {inner})" if inner else f"{factor}x"
        equation = f"{_plus(left_side, outer)} = {_plus(_times_x(right), constant)}"
        collected, moved = factor - right, constant - outer - factor * inner
        x = Fraction(moved, collected)
        steps = [f"{_plus(f'{factor}x', factor * inner + outer)} = {_plus(_times_x(right), constant)}"] if inner else []
        steps += [f"{_times_x(collected)} = {moved}", f"x = {x}"]
        return Drawn(question=self._question[language].format(equation=equation), content=equation, answer=str(x), steps=steps)

    def texts(self) -> str:
        """Return the question's characters."""
        return "".join(self._question.values()) + "x"


def _drawn_fraction(draws: Draws, level: int) -> Fraction:
    bottom = draws.between(2, 4 + 2 * level)
    return Fraction(draws.between(1, 2 * bottom), bottom)


def _times_x(coefficient: int) -> str:
    return {0: "", 1: "x", -1: "-x"}.get(coefficient, f"{coefficient}x")


def _plus(text: str, constant: int) -> str:
    """Return the text with a constant behind it: no zero, no sign in front of a sign."""
    if not text:
        return str(constant)
    return text if not constant else f"{text} {'-' if constant < 0 else '+'} {abs(constant)}"
