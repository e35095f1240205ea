"""Sums whose digits are hidden behind letters. Every assignment that makes the sum hold is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, holds, read_assignments, unreadable


class Cryptarithm(Family):
    """Two numbers and their sum, one letter for each digit."""

    name = "cryptarithm"
    levels = (1, 4)
    kind = "logic"
    description = "Find digits for the letters of a sum; the level + 1 is how many digits the longer addend has."
    form: ClassVar[Texts] = {"en": "one digit for each letter, like A=1, B=2,", "zh": "每个字母代表的数字（例如 A=1, B=2）"}
    _question: ClassVar[Texts] = {
        "en": "Each letter stands for a different digit, and no number starts with 0: {first} + {second} = {total}. Find the digits.",
        "zh": "每个字母代表一个不同的数字，且每个数的首位不为 0：{first} + {second} = {total}。求各字母代表的数字。",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a sum in which some digit comes twice, so that the letters say something about each other."""
        while True:
            first, second = draws.between(10**level, 10 ** (level + 1) - 1), draws.between(10 ** (level - 1), 10 ** (level + 1) - 1)
            digits = f"{first}{second}{first + second}"
            if len(set(digits)) < len(digits) - level:
                break
        letters = dict(zip(sorted(set(digits)), draws.shuffled("ABCDEFGHKM"), strict=False))
        words = ["".join(letters[digit] for digit in str(number)) for number in (first, second, first + second)]
        question = self._question[language].format(first=words[0], second=words[1], total=words[2])
        pairs = sorted((letter, digit) for digit, letter in letters.items())
        answer = ", ".join(f"{letter}={digit}" for letter, digit in pairs)
        steps = [*_columns(words, {letter: int(digit) for digit, letter in letters.items()}), f"{first} + {second} = {first + second}"]
        return Drawn(question=question, content=" ".join(words), answer=answer, steps=steps, meta={"words": words})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Put the digits in and add."""
        found = read_assignments(answer)
        if found is None:
            return unreadable("a list like A=1, B=2")
        found = {letter.upper(): digit for letter, digit in found.items()}
        return holds(", ".join(f"{letter}={digit}" for letter, digit in sorted(found.items())), _fault(problem.meta["words"], found))

    def texts(self) -> str:
        """Return the characters of questions and letters."""
        return "".join(self._question.values()) + "ABCDEFGHKM:"


def _columns(words: list[str], key: Mapping[str, int]) -> list[str]:
    """Return the columns of the sum from right to left, in letters and in digits; what is carried is written as a digit."""
    *addends, total = words
    lines, carry = [], 0
    for place in range(1, len(total) + 1):
        letters = [word[-place] for word in addends if place <= len(word)]
        carried = ["1"] * carry
        value = sum(key[letter] for letter in letters) + carry
        told = " + ".join([*letters, *carried]), " + ".join([*(str(key[letter]) for letter in letters), *carried])
        lines.append(f"{told[0]} = {total[-place]}: {told[1]} = {value}")
        carry = value // 10
    return lines


def _fault(words: list[str], found: Mapping[str, str]) -> str | None:
    letters = set("".join(words))
    if set(found) != letters:
        return f"names {', '.join(sorted(found))}, not {', '.join(sorted(letters))}"
    if not all(len(digit) == 1 and digit in "0123456789" for digit in found.values()):
        return "a letter stands for one digit"
    if len(set(found.values())) < len(found):
        return "two letters have the same digit"
    numbers = ["".join(found[letter] for letter in word) for word in words]
    if any(number.startswith("0") for number in numbers):
        return "a number starts with 0"
    first, second, total = map(int, numbers)
    return None if first + second == total else f"{first} + {second} is not {total}"
