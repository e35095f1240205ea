"""Puzzle families: the puzzle as it is told has the stored answer, no other where one is promised, and any right one is taken."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator

import pytest

from reasonforge.core.records import Problem
from reasonforge.tasks.registry import get_task
from reasonforge.tasks.words import WORDS
from tests.tasks.family_checks import problems, status

World = dict[str, bool]


def test_decoding_by_the_stated_key_gives_the_answer() -> None:
    kinds = set()
    for problem in problems("cipher"):
        question = problem.question.splitlines()[0]
        secret = question.split("Decode: ")[1]
        if table := re.findall(r"\b(\w)->(\w)\b", question):
            key = {replacement: letter for letter, replacement in table}
            assert len(key) == len(table)
        else:
            (shift,) = map(int, re.findall(r"moved (\d+) places", question))
            key = {chr(97 + code): chr(97 + (code - shift) % 26) for code in range(26)}
        kinds.add(bool(table))
        assert "".join(key.get(letter, letter) for letter in secret) == problem.answer
        assert set(problem.answer.split()) <= set(WORDS)
    assert kinds == {True, False}


def test_words_are_all_different() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert all(re.fullmatch("[a-z]+", word) for word in WORDS)


def test_decoded_words_may_be_quoted_and_capital_but_not_run_together() -> None:
    problem = dataclasses.replace(problems("cipher", 1)[0], answer="water house")
    assert [status(problem, answer) for answer in ('"Water House"', "water  house", "waterhouse", "house water", "water house 1")] == [
        "correct", "correct", "wrong", "wrong", "wrong",
    ]  # fmt: skip


def cryptarithm_solutions(words: list[str]) -> Iterator[str]:
    letters = sorted(set("".join(words)))
    for digits in itertools.permutations("0123456789", len(letters)):
        key = dict(zip(letters, digits, strict=True))
        numbers = ["".join(key[letter] for letter in word) for word in words]
        if not any(len(number) > 1 and number[0] == "0" for number in numbers) and int(numbers[0]) + int(numbers[1]) == int(numbers[2]):
            yield ", ".join(f"{letter}={digit}" for letter, digit in key.items())


def test_every_solution_of_a_cryptarithm_is_right() -> None:
    small = [problem for problem in problems("cryptarithm") if len(set("".join(problem.meta["words"]))) <= 4][:5]
    assert small
    for problem in small:
        solutions = list(cryptarithm_solutions(problem.meta["words"]))
        assert problem.answer in solutions
        assert {status(problem, solution) for solution in solutions} == {"correct"}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("A=9, B=1, C=0", "correct"), ("C: 0; B: 1; A: 9", "correct"), ("a=9,b=1,c=0", "correct"), ("[A=9, B=1, C=0]", "no_answer"),
        ("A=9, B=1", "wrong"), ("A=9, B=1, C=0, D=2", "wrong"), ("A=9, B=1, C=1", "wrong"), ("A=9, B=1, C=10", "wrong"),
        ("A=8, B=1, C=0", "wrong"), ("A=9, B=1, C=0, C=0", "no_answer"),
        ("A=9, B=1, C=0, a=8", "no_answer"), ("9 1 0", "no_answer"), ("A=9, B=1, C=0 or 5", "no_answer"),
        ("A=9, B=1, C=x", "wrong"),
    ],
)  # fmt: skip
def test_a_cryptarithm_s_letters_stand_for_different_digits_that_add_up(answer: str, verdict: str) -> None:
    problem = dataclasses.replace(problems("cryptarithm", 1)[0], meta={"words": ["A", "B", "BC"]})
    assert status(problem, answer) == verdict


def test_every_column_of_a_cryptarithm_s_solution_is_true() -> None:
    for problem in problems("cryptarithm", 60, language=None):
        key = dict(pair.split("=") for pair in problem.answer.split(", "))
        *columns, last = (problem.solution or "").partition("</think>")[0].removeprefix("<think>").splitlines()
        assert len(columns) == len(problem.meta["words"][2])
        for column in columns:
            letters, digits = column.split(": ")
            assert "".join(key.get(sign, sign) for sign in letters.split(" = ")[0]) == digits.split(" = ")[0]
            assert sum(map(int, digits.split(" = ")[0].split(" + "))) == int(digits.split(" = ")[1])
            assert key[letters.split(" = ")[1]] == digits[-1]
        first, second, total = ("".join(key[letter] for letter in word) for word in problem.meta["words"])
        assert last == f"{first} + {second} = {total}"


def test_a_grid_s_stored_way_is_a_shortest_one() -> None:
    for problem in problems("grid_path"):
        grid = problem.meta["grid"]
        assert "\n".join(grid) in problem.question
        cells = {(row, column): sign for row, line in enumerate(grid) for column, sign in enumerate(line) if sign != "#"}
        reached, length = {cell for cell, sign in cells.items() if sign == "S"}, 0
        while not any(cells[cell] == "G" for cell in reached):
            around = {(row + down, column + right) for row, column in reached for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))}
            reached |= around & set(cells)
            length += 1
        assert len(problem.answer) == length


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("RRDD", "correct"), ("ddrr", "correct"), ("D, D, R, R", "correct"), ("RDRD", "wrong"), ("RRD", "wrong"), ("RRDDLR", "wrong"),
        ("LRRRDD", "wrong"), ("RRDDX", "no_answer"), ("right right down down", "no_answer"), ("", "no_answer"),
    ],
)  # fmt: skip
def test_every_shortest_way_through_a_grid_is_right_and_no_other(answer: str, verdict: str) -> None:
    problem = dataclasses.replace(problems("grid_path", 1)[0], answer="RRDD", meta={"grid": ["S..", ".#.", "..G"]})
    assert status(problem, answer) == verdict


def sudoku_solutions(cells: str) -> Iterator[str]:
    if "_" not in cells:
        yield cells
        return
    place = cells.index("_")
    row, column = divmod(place, 4)
    seen = {
        cells[other]
        for other in range(16)
        if other // 4 == row or other % 4 == column or (other // 8 == row // 2 and other % 4 // 2 == column // 2)
    }
    for digit in sorted(set("1234") - seen):
        yield from sudoku_solutions(cells[:place] + digit + cells[place + 1 :])


def test_a_sudoku_has_one_solution_and_as_many_empty_cells_as_its_level_says() -> None:
    for problem in problems("sudoku4"):
        cells = "".join(re.findall(r"^[1-4_]{4}$", problem.question, re.MULTILINE))
        assert problem.difficulty is not None
        assert cells.count("_") == 2 + 2 * problem.difficulty
        assert list(sudoku_solutions(cells)) == [problem.answer.replace(" ", "")]


def test_a_grid_of_digits_may_be_set_out_in_any_way() -> None:
    problem = dataclasses.replace(problems("sudoku4", 1)[0], answer="1234 3412 2143 4321")
    for answer in ("1234341221434321", "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1", "[[1,2,3,4],[3,4,1,2],[2,1,4,3],[4,3,2,1]]"):
        assert status(problem, answer) == "correct", answer
    for answer in ("1234 3412 2143 432", "1234 3412 2143 4321 1", "1234 3412 4321 2143", "1234 3412 2143 432_"):
        assert status(problem, answer) != "correct", answer


def claim_of(text: str, names: list[str]) -> Callable[[World], bool]:
    """Read a claim as a second reader would."""
    if match := re.fullmatch(r"(\w+) is a knave\.", text):
        return lambda world: not world[match[1]]
    if match := re.fullmatch(r"(\w+) and (\w+) are both knights\.", text):
        return lambda world: world[match[1]] and world[match[2]]
    if match := re.fullmatch(r"(\w+) or (\w+) is a knight, or both are\.", text):
        return lambda world: world[match[1]] or world[match[2]]
    if match := re.fullmatch(r"(\w+) and (\w+) are of the same kind\.", text):
        return lambda world: world[match[1]] == world[match[2]]
    match = re.fullmatch(r"The number of knights among us is (\d)\.", text)
    assert match is not None, text
    return lambda world: sum(world[name] for name in names) == int(match[1])


def test_what_is_said_fits_one_set_of_knights_only() -> None:
    for problem in problems("knights_and_knaves"):
        said = re.findall(r'^(\w+) says: "(.*)"$', problem.question, re.MULTILINE)
        names = [name for name, _ in said]
        assert len(names) == (problem.difficulty or 0) + 1
        fitting = []
        for values in itertools.product((False, True), repeat=len(names)):
            world = dict(zip(names, values, strict=True))
            if all(claim_of(text, names)(world) == world[name] for name, text in said):
                fitting.append(", ".join(name for name in names if world[name]) or "none")
        assert fitting == [problem.answer]


@pytest.mark.parametrize(
    ("language", "gold", "right", "wrong"),
    [
        ("en", "Ada, Ben", ["Ben, Ada", "ada and ben", "[Ada, Ben]", "Ada Ben"], ["Ada", "Ada, Ben, Cleo", "none", "Ada, Zoe"]),
        ("en", "none", ["None", "none."], ["Ada", "no one", "nobody, none"]),
        ("zh", "小明, 小红", ["小红、小明", "小明和小红", "小明，小红。"], ["小明", "无"]),
        ("zh", "无", ["无"], ["小明", "none"]),
    ],
)  # fmt: skip
def test_knights_may_be_named_in_any_order(language: str, gold: str, right: list[str], wrong: list[str]) -> None:
    names = ["Ada", "Ben", "Cleo"] if language == "en" else ["小明", "小红"]
    problem = dataclasses.replace(problems("knights_and_knaves", 1)[0], answer=gold, language=language, meta={"names": names})
    assert [answer for answer in right if status(problem, answer) != "correct"] == []
    assert [answer for answer in wrong if status(problem, answer) == "correct"] == []


def formula_of(problem: Problem) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    letters = re.findall(r"\b[p-u]\b", problem.question.splitlines()[0])
    brackets = re.findall(r"\(([^()]*)\)", problem.question.splitlines()[1])
    return letters, [[(literal[-1], not literal.startswith("not ")) for literal in bracket.split(" or ")] for bracket in brackets]


def test_every_assignment_that_satisfies_the_formula_is_right_and_no_other() -> None:
    for problem in problems("satisfiability", 60):
        letters, clauses = formula_of(problem)
        right = 0
        for values in itertools.product((False, True), repeat=len(letters)):
            world = dict(zip(letters, values, strict=True))
            true = all(any(world[letter] == wanted for letter, wanted in clause) for clause in clauses)
            answer = ", ".join(f"{letter}={str(value).lower()}" for letter, value in world.items())
            assert (status(problem, answer) == "correct") == true
            right += true
        assert 1 <= right <= 2


def test_truth_values_are_read_in_the_usual_spellings() -> None:
    problem = dataclasses.replace(problems("satisfiability", 1)[0], meta={"letters": "pq", "clauses": [[1], [-2]]})
    for answer in ("p=true, q=false", "P=T, Q=F", "p=1, q=0", "p: 真, q: 假", "q=False; p=True"):
        assert status(problem, answer) == "correct", answer
    for answer in (
        "p=true",
        "p=true, q=true",
        "p=true, q=false, q=true",
        "p=true, q=true, Q=false",
        "p=true, q=maybe",
        "p=true, q=false, r=true",
        "true, false",
    ):
        assert status(problem, answer) != "correct", answer


_HOUSES = (
    r"the (\w+) house",
    r"the house with the (\w+)",
    r"the house where they drink (\w+)",
    r"the house of the (\w+)",
    r"the house where they play the (\w+)",
)


def things_in(text: str) -> list[str]:
    found = [(match.start(), match[1]) for pattern in _HOUSES for match in re.finditer(pattern, text.lower())]
    return [thing for _, thing in sorted(found)]


def arrangements(kinds: list[list[str]], clues: list[str], house: dict[str, int]) -> Iterator[dict[str, int]]:
    """Place one thing after the other, the most talked about first, and look at each clue once its things stand."""
    open_things = [(kind, thing) for kind in kinds for thing in kind if thing not in house]
    if not open_things:
        yield house
        return
    seen = {clue: things_in(clue) for clue in clues}

    def told(item: tuple[list[str], str]) -> tuple[int, int]:
        about = [things for things in seen.values() if item[1] in things]
        return sum(len(set(things) - set(house)) == 1 for things in about), len(about)

    kind, thing = max(open_things, key=told)
    for place in set(range(len(kind))) - {house[other] for other in kind if other in house}:
        further = {**house, thing: place}
        left = [clue for clue, things in seen.items() if not set(things) <= set(further)]
        if all(clue_holds(clue, further) for clue in clues if clue not in left):
            yield from arrangements(kinds, left, further)


@pytest.mark.parametrize("level", range(1, 9))
def test_the_clues_of_a_zebra_puzzle_leave_one_arrangement(level: int) -> None:
    drawn = (get_task("zebra").problem(11, index, level) for index in itertools.count())
    for problem in itertools.islice((problem for problem in drawn if problem.language == "en"), 12 if level < 5 else 3):
        head, *clues, asked, _ = problem.question.splitlines()
        kinds = [part.split(", ") for part in head.split(": ")[1].removesuffix("; each in one house.").split("; ")]
        (house,) = arrangements(kinds, clues, {})
        for clue in clues if level < 5 else ():
            others = arrangements(kinds, [other for other in clues if other != clue], {})
            assert len(list(itertools.islice(others, 2))) == 2, "needless: " + clue
        kind = kinds[("colours", "pets", "drinks", "jobs", "instruments").index(asked.split()[2])]
        assert problem.answer == ", ".join(sorted(kind, key=lambda thing: house[thing]))


def clue_holds(clue: str, house: dict[str, int]) -> bool:
    places = [house[thing] for thing in things_in(clue)]
    if match := re.search(r"is number (\d)\.$", clue):
        return places == [int(match[1]) - 1]
    if "directly to the left" in clue:
        return places[0] + 1 == places[1]
    if "is next to" in clue:
        return abs(places[0] - places[1]) == 1
    assert len(places) == 2
    return places[0] == places[1]


def test_no_clue_of_a_zebra_puzzle_comes_twice() -> None:
    for problem in problems("zebra", language=None):
        lines = problem.question.splitlines()
        assert len(set(lines)) == len(lines)


def test_a_list_of_things_is_read_in_order() -> None:
    english = dataclasses.replace(problems("zebra", 1)[0], answer="cat, dog, horse", meta={"kind": 1})
    assert [status(english, answer) for answer in ("Cat, Dog, Horse", "cat dog horse", "dog, cat, horse", "cat, dog", "cat, dog, cow")] == [
        "correct", "correct", "wrong", "wrong", "no_answer",
    ]  # fmt: skip
    chinese = dataclasses.replace(problems("zebra", 1, language="zh")[0], answer="红, 绿, 蓝", meta={"kind": 0})
    assert [status(chinese, answer) for answer in ("红色、绿色、蓝色", "红，绿，蓝", "绿, 红, 蓝")] == ["correct", "correct", "wrong"]
