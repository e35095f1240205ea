"""Judging in processes that can be killed: what hangs, swells or crashes costs one item its verdict and nothing else anything.

Works from threads, asyncio, notebooks, and children made by fork or spawn; uses no multiprocessing, no signals and no pickle.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from reasonforge.core.errors import ReasonforgeError, UnavailableError
from reasonforge.core.records import Verdict
from reasonforge.verify.items import GradeItem
from reasonforge.verify.tree import Node, to_lists
from reasonforge.verify.worker import Closed, frame, read_frame, readable, write_all

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

DEADLINE_SECONDS = 2.0
"""What one item may take, and all symbolic comparisons of one completion together may take before the last of them."""
_START_SECONDS = 60.0
_GRACE_SECONDS = 10.0
"""A keeper that says nothing for this long beyond the deadline is itself lost (a stopped process, a machine out of memory)."""
_CHUNK = 32
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What a worker gets to see of the environment: keys and tokens are not for it."""
_BOOT = "import json, sys; a = json.loads(sys.argv[1]); sys.path[:] = a.pop('path'); from reasonforge.verify.worker import main; main(**a)"


class DeadlineExceeded(ReasonforgeError, TimeoutError):
    """An item was still running at its deadline. Its worker has been replaced."""


class WorkerFailed(ReasonforgeError, RuntimeError):
    """An item ended its worker (memory, a crash) twice, or could not be judged there. The worker has been replaced."""


class SymbolicTier(Protocol):
    """Where the last tier is computed."""

    def symbolic_equal(self, a: Node, b: Node) -> bool | None:
        """Return whether two scalars are equal; None where neither was shown."""
        ...


