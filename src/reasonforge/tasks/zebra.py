"""Zebra puzzles: houses in a row, what belongs to each, and clues that leave one arrangement."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, language_of, read_items, same, unreadable

World = tuple[tuple[int, ...], ...]
"""Per kind of thing (colour, pet, drink), the house of each thing, counted from zero."""
ClueKind = Literal["same", "left", "next", "at"]

_THINGS: Mapping[Language, tuple[tuple[str, ...], ...]] = {
    "en": (("red", "green", "blue", "white"), ("cat", "dog", "horse", "zebra"), ("tea", "milk", "water", "coffee")),
    "zh": (("红", "绿", "蓝", "白"), ("猫", "狗", "马", "斑马"), ("茶", "牛奶", "水", "咖啡")),
}
_HOUSE: Mapping[Language, tuple[str, ...]] = {
    "en": ("the {} house", "the house with the {}", "the house where they drink {}"),
    "zh": ("{}色的房子", "养{}的房子", "喝{}的房子"),
}
_KIND: Mapping[Language, tuple[str, ...]] = {"en": ("colours", "pets", "drinks"), "zh": ("颜色", "宠物", "饮料")}
_CLUES: Mapping[Language, Mapping[ClueKind, str]] = {
    "en": {
        "same": "{x} is {y}.",
        "left": "{x} is directly to the left of {y}.",
        "next": "{x} is next to {y}.",
        "at": "{x} is number {number}.",
    },
    "zh": {"same": "{x}就是{y}。", "left": "{x}紧挨着{y}，在其左边。", "next": "{x}和{y}相邻。", "at": "{x}是第 {number} 号。"},
}


class Clue(NamedTuple):
    """A statement about two things (kind, number), or about one and a house."""

    kind: ClueKind
    x: tuple[int, int]
    y: tuple[int, int]
    house: int

    def keep(self, worlds: list[World]) -> list[World]:
        """Return the worlds in which it is true."""
        (a, i), (b, j) = self.x, self.y
        # One loop per kind: the thousands of worlds of the hardest level are gone through for every clue.
        match self.kind:
            case "same":
                return [world for world in worlds if world[a][i] == world[b][j]]
            case "left":
                return [world for world in worlds if world[a][i] + 1 == world[b][j]]
            case "next":
                return [world for world in worlds if abs(world[a][i] - world[b][j]) == 1]
            case "at":
                return [world for world in worlds if world[a][i] == self.house]

    def text(self, language: Language) -> str:
        """Return it as a sentence."""
        x, y = (_HOUSE[language][kind].format(_THINGS[language][kind][thing]) for kind, thing in (self.x, self.y))
        sentence = _CLUES[language][self.kind].format(x=x, y=y, number=self.house + 1)
        return sentence[0].upper() + sentence[1:]


class Zebra(Family):
    """Clues are drawn one by one, and kept while they exclude something; no clue that says nothing new is among them."""

    name = "zebra"
    levels = (1, 4)
    kind = "logic"
    description = "Houses in a row and what belongs to each, from clues; three or four houses (from level 3), two or three kinds of things."
    form: ClassVar[Texts] = {"en": "the list, separated by commas,", "zh": "用逗号分隔的列表"}
    _question: ClassVar[Texts] = {
        "en": "There are {houses} houses in a row, numbered from left to right: {things}; each in one house.\n{clues}\n"
        "List the {kind} from house 1 to house {houses}.",
        "zh": "有 {houses} 座房子排成一排，从左到右编号：{things}；每样各在一座房子里。\n{clues}\n按 1 号到 {houses} 号的顺序列出{kind}。",
    }
    _joints: ClassVar[Mapping[Language, tuple[str, str]]] = {"en": (", ", "; "), "zh": ("、", "；")}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a world, then clues that hold in it until no other world is left."""
        houses, kinds = ((3, 2), (3, 3), (4, 2), (4, 3))[level - 1]
        truth = tuple(tuple(draws.shuffled(range(houses))) for _ in range(kinds))
        worlds, clues = _worlds(houses, kinds), []
        for clue in draws.shuffled(_true_clues(truth)):
            fitting = clue.keep(worlds)
            if len(fitting) < len(worlds):
                worlds = fitting
                clues.append(clue)
            if len(worlds) == 1:
                break
        asked = draws.below(kinds)
        rows = [[things[house.index(number)] for number in range(houses)] for things, house in zip(_THINGS[language], truth, strict=False)]
        comma, semicolon = self._joints[language]
        question = self._question[language].format(
            houses=houses,
            things=semicolon.join(comma.join(things[:houses]) for things in _THINGS[language][:kinds]),
            clues="\n".join(clue.text(language) for clue in clues),
            kind=_KIND[language][asked],
        )
        steps = [f"{number}: {', '.join(things)}" for number, things in enumerate(zip(*rows, strict=True), 1)]
        return Drawn(question=question, answer=", ".join(rows[asked]), steps=steps, meta={"kind": asked})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare thing by thing."""
        known = _THINGS[language_of(problem)][problem.meta["kind"]]
        # A Chinese colour may be given with or without the word for colour.
        items = [item.lower().removesuffix("色") for item in read_items(answer)]
        if not items or not set(items) <= set(known):
            return unreadable(f"a list of some of {', '.join(known)}")
        return same(problem, ", ".join(items))

    def texts(self) -> str:
        """Return the characters of questions, things and clues."""
        texts: list[str] = []
        for language in _THINGS:
            texts += [self._question[language], *self._joints[language], *_KIND[language], *_HOUSE[language], *_CLUES[language].values()]
            texts += [thing for things in _THINGS[language] for thing in things]
        return "".join(texts) + "TR"


@functools.cache
def _worlds(houses: int, kinds: int) -> list[World]:
    return list(itertools.product(itertools.permutations(range(houses)), repeat=kinds))


def _true_clues(world: World) -> list[Clue]:
    """Return every clue that holds in a world, without those that say the same about two things the other way round."""
    things = [(kind, thing) for kind, houses in enumerate(world) for thing in range(len(houses))]
    clues = [Clue("at", x, x, world[x[0]][x[1]]) for x in things]
    for x, y in itertools.permutations(things, 2):
        kinds: tuple[ClueKind, ...] = ("same", "next", "left") if x < y else ("left",)
        clues += [clue for kind in kinds if (clue := Clue(kind, x, y, 0)).keep([world])]
    return clues
