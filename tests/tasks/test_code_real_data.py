"""HumanEval and MBPP as published, where there is a copy and a sandbox: every solution that passes its own asserts passes ours."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from reasonforge.core.records import Message, Problem
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Limits, Program, Sandbox, SandboxUnavailable
from reasonforge.tasks.code import asserts_to_calls, judge_code
from tests.tasks.test_real_data import GSM8K, VARIABLE

HUMANEVAL, MBPP = GSM8K.parent / "humaneval" / "test.jsonl.gz", GSM8K.parent / "mbpp" / "mbpp.jsonl"

needs_humaneval = pytest.mark.skipif(not HUMANEVAL.is_file(), reason=f"set {VARIABLE} to the folder in which humaneval/ lies")
needs_mbpp = pytest.mark.skipif(not MBPP.is_file(), reason=f"set {VARIABLE} to the folder in which mbpp/ lies")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        opened = open_sandbox("auto")
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox: {reason}")
    with opened:
        yield opened


def problem(identity: str, question: str, suite: dict[str, Any]) -> Problem:
    return Problem(id=identity, messages=(Message("user", question),), answer="", kind="code", source="test", meta={"tests": suite})


def humaneval() -> list[tuple[Problem, dict[str, Any]]]:
    with gzip.open(HUMANEVAL, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = []
    for row in rows:
        cases, weak = asserts_to_calls(row["test"])
        suite = {"type": "calls", "entry_point": row["entry_point"], "prompt": row["prompt"], "cases": cases, "weak": weak}
        messages = (Message("user", row["prompt"]),)
        found.append(
            (Problem(id=row["task_id"], messages=messages, answer="", kind="code", source="humaneval", meta={"tests": suite}), row)
        )
    return found


def mbpp() -> list[tuple[Problem, dict[str, Any]]]:
    found = []
    for line in MBPP.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        cases, weak = asserts_to_calls("\n".join(row["test_list"]))
        suite = {"type": "calls", "cases": cases, "weak": weak, "setup": row["test_setup_code"].replace("\r\n", "\n")}
        messages = (Message("user", row["text"]),)
        found.append(
            (Problem(id=str(row["task_id"]), messages=messages, answer="", kind="code", source="mbpp", meta={"tests": suite}), row)
        )
    return found


@needs_humaneval
def test_almost_every_assert_of_humaneval_is_checked_from_outside() -> None:
    suites = [asked.meta["tests"] for asked, _ in humaneval()]
    assert len(suites) == 164
    assert sum(len(suite["cases"]) for suite in suites) == 1124
    assert sum(bool(suite["weak"]) for suite in suites) == 7
    assert sum(not suite["cases"] for suite in suites) == 3


@needs_mbpp
def test_almost_every_assert_of_mbpp_is_checked_from_outside() -> None:
    suites = [asked.meta["tests"] for asked, _ in mbpp()]
    assert len(suites) == 974
    assert [asked.id for asked, _ in mbpp() if asked.meta["tests"]["weak"]] == ["596"]


@needs_humaneval
def test_every_canonical_solution_of_humaneval_is_correct_and_an_empty_one_is_not(sandbox: Sandbox) -> None:
    wrong = [asked.id for asked, row in humaneval() if not judge_code(asked, row["canonical_solution"], sandbox).correct]
    assert wrong == []
    passes = [asked.id for asked, _ in humaneval()[::10] if judge_code(asked, "    return None\n", sandbox).status != "wrong"]
    assert passes == []


@needs_humaneval
def test_a_solution_in_a_block_is_as_good_as_a_bare_one(sandbox: Sandbox) -> None:
    for asked, row in humaneval()[::20]:
        whole = f"```python\n{row['prompt']}{row['canonical_solution']}```"
        assert judge_code(asked, whole, sandbox).correct, asked.id


@needs_mbpp
@pytest.mark.slow
def test_every_solution_of_mbpp_that_passes_its_asserts_is_correct(sandbox: Sandbox) -> None:
    problems = mbpp()
    limits = Limits(wall_seconds=20, cpu_seconds=10)
    codes = [row["code"].replace("\r\n", "\n") for _, row in problems]
    plain = [
        Program(code="\n".join([code, asked.meta["tests"]["setup"], *row["test_list"]]), limits=limits)
        for (asked, row), code in zip(problems, codes)
    ]
    runs = sandbox.run_many(plain)
    assert sum(run.status == "ok" for run in runs) > 960
    disagreeing = []
    for (asked, _), code, run in zip(problems, codes, runs, strict=True):
        verdict = judge_code(asked, f"```python\n{code}\n```", sandbox)
        if verdict.correct != (run.status == "ok"):
            disagreeing.append((asked.id, run.status, run.stderr[-200:], verdict.reason))
    assert disagreeing == []
