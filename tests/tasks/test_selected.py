"""The problems that a select stage left."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Problem
from reasonforge.runs.reader import RunReader
from reasonforge.tasks.config import SelectedSource
from reasonforge.tasks.selected import load_selected, selected_file
from tests.runs.fabricate import new_run, problem


def problems(count: int = 6) -> list[Problem]:
    return [replace(problem(i), difficulty=1 + i % 3, meta={"numbers": [i, 1]}) for i in range(count)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with new_run(tmp_path / "run") as opened:
        opened.plan([("select", "select")])
        path = selected_file(opened, "select")
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps({"problem": asdict(one), "pass_rate": 0.5}) + "\n" for one in problems()))
    return tmp_path / "run"


def test_problems_are_what_was_written(run: Path) -> None:
    assert load_selected(SelectedSource(stage="select", run=run)) == problems()


def test_a_difficulty_chooses(run: Path) -> None:
    found = load_selected(SelectedSource(stage="select", run=run, difficulty=(2, 3)))
    assert found == [one for one in problems() if one.difficulty in (2, 3)]


def test_a_difficulty_that_no_problem_has_is_refused(run: Path) -> None:
    with pytest.raises(DataError, match=r"no problem of difficulty \[4, 9\]"):
        load_selected(SelectedSource(stage="select", run=run, difficulty=(4, 9)))


def test_the_limit_is_taken_after_the_shuffle(run: Path) -> None:
    orders = [
        [one.id for one in load_selected(SelectedSource(stage="select", run=run, limit=3, shuffle_seed=seed))] for seed in (0, 0, 1, 2)
    ]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1
    assert all(len(order) == 3 for order in orders)


def test_a_stage_that_has_not_run_is_named_with_those_there_are(run: Path) -> None:
    with pytest.raises(DataError, match=r"stage 'other' has selected no problems \(stages of this run: select\)"):
        load_selected(SelectedSource(stage="other", run=run))


def test_an_empty_file_holds_no_problem(run: Path) -> None:
    selected_file(RunReader(run), "select").write_text("")
    with pytest.raises(DataError, match=r"no problem$"):
        load_selected(SelectedSource(stage="select", run=run))


@pytest.mark.parametrize("line", ["{", "{}", "[]", '{"problem": {"id": "x"}}', '{"problem": {"messages": [{"role": "user"}]}}', "\xff"])
def test_a_broken_line_is_named(run: Path, line: str) -> None:
    path = selected_file(RunReader(run), "select")
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n")
    with pytest.raises(DataError, match=r"problems\.jsonl:7: not a problem"):
        load_selected(SelectedSource(stage="select", run=run))
