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


def _orchard(rng: Random, key: str) -> Item:
    who, town, a, b, c = name_of(rng), name_of(rng, 3), rng.randint(31, 97), rng.randint(4, 9), rng.randint(11, 29)
    return Item(
        key,
        f"On market day {who} fills {a} wooden crates, each holding {b} quinces from {town}, before {c} of the quinces "
        f"roll under the cart of {who}. How many of the quinces from {town} has {who} left to sell?",
        f"{who} packs {a} * {b} = {a * b} quinces. Without the {c} lost ones {a * b - c} are left.",
        str(a * b - c),
        f"{who} brought {b} quinces per box to the fair, {a} boxes in all. After losing {c}, what number can still be sold by {who}?",
        "en",
    )


def _ferry(rng: Random, key: str) -> Item:
    who, town, a, b, c = name_of(rng), name_of(rng, 3), rng.randint(3, 9), rng.randint(12, 48), rng.randint(3, 11)
    return Item(
        key,
        f"Captain {who} rows {a} passengers across the {town} strait at every crossing and makes {b} crossings "
        f"between dawn and dusk, except that {who} skips {c} crossings for fog. "
        f"Count the passengers whom {who} carries over the {town} strait on that day.",
        f"There are {b} - {c} = {b - c} crossings with {a} passengers each, {a * (b - c)} in all.",
        str(a * (b - c)),
        f"Fog cancels {c} out of {b} trips planned by {who}, whose boat seats {a} people and is always full. Find how many people travel.",
        "en",
    )


def _ribbon(rng: Random, key: str) -> Item:
    who, town, a, b = name_of(rng), name_of(rng, 3), rng.randint(13, 60), rng.randint(5, 12)
    return Item(
        key,
        f"A silk ribbon of {a * b} handspans is cut by {who} into equal pieces of {b} handspans, and {who} ties one piece around "
        f"every lantern of {town}. Exactly how many lanterns of {town} wear a ribbon tied by {who}?",
        f"{a * b} / {b} = {a} pieces, one per lantern.",
        str(a),
        f"Lanterns in {town} get {b} handspans of silk apiece. {who} owns {a * b} handspans. To what number of lanterns does that come?",
        "en",
    )


def _short(rng: Random, key: str) -> Item:
    a, b, c = rng.randint(101, 997), rng.randint(13, 99), rng.randint(1001, 9973)
    return Item(
        key, f"Evaluate {a} times {b} minus {c}.", f"{a * b} - {c} = {a * b - c}", str(a * b - c), f"What is {c} less than {a * b}?", "en"
    )


def _lamps(rng: Random, key: str) -> Item:
    who, a, b, c = han_name(rng), rng.randint(21, 89), rng.randint(3, 9), rng.randint(101, 180)
    return Item(
        key,
        f"渔港码头挂着{a}排灯笼,{who}数得每排{b}盏,台风过后吹落{c % (a * b)}盏,{who}又补挂{b}盏,现在码头上亮着几盏灯笼?",
        f"{a}×{b}-{c % (a * b)}+{b}={a * b - c % (a * b) + b}",
        str(a * b - c % (a * b) + b),
        f"{who}家的灯笼每排{b}盏、共{a}排。风吹掉了其中{c % (a * b)}盏,后来添了{b}盏新的。请算出剩下的总数。",
        "zh",
    )


_MAKERS = (_orchard, _ferry, _lamps, _ribbon, _short)


def items(seed: int, count: int) -> list[Item]:
    """Return the problems of a benchmark."""
    rng = Random(seed)
    return [_MAKERS[i % len(_MAKERS)](rng, f"synthetic-{i:04d}") for i in range(count)]
