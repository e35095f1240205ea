"""Small grammars: templates with slots in braces, drawn with a seeded generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from string import Formatter

Slots = Mapping[str, Callable[[], str]]
"""Slots that a page fills itself: formulas, numbers of its own."""

_SYLLABLES = (
    "al",
    "an",
    "ar",
    "bel",
    "bor",
    "cal",
    "cor",
    "dan",
    "del",
    "dor",
    "el",
    "en",
    "er",
    "fal",
    "far",
    "gar",
    "gren",
    "hal",
    "har",
    "hol",
    "il",
    "in",
    "jor",
    "kal",
    "kar",
    "ken",
    "lan",
    "lar",
    "len",
    "lor",
    "mar",
    "mel",
    "mir",
    "mon",
    "nal",
    "nor",
    "ol",
    "or",
    "pal",
    "per",
    "quin",
    "ral",
    "ran",
    "ren",
    "ros",
    "sal",
    "sar",
    "sel",
    "sol",
    "tan",
    "tar",
    "tel",
    "tor",
    "ul",
    "ur",
    "val",
    "ver",
    "vin",
    "wal",
    "wen",
    "yor",
    "zan",
    "zel",
)
_ENDINGS = (
    "a",
    "by",
    "den",
    "er",
    "es",
    "ford",
    "ham",
    "ia",
    "ic",
    "in",
    "ington",
    "is",
    "ley",
    "mont",
    "o",
    "on",
    "ov",
    "sen",
    "son",
    "ton",
    "vale",
    "y",
)
_HAN_FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_HAN_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂华文建国玉兰志红春梅海燕"


class Grammar:
    """Rules by name; each is a list of templates that are equally likely. ``{name}`` in a template is another rule or a slot."""

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        """Take the rules apart once, so that drawing is fast."""
        parse = Formatter().parse
        self._rules = {
            name: tuple(tuple((literal, field) for literal, field, _, _ in parse(template)) for template in templates)
            for name, templates in rules.items()
        }

    def draw(self, rng: Random, rule: str, slots: Slots | None = None) -> str:
        """Return one text of a rule."""
        parts: list[str] = []
        self._expand(rng, rule, slots or {}, parts)
        return "".join(parts)

    def paragraph(self, rng: Random, rule: str, sentences: int, slots: Slots | None = None) -> str:
        """Return so many sentences of a rule, the same template never twice in a row."""
        parts: list[str] = []
        templates = self._rules[rule]
        last = -1
        for i in range(sentences):
            chosen = int(rng.random() * len(templates))
            if chosen == last:
                chosen = (chosen + 1) % len(templates)
            last = chosen
            if i:
                parts.append(" ")
            self._fill(rng, templates[chosen], slots or {}, parts)
        return "".join(parts)

    def _expand(self, rng: Random, rule: str, slots: Slots, parts: list[str]) -> None:
        templates = self._rules.get(rule)
        if templates is not None:
            self._fill(rng, templates[int(rng.random() * len(templates))], slots, parts)
        elif rule in slots:
            parts.append(slots[rule]())
        else:
            parts.append(_COMMON[rule](rng))

    def _fill(self, rng: Random, template: tuple[tuple[str, str | None], ...], slots: Slots, parts: list[str]) -> None:
        for literal, field in template:
            parts.append(literal)
            if field is not None:
                self._expand(rng, field, slots, parts)


def name_of(rng: Random, syllables: int = 2) -> str:
    """Return an invented proper name."""
    stem = "".join(_SYLLABLES[int(rng.random() * len(_SYLLABLES))] for _ in range(max(1, syllables - 1)))
    return (stem + _ENDINGS[int(rng.random() * len(_ENDINGS))]).capitalize()


def han_name(rng: Random) -> str:
    """Return an invented Chinese name."""
    return rng.choice(_HAN_FAMILY) + "".join(rng.choice(_HAN_GIVEN) for _ in range(rng.choice((1, 2))))


_COMMON: dict[str, Callable[[Random], str]] = {
    "Name": name_of,
    "Place": lambda rng: name_of(rng, 3),
    "hanname": han_name,
    "n1": lambda rng: str(rng.randint(2, 12)),
    "n2": lambda rng: str(rng.randint(13, 98)),
    "n3": lambda rng: str(rng.randint(101, 989)),
    "n4": lambda rng: f"{rng.randint(1_001, 98_999):,}",
    "pct": lambda rng: f"{rng.randint(1, 94)}.{rng.randint(0, 9)}%",
    "price": lambda rng: f"${rng.randint(2, 899)}.{rng.choice(('00', '49', '50', '95', '99'))}",
    "year": lambda rng: str(rng.randint(1958, 2025)),
}
"""Slots of every grammar."""
