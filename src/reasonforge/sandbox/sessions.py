"""One conversation's interpreter, kept alive between its blocks."""

from __future__ import annotations

import itertools
import struct
import weakref
from dataclasses import asdict, replace
from types import TracebackType
from typing import Self

from reasonforge.sandbox.messages import Request, WorkerLost
from reasonforge.sandbox.pool import TRIES, PoolSandbox, Slot
from reasonforge.sandbox.protocol import Limits, RunResult, SandboxUnavailable
from reasonforge.sandbox.worker import Worker

_NAMES = itertools.count(1)


class PoolSession:
    """A session on one worker of a pool. Between blocks its process is stopped."""

    def __init__(self, sandbox: PoolSandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._name = str(next(_NAMES))
        self._home: tuple[Slot, Worker] | None = None
        self._ended = False

    @property
    def alive(self) -> bool:
        """False once the interpreter is gone; further blocks come back with status ``error``."""
        return not self._ended

    def run(self, code: str, *, limits: Limits | None = None) -> RunResult:
        """Run one block; the value of its last expression is printed, as in a notebook.

        Args:
            limits: of this block, in place of the session's; memory and files stay the session's.
        """
        if self._ended:
            return RunResult(status="error", reason="the session has ended")
        limits = limits or self._limits
        whole = self._limits
        limits = replace(limits, memory_mb=whole.memory_mb, files_mb=whole.files_mb, max_files=whole.max_files)
        if self._home is None:
            return self._first(code, limits)
        slot, worker = self._home
        with self._sandbox.slot(slot):
            result, alive = self._sandbox.ask(slot, worker, self._request(code, limits, first=False), limits)
        if not alive:
            self._end(worker)
        return result

    def _first(self, code: str, limits: Limits) -> RunResult:
        """Start the interpreter with its first block. Nothing is lost yet, so a failure of the worker is tried once more."""
        result, alive = RunResult(status="infra"), False
        with self._sandbox.slot(prefer=lambda slot: slot.sessions) as slot:
            for _ in range(TRIES):
                try:
                    # Any block may import numpy, and cold that takes longer than most blocks.
                    worker = self._sandbox.worker(slot, "sci")
                except WorkerLost as error:
                    result = RunResult(status="infra", reason=str(error))
                    continue
                result, alive = self._sandbox.ask(slot, worker, self._request(code, limits, first=True), limits)
                if alive:
                    self._home = slot, worker
                    worker.sessions += 1
                    self._finalizer = weakref.finalize(self, worker.ending.append, self._name)
                if result.status != "infra":
                    break
        self._ended = not alive
        return result

    def _request(self, code: str, limits: Limits, *, first: bool) -> Request:
        header = {"kind": "block", "session": self._name, "first": first, "profile": "tool", "seed": 0, "limits": asdict(limits)}
        block = code.encode("utf-8", "surrogatepass")
        return Request(header=header, content=struct.pack("!I", len(block)) + block)

    def _end(self, worker: Worker) -> None:
        self._ended = True
        worker.sessions -= 1
        self._finalizer.detach()

    def close(self) -> None:
        """End the interpreter and everything it started."""
        if self._ended or self._home is None:
            self._ended = True
            return
        slot, worker = self._home
        self._end(worker)
        worker.ending.append(self._name)
        try:
            with self._sandbox.slot(slot):
                self._sandbox.end_sessions(slot, worker)
        except SandboxUnavailable:
            return  # closed, and the interpreter with it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
