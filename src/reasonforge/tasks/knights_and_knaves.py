"""Knights always tell the truth, knaves always lie: who is what follows from what they say, in one way only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, language_of, read_items, same, unreadable

World = tuple[bool, ...]
"""Per person, whether they are a knight."""
ClaimKind = Literal["knave", "both", "either", "alike", "count"]

_NAMES: Mapping[Language, tuple[str, ...]] = {
    "en": ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn"),
    "zh": ("小明", "小红", "小刚", "小丽", "小华", "小芳"),
}
_CLAIMS: Mapping[Language, Mapping[ClaimKind, str]] = {
    "en": {
        "knave": "{a} is a knave.",
        "both": "{a} and {b} are both knights.",
        "either": "{a} or {b} is a knight, or both are.",
        "alike": "{a} and {b} are of the same kind.",
        "count": "The number of knights among us is {count}.",
    },
    "zh": {
        "knave": "{a}是无赖。",
        "both": "{a}和{b}都是骑士。",
        "either": "{a}和{b}中至少有一个是骑士。",
        "alike": "{a}和{b}是同一类人。",
        "count": "我们当中恰好有 {count} 个骑士。",
    },
}
_NOBODY: Texts = {"en": "none", "zh": "无"}
_AND = re.compile(r" and |和")


class Claim(NamedTuple):
    """Something a person says; ``a`` and ``b`` count people from zero."""

    kind: ClaimKind
    a: int
    b: int
    number: int

    def holds(self, world: World) -> bool:
        """Whether it is true in a world."""
        match self.kind:
            case "knave":
                return not world[self.a]
            case "both":
                return world[self.a] and world[self.b]
            case "either":
                return world[self.a] or world[self.b]
            case "alike":
                return world[self.a] == world[self.b]
            case "count":
                return sum(world) == self.number

    def text(self, names: tuple[str, ...], language: Language) -> str:
        """Return it as a sentence."""
        return _CLAIMS[language][self.kind].format(a=names[self.a], b=names[self.b], count=self.number)


class KnightsAndKnaves(Family):
    """Each person says one thing; exactly one world fits."""

    name = "knights_and_knaves"
    levels = (1, 5)
    kind = "logic"
    description = "Who tells the truth, from what everybody says about each other; the level + 1 is how many people there are."
    form: ClassVar[Texts] = {
        "en": "the knights' names, separated by commas, or none,",
        "zh": "骑士的名字（用逗号分隔，没有则写“无”）",
    }
    _question: ClassVar[Texts] = {
        "en": "Knights always tell the truth, knaves always lie. Everybody is one or the other.\n{said}\nWho are the knights?",
        "zh": "骑士总说真话，无赖总说假话，每个人不是骑士就是无赖。\n{said}\n谁是骑士？",
    }
    _says: ClassVar[Texts] = {"en": '{name} says: "{claim}"', "zh": "{name}说：“{claim}”"}
    _check: ClassVar[Texts] = {"en": "Knights: {knights}. Everything fits.", "zh": "骑士：{knights}。全都吻合。"}
    _refute: ClassVar[Texts] = {"en": "Knights: {knights}. {name} would not say that.", "zh": "骑士：{knights}。{name}不会这么说。"}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw claims until one world is left."""
        people = sorted(draws.shuffled(range(len(_NAMES[language])))[: level + 1])
        names = tuple(_NAMES[language][person] for person in people)
        worlds = list(itertools.product((False, True), repeat=len(names)))
        while True:
            claims = [_drawn_claim(draws, speaker, len(names)) for speaker in range(len(names))]
            fitting = [world for world in worlds if _liar(claims, world) is None]
            if len(fitting) == 1:
                break
        answer = _knights(names, fitting[0], language)
        said = [
            self._says[language].format(name=name, claim=claim.text(names, language)) for name, claim in zip(names, claims, strict=True)
        ]
        steps = []
        for world in worlds:
            liar = _liar(claims, world)
            line = self._check if liar is None else self._refute
            steps.append(line[language].format(knights=_knights(names, world, language), name=names[liar or 0]))
            if liar is None:
                break
        question = self._question[language].format(said="\n".join(said))
        content = f"{people} " + " ".join(claim.text(_NAMES["en"], "en") for claim in claims)
        return Drawn(question=question, content=content, answer=answer, steps=steps, meta={"names": list(names)})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare the set of names."""
        nobody, names = _NOBODY[language_of(problem)], problem.meta["names"]
        known = {name.lower(): name for name in names}
        items = [item.lower() for item in read_items(_AND.sub(",", answer))]
        if items == [nobody]:
            return same(problem, nobody)
        if not items or not set(items) <= set(known):
            return unreadable(f"a list of some of {', '.join(names)}")
        return same(problem, ", ".join(sorted({known[item] for item in items}, key=names.index)))

    def texts(self) -> str:
        """Return the characters of questions, names, claims and steps."""
        texts: list[str] = []
        for language in _NAMES:
            texts += [*_NAMES[language], *_CLAIMS[language].values(), _NOBODY[language], self._question[language]]
            texts += [self._says[language], self._check[language], self._refute[language]]
        return "".join(texts)


def _drawn_claim(draws: Draws, speaker: int, people: int) -> Claim:
    kinds: tuple[ClaimKind, ...] = ("knave", "both", "either", "alike", "count")
    others = [person for person in range(people) if person != speaker]
    a = draws.choice(others)
    b = draws.choice([person for person in range(people) if person != a])
    return Claim(draws.choice(kinds), a, b, draws.below(people + 1))


def _liar(claims: list[Claim], world: World) -> int | None:
    """Return the first person whose claim does not fit what they are; None = all fit."""
    return next((person for person, claim in enumerate(claims) if claim.holds(world) != world[person]), None)


def _knights(names: tuple[str, ...], world: World, language: Language) -> str:
    return ", ".join(name for name, knight in zip(names, world, strict=True) if knight) or _NOBODY[language]
