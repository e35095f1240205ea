"""The door to test-case generation: rows in, rows with tests out, whatever writes the generators."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from torch import Tensor

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import Completion, SampleRequest, SamplingParams
from reasonforge.sampling.chat import LocalChat
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import SandboxUnavailable
from reasonforge.tasks.code import judge_code
from reasonforge.tasks.files import Row
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer
from tests.tasks.plain_sandbox import PlainSandbox

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "make_code_tests.py"
RIGHT = "n = int(input())\nprint(max(map(int, input().split())))"
RIGHT_TOO = "input()\nprint(sorted(int(x) for x in input().split())[-1])"
FIRST = "input()\nprint(input().split()[0])"
GENERATOR = "print(3)\nprint(1, 2, 3)"
ROW = {"id": "max", "question": "Given n and n numbers, print the largest.", "correct": [RIGHT, RIGHT_TOO], "incorrect": [FIRST]}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example, imported from its file."""
    spec = importlib.util.spec_from_file_location("make_code_tests", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Script:
    """A sampler that writes the same completion to every prompt."""

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self.ids = tokenizer.encode(text)
        self.requests: list[SampleRequest] = []

    def sample(self, requests: Sequence[SampleRequest], params: SamplingParams) -> list[list[Completion]]:
        self.requests += requests
        ids = np.array(self.ids, np.int32)
        logprobs, mask = np.zeros(len(ids), np.float32), np.ones(len(ids), np.bool_)
        one = Completion(token_ids=ids, logprobs=logprobs, mask=mask, finish_reason="stop", weights_version=0)
        return [[one] * len(request.seeds) for request in requests]

    def load(self, weights: Mapping[str, Tensor], *, version: int) -> None:
        raise AssertionError("nothing is loaded here")


def test_any_sampler_can_write_the_generators(example: ModuleType) -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(), alphabet="".join(map(chr, range(10, 127))))
    sampler = Script(tokenizer, f"So:\n```python\n{GENERATOR}\n```")
    layout = build_layout(TemplateConfig(name="plain"), tokenizer)
    model = example.from_chat(LocalChat(sampler, tokenizer, layout, max_context=10_000), max_new_tokens=100, seed=0)
    said: list[str] = []
    (row,) = example.with_tests([Row("rows:1", ROW)], model, PlainSandbox(), generators=3, inputs=1, say=said.append)
    assert row["tests"]["cases"] == [{"stdin": "3\n1 2 3\n", "stdout": "3\n"}]
    assert said == ["max: 1 tests of 1 inputs; 1 of 1 wrong programs found out", "1 of 1 problems have tests"]
    assert len({request.seeds for request in sampler.requests}) == 3
    assert tokenizer.decode(list(sampler.requests[0].prompt_ids)).count(str(ROW["question"])) == 1


def test_a_row_may_bring_its_generators_and_must_where_there_is_no_model(example: ModuleType) -> None:
    rows = [Row("rows:1", {**ROW, "generators": [GENERATOR]}), Row("rows:2", ROW)]
    assert len(example.with_tests(rows[:1], None, PlainSandbox(), inputs=1, say=lambda line: None)) == 1
    with pytest.raises(DataError, match="rows:2: no column 'generators'"):
        example.with_tests(rows, None, PlainSandbox(), inputs=1, say=lambda line: None)


def test_a_problem_whose_tests_are_refused_is_left_out_and_said(example: ModuleType) -> None:
    said: list[str] = []
    row = Row("rows:1", {**ROW, "correct": [RIGHT], "generators": [GENERATOR]})
    assert example.with_tests([row], None, PlainSandbox(), inputs=1, say=said.append) == []
    assert said == ["max: refused: 1 correct submissions, 2 must agree", "0 of 1 problems have tests"]


def test_the_command_writes_rows_that_judge_programs(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        sandbox = open_sandbox(workers=1)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox: {reason}")
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text(json.dumps({**ROW, "generators": [GENERATOR, "raise SystemExit(1)"]}) + "\n")
    monkeypatch.setattr(sys, "argv", ["make_code_tests.py", str(rows), "--out", str(out)])
    assert example.main() == 0
    assert "1 of 1 problems have tests" in capsys.readouterr().out
    row = json.loads(out.read_text())
    question = (Message("user", row["question"]),)
    problem = Problem(id="max", messages=question, answer=row["answer"], kind="code", source="file", meta={"tests": row["tests"]})
    with sandbox:
        found = [judge_code(problem, f"```python\n{program}\n```", sandbox).status for program in (row["answer"], RIGHT_TOO, FIRST)]
    assert found == ["correct", "correct", "wrong"]


def test_a_file_that_is_not_there_is_one_line_and_an_exit_code(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["make_code_tests.py", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out.jsonl")])
    monkeypatch.setattr(example, "open_sandbox", PlainSandbox)
    assert example.main() == 65
    assert capsys.readouterr().err.startswith("error: ")
