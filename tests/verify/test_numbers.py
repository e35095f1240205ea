"""Which texts are numbers, which value they have, and that reading them is bounded."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.verify.numbers import MAX_EXPONENT, parse_number

NUMBERS = {
    "18": "18",
    "+5": "5",
    "-5": "-5",
    "−5": "-5",
    "–5": "-5",
    "007": "7",
    "1,200": "1200",
    "1,234,567.50": "2469135/2",
    "1 000": "1000",
    "1\\,000": "1000",
    "1{,}000": "1000",
    "12,\\!525": "12525",
    ".5": "1/2",
    "5.": "5",
    "5.50": "11/2",
    "70.0": "70",
    "3/4": "3/4",
    "6 / 4": "3/2",
    "-3/4": "-3/4",
    "\\frac{3}{4}": "3/4",
    "\\dfrac{3}{4}": "3/4",
    "\\tfrac34": "3/4",
    "\\frac12": "1/2",
    "-\\frac{-6}{4}": "3/2",
    "\\frac{1.5}{2}": "3/4",
    "\\frac{12}{5,\\!525}": "12/5525",
    "1 1/2": "3/2",
    "-1 1/2": "-3/2",
    "2\\frac{1}{3}": "7/3",
    "½": "1/2",
    "2½": "5/2",
    "3e8": "300000000",
    "1E-3": "1/1000",
    "1.5\\times 10^{3}": "1500",
    "1.5 × 10^3": "1500",
    "10^6": "1000000",
    "2 \\cdot 10^{-2}": "1/50",
    "50%": "50%",
    "35.0\\%": "35%",
    "12.5 percent": "25/2%",
    "$18": "18",
    "\\$18": "18",
    "$\\$1,200$": "1200",
    "-$5": "-5",
    "$-5": "-5",
    "US$5": "5",
    "€5": "5",
    "18 dollars": "18",
    "18 eggs per day": "18",
    "5cm": "5",
    "5\\text{ cm}": "5",
    "5\\ \\mathrm{cm}^2": "5",
    "90^\\circ": "90",
    "90°": "90",
    "x = 4": "4",
    "x_1=4": "4",
    "(5)": "5",
    "{5}": "5",
    "\\text{5}": "5",
    "**5**": "5",
    "`5`": "5",
    "$5$": "5",
    "$$5$$": "5",
    "\\(5\\)": "5",
    "\\[ 5 \\]": "5",
    "$5.$": "5",
    "5\u200b": "5",
    "\ufeff5": "5",
    "\u200f5": "5",
    "１８": "18",
    "－１．５": "-3/2",
    "５０％": "50%",
    "3。": "3",
    "18元": "18",
    "18 个": "18",
    "5千克": "5",
    "90分": "90",
    "5 million": "5000000",
    "$2.5 billion": "2500000000",
    "5 hundred apples": "500",
    "5万": "50000",
    "3.5亿元": "350000000",
    "2百万": "2000000",
    "三十六": "36",
    "十": "10",
    "十六": "16",
    "一百零五": "105",
    "一千零二十": "1020",
    "一万二千": "12000",
    "三亿五千万": "350000000",
    "二〇二四": "2024",
    "负三": "-3",
    "三点一四": "157/50",
    "三分之二": "2/3",
    "百分之五十": "50%",
    "百分之12.5": "25/2%",
    "三十六个": "36",
}

NOT_NUMBERS = """
|.|-|+|,|nan|inf|Infinity|-inf|1_000|0x10|٣|5²|x|5x|5 x|5 xy|5 or more|5 or 6|5 to 6|5-6|\\ge 5|>5|\\pm 5|±5|~5|~5 or so|about 5
|5 millions|5 dozen|5 thirds|5 squared|5!|5!!|0.333...|5..|5…|4=5|1=2=3=4=5|x=4=5|x>5|1,5|12,00|1,0000|1,20,000
|{1,5}|(1,5)|[1,5]|5;6|1 500/2|1/0
|\\frac{1}{0}|0/0|\\frac{1}{2|\\frac{x}{2}|1/2/3|9^{9}|2^{2^{40}}|((9!)!)!|1.0001^{10^{12}}|10^{999999999}|10^{401}|1e401|1e-999999|10:30
|4:30 p.m.|--5|+-5|5%%|$5%|5 apples, 6 pears|5 apples 6 pears|5 is wrong|5 sin|5\\pi|5\\sqrt{2}|\\sqrt{4}|√2
|三百五|一万二|三万五|五千六|零五|三三十
|三十多个|三十左右|百分之|零分之三|5千|5百|18个以上|18个或19个|18到19|一个苹果和两个梨|5个或|__import__('os')|9**9**9
|$|$$|%|e5|1e|1e+|\\|\\frac|{}|()
""".replace("\n", "").split("|")


@pytest.mark.parametrize(("text", "expected"), NUMBERS.items())
def test_ordinary_ways_to_write_a_number_are_read_exactly(text: str, expected: str) -> None:
    number = parse_number(text)
    assert number is not None
    assert str(number) == expected


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_what_says_more_or_less_than_one_number_is_no_number(text: str) -> None:
    assert parse_number(text) is None


def test_units_have_one_name() -> None:
    units = {text: parse_number(text) for text in ("5 cm", "5 centimetres", "5 centimeter", "5cm")}
    assert {number.unit for number in units.values() if number} == {"cm"}
    money = [parse_number(text) for text in ("$5", "5 dollars", "5 USD", "US$ 5")]
    assert {number.unit for number in money if number} == {"dollar"}


@given(st.integers(-(10**60), 10**60), st.integers(1, 10**60))
def test_every_fraction_reads_back(top: int, bottom: int) -> None:
    for text in (f"{top}/{bottom}", f"\\frac{{{top}}}{{{bottom}}}", f"$\\dfrac{{{top}}}{{{bottom}}}$."):
        number = parse_number(text)
        assert number is not None
        assert number.value == Fraction(top, bottom)


@given(st.integers(-(10**30), 10**30), st.integers(0, 12))
def test_every_decimal_reads_back_with_or_without_separators(digits: int, places: int) -> None:
    sign, size = ("-" if digits < 0 else ""), abs(digits)
    whole, part = divmod(size, 10**places)
    decimals = f".{part:0{places}d}" if places else ""
    for text in (f"{sign}{whole}{decimals}", f"{sign}{whole:,}{decimals}", f"${sign}{whole:,}{decimals}"):
        number = parse_number(text)
        assert number is not None
        assert number.value == Fraction(digits, 10**places)


@given(st.integers(0, 10**12 - 1))
def test_chinese_numerals_read_back(value: int) -> None:
    number = parse_number(chinese(value))
    assert number is not None, chinese(value)
    assert number.value == value


@given(st.integers(-MAX_EXPONENT, MAX_EXPONENT))
def test_powers_of_ten_are_exact_up_to_the_limit(exponent: int) -> None:
    number = parse_number(f"10^{{{exponent}}}")
    assert number is not None
    assert number.value == Fraction(10) ** exponent


@given(st.text(max_size=600))
def test_any_text_is_a_number_or_none_and_a_number_reads_back(text: str) -> None:
    number = parse_number(text)
    if number is not None and len(str(number)) < 300:
        again = parse_number(str(number))
        assert again is not None
        assert (again.value, again.percent) == (number.value, number.percent)


@pytest.mark.parametrize(
    "text",
    ["9" * 100_000, "1," * 50_000, "1 " * 200, "(" * 400, "\\frac{" * 60, "\\text{" * 60, "$" * 400, "1.2.3." * 60, "零" * 400, "十" * 400,
     "- " * 200, "5 " + "a " * 190, "1e" + "9" * 390, "10^{" + "9" * 390 + "}", "\\" * 400, "5" + "!" * 399],
)  # fmt: skip
def test_hostile_texts_cost_nothing(text: str) -> None:
    start = time.process_time()
    assert parse_number(text) is None
    assert time.process_time() - start < 0.05


def chinese(value: int) -> str:
    """Write a whole number in full, by the school rules: the other road to its value."""
    if value == 0:
        return "零"
    groups = []
    for name, size in (("亿", 10**8), ("万", 10**4), ("", 1)):
        group, value = divmod(value, size)
        groups.append((name, group))
    text = ""
    gap = False
    for name, group in groups:
        if not group:
            gap = bool(text)
            continue
        text += ("零" if text and (gap or group < 1000) else "") + _chinese_group(group) + name
        gap = False
    return text


def _chinese_group(group: int) -> str:
    text, gap = "", False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit, group = divmod(group, size)
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + unit
            gap = False
        else:
            gap = True
    return text
