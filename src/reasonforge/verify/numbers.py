"""From the text of an answer to an exact rational number. Bounded: nothing longer, deeper or larger than the limits below is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from reasonforge.verify.chinese import leading_numeral
from reasonforge.verify.cleaning import strip_dressing
from reasonforge.verify.units import read_unit

MAX_NUMBER_CHARS = 400
"""Longer texts are no number. Keeps every integer far below the interpreter's own limit on digits."""
MAX_EXPONENT = 400
"""Powers of ten beyond this, in either direction, are not read: 10^(10^9) must cost nothing."""

_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,3}(?: [0-9]{3})+(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)"
_SIGNED = rf"[+-]? ?{_DECIMAL}"
_NAME = re.compile(r"[A-Za-z](?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]{1,4}\}))? ?= ?")
_CURRENCY_NAMES = {"$": "dollar", "US$": "dollar", "USD": "dollar", "€": "euro", "£": "pound", "¥": "yuan", "￥": "yuan", "RMB": "yuan"}
_PREFIX = re.compile(r"([+-]?) ?(US ?\$|USD|RMB|[$€£¥￥])? ?([+-]?) ?")
_BRACED_FRACTION = re.compile(
    rf"(?:([0-9]{{1,9}}) ?)?\\frac ?(?:\{{ ?({_SIGNED}) ?\}}|([0-9])) ?(?:\{{ ?({_SIGNED}) ?\}}|([0-9]))(?![0-9])"
)
_MIXED = re.compile(r"([0-9]{1,9}) ([1-9][0-9]{0,8}) ?/ ?([1-9][0-9]{0,8})(?![0-9.,])")
_RATIO = re.compile(rf"({_DECIMAL}) ?/ ?({_DECIMAL})(?![0-9])")
_POWER = re.compile(rf"(?:({_DECIMAL}) ?\* ?)?10 ?\^ ?(?:\{{ ?([+-]? ?[0-9]+) ?\}}|([+-]?[0-9]+))")
_SCIENTIFIC = re.compile(rf"({_DECIMAL})[eE]([+-]?[0-9]+)(?![A-Za-z0-9])")
_PLAIN = re.compile(_DECIMAL)
_CHINESE_MULTIPLIERS = (("万亿", 10**12), ("千万", 10**7), ("百万", 10**6), ("亿", 10**8), ("万", 10**4))
_MAGNITUDE = re.compile(r" ?(hundred|thousand|million|billion|trillion)(?![A-Za-z])", re.IGNORECASE)
_MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NAMES_OF_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty
"""
_WORDS = {name: value for value, name in enumerate(_NAMES_OF_NUMBERS.split())}
_TENS = {name: 10 * ten for ten, name in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)}
_MAX_SPELLED = 16
"""Words of one number."""
_PERCENT = re.compile(r" ?(?:%|percent(?![A-Za-z])|per cent(?![A-Za-z]))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value and what it was said to count. A percentage is a kind of its own: 50 % is neither 50 nor 1/2 here."""

    value: Fraction
    percent: bool = False
    unit: str = ""

    def __str__(self) -> str:
        """Return the normal form of value and percent sign; the unit is not part of it."""
        return f"{self.value}%" if self.percent else str(self.value)


def parse_number(text: str) -> Number | None:
    """Return the number that the whole text says; None where it says anything else.

    >>> str(parse_number("$1,200.50")), str(parse_number("-\\\\frac{6}{4}")), str(parse_number("12.5\\\\%")), parse_number("5 or more")
    ('2401/2', '-3/2', '25/2%', None)
    """
    if len(text) > MAX_NUMBER_CHARS:
        return None
    text = strip_dressing(text)
    # The usual case first; nothing below changes what it finds.
    if text.isascii() and text.isdigit():
        return Number(Fraction(int(text)))
    if name := _NAME.match(text):
        text = text[name.end() :].strip()
    if text[:1] + text[-1:] in ("()", "{}"):
        text = text[1:-1].strip()
    if text.isalpha() and (word := _WORDS.get(text.casefold())) is not None:
        return Number(Fraction(word))
    if text[:1].isalpha() and (spelled := _spelled_out(text)) is not None:
        return Number(Fraction(spelled))
    return _parse_clean(text)


