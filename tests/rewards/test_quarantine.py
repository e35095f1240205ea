"""Problems whose own reference fails its grader are left out of training, or stop it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.rewards.config import FunctionReward
from reasonforge.sampling.config import SamplingConfig
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.scoring import stage_scorer, without_quarantine


def problem(number: int, solution: str | None = None) -> Problem:
    return Problem(id=f"p{number}", messages=(Message("user", str(number)),), answer=str(number), source="file", solution=solution)


class Log:
    """Takes events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def event(self, kind: str, message: str, level: str = "info", **data: Any) -> None:
        self.events.append((kind, level, data))


GOOD = [problem(number) for number in range(9)]
BAD = problem(9, solution="so \\boxed{10}")


def kept(problems: list[Problem], log: Log, folder: Path, **settings: Any) -> list[Problem]:
    sampling = SamplingConfig(max_new_tokens=8)
    config = RLConfig(data="train", steps=1, prompts_per_step=1, group_size=2, sampling=sampling, **settings)
    with stage_scorer(config) as scorer:
        return without_quarantine(problems, scorer, config, log, folder=folder)  # type: ignore[arg-type]


def listed(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()]


def test_good_references_are_all_kept_and_nothing_is_said(tmp_path: Path) -> None:
    log = Log()
    assert kept(GOOD, log, tmp_path) == GOOD
    assert log.events == []
    assert not (tmp_path / "quarantine.jsonl").exists()


def test_a_bad_reference_is_left_out_and_named(tmp_path: Path) -> None:
    log = Log()
    assert kept([BAD, *GOOD], log, tmp_path, max_quarantined_share=0.2) == GOOD
    ((kind, level, data),) = log.events
    assert (kind, level, data["count"], data["problems"][0]["id"]) == ("quarantine", "warning", 1, "p9")


def test_every_bad_reference_is_listed_in_a_file_with_what_was_graded_and_why(tmp_path: Path) -> None:
    unparsable = Problem(id="x", messages=(Message("user", "?"),), answer="", source="file")
    kept([BAD, *GOOD, unparsable], Log(), tmp_path / "new" / "folder", max_quarantined_share=0.5)
    rows = listed(tmp_path / "new" / "folder")
    assert [(row["id"], row["answer"], row["graded"], row["status"], row["prediction"]) for row in rows] == [
        ("p9", "9", "so \\boxed{10}", "wrong", "10"),
        ("x", "", "\\boxed{}", "error", None),
    ]
    assert all(row["source"] == "file" and row["reason"] for row in rows)


def test_a_list_of_an_earlier_attempt_goes_when_the_data_are_mended(tmp_path: Path) -> None:
    kept([BAD, *GOOD], Log(), tmp_path, max_quarantined_share=0.2)
    kept(GOOD, Log(), tmp_path)
    assert not (tmp_path / "quarantine.jsonl").exists()


def test_too_many_bad_references_stop_the_stage_and_are_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'train': gold check: 1 of 10 references fail; first: problem p9.*quarantine.jsonl.*max_"):
        kept([BAD, *GOOD], Log(), tmp_path)
    assert [row["id"] for row in listed(tmp_path)] == ["p9"]


def test_a_grader_that_crashes_on_a_reference_quarantines_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(gold: str, text: str, **settings: Any) -> Verdict:
        if gold == "9":
            raise RecursionError("too deep")
        return Verdict(status="correct", prediction=gold)

    monkeypatch.setattr("reasonforge.tasks.judge.grade", crashes)
    assert kept([BAD, *GOOD], Log(), tmp_path, max_quarantined_share=0.2) == GOOD
    assert listed(tmp_path)[0]["reason"] == "a grader crashed: RecursionError: too deep"


def test_a_users_function_is_not_called_for_the_check(tmp_path: Path) -> None:
    rewards = {"mine": FunctionReward(path="no.such:function")}
    assert kept(GOOD, Log(), tmp_path, rewards=rewards) == GOOD
