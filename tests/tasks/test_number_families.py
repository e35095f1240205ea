"""Families whose answers are numbers, dates, lists or letters: checked against a second road to the answer."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys
from datetime import date
from fractions import Fraction

import pytest

from reasonforge.core.records import Problem
from tests.tasks.arithmetic_oracle import exact_value
from tests.tasks.family_checks import problems, status


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)]


def first_line(problem: Problem) -> str:
    return problem.question.splitlines()[0]


@pytest.mark.parametrize("name", ["chain_sum", "fractions"])
def test_expressions_have_the_value_that_python_s_parser_finds(name: str) -> None:
    for problem in problems(name):
        expression = first_line(problem).removeprefix("Work out ").split(". ")[0].rstrip(".")
        assert Fraction(problem.answer) == exact_value(expression)


def test_divisors_and_multiples_are_those_of_the_standard_library() -> None:
    for problem in problems("gcd_lcm"):
        function = math.gcd if "divisor" in first_line(problem) else math.lcm
        assert int(problem.answer) == function(*numbers(first_line(problem)))


def test_digits_in_another_base_have_the_same_value() -> None:
    for problem in problems("base_conversion"):
        match = re.match(r"The number (\w+) is written in base (\d+)\. Write it in base (\d+)", problem.question)
        assert match is not None
        digits, old, new = match.group(1), int(match.group(2)), int(match.group(3))
        assert old != new
        assert int(problem.answer, new) == int(digits, old)


@pytest.mark.parametrize(
    ("base", "answer", "verdict"),
    [
        (16, "1F", "correct"), (16, "0x1f", "correct"), (16, "1f_{16}", "correct"), (16, "(1f)_{16}", "correct"), (16, "001f", "correct"),
        (16, "31", "wrong"), (16, "0b1f", "wrong"), (16, "1f_{8}", "no_answer"), (16, "1g", "no_answer"), (16, "-1f", "no_answer"),
        (16, "1f.0", "no_answer"), (16, "10+f", "no_answer"),
    ],
)  # fmt: skip
def test_prefix_and_index_of_the_right_base_may_stand(base: int, answer: str, verdict: str) -> None:
    problem = dataclasses.replace(problems("base_conversion", 1)[0], answer="1f", meta={"base": base})
    assert status(problem, answer) == verdict


def test_the_solution_of_an_equation_makes_both_sides_equal() -> None:
    for problem in problems("linear_equation"):
        equation = first_line(problem).removeprefix("Solve for x: ")
        filled = re.sub(r"(\d)([x(])", r"\1*\2", equation).replace("x", f"({problem.answer})")
        left, right = filled.split("=")
        assert exact_value(left) == exact_value(right)


def test_an_equation_has_one_solution() -> None:
    for problem in problems("linear_equation"):
        left, right = (re.sub(r"(\d)([x(])", r"\1*\2", side) for side in first_line(problem).removeprefix("Solve for x: ").split("="))
        slopes = [exact_value(side.replace("x", "(1)")) - exact_value(side.replace("x", "(0)")) for side in (left, right)]
        assert slopes[0] != slopes[1]


def test_any_way_to_write_the_value_of_a_fraction_is_right() -> None:
    problem = dataclasses.replace(problems("fractions", 1)[0], answer="-3/2")
    for answer in ("-6/4", "-1.5", "-\\frac{3}{2}", "$-\\dfrac32$", "−3/2"):
        assert status(problem, answer) == "correct", answer
    for answer in ("3/2", "-150%", "-3/2 cm", "-3", "-3/2/1", "-3/2 or 1", "-3/2, 1", "-1.50001"):
        assert status(problem, answer) != "correct", answer


def test_sorted_lists_hold_the_same_items_in_order() -> None:
    for problem in problems("sorting"):
        task, listed = first_line(problem).split(": ")
        items, answer = listed.split(", "), problem.answer.split(", ")
        key = int if problem.meta["numeric"] else str
        assert sorted(map(key, items)) == sorted(map(key, answer))
        assert list(map(key, answer)) == sorted(map(key, items), reverse="reverse" in task or "largest to smallest" in task)


def test_a_list_may_be_bracketed_and_spaced_but_not_shortened_or_exchanged() -> None:
    problem = dataclasses.replace(problems("sorting", 1)[0], answer="1, 2, 10", meta={"numeric": True})
    for answer in ("1,2,10", "[1, 2, 10]", "1 2 10", "1，2，10", "1、2、10", "1, 2.0, 10"):
        assert status(problem, answer) == "correct", answer
    for answer in ("1, 2", "1, 10, 2", "1, 2, 10, 10", "12, 10", "1, 2, x", "1%, 2, 10"):
        assert status(problem, answer) != "correct", answer


def test_reversed_letters_read_the_same_from_the_other_end() -> None:
    for problem in problems("string_reversal"):
        assert problem.answer[::-1] == first_line(problem).split(": ")[1]


def test_letters_may_be_spelled_apart() -> None:
    problem = dataclasses.replace(problems("string_reversal", 1)[0], answer="abc")
    assert [status(problem, answer) for answer in ("abc", "a b c", "a, b, c", "[abc]", "ABC", "cba", "abcc", "ab]c")] == [
        "correct", "correct", "correct", "correct", "wrong", "wrong", "wrong", "wrong",
    ]  # fmt: skip


def test_dates_are_as_many_days_apart_as_the_ordinals_say() -> None:
    seen = set()
    for problem in problems("date_arithmetic", 200):
        question = first_line(problem)
        dates = [date.fromisoformat(text).toordinal() for text in re.findall(r"\d{4}-\d\d-\d\d", question)]
        days = [int(number) for number in re.findall(r"(\d+) days", question)]
        seen.add(problem.meta["ask"])
        match problem.meta["ask"]:
            case "later":
                assert date.fromisoformat(problem.answer).toordinal() == dates[0] + days[0]
            case "earlier":
                assert date.fromisoformat(problem.answer).toordinal() == dates[0] - days[0]
            case "between":
                assert int(problem.answer) == dates[1] - dates[0]
            case _:
                assert date.fromordinal(dates[0]).strftime("%A") in question
                assert problem.answer == date.fromordinal(dates[0] + days[0]).strftime("%A")
    assert seen == {"later", "earlier", "between", "weekday"}


@pytest.mark.parametrize(
    ("ask", "language", "gold", "right", "wrong"),
    [
        ("later", "en", "2024-03-01", ["2024/3/1", "2024.03.01", "2024年3月1日"], ["2024-01-03", "24-03-01", "2024-03-01-1", "03-01"]),
        ("between", "en", "12", ["12 days", "12天", "12.0"], ["12 weeks", "12%", "-12", "12 or 13"]),
        ("weekday", "en", "Sunday", ["sunday", "SUNDAY.", "星期日", "周日", "星期天"], ["Monday", "Sun", "Sunday Monday", "0"]),
        ("weekday", "zh", "星期一", ["周一", "礼拜一", "Monday"], ["星期二", "一"]),
    ],
)
def test_the_usual_ways_to_write_a_date_are_read(ask: str, language: str, gold: str, right: list[str], wrong: list[str]) -> None:
    problem = dataclasses.replace(problems("date_arithmetic", 1)[0], answer=gold, language=language, meta={"ask": ask})
    assert [answer for answer in right if status(problem, answer) != "correct"] == []
    assert [answer for answer in wrong if status(problem, answer) == "correct"] == []


def as_python(problem: Problem) -> list[str]:
    """Return a problem's program as a function of its input."""
    program = [line for line in problem.question.splitlines()[1:] if not line.startswith("Give ")]
    lines = [re.sub(r"^repeat (\d+):", r"for _ in range(\1):", line) for line in program]
    return ["def program(input=None):", *("  " + re.sub(r"^print (\w+)", r"return \1", line) for line in lines)]


