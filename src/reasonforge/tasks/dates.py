"""Counting days in the Gregorian calendar: a date so many days away, the days between two dates, the day of the week."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import ClassVar, Literal

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.family import Drawn, Family, Language, Texts, language_of, read_number, read_words, same, unreadable
from reasonforge.verify.cleaning import strip_dressing

Ask = Literal["later", "earlier", "between", "weekday"]

_WEEKDAYS: Mapping[Language, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}
_WEEKDAY_NUMBER = {name.lower(): number for names in _WEEKDAYS.values() for number, name in enumerate(names)}
_WEEKDAY_NUMBER |= {f"{start}{day}": number for start in ("周", "礼拜", "星期") for number, day in enumerate("一二三四五六日")}
_WEEKDAY_NUMBER |= {f"{start}天": 6 for start in ("周", "礼拜", "星期")}
_DATE = re.compile(r"([0-9]{4}) ?[-/.年] ?([0-9]{1,2}) ?[-/.月] ?([0-9]{1,2}) ?日?")
_QUESTIONS: Mapping[Language, Mapping[Ask, str]] = {
    "en": {
        "later": "Which date is {days} days after {first}? Write it as YYYY-MM-DD.",
        "earlier": "Which date is {days} days before {second}? Write it as YYYY-MM-DD.",
        "between": "How many days after {first} is {second}?",
        "weekday": "{first} is a {weekday}. Which day of the week is it {days} days later?",
    },
    "zh": {
        "later": "{first} 之后第 {days} 天是哪一天？写成 YYYY-MM-DD 的形式。",
        "earlier": "{second} 之前第 {days} 天是哪一天？写成 YYYY-MM-DD 的形式。",
        "between": "从 {first} 到 {second} 过了多少天？",
        "weekday": "{first} 是{weekday}。再过 {days} 天是星期几？",
    },
}


class DateArithmetic(Family):
    """The worked solution goes from the first of one month to the first of the next."""

    name = "date_arithmetic"
    levels = (1, 4)
    description = "A date some days before or after another, the days between two dates, or a day of the week; a level brings longer spans."
    form: ClassVar[Texts] = {"en": "only the date, number or day", "zh": "日期、天数或星期"}

    def draw(self, draws: Draws, level: int, language: Language) -> Drawn:
        """Draw a date of the years 1900 to 2099, a span and what is asked."""
        first = date(1900, 1, 1) + timedelta(draws.below(72_000))
        days = draws.between(2, (27, 90, 365, 1000)[level - 1])
        second = first + timedelta(days)
        asks: tuple[Ask, ...] = ("later", "earlier", "between", "weekday")
        ask = draws.choice(asks)
        names = _WEEKDAYS[language]
        question = _QUESTIONS[language][ask].format(
            first=first.isoformat(), second=second.isoformat(), days=days, weekday=names[first.weekday()]
        )
        answers = {"later": second.isoformat(), "earlier": first.isoformat(), "between": str(days), "weekday": names[second.weekday()]}
        steps = _months_forwards(first, second)
        if ask == "earlier":
            steps = _months_backwards(first, second)
        elif ask == "weekday":
            steps = [f"{days} = {days // 7} * 7 + {days % 7}", f"{names[first.weekday()]} + {days % 7} = {names[second.weekday()]}"]
        return Drawn(question=question, content=f"{ask} {first} {days}", answer=answers[ask], steps=steps, meta={"ask": ask})

    def judge(self, problem: Problem, answer: str) -> Verdict:
        """Compare dates, numbers or days; a date is year, month, day with any of the usual signs between."""
        if problem.meta["ask"] == "between":
            number = read_number(answer, units=("day", "天"))
            return unreadable("a number of days") if number is None else same(problem, number)
        if problem.meta["ask"] == "weekday":
            day = _WEEKDAY_NUMBER.get(read_words(strip_dressing(answer)))
            return unreadable("a day of the week") if day is None else same(problem, _WEEKDAYS[language_of(problem)][day])
        match = _DATE.fullmatch(strip_dressing(answer))
        if match is None:
            return unreadable("a date YYYY-MM-DD")
        year, month, day = match.groups()
        return same(problem, f"{year}-{month:0>2}-{day:0>2}")

    def texts(self) -> str:
        """Return the characters of questions, days and steps."""
        texts = [text for language in _QUESTIONS for text in (*_QUESTIONS[language].values(), *_WEEKDAYS[language])]
        return "".join(texts) + ">:"


def _months_forwards(first: date, second: date) -> list[str]:
    """Return the lines from one date to a later one; each says how many days have gone."""
    lines, at = [], first
    while at < second:
        at = min((at.replace(day=1) + timedelta(32)).replace(day=1), second)
        lines.append(f"+{(at - first).days}: {at.isoformat()}")
    return lines


def _months_backwards(first: date, second: date) -> list[str]:
    """Return the lines from the later date back to the earlier one."""
    lines, at = [], second
    while at > first:
        at = max((at - timedelta(1)).replace(day=1), first)
        lines.append(f"-{(second - at).days}: {at.isoformat()}")
    return lines
