"""Secret writing: shifted alphabets and drawn ones, to decode with the key given."""

from __future__ import annotations

from typing import ClassVar

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, read_words, same, unreadable
from reasonforge.tasks.words import WORDS

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


class Cipher(Family):
    """Either every letter is moved by the same amount (Caesar), or each is replaced by a table; the key is given."""

    name = "cipher"
    levels = (1, 4)
    kind = "logic"
    description = "English words in a Caesar or a substitution cipher, to decode with the key; the level is how many words."
    form: ClassVar[Texts] = {"en": "the decoded text", "zh": "解密后的文字"}
    _caesar: ClassVar[Texts] = {
        "en": "Each letter was moved {shift} places forward in the alphabet, from z on to a. Decode: {secret}",
        "zh": "每个字母在字母表中向后移了 {shift} 位，z 之后回到 a。解密：{secret}",
    }
    _table: ClassVar[Texts] = {
        "en": "Each letter was replaced as listed, letter->replacement: {table}. Decode: {secret}",
        "zh": "每个字母都按“原字母->新字母”替换：{table}。解密：{secret}",
    }

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw words and a key; the table lists the letters that occur, in drawn order."""
        words = draws.shuffled(WORDS)[:level]
        plain = " ".join(words)
        if draws.chance(0.5):
            shift = draws.between(1, 25)
            key = dict(zip(_ALPHABET, _ALPHABET[shift:] + _ALPHABET[:shift], strict=True))
        else:
            shift = 0
            key = dict(zip(_ALPHABET, draws.shuffled(_ALPHABET), strict=True))
        secret = "".join(key.get(letter, letter) for letter in plain)
        table = ", ".join(f"{letter}->{key[letter]}" for letter in draws.shuffled(sorted(set(plain) - {" "})))
        question = (self._caesar if shift else self._table)[language].format(shift=shift, secret=secret, table=table)
        steps = [", ".join(f"{key[letter]}={letter}" for letter in word) for word in words]
        return Drawn(question=question, content=f"{secret} {table if shift == 0 else shift}", answer=plain, steps=steps)

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare the words; capitals do not matter."""
        words = read_words(answer)
        return same(problem, words) if words else unreadable("a text")

    def texts(self) -> str:
        """Return the characters of questions and words."""
        return "".join([*self._caesar.values(), *self._table.values(), _ALPHABET])