def python(lines: list[str]) -> list[str]:
    return subprocess.run([sys.executable, "-I", "-c", "\n".join(lines)], capture_output=True, text=True, check=True).stdout.splitlines()


def test_programs_print_what_python_prints() -> None:
    chosen = problems("code_output", 150)
    printed = python([line for problem in chosen for line in (*as_python(problem), "print(program())")])
    assert printed == [problem.answer for problem in chosen]


def test_every_input_is_right_with_which_python_prints_what_was_asked() -> None:
    chosen = problems("code_input", 60)
    printed = python([line for problem in chosen for line in (*as_python(problem), "print(*map(program, range(100)))")])
    for problem, line in zip(chosen, printed, strict=True):
        (wanted,) = re.findall(r"print (-?\d+)\?", first_line(problem))
        right = [number for number, other in enumerate(line.split()) if other == wanted]
        assert int(problem.answer) in right
        assert [number for number in range(100) if status(problem, str(number)) == "correct"] == right
        assert len(right) <= 4


def test_an_input_is_a_whole_number_of_those_asked_for() -> None:
    problem = dataclasses.replace(problems("code_input", 1)[0], answer="7", meta={"right": [7, 9]})
    for answer in ("7", "9", "7.0"):
        assert status(problem, answer) == "correct", answer
    for answer in ("8", "107", "-7", "7 or 9", "7, 9", "7%", "15/2", ""):
        assert status(problem, answer) != "correct", answer
