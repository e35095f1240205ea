"""A full disk stops a run with one line and exit code 74; what was saved before is whole, and resuming gives the undisturbed run."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reasonforge.models.hf as hf
import reasonforge.pipelines.run as pipeline
import reasonforge.runs.rollouts as rollouts
import reasonforge.training.checkpoint as checkpoints
from reasonforge.runs.directory import RunDirectory
from reasonforge.training.checkpoint import list_steps, load_checkpoint
from tests.pipelines.conftest import Call
from tests.pipelines.micro import outcome


def full_disk(*arguments: Any, **options: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_from_call(number: int, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method for a disk that is full from the ``number``-th call on."""
    calls = 0

    def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        return full_disk() if calls >= number else method(*arguments, **options)

    return wrapped


PLACES = {
    "tensors of a checkpoint": (checkpoints, "write_tensors", 4),
    "manifest of a checkpoint": (checkpoints, "_signed", 4),
    "rename of a checkpoint": (checkpoints.os, "rename", 2),
    "weights of a model": (hf, "save_file", 2),
    "the final model": (hf, "save_file", 4),
    "samples of an evaluation": (rollouts, "write_atomic", 1),
    "the summary": (RunDirectory, "write_summary", 1),
    "the report": (pipeline, "write_report", 1),
}


FAST = ("manifest of a checkpoint", "the final model")


@pytest.mark.parametrize("place", [place if place in FAST else pytest.param(place, marks=pytest.mark.slow) for place in PLACES])
def test_a_full_disk_stops_the_run_and_loses_nothing(
    call: Call, micro: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run = tmp_path / "run"
    owner, name, number = PLACES[place]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full_from_call(number, getattr(owner, name)))
        full = call("run", micro, "--out", run)
    assert full.code == 74
    assert full.err.count("\n") == 1
    assert "No space left on device" in full.err
    for stage in ("pretrain", "rl"):
        for step in list_steps(run / "checkpoints" / stage):
            load_checkpoint(run / "checkpoints" / stage / f"step-{step:06d}")
    assert not left_overs(run)
    # The page is written after the end: it says how the run ended.
    assert RunDirectory.read(run).status == ("done" if place == "the report" else "failed")
    assert call("run", "--resume", "--out", run).code == 0
    assert outcome(run) == outcome(finished)


def left_overs(run: Path) -> list[str]:
    return [path.name for path in run.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that takes 500 kB. Needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)):
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def mount(*arguments: str) -> bool:
    return shutil.which("mount") is not None and subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


def test_a_disk_that_is_really_full_loses_nothing_either(call: Call, micro: Path, finished: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    full = call("run", micro, "--out", run)
    assert full.code == 74
    assert full.err.count("\n") == 1
    assert str(run) in full.err
    steps = list_steps(run / "checkpoints" / "pretrain")
    assert steps
    for step in steps:
        load_checkpoint(run / "checkpoints" / "pretrain" / f"step-{step:06d}")
    assert mount("-o", "remount,size=8m", str(small_disk))
    assert call("run", "--resume", "--out", run).code == 0
    assert outcome(run) == outcome(finished)
