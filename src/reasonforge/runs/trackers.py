"""Other places that want the metrics. Our own metrics.jsonl is the truth; a tracker that fails is dropped and the run goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from reasonforge.core.errors import UnavailableError


class Tracker(Protocol):
    """Receives what a run logs."""

    def start(self, name: str, folder: Path) -> None:
        """Begin.

        Args:
            name: the run's name.
            folder: where the tracker may write, within the run directory; not made yet.
        """
        ...

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Take a row of metrics."""
        ...

    def finish(self, status: str) -> None:
        """End; ``status`` is done, failed or stopped."""
        ...


class TensorBoardTracker:
    """Scalars for TensorBoard, one of its "runs" per stage. Needs the ``tensorboard`` extra; torch is not used."""

    def __init__(self) -> None:
        """Check that TensorBoard is installed.

        Raises:
            UnavailableError: it is not.
        """
        try:
            import tensorboard.summary.writer.event_file_writer  # noqa: F401
        except ImportError as error:
            raise UnavailableError("tensorboard is not installed. Run `pip install 'reasonforge[tensorboard]'`.") from error
        self._folder = Path()
        self._writers: dict[str, Any] = {}

    def start(self, name: str, folder: Path) -> None:
        """Begin."""
        self._folder = folder / "tensorboard"

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Write the finite values of a row."""
        event_pb2, summary_pb2 = _protos()
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        scalars = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in finite.items()]
        event = event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=scalars))
        self._writer(stage, step).add_event(event)

    def finish(self, status: str) -> None:
        """Write out what is buffered."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, stage: str, step: int) -> Any:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if stage not in self._writers:
            event_pb2, _ = _protos()
            writer = EventFileWriter(str(self._folder / stage))
            # Tells TensorBoard that a resumed run replaces what an earlier attempt wrote from this step on.
            session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            writer.add_event(event_pb2.Event(wall_time=time.time(), step=step, session_log=session))
            self._writers[stage] = writer
        return self._writers[stage]


def _protos() -> tuple[Any, Any]:
    """Generated protobuf modules; type checkers do not see their classes."""
    return import_module("tensorboard.compat.proto.event_pb2"), import_module("tensorboard.compat.proto.summary_pb2")
