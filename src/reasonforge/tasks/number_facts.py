"""Whole-number arithmetic that schools drill: sums, common divisors and multiples, other bases."""

from __future__ import annotations

import math
import re
from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.expressions import Expression, Operation, evaluate, reduction_steps, write
from reasonforge.tasks.family import Drawn, Family, Language, NumberFamily, Texts, same, unreadable
from reasonforge.verify.cleaning import strip_dressing

_DIGITS = "0123456789abcdef"
_PREFIX_BASE = {"0b": 2, "0o": 8, "0x": 16}
_SUBSCRIPT = re.compile(r"_ ?\{? ?([0-9]{1,2}) ?\}?\Z")


class ChainSum(NumberFamily):
    """Sums and differences from left to right."""

    name = "chain_sum"
    levels = (1, 6)
    description = "A sum of whole numbers with plus and minus signs; the level + 1 is how many numbers, and they grow to three digits."
    _question: ClassVar[Texts] = {"en": "Work out {sum}.", "zh": "计算 {sum}。"}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw the numbers and signs; values on the way may be negative."""
        largest = (20, 20, 99, 99, 999, 999)[level - 1]
        expression: Expression = draws.between(1, largest)
        for _ in range(level):
            expression = Operation(draws.choice("+-"), expression, draws.between(1, largest))
        steps = [done for done, _ in reduction_steps(expression)]
        return Drawn(
            question=self._question[language].format(sum=write(expression)),
            content=write(expression),
            answer=str(evaluate(expression)),
            steps=steps,
        )

    def texts(self) -> str:
        """Return the question's characters."""
        return "".join(self._question.values())


class GcdLcm(NumberFamily):
    """Greatest common divisor or least common multiple, by Euclid's remainders."""

    name = "gcd_lcm"
    levels = (1, 4)
    description = "The greatest common divisor or least common multiple of two to four numbers; a level brings larger and more numbers."
    _question: ClassVar[dict[tuple[Language, str], str]] = {
        ("en", "gcd"): "What is the greatest common divisor of {numbers}?",
        ("en", "lcm"): "What is the least common multiple of {numbers}?",
        ("zh", "gcd"): "{numbers} 的最大公约数是多少？",
        ("zh", "lcm"): "{numbers} 的最小公倍数是多少？",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw numbers with a common factor, so that the greatest is rarely one."""
        count, largest = ((2, 9), (2, 30), (3, 30), (4, 60))[level - 1]
        factor = draws.between(2, 4 * level)
        numbers = [factor * draws.between(2, largest) for _ in range(count)]
        asked = draws.choice(("gcd", "lcm"))
        value, steps = numbers[0], []
        for number in numbers[1:]:
            divisor = math.gcd(value, number)
            steps += [*_remainders(value, number), f"gcd({value}, {number}) = {divisor}"]
            if asked == "lcm":
                steps.append(f"lcm({value}, {number}) = {value} * {number} / {divisor} = {value * number // divisor}")
            value = divisor if asked == "gcd" else value * number // divisor
        question = self._question[language, asked].format(numbers=", ".join(map(str, numbers)))
        return Drawn(question=question, content=f"{asked} {sorted(numbers)}", answer=str(value), steps=steps)

    def texts(self) -> str:
        """Return the characters of questions and steps."""
        return "".join(self._question.values()) + "gcd lcm mod"


class BaseConversion(Family):
    """A number in one base, asked in another; digits above nine are the letters a to f."""

    name = "base_conversion"
    levels = (1, 4)
    description = "A number written in one base is asked in another, at level 1 and 2 from or to ten; each level brings larger numbers."
    form: ClassVar[Texts] = {"en": "only its digits", "zh": "转换后的数"}
    _question: ClassVar[Texts] = {
        "en": "The number {digits} is written in base {old}. Write it in base {new}; digits above 9 are the letters a to f.",
        "zh": "{digits} 是 {old} 进制数。把它写成 {new} 进制数；大于 9 的数字用字母 a 到 f 表示。",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a number and two bases."""
        value = draws.between(2 * 4**level, 4 ** (2 * level + 1))
        old = draws.between(2, 9 if level < 3 else 16)
        new = 10 if level < 3 else draws.choice([base for base in range(2, 17) if base != old])
        if level < 3 and draws.chance(0.5):
            old, new = new, old
        digits, steps = _in_base(value, old), []
        if old != 10:
            powers = [
                f"{_DIGITS.index(digit)} * {old}^{power}" for power, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True)
            ]
            steps.append(f"{' + '.join(powers)} = {value}")
        rest = value
        while new != 10 and rest:
            steps.append(f"{rest} = {rest // new} * {new} + {rest % new}")
            rest //= new
        question = self._question[language].format(digits=digits, old=old, new=new)
        return Drawn(question=question, content=f"{digits} {old} {new}", answer=_in_base(value, new), steps=steps, meta={"base": new})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare the values of the digits; a prefix (0x) or an index that names the right base may stand."""
        base = problem.meta["base"]
        text = strip_dressing(answer).lower()
        index = _SUBSCRIPT.search(text)
        if index is not None and int(index.group(1)) == base:
            text = text[: index.start()].strip().removeprefix("(").removesuffix(")")
        if _PREFIX_BASE.get(text[:2]) == base:
            text = text[2:]
        if not text or not set(text) <= set(_DIGITS[:base]):
            return unreadable(f"digits of base {base}")
        return same(problem, text.lstrip("0") or "0")

    def texts(self) -> str:
        """Return the characters of questions, steps and answers."""
        return "".join(self._question.values()) + _DIGITS + "^"


def _remainders(larger: int, smaller: int) -> list[str]:
    """Return the lines of Euclid's algorithm."""
    lines = []
    while smaller:
        lines.append(f"{larger} mod {smaller} = {larger % smaller}")
        larger, smaller = smaller, larger % smaller
    return lines


def _in_base(value: int, base: int) -> str:
    digits = ""
    while value:
        value, digit = divmod(value, base)
        digits = _DIGITS[digit] + digits
    return digits
