"""GSM8K as published, where there is a copy: every row loads, and every reference passes its own grader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from reasonforge.tasks.checks import check_gold, shared_prompts
from reasonforge.tasks.config import FileSource
from reasonforge.tasks.sources import load_problems

VARIABLE = "REASONFORGE_DATA"
"""Names a folder with one folder per data set: ``gsm8k/test.jsonl`` and so on."""
GSM8K = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[3] / "shared" / "data") / "gsm8k"
SPLITS = {"test.jsonl": 1319, "train.jsonl.gz": 7473}

pytestmark = pytest.mark.skipif(not GSM8K.is_dir(), reason=f"set {VARIABLE} to the folder in which gsm8k/ lies")


@pytest.mark.parametrize("ending", ["boxed", "hashes"])
@pytest.mark.parametrize("name", SPLITS)
def test_every_row_loads_and_every_reference_passes(name: str, ending: Literal["boxed", "hashes"]) -> None:
    problems = load_problems(FileSource(path=(GSM8K / name,), answer_format="gsm8k", solution_ending=ending), seed=0)
    assert isinstance(problems, list)
    assert len(problems) == SPLITS[name]
    assert check_gold(problems).failures == ()
    assert all(problem.answer.removeprefix("-").isdigit() for problem in problems)
    assert not any("<<" in (problem.solution or "") for problem in problems)


def test_train_and_test_share_no_prompt() -> None:
    train, test = (
        load_problems(FileSource(path=(GSM8K / name,), answer_format="gsm8k"), seed=0) for name in ("train.jsonl.gz", "test.jsonl")
    )
    assert isinstance(train, list)
    assert isinstance(test, list)
    assert shared_prompts(train, test) == []