class _Worker:
    """One keeper process and the pipes to it. Used by one thread at a time."""

    def __init__(self, *, deadline_seconds: float, memory_mb: int, recycle_after: int) -> None:
        if not sys.executable:
            raise UnavailableError("graders run in processes of their own, and this Python does not know its own program (sys.executable)")
        self._patience = deadline_seconds + _GRACE_SECONDS
        # Imports resolve as they do here, whatever put them there; entries that depend on the working directory are left out.
        path = [entry for entry in sys.path if entry and Path(entry).is_absolute()]
        settings = {
            "deadline_seconds": deadline_seconds, "memory_mb": memory_mb, "recycle_after": recycle_after,
            "parent": os.getpid(), "path": path,
        }  # fmt: skip
        # As -I, but with the one variable that -I would ignore: sympy's course depends on the order of sets.
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-c", _BOOT, json.dumps(settings)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # a terminal sends Ctrl-C to the whole group
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self._output = self.process.stdin.fileno(), self.process.stdout.fileno()
        try:
            ready = bool(readable([self._output], _START_SECONDS))
            if ready:
                read_frame(self._output)
        except Closed:
            ready = False
        except BaseException:
            self.close(seconds=0.0)
            raise
        if not ready:
            self.close(seconds=0.0)
            raise UnavailableError(f"a grading process did not start within {_START_SECONDS:g} s, or ended at once (its stderr says why)")

    def ask(self, items: Sequence[bytes]) -> Iterable[dict[str, Any]]:
        """Hand over items and yield the replies in order.

        Raises:
            Closed: the keeper is gone or lost; the remaining items have no reply.
        """
        write_all(self._input, b"".join((frame(str(len(items)).encode()), *map(frame, items))))
        for _ in items:
            if not readable([self._output], self._patience):
                raise Closed
            yield json.loads(read_frame(self._output))

    def dismiss(self) -> None:
        """Tell the keeper to leave: it does when its input ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self, *, seconds: float = 2.0) -> None:
        """End the processes and wait for that; a keeper that does not leave is killed."""
        process = self.process
        assert process.stdout is not None
        self.dismiss()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            with suppress(OSError):  # until it is waited for, nobody else can have its number
                os.killpg(process.pid, 9)
            process.wait()
        process.stdout.close()

    def kill(self) -> None:
        """End the processes from another thread; the one that uses them sees their end and cleans up."""
        with suppress(OSError):
            if self.process.poll() is None:
                os.killpg(self.process.pid, 9)

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self.process.returncode = 0  # not this process's child: nothing to wait for


class _Batch:
    """The workers that serve one call, so that an interrupt ends them at once and not at their deadlines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self.stopped = False

    def add(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.append(worker)
            if self.stopped:
                worker.kill()

    def remove(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.remove(worker)

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            for worker in self._workers:
                worker.kill()


class WorkerPool:
    """Processes that compute the symbolic tier, or grade whole items for a ``GradePool``. Started when first needed.

    Safe to share between threads. In a forked child it starts processes of its own.
    """

    def __init__(
        self, workers: int | None = None, *, deadline_seconds: float = DEADLINE_SECONDS, memory_mb: int = 512, recycle_after: int = 2_000
    ) -> None:
        """Describe the pool; nothing is started yet.

        Args:
            workers: how many at most; None = one per core this process may use.
            deadline_seconds: of one item, counted from its start in the worker.
            memory_mb: address space of a worker.
            recycle_after: a worker is replaced after so many items; that takes milliseconds.
        """
        if (workers is not None and workers < 1) or deadline_seconds <= 0 or memory_mb < 128 or recycle_after < 1:
            raise ValueError("a pool needs at least one worker, a positive deadline, 128 MB and one item per worker")
        self.workers = workers or _usable_cores()
        self.deadline_seconds = deadline_seconds
        self._memory_mb = memory_mb
        self._recycle_after = recycle_after
        self._forget()
        _pools.add(self)

    def _forget(self) -> None:
        """Begin anew in this process. What a fork copied is another process's: its locks may be held for ever."""
        for worker in getattr(self, "_all", ()):
            worker.forget()
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._busy = 0
        self._closed: bool = getattr(self, "_closed", False)

    def symbolic_equal(self, a: Node, b: Node) -> bool | None:
        """Return whether two scalars are equal; None where neither equality nor difference could be shown.

        Raises:
            DeadlineExceeded: it took longer than the deadline.
            WorkerFailed: it ended its worker.
        """
        try:
            item = json.dumps({"do": "equal", "a": to_lists(a), "b": to_lists(b)}).encode()
        except (RecursionError, ValueError) as problem:  # nested too deep; an integer with more digits than Python writes
            raise WorkerFailed(f"the answer cannot be handed to a worker: {problem}") from None
        reply = self.run([item])[0]
        if reply["status"] == "timeout":
            raise DeadlineExceeded(f"not decided within {self.deadline_seconds:g} s")
        if reply["status"] != "ok":
            raise WorkerFailed(_failure(reply))
        return reply["value"]

    def run(self, items: Sequence[bytes], *, batch: _Batch | None = None) -> list[dict[str, Any]]:
        """Return the replies to these requests, in order. Where a keeper is lost, the item it was at is tried once more."""
        batch = batch or _Batch()
        replies: list[dict[str, Any]] = []
        tried = False
        while len(replies) < len(items):
            start = len(replies)
            for reply in self._once(items[start : start + 1] if tried else items[start:], batch):
                if reply["status"] == "lost" and not tried:
                    tried = True
                    break
                replies.append(reply)
                tried = False
        return replies

    def _once(self, items: Sequence[bytes], batch: _Batch) -> list[dict[str, Any]]:
        worker = self._acquire()
        replies: list[dict[str, Any]] = []
        healthy = False
        try:
            batch.add(worker)
            try:
                for reply in worker.ask(items):
                    replies.append(reply)
            finally:
                batch.remove(worker)
            healthy = True
        except Closed:
            if self._closed or batch.stopped:
                raise WorkerFailed("the pool was closed, or the call interrupted") from None
            replies.append({"status": "lost", "reason": "the worker and its keeper are gone"})
        finally:  # an interrupt too: replies of this call must not answer the next one
            self._release(worker, healthy=healthy)
        return replies

    def _acquire(self) -> _Worker:
        if self._pid != os.getpid():
            self._forget()
        with self._condition:
            while not self._closed and not self._idle and self._busy >= self.workers:
                self._condition.wait()
            if self._closed:
                raise WorkerFailed("the pool is closed")
            self._busy += 1
            if self._idle:
                return self._idle.pop()  # the one used last: its memory is the warmest
        try:
            worker = _Worker(deadline_seconds=self.deadline_seconds, memory_mb=self._memory_mb, recycle_after=self._recycle_after)
        except BaseException:
            with self._condition:
                self._busy -= 1
                self._condition.notify()
            raise
        with self._condition:
            self._all.append(worker)
        return worker

    def _release(self, worker: _Worker, *, healthy: bool) -> None:
        with self._condition:
            self._busy -= 1
            keep = healthy and not self._closed
            if keep:
                self._idle.append(worker)
            elif worker in self._all:
                self._all.remove(worker)
            self._condition.notify()
        if not keep:
            worker.close(seconds=2.0 if healthy else 0.0)

    def start(self) -> None:
        """Start one worker now, if none runs, so that the first item does not wait for it."""
        with self._condition:
            if self._idle or self._busy:
                return
        self._release(self._acquire(), healthy=True)

    def close(self) -> None:
        """End all processes; items still running raise ``WorkerFailed``. The pool cannot be used afterwards."""
        if self._pid != os.getpid():
            self._forget()
        with self._condition:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = [worker for worker in self._all if worker not in idle]
            self._all = []
            self._condition.notify_all()
            for worker in busy:
                worker.kill()
        for worker in idle:  # they leave side by side
            worker.dismiss()
        for worker in idle:
            worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_all"):
            with suppress(Exception):
                self.close()


class GradePool:
    """Grades whole items in worker processes: nothing a model wrote is looked at in this one. Never raises for an item's sake."""

    def __init__(
        self, workers: int | None = None, *, deadline_seconds: float = DEADLINE_SECONDS, memory_mb: int = 512, recycle_after: int = 2_000
    ) -> None:
        """Describe the pool; the arguments are those of ``WorkerPool``."""
        self._pool = WorkerPool(workers, deadline_seconds=deadline_seconds, memory_mb=memory_mb, recycle_after=recycle_after)
        self._executor: ThreadPoolExecutor | None = None
        self._executor_pid = 0
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """How many items are graded at one time."""
        return self._pool.workers

    @property
    def deadline_seconds(self) -> float:
        """Of one item, counted from its start in the worker: waiting for a free worker does not count."""
        return self._pool.deadline_seconds

    def start(self) -> None:
        """Start one worker now, so that the first item does not wait for it."""
        self._pool.start()

    def grade(self, item: GradeItem) -> Verdict:
        """Judge one item; ``timeout`` where it outlives the deadline, ``error`` where it ends its worker twice."""
        return self._grade([item])[0]

    def grade_many(self, items: Iterable[GradeItem]) -> list[Verdict]:
        """Judge items side by side; verdicts in the order of the items."""
        batch = _Batch()
        chunks = _chunks(list(items), workers=self.workers)
        graded = _in_order(lambda chunk: self._grade(chunk, batch), chunks, threads=self.workers, stop=batch.stop)
        return [verdict for chunk in graded for verdict in chunk]

    async def agrade(self, item: GradeItem) -> Verdict:
        """Judge one item without holding up the event loop. A busy loop costs no item its deadline."""
        import asyncio  # here: it costs whoever never awaits 30 ms

        return await asyncio.get_running_loop().run_in_executor(self._threads(), self.grade, item)

    def close(self) -> None:
        """End all processes and threads. The pool cannot be used afterwards."""
        self._pool.close()
        executor, self._executor = self._executor, None
        if executor is not None and self._executor_pid == os.getpid():
            executor.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _grade(self, items: Sequence[GradeItem], batch: _Batch | None = None) -> list[Verdict]:
        replies = self._pool.run([item.to_json() for item in items], batch=batch)
        return [self._verdict(reply) for reply in replies]

    def _verdict(self, reply: dict[str, Any]) -> Verdict:
        if reply["status"] == "ok":
            return Verdict(**reply["value"])
        if reply["status"] == "timeout":
            return Verdict(status="timeout", reason=f"not decided within {self.deadline_seconds:g} s")
        return Verdict(status="error", reason=_failure(reply))

    def _threads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        if self._executor_pid != os.getpid():
            self._lock, self._executor, self._executor_pid = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self.workers, thread_name_prefix="grade")
            return self._executor


class _InProcess:
    """The symbolic tier of a process that is itself a worker."""

    def symbolic_equal(self, a: Node, b: Node) -> bool | None:
        from reasonforge.verify.symbolic import equal

        return equal(a, b)


_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()
_default: SymbolicTier | None = None
_default_lock = threading.Lock()


def default_pool() -> SymbolicTier:
    """Return this process's own symbolic tier; inside a worker that is the worker itself."""
    global _default
    with _default_lock:
        if _default is None:
            _default = WorkerPool(min(4, _usable_cores()))
        return _default


def decide_in_process() -> None:
    """Make this process its own symbolic tier. Only for workers: nothing bounds what it costs."""
    global _default
    _default = _InProcess()


def _chunks(items: list[GradeItem], *, workers: int) -> list[list[GradeItem]]:
    """Cut a call's items into what one worker takes at a time, smaller towards the end: no worker idles while another has many left."""
    chunks: list[list[GradeItem]] = []
    start = 0
    while start < len(items):
        size = max(1, min(_CHUNK, (len(items) - start) // (4 * workers)))
        chunks.append(items[start : start + size])
        start += size
    return chunks


def _in_order(
    function: Callable[[list[GradeItem]], list[Verdict]], parts: list[list[GradeItem]], *, threads: int, stop: Callable[[], None]
) -> list[list[Verdict]]:
    """Apply a function to every part, several at a time; results in the order of the parts. An interrupt calls ``stop``."""
    if threads == 1 or len(parts) < 2:
        return [function(part) for part in parts]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(parts)), thread_name_prefix="grade-many") as executor:
        futures = [executor.submit(function, part) for part in parts]
        try:
            return [future.result() for future in futures]
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            stop()
            raise


def _failure(reply: dict[str, Any]) -> str:
    return "the worker ran out of memory" if reply["status"] == "memory" else str(reply["reason"])


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _forget_all() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    for pool in list(_pools):
        pool._forget()


@atexit.register
def _close_all() -> None:
    for pool in list(_pools):
        pool.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
