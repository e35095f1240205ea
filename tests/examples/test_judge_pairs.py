"""Two sets of answers become pairs that a recipe reads."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from reasonforge.tasks.config import PairSource
from reasonforge.tasks.pairs import load_pairs
from tests.rewards.test_judge import prefers
from tests.sampling.scripted_server import refuses, serve

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "judge_pairs.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example, imported from its file."""
    spec = importlib.util.spec_from_file_location("judge_pairs", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers(folder: Path) -> Path:
    rows = [
        {"prompt": "2 + 2?", "first": "five", "second": "four"},
        {"prompt": "2 + 2 = ?", "first": "four", "second": "4 or 5"},
        {"prompt": "Hello", "first": "Hi", "second": "Hey"},
    ]
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_the_judge_is_sure_of_is_written(example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(prefers("four")) as server:
        assert example.main([str(answers(tmp_path)), str(tmp_path / "pairs.jsonl"), "--url", server.url, "--model", "m"]) == 0
    pairs = load_pairs(PairSource(path=(tmp_path / "pairs.jsonl",)), tmp_path)
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [("four", "five"), ("four", "4 or 5")]
    assert capsys.readouterr().out == "2 of 3 pairs kept, 0 without a verdict, 12 requests\n"


def test_a_server_that_refuses_is_one_line(example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(lambda body, number: refuses(401, "wrong key")) as server:
        assert example.main([str(answers(tmp_path)), str(tmp_path / "pairs.jsonl"), "--url", server.url, "--model", "m"]) == 69
    assert "wrong key" in capsys.readouterr().err
    assert not (tmp_path / "pairs.jsonl").exists()
