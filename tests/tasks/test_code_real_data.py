"""HumanEval and MBPP as published, where there is a copy and a sandbox: their own solutions pass our form of their asserts, others fail.

python -m pytest tests/tasks/test_code_real_data.py -m "slow or not slow"
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from reasonforge.core.records import Problem
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Limits, Program, SandboxUnavailable
from reasonforge.tasks.benchmarks.load import load_benchmark
from reasonforge.tasks.judge import Judge
from tests.tasks.test_real_data import GSM8K, VARIABLE

HUMANEVAL, MBPP = GSM8K.parent / "humaneval" / "test.jsonl.gz", GSM8K.parent / "mbpp" / "mbpp.jsonl"

needs_humaneval = pytest.mark.skipif(not HUMANEVAL.is_file(), reason=f"set {VARIABLE} to the folder in which humaneval/ lies")
needs_mbpp = pytest.mark.skipif(not MBPP.is_file(), reason=f"set {VARIABLE} to the folder in which mbpp/ lies")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A judge over the strongest sandbox of this machine."""
    try:
        open_sandbox("auto", workers=1).close()
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox: {reason}")
    with Judge() as opened:
        yield opened


def humaneval() -> list[Problem]:
    return load_benchmark("humaneval", HUMANEVAL)


def mbpp() -> list[Problem]:
    return load_benchmark("mbpp", MBPP, split="all")


def suites(problems: list[Problem]) -> list[dict[str, Any]]:
    return [problem.meta["tests"] for problem in problems]


def failing(judge: Judge, problems: list[Problem]) -> list[tuple[str, str, str]]:
    """Return the problems whose own solution is not judged correct, with what was said of it."""
    verdicts = judge.grade_many((problem, problem.solution or "") for problem in problems)
    return [(problem.id, found.status, found.reason) for problem, found in zip(problems, verdicts, strict=True) if not found.correct]


def passing_with_the_next_solution(judge: Judge, problems: list[Problem]) -> list[str]:
    """Return the problems that find the solution of the problem after them correct."""
    others = [*problems[1:], problems[0]]
    verdicts = judge.grade_many((problem, other.solution or "") for problem, other in zip(problems, others, strict=True))
    return [problem.id for problem, found in zip(problems, verdicts, strict=True) if found.status != "wrong"]


@needs_humaneval
def test_almost_every_assert_of_humaneval_is_checked_from_outside() -> None:
    found = suites(humaneval())
    assert len(found) == 164
    assert sum(len(suite["cases"]) for suite in found) == 1124
    assert sum("weak" in suite for suite in found) == 7
    assert sum(not suite["cases"] for suite in found) == 3


@needs_mbpp
def test_almost_every_assert_of_mbpp_is_checked_from_outside() -> None:
    problems = mbpp()
    assert len(problems) == 974
    assert [problem.id for problem in problems if "weak" in problem.meta["tests"]] == ["mbpp/596"]


@needs_humaneval
def test_solutions_of_humaneval_are_correct(judge: Judge) -> None:
    assert failing(judge, humaneval()[::6]) == []


@needs_mbpp
def test_solutions_of_mbpp_are_correct(judge: Judge) -> None:
    assert failing(judge, mbpp()[::30]) == []


@needs_humaneval
@pytest.mark.slow
def test_all_164_solutions_of_humaneval_are_correct(judge: Judge) -> None:
    assert failing(judge, humaneval()) == []


@needs_mbpp
@pytest.mark.slow
def test_every_solution_of_mbpp_that_passes_its_asserts_as_written_is_correct(judge: Judge) -> None:
    rows = {f"mbpp/{row['task_id']}": row for row in map(json.loads, MBPP.read_text(encoding="utf-8").splitlines())}
    problems = mbpp()
    sources = [[rows[problem.id]["code"], rows[problem.id]["test_setup_code"], *rows[problem.id]["test_list"]] for problem in problems]
    limits = Limits(wall_seconds=20, cpu_seconds=10)
    with open_sandbox("auto") as sandbox:
        plain = sandbox.run_many([Program(code="\n".join(source).replace("\r\n", "\n"), limits=limits) for source in sources])
    assert [problem.id for problem, run in zip(problems, plain, strict=True) if run.status != "ok"] == []  # so there are no exceptions
    assert failing(judge, problems) == []


@needs_humaneval
def test_a_bare_completion_of_humaneval_is_as_good_as_a_whole_program(judge: Judge) -> None:
    with gzip.open(HUMANEVAL, "rt", encoding="utf-8") as lines:
        bodies = {row["task_id"]: row["canonical_solution"] for row in map(json.loads, lines)}
    asked = humaneval()[::20]
    verdicts = judge.grade_many((problem, bodies[problem.id]) for problem in asked)
    assert [verdict.status for verdict in verdicts] == ["correct"] * len(asked)


@needs_humaneval
def test_an_empty_body_and_the_solution_of_another_problem_are_wrong(judge: Judge) -> None:
    asked = humaneval()[::20]
    assert {verdict.status for verdict in judge.grade_many((problem, "    return None\n") for problem in asked)} == {"wrong"}
    assert passing_with_the_next_solution(judge, asked) == []


@needs_mbpp
def test_the_solution_of_another_problem_of_mbpp_is_wrong(judge: Judge) -> None:
    assert passing_with_the_next_solution(judge, mbpp()[::40]) == []
