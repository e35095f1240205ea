"""Stop politely: the first signal asks, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from reasonforge.core.errors import InterruptedRun

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


class StopRequest:
    """A context in which Ctrl-C and SIGTERM set a flag that the training loop looks at after each step.

    >>> with StopRequest() as stop:
    ...     stop.requested
    False
    """

    def __init__(self) -> None:
        self.waits_for: Callable[[], str] = lambda: "finishing the step, then saving"
        """Says what happens after the first signal. Called by the signal's handler: it must neither wait nor take a lock."""
        self._signal: int | None = None
        self._earlier: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._signal is not None

    def error(self, message: str) -> InterruptedRun:
        """Return what to raise once all is saved; its exit code is 130 for Ctrl-C and 143 for SIGTERM."""
        assert self._signal is not None
        return InterruptedRun(message, signal_number=self._signal)

    def __enter__(self) -> Self:
        # Python lets only the main thread set handlers; elsewhere (a notebook's worker, a test) nobody can be asked.
        if threading.current_thread() is threading.main_thread():
            self._earlier = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            # Not an exception: it could be caught, or wait for a lock. The files are whole at every moment anyway.
            _say(_SHOW_CURSOR + "\n" if sys.stderr.isatty() else "\n")
            os._exit(128 + number)
        self._signal = number
        _say(f"\n{self.waits_for()}; press Ctrl-C again to exit now\n")


def _say(text: str) -> None:
    """Write without the locks and buffers of ``print``: the handler may run in the middle of one."""
    try:
        os.write(2, text.encode())
    except OSError:
        return
