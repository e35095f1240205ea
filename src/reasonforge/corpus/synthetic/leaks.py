"""A benchmark that never was, and how its problems get into pages: word for word, or said again in other words."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from reasonforge.corpus.synthetic.grammar import han_name, name_of


class Item(NamedTuple):
    """A problem of the benchmark."""

    id: str
    question: str
    solution: str
    answer: str
    paraphrase: str
    """The same problem in other words: no ten words in a row are the question's."""
    language: str


def _orchard(rng: Random, key: str, who: str, town: str) -> Item:
    a, b, c = rng.randint(31, 97), rng.randint(4, 9), rng.randint(11, 29)
    return Item(
        key,
        f"On market day {who} fills {a} wooden crates, each holding {b} quinces from {town}, before {c} of them "
        f"roll under the cart of {who}. How many of the quinces from {town} has {who} left to sell?",
        f"{who} packs {a} * {b} = {a * b} quinces. Without the {c} lost ones {a * b - c} are left.",
        str(a * b - c),
        f"{who} brought {b} quinces per box to the fair, {a} boxes in all. After losing {c}, what number can still be sold by {who}?",
        "en",
    )


def _ferry(rng: Random, key: str, who: str, town: str) -> Item:
    a, b, c = rng.randint(3, 9), rng.randint(12, 48), rng.randint(3, 11)
    return Item(
        key,
        f"Captain {who} rows {a} passengers over the {town} strait at every crossing; {who} makes {b} crossings between dawn and dusk, but "
        f"{who} skips {c} for fog. Count the passengers whom {who} carries over the {town} strait on that day.",
        f"There are {b} - {c} = {b - c} crossings of {who} with {a} passengers each, {a * (b - c)} in all.",
        str(a * (b - c)),
        f"Fog cancels {c} out of {b} trips planned by {who}, whose boat seats {a} people and is always full. Find how many people travel.",
        "en",
    )


def _ribbon(rng: Random, key: str, who: str, town: str) -> Item:
    a, b = rng.randint(13, 60), rng.randint(5, 12)
    return Item(
        key,
        f"A silk ribbon of {a * b} handspans is cut by {who} into equal pieces of {b} handspans, and {who} ties one piece around "
        f"every lantern of {town}. Exactly how many lanterns of {town} wear a ribbon tied by {who}?",
        f"{a * b} / {b} = {a} pieces, one per lantern.",
        str(a),
        f"Lanterns in {town} get {b} handspans of silk apiece. {who} owns {a * b} handspans. To what number of lanterns does that come?",
        "en",
    )


def _short(rng: Random, key: str, who: str, town: str) -> Item:
    a, b, c = rng.randint(101, 997), rng.randint(13, 99), rng.randint(1001, 9973)
    return Item(
        key, f"Evaluate {a} times {b} minus {c}.", f"{a * b} - {c} = {a * b - c}", str(a * b - c), f"What is {c} less than {a * b}?", "en"
    )


def _lamps(rng: Random, key: str, who: str, town: str) -> Item:
    a, b, c = rng.randint(21, 89), rng.randint(13, 97), rng.randint(101, 260)
    left = a * b - c + b
    return Item(
        key,
        f"码头挂着{a}排灯笼,{who}数每排{b}盏,{who}见台风吹落{c}盏,{who}又补{b}盏,此刻几盏?",
        f"{a}×{b}-{c}+{b}={left}",
        str(left),
        f"{who}家的灯笼每排{b}盏、共{a}排。风吹掉了其中{c}盏,后来添了{b}盏新的。请算出剩下的总数。",
        "zh",
    )


_MAKERS = (_orchard, _ferry, _lamps, _ribbon, _short)


def items(seed: int, count: int) -> list[Item]:
    """Return the problems of a benchmark: a name that no other problem has in every ten words or characters of a question."""
    rng = Random(seed)
    used: set[str] = set()
    found: list[Item] = []
    for i in range(count):
        make = _MAKERS[i % len(_MAKERS)]
        who, town = _fresh(rng, used, han=make is _lamps), _fresh(rng, used, han=False)
        found.append(make(rng, f"synthetic-{i:04d}", who, town))
    return found


def _fresh(rng: Random, used: set[str], *, han: bool) -> str:
    while True:
        name = han_name(rng) if han else name_of(rng, 3)
        if name not in used:
            used.add(name)
            return name
