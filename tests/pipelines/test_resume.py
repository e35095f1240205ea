"""Whatever ends a run, resuming it gives the run that was never interrupted: same weights to the bit, same metrics, same rollouts."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json
from reasonforge.runs.text import program_name
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.training.checkpoint import list_steps
from reasonforge.training.learner import Learner
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO, outcome
from tests.pipelines.processes import forked, launched, run_with_kills, wait_for_rows

NUM_ROWS = 20
"""Of metrics.jsonl after the micro recipe."""

OFF_POLICY = [
    "--stages.rl.updates_per_step=4",
    "--stages.rl.kl.coef=0.05",
    "--stages.rl.reference_refresh_every=2",
    "--stages.rl.sampling.dtype=bfloat16",
]
"""Everything there is to remember between steps: old log-probabilities within a step, a reference that moves, a rounded sampler."""


def at_call(number: int, act: Callable[[], None], method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method, except that its ``number``-th call begins with ``act``."""
    calls = 0

    def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            act()
        return method(*arguments, **options)

    return wrapped


def fail() -> None:
    raise MemoryError


def ask_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_and_resumed_is_the_undisturbed_run(micro: Path, finished: Path, tmp_path: Path, seed: int) -> None:
    killed_at = run_with_kills(forked, micro, tmp_path / "run", kills=3, total_rows=NUM_ROWS, seed=seed)
    assert max(killed_at) > 0
    assert outcome(tmp_path / "run") == outcome(finished)
    assert len(RunDirectory.read(tmp_path / "run").info.attempts) == 4


@pytest.mark.parametrize("rows", [pytest.param(4, marks=pytest.mark.slow), 15])
def test_sigterm_finishes_the_step_saves_and_says_how_to_go_on(micro: Path, finished: Path, tmp_path: Path, rows: int) -> None:
    run, log = tmp_path / "a run", tmp_path / "log"
    process = forked("run", micro, "--out", run, log=log)
    wait_for_rows(process, run, rows)
    process.send(signal.SIGTERM)
    assert process.wait() == 143
    last = RunDirectory.read(run).metric_rows()[-1]
    assert last["step"] == list_steps(run / "checkpoints" / last["stage"])[-1]
    command = f"{program_name()} run --resume --out '{run}'"
    assert f"error: stopped after step {last['step']} of {last['stage']}; saved. Go on with: {command}\n" in process.said
    assert RunDirectory.read(run).status == "stopped"
    assert forked("run", "--resume", "--out", run, log=log).wait() == 0
    assert outcome(run) == outcome(finished)


