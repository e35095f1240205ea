"""The stories of the word problems: English and Chinese, four kinds of linear system each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["parts", "basket", "difference", "multiple"]
"""Shape of the system: x + y and p x + q y; two baskets a x + b y; x + y and x - y; x + y and x - k y."""


@dataclass(frozen=True, slots=True)
class Story:
    """One text with places for the numbers of the system and the names of its two quantities."""

    kind: Kind
    text: str
    names: tuple[tuple[str, str], ...]
    """What x and y are; one pair is drawn."""
    rates: tuple[tuple[int, int], ...] = ()
    """Fixed coefficients of the second equation, one pair per pair of names; () = drawn."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The wording of one language round the stories."""

    ask_one: str
    ask_both: str
    let: str
    scale: str
    subtract: str
    substitute: str
    result: str


STORIES: dict[str, tuple[Story, ...]] = {
    "en": (
        Story(
            "parts",
            "A farm keeps {x} and {y}, {c1} animals in all. Together they have {c2} legs; "
            "each of the {x} has {a2} and each of the {y} has {b2}.",
            (("chickens", "rabbits"), ("ducks", "goats"), ("geese", "cows")),
            ((2, 4), (2, 4), (2, 4)),
        ),
        Story(
            "parts",
            "A hall sold {c1} tickets, some of them {x} at {a2} dollars each and the others {y} at {b2} dollars each. "
            "It took in {c2} dollars.",
            (("child tickets", "adult tickets"), ("balcony seats", "front seats")),
        ),
        Story(
            "basket",
            "Anna buys {a1} {x} and {b1} {y} for {c1} dollars. Ben buys {a2} {x} and {b2} {y} at the same prices for {c2} dollars. "
            "Call the price of one of the {x} x and of one of the {y} y, in dollars.",
            (("notebooks", "pens"), ("cups", "plates"), ("lemons", "melons")),
        ),
        Story(
            "difference",
            "There are {c1} {x} and {y} on a shelf, and {c2} more {x} than {y}.",
            (("novels", "atlases"), ("red boxes", "blue boxes"), ("jars", "bottles")),
        ),
        Story(
            "multiple",
            "Two baskets hold {c1} {x} and {y} in all. The number of {x} is {c2} more than {k} times the number of {y}.",
            (("apples", "pears"), ("plums", "figs"), ("buttons", "coins")),
        ),
    ),
    "zh": (
        Story(
            "parts",
            "笼子里有{x}和{y}共{c1}只，一共有{c2}条腿。每只{x}有{a2}条腿，每只{y}有{b2}条腿。",
            (("鸡", "兔"), ("鸭", "羊")),
            ((2, 4), (2, 4)),
        ),
        Story(
            "parts",
            "学校买了{x}和{y}共{c1}件，{x}每件{a2}元，{y}每件{b2}元，一共花了{c2}元。",
            (("毛笔", "砚台"), ("跳绳", "足球"), ("小旗", "奖杯")),
        ),
        Story(
            "basket",
            "小明买{a1}个{x}和{b1}个{y}，用了{c1}元；小红按同样的价钱买{a2}个{x}和{b2}个{y}，用了{c2}元。设每个{x}的价钱为x元，每个{y}的价钱为y元。",
            (("本子", "书包"), ("杯子", "盘子"), ("梨", "瓜")),
        ),
        Story(
            "difference",
            "书架上有{x}和{y}共{c1}本，{x}比{y}多{c2}本。",
            (("故事书", "科技书"), ("中文书", "英文书")),
        ),
        Story(
            "multiple",
            "果园里有{x}和{y}共{c1}棵，{x}的棵数比{y}的{k}倍多{c2}棵。",
            (("桃树", "李树"), ("梨树", "杏树")),
        ),
    ),
}

PHRASES: dict[str, Phrases] = {
    "en": Phrases(
        ask_one="Find the {quantity} of {name}. Put the number in \\boxed{{}}.",
        ask_both="Find the {quantity} of {x} and the {quantity} of {y}. Put both in \\boxed{{}}, as \\boxed{{x, y}} in this order.",
        let="Let x be the {quantity} of {x} and y the {quantity} of {y}.",
        scale="Multiply (1) by {m1} and (2) by {m2}: {first} and {second}.",
        subtract="Subtract the second from the first: {equation}, so y = {y}.",
        substitute="Put y into (1): {equation}, so x = {x}.",
        result="The answer is \\boxed{{{answer}}}.",
    ),
    "zh": Phrases(
        ask_one="求{name}的{quantity}，把这个数写在\\boxed{{}}中。",
        ask_both="求{x}的{quantity}和{y}的{quantity}，把两个数按此顺序写成\\boxed{{x, y}}的形式。",
        let="设{x}的{quantity}为x，{y}的{quantity}为y。",
        scale="(1)乘以{m1}，(2)乘以{m2}：{first}，{second}。",
        subtract="两式相减：{equation}，所以y = {y}。",
        substitute="把y代入(1)：{equation}，所以x = {x}。",
        result="答案是\\boxed{{{answer}}}。",
    ),
}

QUANTITY = {("en", "basket"): "price", ("zh", "basket"): "单价"}
"""What is asked for; everything not here is a number of things."""
DEFAULT_QUANTITY = {"en": "number", "zh": "数量"}
