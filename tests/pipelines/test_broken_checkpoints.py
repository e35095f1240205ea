"""A checkpoint that is not whole is passed over with a warning; where none is whole, training never starts over by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reasonforge.runs.directory import RunDirectory
from reasonforge.training.learner import Learner
from tests.pipelines.conftest import Call
from tests.pipelines.micro import outcome
from tests.pipelines.test_resume import at_call, fail


@pytest.fixture
def crashed(call: Call, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that crashed in step 8 of pre-training, with checkpoints of steps 3 and 6."""
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(8, fail, Learner.step))
        assert call("run", micro, "--out", tmp_path / "run").code == 69
    return tmp_path / "run"


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def checkpoint(run: Path, step: int) -> Path:
    return run / "checkpoints" / "pretrain" / f"step-{step:06d}"


@pytest.mark.parametrize(
    "name", ["learner.safetensors", *(pytest.param(name, marks=pytest.mark.slow) for name in ("state.json", "manifest.json"))]
)
def test_a_checkpoint_with_a_flipped_byte_is_passed_over(call: Call, crashed: Path, finished: Path, name: str) -> None:
    flip_a_byte(checkpoint(crashed, 6) / name)
    resumed = call("run", "--resume", "--out", crashed)
    assert resumed.code == 0, resumed.err
    (warning,) = [line for line in resumed.out.splitlines() if line.startswith("warning: ")]
    assert str(checkpoint(crashed, 6) / name) in warning
    assert "moved to quarantine/step-000006.0; using step 3" in warning
    assert outcome(crashed) == outcome(finished)


def test_where_no_checkpoint_is_whole_the_run_does_not_start_over(call: Call, crashed: Path, finished: Path) -> None:
    saved = crashed.with_name("saved")
    shutil.copytree(crashed, saved)
    for step in (3, 6):
        flip_a_byte(checkpoint(crashed, step) / "learner.safetensors")
    for _ in range(2):  # asking again changes nothing
        refused = call("run", "--resume", "--out", crashed)
        assert refused.code == 65
        assert refused.err.count("\n") == 1
        assert "no checkpoint is whole" in refused.err
        for step in (3, 6):
            assert f"{checkpoint(crashed, step) / 'learner.safetensors'}: damaged" in refused.err
        assert RunDirectory.read(crashed).status == "failed"
    shutil.rmtree(crashed)
    saved.rename(crashed)
    assert call("run", "--resume", "--out", crashed).code == 0
    assert outcome(crashed) == outcome(finished)


def test_half_a_checkpoint_of_a_killed_save_is_swept(call: Call, crashed: Path, finished: Path) -> None:
    torn = checkpoint(crashed, 7).with_name(".tmp-step-000007-1-abcdef")
    shutil.copytree(checkpoint(crashed, 6), torn)
    (torn / "manifest.json").unlink()
    assert call("run", "--resume", "--out", crashed).code == 0
    assert not torn.exists()
    assert outcome(crashed) == outcome(finished)


def test_a_damaged_model_of_a_stage_that_is_done_is_named(call: Call, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    weights = run / "models" / "rl" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    refused = call("run", "--resume", "--out", run)
    assert refused.code == 65
    assert refused.err.startswith(f"error: {weights}: not a whole safetensors file")
    assert (run / "final" / "model.safetensors").read_bytes() == (finished / "final" / "model.safetensors").read_bytes()
