"""Rewards that fail, and rewards that teach nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.runs.directory import RunDirectory
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.training.checkpoint import list_steps, load_checkpoint
from tests.pipelines.conftest import Call
from tests.pipelines.micro import outcome
from tests.pipelines.test_resume import at_call

MODULE = "tests.rewards.reward_functions"

MINE = """
import math, pathlib, time

def grade(question, answer, completion, meta):
    broken = pathlib.Path("broken")
    if broken.exists():
        match broken.read_text():
            case "raises": raise ValueError("out of cheese")
            case "nan": return math.nan
            case "hangs": time.sleep(600)
    return len(completion) / 10
"""


def function(path: str, **more: object) -> list[str]:
    """Settings of a run whose only reward is a user's function."""
    settings = ["--stages.rl.rewards.mine.type", "function", "--stages.rl.rewards.mine.path", path]
    for name, value in more.items():
        settings += [f"--stages.rl.rewards.mine.{name}", str(value)]
    return settings


@pytest.fixture
def standing_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's with a reward function in ``mine.py``; the commands are typed there."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def breaks(how: str) -> Callable[[], None]:
    def act() -> None:
        Path("broken").write_text(how)

    return act


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raises", "mine:grade raised ValueError: out of cheese"),
        ("nan", "mine:grade returned nan, not a finite number"),
        ("hangs", "mine:grade gave no answer within 0.2 s"),
    ],
)
def test_a_reward_function_that_breaks_stops_the_run_with_its_reason(
    call: Call, micro: Path, finished: Path, standing_at: Path, monkeypatch: pytest.MonkeyPatch, how: str, reason: str
) -> None:
    model, mine = finished / "final", function("mine:grade", deadline_seconds=0.2)
    with monkeypatch.context() as patch:
        patch.setattr(PolicyTraining, "train_step", at_call(4, breaks(how), PolicyTraining.train_step))
        stopped = call("rl", micro, "--model", model, "--out", "run", *mine)
    assert stopped.code == 69
    assert stopped.err.count("\n") == 1
    assert reason in stopped.err
    run = RunDirectory.read("run")
    assert (run.status, [row["step"] for row in run.metric_rows()]) == ("failed", [0, 1, 2, 3])  # 0 = evaluated before the first step
    assert list_steps(run.checkpoints_dir("rl")) == [2]
    load_checkpoint(run.checkpoints_dir("rl") / "step-000002")


def test_a_run_goes_on_exactly_once_its_reward_function_is_mended(
    call: Call, micro: Path, finished: Path, standing_at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (micro, "--model", finished / "final", *function("mine:grade"))
    with monkeypatch.context() as patch:
        patch.setattr(PolicyTraining, "train_step", at_call(4, breaks("raises"), PolicyTraining.train_step))
        assert call("rl", *arguments, "--out", "run").code == 69
    Path("broken").unlink()
    assert call("run", "--resume", "--out", "run").code == 0
    assert call("rl", *arguments, "--out", "undisturbed").code == 0
    assert outcome(Path("run")) == outcome(Path("undisturbed"))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module:grade", "reward function no_such_module:grade: cannot be loaded: ModuleNotFoundError"),
        (f"{MODULE}:no_such", "cannot be loaded: AttributeError"),
        (f"{MODULE}:not_callable", "cannot be loaded: TypeError"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_a_reward_function_that_is_not_there_is_a_mistake_in_the_recipe(
    call: Call, micro: Path, tmp_path: Path, path: str, reason: str, dry: list[str]
) -> None:
    refused = call("rl", micro, "--out", tmp_path / "run", *function(path), *dry)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert reason in refused.err


def test_a_few_failures_are_counted_and_left_out(call: Call, micro: Path, tmp_path: Path, finished: Path) -> None:
    path = "tests.pipelines.reward_functions:fails_on_threes"
    tolerant = ["--stages.rl.max_failed_share", "0.9", "--stages.rl.steps", "3"]
    ran = call("rl", micro, "--model", finished / "final", "--out", tmp_path / "run", *function(path), *tolerant)
    assert ran.code == 0, ran.err
    run = RunDirectory.read(tmp_path / "run")
    failed = [row["rewards/failed"] for row in run.metric_rows() if row["step"]]
    assert 0 < sum(failed) < 1
    for step, share in enumerate(failed, start=1):
        stored = run.rollouts("rl", step)
        wrong = [rollout for rollout in stored if rollout.verdict == "error"]
        assert len(wrong) == share * len(stored)
        assert all(rollout.advantage == 0 and "a three" in rollout.reason for rollout in wrong)


def test_equal_rewards_teach_nothing_and_break_nothing(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    equal = ["--stages.rl.rewards.form.type", "format", "--stages.rl.rewards.form.style", "boxed"]  # the task knows no box: always 0
    ran = call("rl", micro, "--model", finished / "final", "--out", run, *equal)
    assert (ran.code, ran.err) == (0, "")
    found = outcome(run)
    steps = [row for row in found.metrics if row["step"]]
    assert len(steps) == 6
    for row in steps:
        assert row["frac_reward_zero_std"] == 1
        assert row["frac_learned"] == 0
        assert row["reward"] == row["reward_std"] == 0
        assert row["num_samples"] == 0
        assert None not in row.values()
    assert found.weights["final/model.safetensors"] == outcome(finished).weights["final/model.safetensors"]


def test_equal_rewards_leave_only_the_pull_to_the_reference(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    equal = ["--stages.rl.rewards.form.type", "format", "--stages.rl.rewards.form.style", "boxed", "--stages.rl.kl.coef", "0.1"]
    still = ["--stages.rl.training.optimizer.weight_decay", "0"]
    ran = call("rl", micro, "--model", finished / "final", "--out", run, *equal, *still)
    assert (ran.code, ran.err) == (0, "")
    steps = [row for row in outcome(run).metrics if row["step"]]
    assert len(steps) == 6
    for row in steps:
        assert abs(row["kl"]) < 1e-6  # it stands where the reference stands
        assert row["grad_norm"] < 1e-5
        assert None not in row.values()
