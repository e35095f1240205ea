"""A checkpoint is complete or does not exist: failing disks, kills, power cuts, readers that come at any moment."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from reasonforge.core.errors import StorageError
from reasonforge.training.checkpoint import list_steps, load_latest, save_checkpoint
from tests.training.checkpoints import FILES, assert_whole, latest, save

CALLS = ("open", "write", "fsync", "mkdir", "rename")


@contextmanager
def faults(monkeypatch: pytest.MonkeyPatch, calls: list[str], *, at: int | None, code: int = errno.ENOSPC, lasting: bool) -> Iterator[None]:
    """Record the system calls of a save in ``calls``, and fail the ``at``-th of them; with ``lasting``, all from there on."""

    def faulty(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            index = len(calls)
            calls.append(f"{name} {arguments[0] if name != 'write' else ''}")
            if at is not None and (index == at or (lasting and index > at)):
                raise OSError(code, os.strerror(code))
            return real(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, faulty(name, getattr(os, name)))
        yield


def count_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    save(tmp_path / "count", 1)
    calls: list[str] = []
    with faults(monkeypatch, calls, at=None, lasting=False):
        save(tmp_path / "count", 2)
    return len(calls)


def test_a_passing_fault_at_any_system_call_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = count_calls(tmp_path, monkeypatch)
    assert total > 20
    for at in range(total):
        root = tmp_path / f"passing-{at}"
        save(root, 1)
        with faults(monkeypatch, [], at=at, lasting=False):
            save(root, 2)
        assert_whole(latest(root), 2)
        assert sorted(entry.name for entry in root.iterdir() if not entry.name.startswith(".")) == ["step-000001", "step-000002"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_after_a_lasting_fault_at_any_system_call_the_newest_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    total = count_calls(tmp_path, monkeypatch)
    for at in range(total):
        root = tmp_path / f"lasting-{at}"
        save(root, 1)
        calls: list[str] = []
        with faults(monkeypatch, calls, at=at, code=code, lasting=True), pytest.raises(StorageError, match=r"^[^\n]*cannot write: [^\n]*$"):
            save(root, 2)
        # If the very last fsync fails and the disk then refuses to take the rename back, the new one stays visible: whole, too.
        renamed = any(call.startswith("rename") for call in calls[:at])
        found = latest(root)
        assert_whole(found, 2 if renamed else 1)
        assert found.warnings == ()
        save(root, 3)  # the disk is back: what was left is swept
        assert not [entry.name for entry in root.iterdir() if entry.name.startswith(".")]


def test_a_disk_that_is_too_small_is_refused_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match=r"needs \d+ MB and 0 MB are free"):
        save(tmp_path, 2)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-000001"]


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, 2)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-000001"]


def test_nothing_is_renamed_before_it_is_on_disk_nor_reported_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A kill cannot test a power cut; the order of the calls can.
    order: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        order.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        order.append(f"rename {target.name}")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    save(tmp_path, 1)
    temporary = order[-3].removeprefix("fsync ")
    assert temporary.startswith(".tmp-step-000001-")
    assert sorted(order[:-4]) == sorted(f"fsync {name}" for name in FILES if name != "manifest.json")
    assert order[-4:] == ["fsync manifest.json", f"fsync {temporary}", "rename step-000001", f"fsync {tmp_path.name}"]


# Kills and neighbours


def save_forever(root: str) -> None:
    found = load_latest(Path(root))
    for step in itertools.count(1 if found is None else found.step + 1):
        tensors = {"x": torch.full((50_000,), float(step))}
        save_checkpoint(Path(root), step, files={"model": tensors, "optimizer": tensors}, state={"step": step})


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    reached = 0
    for pause in (0.002, 0.011, 0.017, 0.023, 0.031, 0.053, 0.083, 0.11):
        # Forked, not started: the child has torch already, so that the time goes into saving.
        writer = multiprocessing.get_context("fork").Process(target=save_forever, args=(str(tmp_path),), daemon=True)
        writer.start()
        while not [step for step in list_steps(tmp_path) if step > reached]:
            time.sleep(0.001)
            assert writer.is_alive()
        time.sleep(pause)
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        found = latest(tmp_path)
        assert found.warnings == ()
        assert found.state == {"step": found.step}
        assert bool((found.files["model"]["x"] == found.step).all())
        assert found.step > reached
        reached = found.step


def test_readers_never_see_half_a_checkpoint(tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            try:
                found = load_latest(tmp_path)
                if found is not None:
                    assert found.state == {"step": found.step, "seed": 0.1 + found.step}
                    assert found.warnings == ()
                    seen.append(found.step)
            except BaseException as error:
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(30):
        save(tmp_path, step)
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert len(set(seen)) > 2
    assert not (tmp_path / "quarantine").exists()
