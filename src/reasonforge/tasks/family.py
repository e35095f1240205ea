"""What families with one short answer share: prompt and language, the worked solution, where the answer stands and how it is read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from reasonforge.core.records import Problem, ProblemKind, Verdict
from reasonforge.tasks.declared import judge_declared, undressed
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import THINK_ANSWER_TAGS, Habit, Language, problem_draws, task_problem
from reasonforge.verify.cleaning import plain_characters, strip_dressing
from reasonforge.verify.numbers import parse_number

Texts = Mapping[Language, str]
"""The same text in both languages."""

_REQUEST: Texts = {"en": "\nGive {form} inside <answer> </answer>.", "zh": "\n把{form}写在 <answer> </answer> 里。"}
_BASIC = "0123456789+-*/=()., \n"
_BRACKETS = ("()", "[]", "{}")
_SEPARATORS = re.compile(r"[\s,;]")
_COMMA = re.compile(r"\s*[,;]\s*")
_ASSIGNMENT = re.compile(r"([A-Za-z]+) ?(?:=|:|->) ?([A-Za-z0-9真假]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a family draws for one problem."""

    question: str
    """Without the request where to put the answer."""
    answer: str
    content: str
    """What is asked, whatever the language: a problem and its translation never stand on two sides of a split."""
    steps: Sequence[str]
    """Lines that lead to the answer."""
    meta: Mapping[str, object] = field(default_factory=dict)


class Family(ABC):
    """A task in English and Chinese whose answer stands in an answer block (a box or an answer phrase will do)."""

    name: str
    levels: tuple[int, int]
    kind: ProblemKind = "math"
    description: str
    """One sentence: what is asked and what a level is."""
    form: ClassVar[Texts]
    """What the answer block must hold."""
    languages: tuple[Language, ...] = ("en", "zh")
    step_noise = False
    joint = "\n"

    @abstractmethod
    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw one problem."""

    @abstractmethod
    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Judge a declared answer without its dressing, of bounded length."""

    @abstractmethod
    def texts(self) -> str:
        """Return a text with every character of questions, steps and answers; digits and arithmetic signs need not be in it."""

    def describe(self) -> str:
        """Say in one sentence what is asked and what a level is."""
        return self.description

    def problem(self, seed: int, index: int, level: int | None = None) -> Problem:
        """Return one problem; its language is drawn."""
        draws, level = problem_draws(self.name, seed, index, level, self.levels)
        language: Language = draws.choice(self.languages)
        drawn = self.draw(draws, level, language)
        return task_problem(
            self.name,
            drawn.question + _REQUEST[language].format(form=self.form[language]),
            drawn.answer,
            level=level,
            solution="<think>" + "\n".join(drawn.steps) + f"</think>\n<answer>{drawn.answer}</answer>",
            meta=drawn.meta,
            language=language,
            kind=self.kind,
            content=drawn.content,
        )

    def verify(self, problem: Problem, text: str) -> Verdict:
        """Find the declared answer and judge it exactly."""
        return judge_declared(text, lambda answer: self.judge(problem, undressed(answer)))

    def completion(self, problem: Problem, draws: Draws, *, habit: Habit, step_noise: float = 0.0) -> str:
        """Write the stored solution, with its steps where the habit is to think."""
        return (problem.solution or "") if habit == "think" else f"<answer>{problem.answer}</answer>"

    def alphabet(self) -> str:
        """Return every character of prompts and completions, both languages."""
        requests = "".join(_REQUEST[language] + self.form[language] for language in _REQUEST)
        return "".join(sorted(set(_BASIC + requests.replace("<answer> </answer>", "") + self.texts())))

    def special_tokens(self) -> tuple[str, ...]:
        """Return the four tags."""
        return THINK_ANSWER_TAGS


class NumberFamily(Family):
    """A family whose answer is one exact number."""

    form: ClassVar[Texts] = {"en": "the number", "zh": "结果"}

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare values exactly: 2/4 is 1/2."""
        number = read_number(answer)
        return unreadable("a number") if number is None else same(problem, number)


def same(problem: Problem, prediction: str) -> Verdict:
    """Judge an answer in normal form that only the stored one equals."""
    return Verdict(status="correct" if prediction == problem.answer else "wrong", prediction=prediction)


def holds(prediction: str, fault: str | None) -> Verdict:
    """Judge an answer in normal form that is right unless a fault was found in it."""
    return Verdict(status="wrong" if fault else "correct", prediction=prediction, reason=fault or "")


def unreadable(wanted: str) -> Verdict:
    """Say that the answer is not of the kind that was asked for."""
    return Verdict(status="no_answer", reason=f"not {wanted}")


def language_of(problem: Problem) -> Language:
    """Return the language that a problem of a family was drawn in."""
    return "zh" if problem.language == "zh" else "en"


def read_number(answer: str, *, units: tuple[str, ...] = ()) -> str | None:
    """Return an exact number in normal form; None = anything else, a percentage or a unit that is not among these.

    >>> read_number("0.5"), read_number("50%"), read_number("x = -2")
    ('1/2', None, '-2')
    """
    number = parse_number(answer)
    if number is None or number.percent or number.unit not in ("", *units):
        return None
    return str(number)


def read_items(answer: str) -> list[str]:
    """Return the parts of a list: between commas or, where there are none, between spaces.

    Brackets may stand around the list, quotation marks around each part.

    >>> read_items("[3, 1，2]"), read_items("b a"), read_items("['cat', 'dog']")
    (['3', '1', '2'], ['b', 'a'], ['cat', 'dog'])
    """
    text = _without_brackets(answer)
    return [undressed(item) for item in (_COMMA.split(text) if _COMMA.search(text) else text.split())]


def read_letters(answer: str) -> str:
    """Return the signs of an answer without the spaces and commas between them and one pair of brackets around them.

    >>> read_letters("[a, b c]")
    'abc'
    """
    return _SEPARATORS.sub("", _without_brackets(answer))


def read_assignments(answer: str) -> dict[str, str] | None:
    """Return the pairs of a list ``A=1, B=2``, names in lower case; None where a part is no pair or a name comes twice.

    >>> read_assignments("A=1, B: 2"), read_assignments("A=1, a=2")
    ({'a': '1', 'b': '2'}, None)
    """
    matches = [_ASSIGNMENT.fullmatch(item) for item in _COMMA.split(strip_dressing(answer))]
    pairs = [match.groups() for match in matches if match is not None]
    found = {name.lower(): value for name, value in pairs}
    return found if len(found) == len(matches) else None


def read_words(answer: str) -> str:
    """Return a text in lower case with single spaces and without the quotation marks around it."""
    return " ".join(plain_characters(answer).strip().strip("\"'`.").lower().split())


def _without_brackets(answer: str) -> str:
    text = strip_dressing(answer)
    return text[1:-1].strip() if text[:1] + text[-1:] in _BRACKETS else text
