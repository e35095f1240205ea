"""Schedules and watchers in a whole run: a resumed run goes the same way, and early stopping ends with the best weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reasonforge.cli.main import main
from reasonforge.runs.directory import RunDirectory
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.training.checkpoint import load_latest
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO, outcome

ALL = [
    "--data.corpus.levels=[1,2]",
    "--stages.rl.steps=8",
    "--stages.rl.kl.coef=0.05",
    "--stages.rl.schedules.kl_coef=[[4,0.01]]",
    "--stages.rl.schedules.temperature=[[6,0.7]]",
    "--stages.rl.context.lengths=[4,5]",
    "--stages.rl.context.at_steps=[2,5]",
    "--stages.rl.curriculum.num_stages=2",
    "--stages.rl.curriculum.steps=[3]",
    "--stages.rl.curriculum.old_share=0.3",
    "--stages.rl.evaluation.every=1",
    "--stages.rl.early_stop.patience=8",
    "--stages.rl.monitor.on_alarm=stop",
    "--stages.rl.training.checkpoint_every=2",
]
"""Everything that may change while a policy trains, and everything that watches it."""


@pytest.fixture(scope="module")
def watched(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An undisturbed run, and what began it."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "micro.toml").write_text(MICRO)
    begun = ["rl", str(folder / "micro.toml"), "--quiet", "--model", str(finished / "final"), *ALL]
    assert main([*begun, "--out", str(folder / "run")]) == 0
    return folder / "run", begun


def rows_of(run: Path, name: str) -> list[Any]:
    return [row[name] for row in RunDirectory.read(run).metric_rows("rl") if name in row]


def test_the_values_of_schedules_are_logged_as_they_change(watched: tuple[Path, list[str]]) -> None:
    run, _ = watched
    assert rows_of(run, "kl_coef") == pytest.approx([0.05, 0.04, 0.03, 0.02, 0.01, 0.01, 0.01, 0.01])
    assert rows_of(run, "schedule/temperature") == pytest.approx([1 - 0.05 * min(step, 6) for step in range(8)])
    assert rows_of(run, "schedule/max_new_tokens") == [4, 4, 5, 5, 5, 6, 6, 6]
    assert rows_of(run, "schedule/curriculum_stage") == [1, 1, 1, 2, 2, 2, 2, 2]


def test_no_completion_is_longer_than_the_limit_of_its_step(watched: tuple[Path, list[str]]) -> None:
    run, _ = watched
    for length, limit in zip(rows_of(run, "completions/max_length"), rows_of(run, "schedule/max_new_tokens"), strict=True):
        assert length <= limit


def test_the_sampler_draws_and_the_learner_scores_at_the_temperature_of_the_step(watched: tuple[Path, list[str]]) -> None:
    # Were one of them to keep 1.0, log-probabilities of the same weights would differ by tenths of a nat.
    run, _ = watched
    assert max(rows_of(run, "sampler_gap/max")) < 1e-3


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_run_that_fails_and_is_resumed_goes_the_same_way(
    watched: tuple[Path, list[str]], tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    whole, begun = watched
    train_step = PolicyTraining.train_step

    def failing(trainer: PolicyTraining, step: int) -> dict[str, float]:
        if step == at:
            raise MemoryError
        return train_step(trainer, step)

    with monkeypatch.context() as patch:
        patch.setattr(PolicyTraining, "train_step", failing)
        assert call(*begun, "--out", tmp_path / "run").code != 0
    assert call("run", "--resume", "--out", tmp_path / "run", "--quiet").code == 0
    assert outcome(tmp_path / "run") == outcome(whole)


def test_early_stopping_ends_with_the_weights_of_the_best_evaluation(finished: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "micro.toml").write_text(MICRO)
    settings = ["--stages.rl.evaluation.every=1", "--stages.rl.early_stop.patience=2", "--stages.rl.training.checkpoint_every=1"]
    settings += ["--quiet", "--stages.rl.steps=30"]
    run = tmp_path / "run"
    assert call("rl", tmp_path / "micro.toml", "--model", finished / "final", *settings, "--out", run).code == 0
    accuracies = rows_of(run, "eval/pass@1")
    best = accuracies.index(max(accuracies))  # the first is that of step 0
    assert len(accuracies) - 1 == best + 2 < 30
    (event,) = [row for row in RunDirectory.read(run).event_rows() if row["kind"] == "best"]
    assert event["data"]["step"] == best
    checkpoint = load_latest(run / "checkpoints" / "rl")
    assert checkpoint is not None
    kept, last, exported = checkpoint.files["best"], checkpoint.files["learner"], load_file(run / "models" / "rl" / "model.safetensors")
    norm = next(name for name in exported if name.endswith("norm.weight"))
    assert any(torch.equal(exported[norm], tensor) for tensor in kept.values())
    assert not any(torch.equal(exported[norm], tensor) for tensor in last.values())


def test_the_summary_and_show_say_what_the_run_cost(watched: tuple[Path, list[str]], call: Call) -> None:
    run, _ = watched
    summary = RunDirectory.read(run).summary
    assert summary is not None
    assert summary.cost is not None
    (stage,) = [stage for stage in summary.cost.stages if stage.name == "rl"]
    assert stage.tokens["sampled"] == sum(rows_of(run, "cost/sampled_tokens")) > 0
    assert stage.tokens["evaluated"] == sum(rows_of(run, "cost/evaluated_tokens")) > 0
    assert {"sample", "reward", "train", "evaluate", "other"} <= set(stage.phases)
    assert "device hours" in call("show", run).out


def test_a_curriculum_that_the_data_cannot_fill_is_refused_before_anything_is_trained(micro: Path, tmp_path: Path, call: Call) -> None:
    found = call("run", micro, "--stages.rl.curriculum.num_stages=2", "--out", tmp_path / "run")
    assert found.code == 2
    assert "num_stages 2 needs as many levels" in found.err
    assert not (tmp_path / "run").exists()


def test_the_dry_run_names_the_curriculum(micro: Path, call: Call) -> None:
    found = call("run", micro, "--stages.rl.curriculum.levels=[[1,1],[1,2]]", "--data.corpus.levels=[1,2]", "--dry-run")
    assert found.code == 0
    assert "curriculum of 2 stages" in found.out
