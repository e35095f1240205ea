"""A sandbox of several workers: programs wait for a free one, infrastructure failures are tried once more on a fresh one.

A worker that has failed, is worn or is full of sessions retires: it gets no new programs, and ends with the last of its sessions.
"""

from __future__ import annotations

import json
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import PurePosixPath
from types import TracebackType
from typing import Self, get_args

from reasonforge.sandbox.flavours import Flavour, flavour_of
from reasonforge.sandbox.inside.watch import VALUE_BYTES
from reasonforge.sandbox.messages import NotAsked, Reply, Request, WorkerLost, call_results
from reasonforge.sandbox.protocol import Backend, Limits, Profile, Program, RunResult, SandboxUnavailable, Session
from reasonforge.sandbox.worker import Worker

RECYCLE_AFTER = 2000
"""Runs of one worker, before it retires; a fresh one costs less than a second, a slow leak a night."""
TRIES = 2
_LONGEST_PATH = 255
_BLOCK = 4096
"""Room that files take in memory is counted in these."""

StartWorker = Callable[[Flavour], Worker]


class Slot:
    """Room for one program at a time, with a worker of each flavour that was asked for."""

    def __init__(self) -> None:
        self.workers: dict[Flavour, Worker] = {}
        self.retired: list[Worker] = []
        """Workers that live on for their sessions alone."""
        self.busy = False

    @property
    def sessions(self) -> int:
        """Sessions that live here."""
        return sum(len(worker.sessions) for worker in (*self.workers.values(), *self.retired))

    def retire(self, worker: Worker) -> None:
        """Give a worker no new programs."""
        if self.workers.get(worker.flavour) is worker:
            del self.workers[worker.flavour]
            self.retired.append(worker)

    def drop(self, worker: Worker) -> None:
        """Forget a worker and end it."""
        self.retire(worker)
        if worker in self.retired:
            self.retired.remove(worker)
        worker.close()


