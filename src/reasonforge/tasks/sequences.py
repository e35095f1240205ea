"""Order: sort numbers or words, spell letters backwards."""

from __future__ import annotations

from typing import Any, ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, read_items, read_letters, read_number, same, unreadable
from reasonforge.tasks.words import WORDS

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Sorting(Family):
    """Insertion, one item after the other, is the worked solution."""

    name = "sorting"
    levels = (1, 5)
    description = "Numbers or words to put in order, up or down; the level brings two more items each."
    form: ClassVar[Texts] = {"en": "the list, separated by commas,", "zh": "列表（用逗号分隔）"}
    _question: ClassVar[dict[tuple[Language, bool, bool], str]] = {
        ("en", False, False): "Sort these words alphabetically: {items}",
        ("en", False, True): "Sort these words in reverse alphabetical order: {items}",
        ("en", True, False): "Sort these numbers from smallest to largest: {items}",
        ("en", True, True): "Sort these numbers from largest to smallest: {items}",
        ("zh", False, False): "按字母顺序排列这些单词：{items}",
        ("zh", False, True): "按字母倒序排列这些单词：{items}",
        ("zh", True, False): "把这些数从小到大排列：{items}",
        ("zh", True, True): "把这些数从大到小排列：{items}",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw different words, or numbers that may come twice."""
        count = 1 + 2 * level
        numeric, falling = draws.chance(0.5), draws.chance(0.5)
        items: list[Any] = draws.shuffled(WORDS)[:count]
        if numeric:
            items = [draws.between(-99, 10 ** min(level + 1, 4)) for _ in range(count)]
        lists = [sorted(items[: end + 1], reverse=falling) for end in range(count)]
        shown = [", ".join(map(str, part)) for part in lists]
        question = self._question[language, numeric, falling].format(items=", ".join(map(str, items)))
        content = f"{numeric} {falling} {items}"
        return Drawn(question=question, content=content, answer=shown[-1], steps=shown[:-1], meta={"numeric": numeric})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare item by item."""
        items = read_items(answer)
        if problem.meta["numeric"]:
            numbers = [read_number(item) for item in items]
            items = [] if None in numbers else [number for number in numbers if number is not None]
        if not items:
            return unreadable("a list of numbers" if problem.meta["numeric"] else "a list of words")
        return same(problem, ", ".join(items).lower())

    def texts(self) -> str:
        """Return the characters of questions and items."""
        return "".join(self._question.values()) + _LETTERS


class StringReversal(Family):
    """Letters to write backwards."""

    name = "string_reversal"
    levels = (1, 6)
    kind = "logic"
    description = "Letters to write backwards; the level brings three more letters each."
    form: ClassVar[Texts] = {"en": "the reversed letters", "zh": "倒写后的字母"}
    _question: ClassVar[Texts] = {"en": "Write these letters in reverse order: {letters}", "zh": "把下面的字母倒过来写：{letters}"}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw the letters."""
        letters = [draws.choice(_LETTERS) for _ in range(3 * level + draws.below(3))]
        steps = [" ".join(letters), " ".join(reversed(letters))]
        question = self._question[language].format(letters="".join(letters))
        return Drawn(question=question, content="".join(letters), answer="".join(reversed(letters)), steps=steps)

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare the letters; spaces and commas between them do not matter."""
        letters = read_letters(answer)
        return same(problem, letters) if letters else unreadable("letters")

    def texts(self) -> str:
        """Return the characters of questions and letters."""
        return "".join(self._question.values()) + _LETTERS
