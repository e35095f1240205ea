"""A program cannot talk its way to a verdict: expected values stay outside, and what comes out is only compared."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reasonforge.sandbox.protocol import Sandbox
from reasonforge.tasks.code import asserts_to_calls, judge_code
from tests.sandbox.forgery import (
    ASSERTS,
    CALLS,
    DISHONEST_CALLS,
    DISHONEST_STDIO,
    HONEST_CALLS,
    HONEST_STDIO,
    STDIO,
    completion,
    problem,
)

Record = Callable[[str, object], None]
SURELY_FOOLED = (
    "exit while loading",
    "hard exit while loading",
    "exit when called",
    "hard exit when called",
    "exit handler",
    "exception hook",
    "alarm",
    "thread that exits",
    "fork and exit",
    "another program instead",
    "equal to everything",
    "number equal to everything",
    "text equal to everything",
    "list equal to everything",
    "reflected comparison",
    "constants of the caller",
    "forged results of calls, later ones too",
    "class instead of function",
)
"""A checker that runs the program and its asserts together, and looks at the exit code, passes at least these."""


def judged(sandbox: Sandbox, tests: Mapping[str, Any], programs: Mapping[str, str]) -> dict[str, str]:
    verdicts = {name: judge_code(problem(tests), completion(code), sandbox) for name, code in programs.items()}
    return {name: verdict.status if verdict.status != "error" else f"error: {verdict.reason}" for name, verdict in verdicts.items()}


@pytest.mark.parametrize("name", SURELY_FOOLED)
def test_a_checker_of_exit_codes_passes_these_wrong_programs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "candidate.py"
    path.write_text(f"{DISHONEST_CALLS[name]}\n{ASSERTS}\n")
    finished = subprocess.run([sys.executable, "-I", "-S", str(path)], capture_output=True, timeout=30, check=False)
    assert finished.returncode == 0


def test_no_wrong_function_is_judged_correct(sandbox: Sandbox, record_property: Record) -> None:
    assert len(DISHONEST_CALLS) >= 40
    assert not_judged("wrong", judged(sandbox, CALLS, DISHONEST_CALLS), record_property) == {}


def test_no_wrong_output_is_judged_correct(sandbox: Sandbox, record_property: Record) -> None:
    assert len(DISHONEST_STDIO) >= 19
    # Some of them only wait for the end of their time.
    assert not_judged("wrong", judged(sandbox, {**STDIO, "seconds": 0.3}, DISHONEST_STDIO), record_property) == {}


def test_every_right_function_is_judged_correct(sandbox: Sandbox, record_property: Record) -> None:
    assert not_judged("correct", judged(sandbox, CALLS, HONEST_CALLS), record_property) == {}


def test_every_right_output_is_judged_correct(sandbox: Sandbox, record_property: Record) -> None:
    assert not_judged("correct", judged(sandbox, STDIO, HONEST_STDIO), record_property) == {}


def not_judged(expected: str, verdicts: Mapping[str, str], record_property: Record) -> dict[str, str]:
    """Those with another verdict; counts of the programs and of those judged correct go into the table of attacks."""
    kind = "honest" if expected == "correct" else "dishonest"
    record_property(kind, len(verdicts))
    record_property(f"{kind} accepted", sum(status == "correct" for status in verdicts.values()))
    return {name: status for name, status in verdicts.items() if status != expected}


def asserts_as_calls() -> dict[str, Any]:
    cases, rest = asserts_to_calls(ASSERTS)
    assert not rest
    return {"type": "calls", "entry_point": "squares", "cases": cases, "seconds": 1.0}


def test_asserts_as_people_write_them_are_not_fooled_either(sandbox: Sandbox, record_property: Record) -> None:
    assert not_judged("wrong", judged(sandbox, asserts_as_calls(), DISHONEST_CALLS), record_property) == {}


def test_asserts_as_people_write_them_pass_right_programs(sandbox: Sandbox, record_property: Record) -> None:
    assert not_judged("correct", judged(sandbox, asserts_as_calls(), HONEST_CALLS), record_property) == {}


def test_an_expected_value_is_in_no_memory_that_the_program_can_search(sandbox: Sandbox) -> None:
    expected = "an-expected-value-that-no-program-may-see"
    code = """
import gc, sys
def search():
    frame, things = sys._getframe(), gc.get_objects()
    while frame is not None:
        things += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    # Written so that the program does not find itself.
    wanted = "".join(["an-expected", "-value"])
    return [repr(thing)[:100] for thing in things if isinstance(thing, (dict, list, tuple)) and wanted in repr(thing)][:1] or "nothing"
"""
    tests = {"type": "calls", "entry_point": "search", "cases": [{"function": "search", "args": [], "expected": expected}], "seconds": 3.0}
    verdict = judge_code(problem(tests), completion(code), sandbox)
    assert verdict.status == "wrong"
    assert "nothing" in verdict.reason


@pytest.mark.parametrize(
    ("expected", "returned"),
    [
        ("1", "True"),
        ("0", "False"),
        ("1000000000", "1000000001"),
        ("True", "1"),
        ("None", "0"),
        ("[]", "None"),
        ("''", "None"),
        ("[1, 2]", "[2, 1]"),
        ("[1, 2]", "[1, 2, 3]"),
        ("{'a': 1}", "{'a': 1, 'b': 2}"),
        ("'a'", "['a']"),
        ("[[1], [2]]", "[[1, 2]]"),
        ("0.5", "0.51"),
        ("'1'", "1"),
        ("[0]", "[False]"),
    ],
)
def test_values_that_only_look_alike_are_wrong(sandbox: Sandbox, expected: str, returned: str) -> None:
    tests = {"type": "calls", "entry_point": "f", "cases": [{"function": "f", "args": [], "expected": ast.literal_eval(expected)}]}
    assert judge_code(problem(tests), completion(f"def f(): return {returned}"), sandbox).status == "wrong"
