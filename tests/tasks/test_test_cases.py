"""Tests made for problems that come without: inputs from generators, worth from known submissions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.sandbox.protocol import Program, RunResult
from reasonforge.tasks.code import judge_code
from reasonforge.tasks.test_cases import KINDS, filter_tests, make_inputs, make_tests, write_generators
from tests.tasks.plain_sandbox import PlainSandbox

PROBLEM = Problem(id="max", messages=(Message("user", "Given n and n numbers {1..9}, print the largest."),), answer="", source="file")

RIGHT = "n = int(input())\nprint(max(map(int, input().split())))"
RIGHT_TOO = "input()\nprint(sorted(int(x) for x in input().split())[-1])"
FIRST = "input()\nprint(input().split()[0])"
LAST = "input()\nprint(input().split()[-1])"
BY_TEXT = "input()\nprint(max(input().split()))"
CRASHES_ON_MANY = "n = int(input())\nassert n < 4\nprint(max(map(int, input().split())))"

INPUTS = ["1\n7\n", "3\n1 2 3\n", "3\n3 2 1\n", "2\n9 10\n", "5\n1 1 5 1 1\n"]


class Script:
    """A model that answers in turn what it was told to, and remembers what it was asked."""

    def __init__(self, *completions: str) -> None:
        self.completions = completions
        self.prompts: list[str] = []

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        self.prompts += prompts
        return [self.completions[number % len(self.completions)] for number in range(len(prompts))]


@pytest.fixture
def sandbox() -> PlainSandbox:
    return PlainSandbox()


def test_generators_are_asked_for_by_kind_and_completions_without_a_program_are_left_out() -> None:
    model = Script("<think>```python\nprint(2)\n```</think>```python\nprint(1)\n```", "I cannot.", "<think>```python\nprint(3)\n```")
    assert write_generators(PROBLEM, model, count=6) == ["print(1)", "print(1)"]
    assert len(model.prompts) == 6
    assert all(kind in prompt and PROBLEM.question in prompt for kind, prompt in zip(KINDS, model.prompts))


class Seeded(PlainSandbox):
    """Prints its seed; a program that says so fails."""

    def run(self, program: Program) -> RunResult:
        if program.code == "fails":
            return RunResult(status="error", stdout="half an input")
        return RunResult(status="ok", stdout=f"{program.code} {program.seed % 2}")


def test_a_generator_is_run_with_several_seeds_and_equal_inputs_count_once() -> None:
    inputs = make_inputs(["a", "fails", "b"], Seeded(), seed=0, per_generator=12)
    assert sorted(inputs) == ["a 0\n", "a 1\n", "b 0\n", "b 1\n"]
    assert make_inputs(["a", "fails", "b"], Seeded(), seed=0, per_generator=12) == inputs


def test_the_expected_output_is_what_correct_submissions_agree_on(sandbox: PlainSandbox) -> None:
    found = filter_tests(INPUTS[3:], sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[FIRST, LAST])
    assert found.reason == ""
    assert {case["stdin"]: case["stdout"].strip() for case in found.cases}["5\n1 1 5 1 1\n"] == "5"


def test_an_input_on_which_correct_submissions_disagree_or_fail_is_dropped(sandbox: PlainSandbox) -> None:
    inputs = ["3\n1 2 3\n", "2\n9 10\n", "not an input\n"]
    found = filter_tests(inputs, sandbox, correct=[RIGHT, BY_TEXT], incorrect=[FIRST])
    assert [case["stdin"] for case in found.cases] == ["3\n1 2 3\n"]
    assert dict(found.dropped) == {"correct submissions disagree": 1, "a correct submission fails": 1}


def test_the_chosen_tests_find_out_as_many_wrong_submissions_as_all_inputs_do(sandbox: PlainSandbox) -> None:
    found = filter_tests(INPUTS[2:], sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[FIRST, LAST, BY_TEXT, CRASHES_ON_MANY])
    assert (found.killed, found.kill_rate) == (4, 1.0)
    assert len(found.cases) == 2  # the long one and 9 against 10


def test_the_largest_input_is_always_among_the_tests(sandbox: PlainSandbox) -> None:
    found = filter_tests(["2\n3 1\n", "2\n1 3\n", f"40\n{'2 ' * 40}\n"], sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[FIRST])
    assert [case["stdin"] for case in found.cases] == ["2\n1 3\n", f"40\n{'2 ' * 40}\n"]


def test_without_known_wrong_submissions_every_valid_input_is_a_test(sandbox: PlainSandbox) -> None:
    inputs = ["3\n1 2 3\n", "not an input\n", "1\n7\n"]
    found = filter_tests(inputs, sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[])
    assert ([case["stdin"] for case in found.cases], found.reason) == (["3\n1 2 3\n", "1\n7\n"], "")


def test_tests_that_find_out_too_few_are_refused(sandbox: PlainSandbox) -> None:
    found = filter_tests(["1\n7\n", "3\n1 2 3\n"], sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[FIRST, LAST, BY_TEXT])
    assert found.reason == "1 of 3 incorrect submissions fail them, at least 50% must"
    with pytest.raises(DataError, match="generated tests are refused"):
        found.attached_to(PROBLEM, seconds=1)


def test_too_few_correct_submissions_say_nothing(sandbox: PlainSandbox) -> None:
    assert filter_tests(INPUTS, sandbox, correct=[RIGHT], incorrect=[]).reason == "1 correct submissions, 2 must agree"
    assert filter_tests(INPUTS, sandbox, correct=[RIGHT], incorrect=[FIRST], min_agree=1).reason == ""


def test_no_valid_input_is_a_refusal(sandbox: PlainSandbox) -> None:
    assert filter_tests(["x\n"], sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[]).reason == (
        "no valid input of 1 (1 a correct submission fails)"
    )
    assert filter_tests([], sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[]).reason == "no valid input of 0 (no generator printed one)"


def test_a_sandbox_that_fails_stops_the_work_and_drops_no_input() -> None:
    with pytest.raises(UnavailableError, match="the worker is gone"):
        filter_tests(INPUTS, PlainSandbox(breaks=lambda run: run > 5), correct=[RIGHT, RIGHT_TOO], incorrect=[])


def test_tests_made_by_a_models_generators_judge_programs(sandbox: PlainSandbox) -> None:
    model = Script(*(f"Sure.\n```python\nprint({text!r}, end='')\n```" for text in INPUTS[1:4]))
    generators = write_generators(PROBLEM, model, count=3)
    found = make_tests(PROBLEM, generators, sandbox, correct=[RIGHT, RIGHT_TOO], incorrect=[FIRST, BY_TEXT], per_generator=1)
    problem = found.attached_to(PROBLEM, seconds=5)
    assert judge_code(problem, f"```python\n{RIGHT}\n```", sandbox).correct
    assert not judge_code(problem, f"```python\n{BY_TEXT}\n```", sandbox).correct