class PoolSandbox:
    """The ``Sandbox`` of every backend; they differ in how a worker is started."""

    def __init__(self, backend: Backend, start: StartWorker, *, workers: int, recycle_after: int = RECYCLE_AFTER) -> None:
        self._backend: Backend = backend
        self._start = start
        self._recycle_after = recycle_after
        self._open(workers)

    def _open(self, workers: int) -> None:
        self._pid = os.getpid()
        self._slots = [Slot() for _ in range(workers)]
        self._free = threading.Condition()
        self._closed = False
        self._alive: set[Worker] = set()
        # Ends the workers when this object, or the interpreter, goes without a close().
        self._finalizer = weakref.finalize(self, _end_workers, self._pid, self._alive)
        # Workers are started from this one thread, which lives as long as they: the kernel ends them with it.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-start")
        self._runners = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="sandbox-run")

    @property
    def backend(self) -> Backend:
        """Which isolation is in force."""
        return self._backend

    @property
    def workers(self) -> int:
        """Programs that run at once."""
        return len(self._slots)

    def run(self, program: Program) -> RunResult:
        """Run one program. Never raises because of what the program does.

        Raises:
            ValueError: the request itself is wrong: no such profile, a file's path, files beyond their limit, a limit that is not positive.
            TypeError: a call's argument is not JSON.
            SandboxUnavailable: the sandbox is closed, or its backend has no such profile.
        """
        self._check(program)
        content = {
            "code": program.code,
            "calls": [
                {"function": call.function, "args": list(call.args), "kwargs": dict(call.kwargs), "method": call.method}
                for call in program.calls
            ],
            "call_seconds": program.limits.call_seconds,
            "files": dict(program.files),
            "seed": program.seed,
        }
        request = Request(
            header={"kind": "run", "limits": asdict(program.limits), "profile": program.profile},
            content=json.dumps(content).encode(),
            stdin=program.stdin.encode("utf-8", "surrogatepass"),
        )
        return self._run(request, program.limits, flavour=flavour_of(program.code), calls=len(program.calls))

    def _run(self, request: Request, limits: Limits, *, flavour: Flavour, calls: int) -> RunResult:
        result = RunResult(status="infra")
        with self.slot(prefer=lambda slot: flavour not in slot.workers) as slot:
            for _ in range(TRIES):
                try:
                    worker = self.worker(slot, flavour)
                except WorkerLost as error:
                    result = RunResult(status="infra", reason=str(error))
                    continue
                result, _ = self.ask(slot, worker, request, limits, calls=calls)
                if result.status != "infra":
                    break
        return result

    def ask(self, slot: Slot, worker: Worker, request: Request, limits: Limits, *, calls: int = 0) -> tuple[RunResult, bool]:
        """Have a worker of an acquired slot do one thing.

        A worker that gives no answer is gone, and its sessions with it. One that answers that it could not start a program, for want of
        memory or descriptors, is sound: it retires, so that the next try is on a fresh one, and its sessions live on.

        Returns:
            What came of it, and whether its process lives on (a session's).
        """
        self.end_sessions(slot, worker)
        worker.runs += 1
        session = request.header.get("session")
        try:
            reply = worker.ask(request, wall_seconds=limits.wall_seconds)
            alive = reply.header["alive"]
            result = _result(reply, limits, calls=calls)
        except NotAsked as error:
            return RunResult(status="infra", reason=str(error)), session in worker.sessions
        except WorkerLost as error:
            self._drop(slot, worker)
            return RunResult(status="infra", reason=str(error)), False
        if session is not None:
            (worker.sessions.add if alive else worker.sessions.discard)(session)
        if result.status == "infra" or worker.runs >= self._recycle_after or len(worker.sessions) >= worker.most_sessions:
            slot.retire(worker)
        self._drop_needless(slot, worker)
        return result, alive

    def end_sessions(self, slot: Slot, worker: Worker) -> None:
        """Have a worker of an acquired slot end the sessions that nobody needs any more."""
        try:
            while worker.ending:
                name = worker.ending.pop()
                worker.ask(Request(header={"kind": "close", "session": name}), wall_seconds=0.0)
                worker.sessions.discard(name)
        except WorkerLost:
            self._drop(slot, worker)
        self._drop_needless(slot, worker)

    def _drop_needless(self, slot: Slot, worker: Worker) -> None:
        if worker in slot.retired and not worker.sessions:
            self._drop(slot, worker)

    def run_many(self, programs: Sequence[Program]) -> list[RunResult]:
        """Run programs side by side on all workers; results in the order of the programs."""
        self._follow_fork()
        return list(self._runners.map(self.run, programs))

    def session(self, limits: Limits = Limits()) -> Session:  # noqa: B008  (frozen)
        """Open a session of profile ``tool``. Its interpreter starts with the first block."""
        from reasonforge.sandbox.sessions import PoolSession

        self._follow_fork()
        check_limits(limits)
        return PoolSession(self, limits)

    @contextmanager
    def slot(self, wanted: Slot | None = None, *, prefer: Callable[[Slot], int] = lambda slot: 0) -> Iterator[Slot]:
        """Wait for a slot and hold it.

        Args:
            wanted: this one; None = any.
            prefer: of the free ones, that for which this is least.

        Raises:
            SandboxUnavailable: the sandbox is closed.
        """
        self._follow_fork()
        if wanted is not None and wanted not in self._slots:
            raise SandboxUnavailable("this session belongs to the process that this one was forked from")
        with self._free:
            while True:
                if self._closed:
                    raise SandboxUnavailable("the sandbox is closed")
                free = [slot for slot in (self._slots if wanted is None else [wanted]) if not slot.busy]
                if free:
                    slot = min(free, key=prefer)
                    slot.busy = True
                    break
                self._free.wait()
        try:
            yield slot
        finally:
            with self._free:
                slot.busy = False
                self._free.notify_all()

    def worker(self, slot: Slot, flavour: Flavour) -> Worker:
        """Return the slot's worker, started where there is none yet. Sessions here that nobody needs any more end first.

        Raises:
            WorkerLost: it does not start.
        """
        for each in (*slot.workers.values(), *slot.retired):
            self.end_sessions(slot, each)
        worker = slot.workers.get(flavour)
        if worker is None:
            try:
                worker = self._starter.submit(self._start, flavour).result()
            except RuntimeError as error:  # the executor of a sandbox that was closed meanwhile
                raise WorkerLost(f"no worker can be started: {error}") from error
            slot.workers[flavour] = worker
            self._alive.add(worker)
            if self._closed:
                self._drop(slot, worker)
                raise WorkerLost("the sandbox is closed")
        return worker

    def _drop(self, slot: Slot, worker: Worker) -> None:
        slot.drop(worker)
        self._alive.discard(worker)

    def _follow_fork(self) -> None:
        """After a fork the workers are the parent's; this process starts its own."""
        if self._pid != os.getpid():
            self._finalizer.detach()
            for worker in self._alive:
                worker.disown()
            self._open(len(self._slots))

    def _check(self, program: Program) -> None:
        check_limits(program.limits)
        if program.profile not in get_args(Profile):
            raise ValueError(f"profile {program.profile!r} is not one of {', '.join(get_args(Profile))}")
        if program.profile == "shell" and (self._backend != "namespace" or os.geteuid() == 0):
            raise SandboxUnavailable(
                "profile shell needs the namespace backend, and a user other than root: the kernel lets root fork without limit"
            )
        if program.files:
            _check_files(program)

    def close(self) -> None:
        """End all workers; nothing of them is left. Programs still running come back as ``infra``."""
        if self._pid != os.getpid():
            return
        with self._free:
            self._closed = True
            self._free.notify_all()
        self._finalizer.detach()
        _end_workers(self._pid, self._alive)
        self._runners.shutdown(wait=True, cancel_futures=True)
        self._starter.shutdown(wait=True)
        _end_workers(self._pid, self._alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _result(reply: Reply, limits: Limits, *, calls: int) -> RunResult:
    header = reply.header
    stderr = reply.stderr.decode("utf-8", "replace")
    reason = header["reason"]
    if header["status"] == "infra":
        reason = reason or stderr or "ended before the program began"
    return RunResult(
        status=header["status"],
        stdout=reply.stdout[: limits.output_kb * 1024].decode("utf-8", "replace"),
        stderr=stderr,
        values=call_results(reply.values[:VALUE_BYTES], most=calls),
        exit_code=header["exit_code"],
        signal=header["signal"],
        truncated=header["truncated"],
        reason=reason,
        cpu_ms=header["cpu_ms"],
        wall_ms=header["wall_ms"],
        max_rss_mb=header["max_rss_mb"],
    )


def _end_workers(pid: int, workers: set[Worker]) -> None:
    if pid == os.getpid():
        for worker in list(workers):
            worker.close()
        workers.clear()


def _check_files(program: Program) -> None:
    """Refuse files that could not be written: the program's own process would fail with them before it begins."""
    if program.profile == "pure":
        raise ValueError("files need a profile other than pure")
    folders: set[PurePosixPath] = set()
    paths: set[PurePosixPath] = set()
    blocks = 0
    for name, text in program.files.items():
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or len(name.encode()) > _LONGEST_PATH:
            raise ValueError(f"{name!r}: a program's file needs a relative path inside its folder, of at most {_LONGEST_PATH} bytes")
        if path in paths:
            raise ValueError(f"{name!r}: two files of a program have this path")
        paths.add(path)
        folders.update(path.parents[:-1])
        blocks += -(-len(text.encode("utf-8", "surrogatepass")) // _BLOCK)
    if both := paths & folders:
        raise ValueError(f"{str(min(both))!r}: a program's file and a folder have this path")
    limits = program.limits
    if len(paths) + len(folders) > limits.max_files or blocks * _BLOCK > limits.files_mb << 20:
        raise ValueError(f"a program's files are more than its limits allow: max_files {limits.max_files}, files_mb {limits.files_mb}")


def check_limits(limits: Limits) -> None:
    """Refuse limits under which nothing could run, or anything for ever.

    Raises:
        ValueError: one is not positive, or not finite.
    """
    for name in ("wall_seconds", "cpu_seconds", "memory_mb", "output_kb", "files_mb", "max_files"):
        if not 0 < getattr(limits, name) < math.inf:
            raise ValueError(f"limits: {name} must be more than 0, and finite")
    if limits.call_seconds is not None and not 0 < limits.call_seconds < math.inf:
        raise ValueError("limits: call_seconds must be more than 0, and finite")
