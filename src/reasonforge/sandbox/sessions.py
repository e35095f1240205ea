"""One conversation's interpreter, kept alive between its blocks."""

from __future__ import annotations

import itertools
import struct
import weakref
from dataclasses import asdict, replace
from types import TracebackType
from typing import Self

from reasonforge.sandbox.messages import Request, WorkerLost
from reasonforge.sandbox.pool import TRIES, PoolSandbox, Slot, check_limits
from reasonforge.sandbox.protocol import Limits, RunResult, SandboxUnavailable
from reasonforge.sandbox.worker import Worker

_NAMES = itertools.count(1)
_ENDED = RunResult(status="error", reason="the session has ended")


class PoolSession:
    """A session on one worker of a pool. Between blocks its process is stopped."""

    def __init__(self, sandbox: PoolSandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._name = str(next(_NAMES))
        self._home: tuple[Slot, Worker] | None = None
        self._end: RunResult | None = None
        """What every later block comes back with; None = there may be later ones."""

    @property
    def alive(self) -> bool:
        """False once the interpreter is gone. Further blocks come back with ``error``, or with ``infra`` where the sandbox has lost it."""
        return self._end is None and (self._home is None or self._home[1].alive)

    def run(self, code: str, *, limits: Limits | None = None) -> RunResult:
        """Run one block; the value of its last expression is printed, as in a notebook.

        Args:
            limits: of this block, in place of the session's; memory and files stay the session's.

        Raises:
            ValueError: a limit is not positive.
        """
        limits = limits or self._limits
        check_limits(limits)
        if self._end is not None:
            return self._end
        whole = self._limits
        limits = replace(limits, memory_mb=whole.memory_mb, files_mb=whole.files_mb, max_files=whole.max_files)
        if self._home is None:
            return self._first(code, limits)
        slot, worker = self._home
        with self._sandbox.slot(slot):
            result, alive = self._sandbox.ask(slot, worker, self._request(code, limits, first=False), limits)
        if not alive:
            self._finalizer.detach()
            self._note_end(result)
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
                    self._finalizer = weakref.finalize(self, worker.ending.append, self._name)
                if result.status != "infra":
                    break
        if not alive:
            self._note_end(result)
        return result

    def _note_end(self, result: RunResult) -> None:
        # What the sandbox has lost stays its failure, and is never the fault of a later block.
        self._end = RunResult(status="infra", reason=f"the session was lost: {result.reason}") if result.status == "infra" else _ENDED

    def _request(self, code: str, limits: Limits, *, first: bool) -> Request:
        header = {"kind": "block", "session": self._name, "first": first, "profile": "tool", "seed": 0, "limits": asdict(limits)}
        block = code.encode("utf-8", "surrogatepass")
        return Request(header=header, content=struct.pack("!I", len(block)) + block)

    def close(self) -> None:
        """End the interpreter and everything it started."""
        needed, self._end = self._end is None and self._home is not None, self._end or _ENDED
        if not needed or self._home is None:
            return
        slot, worker = self._home
        self._finalizer.detach()
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