@pytest.fixture(scope="module")
def off_policy(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of reinforcement learning with all the memory it can have."""
    folder = tmp_path_factory.mktemp("off_policy")
    (folder / "micro.toml").write_text(MICRO)
    arguments = ["--out", str(folder / "run"), "--quiet", "--model", str(finished / "final"), *OFF_POLICY]
    assert main(["rl", str(folder / "micro.toml"), *arguments]) == 0
    return folder / "run"


def test_the_off_policy_run_uses_what_it_has_to_remember(off_policy: Path) -> None:
    rows = [row for row in RunDirectory.read(off_policy).metric_rows() if row["step"]]
    kl = [row["kl"] for row in rows]
    assert len(kl) == 6
    assert kl[1] > 0
    assert kl[2] < kl[1]  # the reference was refreshed after step 2
    assert any(row["clip_ratio/low_mean"] + row["clip_ratio/high_mean"] > 0 for row in rows)


# The stage takes 24 optimizer steps, four in each of its six steps; it saves after steps 2, 4 and 6.
@pytest.mark.parametrize("update", [7, 12, *(pytest.param(update, marks=pytest.mark.slow) for update in (1, 8, 9, 13, 24))])
def test_a_crash_within_a_step_loses_no_more_than_the_steps_since_the_checkpoint(
    call: Call, micro: Path, finished: Path, off_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: int
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(update, fail, Learner.step))
        crashed = call("rl", micro, "--model", finished / "final", "--out", run, *OFF_POLICY)
    assert crashed.code == 69
    assert crashed.err.startswith("error: out of memory.")
    assert RunDirectory.read(run).status == "failed"
    assert list_steps(run / "checkpoints" / "rl") == [step for step in (2, 4) if step * 4 < update]
    assert call("run", "--resume", "--out", run).code == 0
    assert outcome(run) == outcome(off_policy)


def test_a_stop_at_every_step_gives_the_same_run(
    call: Call, micro: Path, finished: Path, off_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    arguments: tuple[str | Path, ...] = ("rl", micro, "--model", finished / "final", *OFF_POLICY)
    for step in range(1, 7):
        with monkeypatch.context() as patch:
            patch.setattr(PolicyTraining, "train_step", at_call(1, ask_to_stop, PolicyTraining.train_step))
            stopped = call(*arguments, "--out", run)
        assert stopped.code == 143
        assert f"stopped after step {step} of rl; saved." in stopped.err
        arguments = ("run", "--resume")
    assert call("run", "--resume", "--out", run).code == 0
    assert outcome(run) == outcome(off_policy)


def test_a_stop_during_an_evaluation_ends_before_the_next_stage(
    call: Call, micro: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_evaluation", at_call(1, ask_to_stop, RunDirectory.write_evaluation))
        stopped = call("run", micro, "--out", run)
    assert stopped.code == 143
    assert f"stopped before rl. Go on with: {program_name()} run --resume" in stopped.err
    assert outcome_steps(run)[-1] == ("base", 1)
    assert call("run", "--resume", "--out", run).code == 0
    assert outcome(run) == outcome(finished)


def outcome_steps(run: Path) -> list[tuple[str, int]]:
    return [(row["stage"], row["step"]) for row in RunDirectory.read(run).metric_rows()]


def test_resume_goes_on_with_the_stages_the_run_set_out_to_do(
    call: Call, micro: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(3, fail, Learner.step))
        assert call("rl", micro, "--model", finished / "final", "--out", run).code == 69
    assert call("run", "--resume", "--out", run).code == 0
    assert [stage.name for stage in RunDirectory.read(run).info.stages] == ["rl"]
    assert outcome_steps(run) == [("rl", step) for step in range(7)]


def test_what_a_killed_process_was_still_writing_is_swept(call: Call, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for folder in (".tmp-final-1-ab", "models/.tmp-rl-1-ab", "models/.old-rl-1-ab"):
        shutil.copytree(run / "final", run / folder)
    (run / ".tmp-run.json-ab").write_text("{")
    assert call("run", "--resume", "--out", run).code == 0
    assert not [path for path in run.rglob("*") if path.name.startswith(".")]
    assert outcome(run) == outcome(finished)


def test_what_a_run_began_with_cannot_be_changed_by_a_resume(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for setting, value, before in (("seed", "5", "4"), ("model.shape.num_layers", "2", "1"), ("data.corpus.levels", "[1,2]", "[1, 1]")):
        refused = call("run", "--resume", "--out", run, f"--{setting}", value)
        assert refused.code == 2
        assert refused.err.startswith(f"error: {run}: {setting} is ")
        assert f"was {before} when the run began: that is another run." in refused.err
    assert outcome(run) == outcome(finished)


def test_a_recipe_without_a_stage_of_the_run_cannot_go_on_with_it(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    micro.write_text(MICRO.replace("[stages.rl]", "[stages.renamed]"))
    refused = call("run", micro, "--resume", "--out", run)
    assert refused.code == 2
    assert refused.err.startswith(f"error: {run}: the recipe has no stage rl any more")
    assert outcome(run) == outcome(finished)


def test_a_resume_may_go_on_longer_and_remembers_that_it_does(
    call: Call, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(4, fail, Learner.step))
        assert call("rl", micro, "--out", run).code == 69
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(4, fail, Learner.step))
        changed = call("run", "--resume", "--out", run, "--stages.rl.steps", "7")
    assert changed.code == 69
    assert "warning: the run goes on with changed settings: stages.rl.steps 6 -> 7" in changed.out
    again = call("run", "--resume", "--out", run)
    assert (again.code, again.err) == (0, "")
    assert "changed settings" not in again.out
    assert outcome_steps(run) == [("rl", step) for step in range(8)]
    assert read_json(run / "recipe.resolved.json")["stages"]["rl"]["steps"] == 7


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ten_kills_at_random_moments_leave_no_trace(tmp_path: Path, seed: int) -> None:
    recipe = tmp_path / "longer.toml"
    recipe.write_text(MICRO.replace("steps = 12", "steps = 200").replace("steps = 6", "steps = 60"))
    assert launched("run", recipe, "--out", tmp_path / "undisturbed", log=tmp_path / "log").wait() == 0
    killed_at = run_with_kills(launched, recipe, tmp_path / "killed", kills=10, total_rows=262, seed=seed)
    print("killed at rows", killed_at)
    assert min(killed_at) < 200 < max(killed_at)  # in pre-training and in reinforcement learning
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "undisturbed")
    assert len(RunDirectory.read(tmp_path / "killed").info.attempts) == 11


@pytest.mark.slow
def test_a_terminated_process_says_how_to_go_on_and_its_words_work(micro: Path, finished: Path, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    process = launched("run", micro, "--out", run, log=log)
    wait_for_rows(process, run, 10)
    process.send(signal.SIGTERM)
    assert process.wait() == 143
    words = process.said.split(f"Go on with: {program_name()} ")[1].split()
    assert launched(*words, log=log).wait() == 0
    assert outcome(run) == outcome(finished)
