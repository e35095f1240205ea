"""Zebra puzzles: houses in a row, what belongs to each, and clues that leave one arrangement."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, language_of, read_items, same, unreadable

Row = tuple[int, ...]
"""Of one kind of thing (colour, pet, ...), the house of each, counted from zero."""
World = tuple[Row, ...]
ClueKind = Literal["same", "left", "next", "at"]

_THINGS: Mapping[Language, tuple[tuple[str, ...], ...]] = {
    "en": (
        ("red", "green", "blue", "white", "yellow"),
        ("cat", "dog", "horse", "zebra", "parrot"),
        ("tea", "milk", "water", "coffee", "juice"),
        ("doctor", "teacher", "painter", "baker", "farmer"),
        ("piano", "violin", "guitar", "flute", "drum"),
    ),
    "zh": (
        ("红", "绿", "蓝", "白", "黄"),
        ("猫", "狗", "马", "斑马", "鹦鹉"),
        ("茶", "牛奶", "水", "咖啡", "果汁"),
        ("医生", "教师", "画家", "面包师", "农民"),
        ("钢琴", "小提琴", "吉他", "长笛", "鼓"),
    ),
}
_HOUSE: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "the {} house",
        "the house with the {}",
        "the house where they drink {}",
        "the house of the {}",
        "the house where they play the {}",
    ),
    "zh": ("{}色的房子", "养{}的房子", "喝{}的房子", "{}住的房子", "有{}的房子"),
}
_KIND: Mapping[Language, tuple[str, ...]] = {
    "en": ("colours", "pets", "drinks", "jobs", "instruments"),
    "zh": ("颜色", "宠物", "饮料", "职业", "乐器"),
}
_CLUES: Mapping[Language, Mapping[ClueKind, str]] = {
    "en": {
        "same": "{x} is {y}.",
        "left": "{x} is directly to the left of {y}.",
        "next": "{x} is next to {y}.",
        "at": "{x} is number {number}.",
    },
    "zh": {"same": "{x}就是{y}。", "left": "{x}紧挨着{y}，在其左边。", "next": "{x}和{y}相邻。", "at": "{x}是第 {number} 号。"},
}
_SIZES = ((3, 2), (3, 3), (4, 2), (4, 3), (4, 4), (5, 3), (5, 4), (5, 5))
"""Per level, houses and kinds of things: from 36 arrangements to 25 thousand million."""


class Clue(NamedTuple):
    """A statement about two things (kind, number), or about one and a house."""

    kind: ClueKind
    x: tuple[int, int]
    y: tuple[int, int]
    house: int

    def holds(self, first: Row, second: Row) -> bool:
        """Whether it is true where the things of its first and its second kind stand so."""
        x, y = first[self.x[1]], second[self.y[1]]
        match self.kind:
            case "same":
                return x == y
            case "left":
                return x + 1 == y
            case "next":
                return abs(x - y) == 1
            case "at":
                return x == self.house

    def text(self, language: Language) -> str:
        """Return it as a sentence."""
        x, y = (_HOUSE[language][kind].format(_THINGS[language][kind][thing]) for kind, thing in (self.x, self.y))
        sentence = _CLUES[language][self.kind].format(x=x, y=y, number=self.house + 1)
        return sentence[0].upper() + sentence[1:]


class Zebra(Family):
    """Clues are drawn until one arrangement is left, then those are dropped that the others make needless."""

    name = "zebra"
    levels = (1, len(_SIZES))
    kind = "logic"
    description = "Houses in a row and what belongs to each, from clues; from three houses and two kinds of things to five of each."
    form: ClassVar[Texts] = {"en": "the list, separated by commas,", "zh": "列表（用逗号分隔）"}
    _question: ClassVar[Texts] = {
        "en": "There are {houses} houses in a row, numbered from left to right: {things}; each in one house.\n{clues}\n"
        "List the {kind} from house 1 to house {houses}.",
        "zh": "有 {houses} 座房子排成一排，从左到右编号：{things}；每样各在一座房子里。\n{clues}\n按 1 号到 {houses} 号的顺序列出{kind}。",
    }
    _joints: ClassVar[Mapping[Language, tuple[str, str]]] = {"en": (", ", "; "), "zh": ("、", "；")}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a world, then clues that hold in it until no other world is left."""
        houses, kinds = _SIZES[level - 1]
        truth = tuple(tuple(draws.shuffled(range(houses))) for _ in range(kinds))
        clues: list[Clue] = []
        left = draws.shuffled(_true_clues(truth))
        while (other := _another_world(truth, clues)) is not None:
            telling = next(clue for clue in left if not clue.holds(other[clue.x[0]], other[clue.y[0]]))
            left.remove(telling)
            clues.append(telling)
        clues = draws.shuffled(clues)
        for clue in tuple(clues):
            others = [other for other in clues if other is not clue]
            if _another_world(truth, others) is None:
                clues = others
        asked = draws.below(kinds)
        rows = [[things[house.index(number)] for number in range(houses)] for things, house in zip(_THINGS[language], truth, strict=False)]
        comma, semicolon = self._joints[language]
        question = self._question[language].format(
            houses=houses,
            things=semicolon.join(comma.join(things[:houses]) for things in _THINGS[language][:kinds]),
            clues="\n".join(clue.text(language) for clue in clues),
            kind=_KIND[language][asked],
        )
        content = " ".join([str(level), _KIND["en"][asked], *(clue.text("en") for clue in clues)])
        steps = [f"{number}: {', '.join(things)}" for number, things in enumerate(zip(*rows, strict=True), 1)]
        return Drawn(question=question, content=content, answer=", ".join(rows[asked]), steps=steps, meta={"kind": asked})

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


