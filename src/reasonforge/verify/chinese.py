"""Chinese numerals: 三十六, 二〇二四, 三点一四, 三分之二, 百分之五十. Colloquial short forms (三百五 = 350) are refused, not guessed."""

from __future__ import annotations

import re
from fractions import Fraction

_DIGITS = {mark: value for value, mark in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = "[零〇一二两三四五六七八九十百千万亿]"
_MAX_NUMERAL_CHARS = 40

_PERCENT = re.compile(rf"百分之({_NUMERAL}{{1,20}}(?:点{_NUMERAL}{{1,20}})?|[0-9]{{1,20}}(?:\.[0-9]{{1,20}})?)")
_PARTS = re.compile(rf"({_NUMERAL}{{1,20}})分之({_NUMERAL}{{1,20}})")
_DECIMAL = re.compile(rf"{_NUMERAL}{{1,40}}(?:点{_NUMERAL}{{1,40}})?")


def leading_numeral(text: str) -> tuple[Fraction, bool, int] | None:
    """Return (value, whether it is a percentage, characters used) of the numeral that the text begins with; None = there is none.

    >>> leading_numeral("三分之二米")
    (Fraction(2, 3), False, 4)
    """
    sign, start = (-1, 1) if text.startswith("负") else (1, 0)
    if match := _PERCENT.match(text, start):
        value, percent = _decimal(match.group(1)), True
    elif match := _PARTS.match(text, start):
        bottom, top = _integer(match.group(1)), _integer(match.group(2))
        value, percent = (Fraction(top, bottom) if bottom and top is not None else None), False
    elif match := _DECIMAL.match(text, start):
        value, percent = _decimal(match.group()), False
    else:
        return None
    return None if value is None else (sign * value, percent, match.end())


def _decimal(text: str) -> Fraction | None:
    if text[0].isascii():
        return Fraction(text)
    whole_text, point, decimals = text.partition("点")
    whole = _integer(whole_text)
    if whole is None or not point:
        return None if whole is None else Fraction(whole)
    if any(mark not in _DIGITS for mark in decimals):
        return None
    return whole + Fraction(int("".join(str(_DIGITS[mark]) for mark in decimals)), 10 ** len(decimals))


def _integer(text: str) -> int | None:
    """Return the value of a whole numeral; None where it is not written in full."""
    if not text or len(text) > _MAX_NUMERAL_CHARS:
        return None
    if all(mark in _DIGITS for mark in text):
        # 二〇二四 is read digit by digit; 零五 is not a number.
        return int("".join(str(_DIGITS[mark]) for mark in text)) if len(text) == 1 or text[0] not in "零〇" else None
    total = 0
    for name, size in (("亿", 10**8), ("万", 10**4)):
        high, found, rest = text.partition(name)
        if found:
            value = _below_ten_thousand(high)
            if value is None or (len(rest) == 1):  # 三万五 is 35,000 to some and 30,005 to others
                return None
            total, text = total + value * size, rest
            if not rest:
                return total
    value = _below_ten_thousand(text)
    return None if value is None else total + value


def _below_ten_thousand(text: str) -> int | None:
    total, last_unit, digit, after_zero = 0, 10_000, None, False
    for mark in text:
        if mark in _UNITS:
            unit = _UNITS[mark]
            if digit is None and unit == 10 and total == 0:
                digit = 1  # 十六
            if digit is None or unit >= last_unit:
                return None
            total, last_unit, digit, after_zero = total + digit * unit, unit, None, False
        elif mark in "零〇":
            if digit is not None:
                return None
            after_zero = True
        elif mark in _DIGITS and digit is None:
            digit = _DIGITS[mark]
        else:
            return None
    if digit is None:
        return None if after_zero or not text else total
    if total and last_unit > 10 and not after_zero:
        return None
    return total + digit
