from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.trackers import TensorBoardTracker
from tests.runs.fabricate import crashing, new_run


class Recorder:
    """A tracker that remembers, and fails from its n-th call on."""

    def __init__(self, fail_at: int = 1000) -> None:
        self.calls: list[tuple[object, ...]] = []
        self._fail_at = fail_at

    def _record(self, *call: object) -> None:
        if len(self.calls) >= self._fail_at:
            raise RuntimeError("server gone")
        self.calls.append(call)

    def start(self, name: str, folder: Path) -> None:
        self._record("start", name)

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._record(stage, step, dict(values))

    def finish(self, status: str) -> None:
        self._record("finish", status)


def test_a_tracker_hears_start_rows_and_end(tmp_path: Path) -> None:
    tracker = Recorder()
    with new_run(tmp_path / "r") as run:
        run.attach(trackers=[tracker])
        run.stage("rl").metrics(1, {"reward": 0.5})
    assert tracker.calls == [("start", "toy"), ("rl", 1, {"reward": 0.5}), ("finish", "done")]


@pytest.mark.parametrize("fail_at", [0, 1, 2, 3])
def test_a_tracker_that_fails_is_dropped_with_one_warning(tmp_path: Path, fail_at: int) -> None:
    good, bad = Recorder(), Recorder(fail_at)
    with new_run(tmp_path / "r") as run:
        run.attach(trackers=[bad, good])
        log = run.stage("rl")
        for step in (1, 2):
            log.metrics(step, {"reward": 0.5})
    assert len(bad.calls) == fail_at
    assert len(good.calls) == 4
    reader = RunDirectory.read(tmp_path / "r")
    assert reader.status == "done"
    assert len(reader.metric_rows()) == 2
    assert [event["message"] for event in reader.event_rows() if event["kind"] == "tracker_failed"] == [
        "Recorder failed and is off: server gone"
    ]


def test_tensorboard_reads_the_scalars_and_forgets_what_a_resume_replaced(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with crashing(new_run(tmp_path / "r")) as run:
        run.attach(trackers=[TensorBoardTracker()])
        log = run.stage("rl")
        for step in (1, 2, 3):
            log.metrics(step, {"reward": 0.1 * step, "kl": float("nan")})
    with RunDirectory.resume(tmp_path / "r") as run:
        run.attach(trackers=[TensorBoardTracker()])
        log = run.stage("rl")
        log.resume_at(2)
        log.metrics(3, {"reward": 0.9})
    events = EventAccumulator(str(tmp_path / "r" / "trackers" / "tensorboard" / "rl")).Reload()
    assert events.Tags()["scalars"] == ["reward"]
    assert [(e.step, round(e.value, 5)) for e in events.Scalars("reward")] == [(1, 0.1), (2, 0.2), (3, 0.9)]


def test_a_missing_tensorboard_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(UnavailableError, match=r"pip install 'reasonforge\[tensorboard\]'"):
        TensorBoardTracker()