def _true_clues(world: World) -> list[Clue]:
    """Return every clue that holds in a world, without those that say the same about two things the other way round."""
    things = [(kind, thing) for kind, houses in enumerate(world) for thing in range(len(houses))]
    clues = [Clue("at", x, x, world[x[0]][x[1]]) for x in things]
    for x, y in itertools.permutations(things, 2):
        kinds: tuple[ClueKind, ...] = ("same", "next", "left") if x < y else ("left",)
        clues += [clue for kind in kinds if (clue := Clue(kind, x, y, 0)).holds(world[x[0]], world[y[0]])]
    return clues


def _another_world(truth: World, clues: Sequence[Clue]) -> World | None:
    """Return a world other than this one in which the clues hold; None = there is none."""
    return next((world for world in _worlds(len(truth[0]), len(truth), clues) if world != truth), None)


def _worlds(houses: int, kinds: int, clues: Sequence[Clue]) -> Iterator[World]:
    """Go through the worlds in which the clues hold, row after row; a row is a bit in a set, so a clue excludes many rows at once."""
    rows = _rows(houses)
    allowed = [(1 << len(rows)) - 1] * kinds
    between: dict[tuple[int, int], list[Clue]] = {}
    for clue in clues:
        first, second = clue.x[0], clue.y[0]
        if first == second:
            allowed[first] &= sum(1 << number for number, row in enumerate(rows) if clue.holds(row, row))
        else:
            between.setdefault((min(first, second), max(first, second)), []).append(clue)

    def further(placed: Mapping[int, Row], allowed: list[int]) -> Iterator[World]:
        waiting = [kind for kind in range(kinds) if kind not in placed]
        if not waiting:
            yield tuple(placed[kind] for kind in range(kinds))
            return
        kind = min(waiting, key=lambda kind: allowed[kind].bit_count())
        for row in _members(allowed[kind], rows):
            rest = list(allowed)
            for other in waiting:
                for clue in between.get((min(kind, other), max(kind, other)), ()):
                    rest[other] &= _fitting(clue, kind, row)
            if all(rest):
                yield from further({**placed, kind: row}, rest)

    return further({}, allowed)


@functools.cache
def _rows(houses: int) -> list[Row]:
    return list(itertools.permutations(range(houses)))


@functools.cache
def _fitting_rows(houses: int, kind: ClueKind, x_known: bool, house: int, thing: int) -> int:
    """Return the set of rows whose ``thing`` stands as a clue of this kind wants it beside a house."""
    step = {"same": (0,), "left": (1,) if x_known else (-1,), "next": (-1, 1), "at": ()}[kind]
    return sum(1 << number for number, row in enumerate(_rows(houses)) if row[thing] - house in step)


def _fitting(clue: Clue, kind: int, row: Row) -> int:
    """Return the set of rows of a clue's other kind with which it holds beside this row of one of its kinds."""
    x_known = clue.x[0] == kind
    (_, known), (_, other) = (clue.x, clue.y) if x_known else (clue.y, clue.x)
    return _fitting_rows(len(row), clue.kind, x_known, row[known], other)


def _members(allowed: int, rows: Sequence[Row]) -> Iterator[Row]:
    while allowed:
        lowest = allowed & -allowed
        yield rows[lowest.bit_length() - 1]
        allowed ^= lowest
