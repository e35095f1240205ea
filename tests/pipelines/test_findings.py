"""What a run says of itself, by fixed rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonforge.pipelines.config import Recipe
from reasonforge.pipelines.findings import not_compared, summary_of, trained_by
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO
from tests.runs.fabricate import new_run

EVALUATION = {"type": "eval", "data": "heldout", "num_problems": 8, "samples": 4}
PRETRAIN = {"type": "pretrain", "data": "corpus", "steps": 1, "documents_per_step": 1}
SFT = {"type": "sft", "data": "solved"}
DPO = {"type": "preference", "data": "preferred"}
SUMS = {"type": "task", "task": "labelled_arithmetic", "levels": [1, 1], "count": 8}
REWARD_MODEL = {"type": "reward_model", "kind": "pairwise", "data": "preferred"}


def recipe(**stages: dict[str, Any]) -> Recipe:
    data = {"corpus": SUMS, "heldout": SUMS, "solved": SUMS, "preferred": {"type": "pairs", "path": "pairs.jsonl"}}
    model = {"type": "folder", "path": "model"}
    return Recipe.model_validate({"name": "found", "model": model, "data": data, "stages": stages}, strict=False)


def notes(path: Path, of: Recipe, scores: dict[str, dict[str, float]], rows: dict[str, dict[str, float]] | None = None) -> list[str]:
    """The findings of a run of a recipe with these evaluations and metrics."""
    with new_run(path) as run:
        run.plan([(name, stage.type) for name, stage in of.stages.items()])
        for name in of.stages:
            log = run.stage(name, 1, type=of.stages[name].type)
            if name in scores:
                run.write_evaluation(name, [], scores[name])
            log.metrics(1, (rows or {}).get(name, {}))
            log.done()
        return summary_of(run, of, list(scores)).notes


BEFORE = {"pass@1": 0.2, "pass@4": 0.8}
AFTER = {"pass@1": 0.5, "pass@4": 0.8}


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"one": SFT}, "Supervised fine-tuning made the model do reliably"),
        ({"one": DPO}, "Preference learning made the model do reliably"),
        ({"one": SFT, "two": DPO}, "Supervised fine-tuning and preference learning made the model do reliably"),
        ({"one": SFT, "two": {**DPO, "start": "start"}}, "Preference learning made the model do reliably"),
    ],
)
def test_what_trained_between_the_evaluations_is_named(tmp_path: Path, stages: dict[str, Any], words: str) -> None:
    found = notes(tmp_path / "r", recipe(base=EVALUATION, **stages, final=EVALUATION), {"base": BEFORE, "final": AFTER})
    assert [note for note in found if words in note]
    assert not [note for note in found if "einforcement learning" in note]


def test_what_came_before_the_first_evaluation_is_not_named() -> None:
    assert trained_by(recipe(pretrain=PRETRAIN, base=EVALUATION, one=SFT, final=EVALUATION), "base", "final") == "supervised fine-tuning"


def test_evaluations_of_other_numbers_of_problems_are_not_compared(tmp_path: Path) -> None:
    of = recipe(base={**EVALUATION, "num_problems": 6}, one=SFT, final=EVALUATION)
    line = "base and final are not compared: they differ in num_problems 6 and 8. Give both the same settings."
    assert notes(tmp_path / "r", of, {"base": BEFORE, "final": AFTER}) == [line]


def test_a_later_evaluation_that_asks_the_same_is_the_one_before(tmp_path: Path) -> None:
    of = recipe(base={**EVALUATION, "num_problems": 6}, one=SFT, middle=EVALUATION, two=SFT, final=EVALUATION)
    assert not_compared(of, ["base", "middle", "final"]) == []


def test_a_reward_model_makes_no_other_question_of_an_evaluation() -> None:
    of = recipe(rm=REWARD_MODEL, base={**EVALUATION, "reward_model": "rm"}, one=SFT, final=EVALUATION)
    assert not_compared(of, ["base", "final"]) == []


@pytest.mark.parametrize(
    ("best", "below"),
    [(0.1, ["pass@1 0.200", "maj@4 0.400"]), (0.3, ["maj@4 0.400"]), (0.38, [])],
)
def test_a_choice_of_the_reward_model_below_none_is_a_finding(tmp_path: Path, best: float, below: list[str]) -> None:
    scores = {"final": {"pass@1": 0.2, "maj@4": 0.4, "best@4": best}}
    found = notes(tmp_path / "r", recipe(rm=REWARD_MODEL, final=EVALUATION), scores)
    assert [note.split(", below ")[1].split(":")[0] for note in found if "best@4" in note] == below


@pytest.mark.parametrize(("matched", "is_said"), [(0.54, True), (0.56, False)])
def test_a_reward_model_that_may_count_words_is_a_finding(tmp_path: Path, matched: float, is_said: bool) -> None:
    rows = {"rm": {"reward_model/pair_accuracy_matched": matched}}
    found = notes(tmp_path / "r", recipe(rm=REWARD_MODEL), {}, rows)
    assert any("it may be counting words" in note for note in found) == is_said


def test_a_dry_run_says_what_will_not_be_compared(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "micro.toml"
    path.write_text(MICRO)
    found = call("run", path, "--stages.base.num_problems=1", "--dry-run")
    assert found.code == 0, found.err
    assert "warning: base and final are not compared: they differ in num_problems 1 and" in found.out


def test_a_judge_that_prefers_a_place_is_a_finding(tmp_path: Path) -> None:
    judge = {"type": "judge", "data": "drawn", "judge": {"type": "endpoint", "url": "http://localhost:1/v1", "name": "x"}}
    data = {"drawn": {"type": "rollouts", "run": "elsewhere", "stage": "rl"}}
    model = {"type": "folder", "path": "m"}
    of = Recipe.model_validate({"name": "j", "model": model, "data": data, "stages": {"judge": judge}}, strict=False)
    found = notes(tmp_path / "r", of, {}, {"judge": {"judge/first_place": -0.75}})
    assert [note for note in found if "in place B is preferred by 0.75" in note]


def test_the_summary_names_its_evaluations(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert (summary["before"], summary["after"]) == ("base", "final")