def _spelled_out(text: str) -> int | None:
    """Return the value of one hundred (and) twenty-five; None where the words are no number in the usual order."""
    words = [word for word in text.casefold().replace("-", " ").split(" ") if word]
    if not 2 <= len(words) <= _MAX_SPELLED and not (len(words) == 1 and words[0] in _TENS):
        return None
    total, group, smallest, last = 0, 0, 10**15, ""
    for word in words:
        if word == "and":
            if last not in _MAGNITUDES:
                return None
        elif word in _TENS:
            if group % 100:
                return None
            group += _TENS[word]
        elif word in _WORDS:
            value = _WORDS[word]
            # twenty-five, but neither twenty twelve nor five six
            if value == 0 or group % 10 or (group % 100 and value > 9):
                return None
            group += value
        elif word == "hundred":
            if not 0 < group < 10:
                return None
            group *= 100
        elif (size := _MAGNITUDES.get(word)) is not None:
            if not group or size >= smallest:
                return None
            total, group, smallest = total + group * size, 0, size
        else:
            return None
        last = word
    return total + group if last != "and" else None


def _parse_clean(text: str) -> Number | None:
    prefix = _PREFIX.match(text)
    assert prefix is not None  # every part of it is optional
    sign, currency, inner_sign = prefix.groups()
    if sign and inner_sign:
        return None
    body = text[prefix.end() :]
    percent = False
    if body and not body[0].isascii():
        numeral = leading_numeral(body)
        if numeral is None:
            return None
        value, percent, used = numeral
    else:
        read = _leading_value(body)
        if read is None:
            return None
        value, used = read
        for mark, size in _CHINESE_MULTIPLIERS:
            if body.startswith(mark, used):
                value, used = value * size, used + len(mark)
                break
    if magnitude := _MAGNITUDE.match(body, used):
        value, used = value * _MAGNITUDES[magnitude.group(1).lower()], magnitude.end()
    if mark := _PERCENT.match(body, used):
        percent, used = True, mark.end()
    rest = body[used:]
    unit = read_unit(rest, attached=not rest.startswith(" "))
    if unit is None or (currency and percent):
        return None
    if currency:
        unit = _CURRENCY_NAMES[currency.replace(" ", "")]
    return Number(-value if "-" in (sign, inner_sign) else value, percent, unit)


def _leading_value(body: str) -> tuple[Fraction, int] | None:
    """Return the value of the longest number form that the text begins with, and how many characters it takes."""
    if match := _BRACED_FRACTION.match(body):
        whole, top, digit_top, bottom, digit_bottom = match.groups()
        return _with_whole(whole, _signed(top or digit_top), _signed(bottom or digit_bottom), match.end())
    if match := _MIXED.match(body):
        whole, top, bottom = match.groups()
        return _with_whole(whole, Fraction(int(top)), Fraction(int(bottom)), match.end())
    if match := _RATIO.match(body):
        return _with_whole(None, _signed(match.group(1)), _signed(match.group(2)), match.end())
    if match := _POWER.match(body):
        mantissa, braced, bare = match.groups()
        return _scaled(mantissa or "1", braced or bare, match.end())
    if match := _SCIENTIFIC.match(body):
        return _scaled(match.group(1), match.group(2), match.end())
    if match := _PLAIN.match(body):
        return _signed(match.group()), match.end()
    return None


def _signed(text: str) -> Fraction:
    text = text.replace(",", "").replace(" ", "")
    return Fraction(text + "0" if text.endswith(".") else text)


def _with_whole(whole: str | None, top: Fraction, bottom: Fraction, used: int) -> tuple[Fraction, int] | None:
    if bottom == 0:
        return None
    if whole is None:
        return top / bottom, used
    # 1 500/2 is not a mixed number, and 1 -1/2 is a difference.
    return (int(whole) + top / bottom, used) if 0 <= top < bottom else None


def _scaled(mantissa: str, exponent: str, used: int) -> tuple[Fraction, int] | None:
    digits = exponent.replace(" ", "")
    # The length first: int() of a long exponent is itself work.
    if len(digits) > 5 or abs(int(digits)) > MAX_EXPONENT:
        return None
    return _signed(mantissa) * Fraction(10) ** int(digits), used
