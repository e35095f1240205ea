"""A recipe from its first stage to its report: what a run leaves behind, and that it is the same every time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reasonforge.models.hf import load_folder
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json
from reasonforge.text.tokenizer import Tokenizer
from tests.pipelines.conftest import Call
from tests.pipelines.micro import outcome


def test_a_run_leaves_everything_needed_to_look_at_it_or_repeat_it(finished: Path, micro: Path) -> None:
    run = RunDirectory.read(finished)
    assert run.status == "done"
    assert [(stage.name, stage.type, stage.state) for stage in run.info.stages] == [
        ("pretrain", "pretrain", "done"),
        ("base", "eval", "done"),
        ("rl", "rl", "done"),
        ("final", "eval", "done"),
    ]
    assert run.recipe_path.read_text() == micro.read_text()
    assert read_json(run.resolved_path)["stages"]["rl"]["surrogate"]["eps_low"] == 0.2
    assert list(run.rollout_steps("rl")) == [1, 2, 3, 4, 5, 6]
    assert [len(run.rollouts("rl", step)) for step in (1, 6)] == [16, 16]
    assert "<svg" in run.report_path.read_text() or "rewards" in run.report_path.read_text()
    assert not [path for path in finished.rglob("*") if path.name.startswith((".tmp-", ".trash-")) or path.suffix == ".part"]


def test_metrics_have_one_row_for_each_step_of_each_stage(finished: Path) -> None:
    expected = [("pretrain", step) for step in range(1, 13)] + [("base", 1)] + [("rl", step) for step in range(7)] + [("final", 1)]
    assert outcome(finished).steps == expected
    rows = {(row["stage"], row["step"]): row for row in RunDirectory.read(finished).metric_rows()}
    assert [step for (stage, step), row in rows.items() if stage == "rl" and "eval/pass@1" in row] == [0, 3, 6]


def test_the_summary_holds_both_ends_of_the_run(finished: Path) -> None:
    summary = RunDirectory.read(finished).summary
    assert summary is not None
    assert summary.seed == 4
    assert summary.seconds == pytest.approx(sum(stage.seconds for stage in summary.stages), abs=0.01)
    for scores in (summary.base, summary.final):
        assert scores is not None
        assert {"pass@1", "pass@1_ci", "pass@4", "maj@4", "format", "length", "truncated"} <= scores.keys()
    for name, scores in (("base", summary.base), ("final", summary.final)):
        assert json.loads(json.dumps(scores)) == read_json(finished / "evals" / name / "summary.json")
    assert summary.notes


def test_the_micro_recipe_has_something_to_learn_from(finished: Path) -> None:
    """Otherwise the tests of this folder would compare runs in which nothing moves."""
    rows = RunDirectory.read(finished).metric_rows()
    losses = [row["loss"] for row in rows if row["stage"] == "pretrain"]
    assert losses[-1] < losses[0] / 3
    assert sum(row["frac_learned"] > 0 for row in rows if row["stage"] == "rl" and row["step"]) >= 5
    weights = outcome(finished).weights
    assert len({weights[f"models/{name}/model.safetensors"] for name in ("start", "pretrain", "rl")}) == 3


def test_the_final_model_loads_and_is_the_last_stages(finished: Path) -> None:
    decoder, tokenizer = load_folder(finished / "final"), Tokenizer.load(finished / "final")
    assert decoder.config.vocab_size == tokenizer.vocab_size
    assert decoder.config.hidden_size == 32
    weights = outcome(finished).weights
    assert weights["final/model.safetensors"] == weights["models/rl/model.safetensors"]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    assert call("run", micro, "--out", tmp_path / "again").code == 0
    assert outcome(tmp_path / "again") == outcome(finished)
    assert call("pretrain", micro, "--out", tmp_path / "other", "--seed", "5").code == 0
    other, first = outcome(tmp_path / "other"), outcome(finished)
    assert other.steps == first.steps[:12]
    assert not set(other.weights.values()) & set(first.weights.values())
    assert all(one["loss"] != another["loss"] for one, another in zip(other.metrics, first.metrics))


def test_a_directory_holds_one_run(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = outcome(run)
    refused = call("rl", micro, "--out", run)
    assert refused.code == 2
    assert refused.err == (
        f"error: {run}: a run is already there. Resume it, overwrite it (--overwrite), or choose another run directory.\n"
    )
    assert outcome(run) == before
    assert call("eval", micro, "--out", run, "--overwrite", "--stage", "final").code == 0
    assert [stage.name for stage in RunDirectory.read(run).info.stages] == ["final"]
    assert not (run / "rollouts").exists()


def test_resuming_a_finished_run_changes_nothing(call: Call, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    assert call("run", "--resume", "--out", run).code == 0
    assert outcome(run) == outcome(finished)
    assert (run / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert read_json(run / "summary.json")["seconds"] == read_json(finished / "summary.json")["seconds"]


def test_the_verbs_of_one_stage_go_on_from_a_runs_model(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    model = finished / "final"
    trained = call("rl", micro, "--model", model, "--out", tmp_path / "rl", "--stages.rl.steps", "2")
    assert trained.code == 0, trained.err
    found = outcome(tmp_path / "rl")
    assert found.steps == [("rl", 0), ("rl", 1), ("rl", 2)]
    assert found.weights["final/model.safetensors"] != outcome(finished).weights["final/model.safetensors"]
    evaluated = call("eval", micro, "--model", model, "--out", tmp_path / "eval", "--stage", "final")
    assert evaluated.code == 0, evaluated.err
    assert not (tmp_path / "eval" / "final").exists()  # nothing was trained
    assert read_json(tmp_path / "eval" / "summary.json")["final"] == read_json(finished / "summary.json")["final"]


def test_a_dry_run_of_the_recipe_says_what_would_be_done_and_leaves_nothing(call: Call, micro: Path, tmp_path: Path) -> None:
    planned = call("run", micro, "--dry-run", "--out", tmp_path / "run")
    assert planned.code == 0, planned.err
    assert "6 steps x 16 rollouts" in planned.out
    assert "256 gold answers rewarded, empty ones not" in planned.out
    assert not (tmp_path / "run").exists()


def test_the_number_of_cores_changes_nothing(
    call: Call, micro: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small enough for several micro-batches in each update: they, and the completions, are what the cores share.
    settings = [
        "--model",
        finished / "final",
        "--stages.rl.training.max_tokens_per_device",
        "30",
        "--stages.rl.kl.coef",
        "0.1",
        "--stages.rl.steps",
        "2",
    ]
    for cores in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", cores)
        assert call("rl", micro, "--out", tmp_path / cores, *settings).code == 0
    assert outcome(tmp_path / "3") == outcome(tmp_path / "1")
