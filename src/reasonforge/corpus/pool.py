"""Units on the processes of one machine. A worker that dies costs its unit another try; an item that kills twice is left out."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from reasonforge.core.errors import DataError, ReasonforgeError, RecipeError, StorageError, UnavailableError
from reasonforge.core.files import storage_errors
from reasonforge.corpus.units import Receipt, Store, Unit, Watch, execute

QUARANTINE = "quarantine.jsonl"
"""One line per item that is left out because workers died of it: ``key`` of the unit, ``stage``, ``item``."""

_SLOT_BYTES = 4096
_ONE_THREAD = ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MAX_DEATHS_WITHOUT_ITEM = 2
_ERRORS: dict[str, type[ReasonforgeError]] = {kind.__name__: kind for kind in (DataError, RecipeError, StorageError, UnavailableError)}
_PROGRAM = "import sys; from reasonforge.corpus.pool import work; work(*map(int, sys.argv[1:4]), sys.argv[4])"


class Executor(Protocol):
    """Does units: on this machine, or on others that see the same folder."""

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        """Do what is not done yet, and yield the receipts of all as they are there.

        Raises:
            ReasonforgeError: a unit failed for good; others may be done.
        """
        ...


def usable_cores() -> int:
    """Return on how many cores this process may run: those that a batch system gave it, not all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share(units: Sequence[Unit], rank: int, world_size: int) -> list[Unit]:
    """Return the units of one rank: by key, so that they do not depend on each other's order."""
    return [unit for unit in units if int(unit.key[:16], 16) % world_size == rank]


class InProcess:
    """Does one unit after the other in this process. An item that crashes it crashes all."""

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        """Do the units in order."""
        for unit in units:
            yield execute(unit, store, skipped=quarantined(store, unit))


class ProcessPool:
    """Does units in processes of their own, one unit at a time each."""

    def __init__(self, workers: int, *, item_cpu_seconds: float = 60.0) -> None:
        """Set the size.

        Args:
            workers: processes.
            item_cpu_seconds: processor time that one item may take before its worker is killed. Not time on the wall: a busy machine drops
                nothing.
        """
        self._workers = workers
        self._item_cpu_seconds = item_cpu_seconds
        self._kept: list[_Worker] | None = None

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        """Do the units, in any order."""
        waiting: deque[_Job] = deque()
        for unit in {unit.key: unit for unit in units}.values():
            if (receipt := store.receipt(unit)) is not None:
                yield receipt
            else:
                waiting.append(_Job(unit, quarantined(store, unit)))
        if not waiting:
            return
        with self._staff(min(self._workers, len(waiting)), store) as workers:
            yield from self._run(workers, waiting, store)

    def __enter__(self) -> Self:
        """Keep the workers from one call of :meth:`run` to the next: their start costs as much as many a small unit."""
        self._kept = []
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._kept or ():
            worker.stop()
        self._kept = None

    @contextmanager
    def _staff(self, number: int, store: Store) -> Iterator[list[_Worker]]:
        """Hire so many workers; outside a ``with`` of the pool they are let go at the end."""
        if self._kept is None:
            workers = [_Worker(store) for _ in range(number)]
            try:
                yield workers
            finally:
                for worker in workers:
                    worker.stop()
            return
        self._kept += [_Worker(store) for _ in range(len(self._kept), number)]
        workers = self._kept[:number]
        assert all(worker.root == store.root for worker in workers), "a pool that keeps its workers works in one folder"
        try:
            yield workers
        finally:
            for worker in workers:
                if worker.job is not None:  # the caller stopped in the middle
                    worker.restart()

    def _run(self, workers: list[_Worker], waiting: deque[_Job], store: Store) -> Iterator[Receipt]:
        while waiting or any(worker.job for worker in workers):
            for worker in workers:
                if worker.job is None and waiting:
                    worker.give(waiting.popleft())
            busy = [worker for worker in workers if worker.job]
            ready = wait([worker.connection for worker in busy], timeout=1.0)
            for worker in busy:
                job = worker.job
                assert job is not None
                if worker.connection in ready:
                    try:
                        answer = worker.connection.recv_bytes()
                    except (EOFError, OSError):
                        self._after_death(worker, job, store)
                        waiting.appendleft(job)
                        continue
                    worker.job = None
                    yield _unpack(answer, job.unit, store)
                elif (item := worker.item_over(self._item_cpu_seconds)) is not None:
                    worker.kill()
                    job.deaths[item] = job.deaths.get(item, 0) + 1  # processor time is no accident: once is enough
                    self._after_death(worker, job, store)
                    waiting.appendleft(job)

    def _after_death(self, worker: _Worker, job: _Job, store: Store) -> None:
        """Learn from a worker's death, and start it again."""
        item, code = worker.item(), worker.exit_code()
        job.deaths[item] = job.deaths.get(item, 0) + 1
        assert item not in job.skipped, f"{job.unit.stage} {job.unit.key}: {item!r} is left out, and a worker died of it"
        if item and job.deaths[item] >= 2:
            quarantine(store, job.unit, item)
            job.skipped |= {item}
        elif not item and job.deaths[item] > _MAX_DEATHS_WITHOUT_ITEM:
            how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
            raise DataError(
                f"{job.unit.stage} {job.unit.key}: its worker died {job.deaths[item]} times ({how}) before or between items: "
                f"too little memory for {self._workers} workers? Inputs: {', '.join(given.path for given in job.unit.inputs[:3])}"
            )
        worker.restart()


@dataclass(slots=True)
class _Job:
    unit: Unit
    skipped: frozenset[str]
    deaths: dict[str, int] = field(default_factory=dict)
    """By the item in hand; an empty text = none was."""


class _Slot:
    """A page of memory that outlives its writer: which item it had in hand, and how much processor time it had used before."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SLOT_BYTES)

    def begin(self, item: str) -> None:
        content = item.encode("ascii")  # a name of ``item_name``: it fits
        used = int(time.process_time() * 1e3)
        self._memory[:16] = b"\0" * 16  # no item while the slot is between two
        self._memory[24 : 24 + len(content)] = content
        self._memory[8:16] = used.to_bytes(8, "little")
        self._memory[:8] = len(content).to_bytes(8, "little")

    def read(self) -> tuple[str, float]:
        """Return the item, empty = none, and the CPU seconds that its process had used before it."""
        size = int.from_bytes(self._memory[:8], "little")
        return self._memory[24 : 24 + size].decode("ascii"), int.from_bytes(self._memory[8:16], "little") / 1e3


class _Worker:
    def __init__(self, store: Store) -> None:
        with tempfile.TemporaryFile() as file:  # has no name: whoever is killed, nothing is left
            file.truncate(_SLOT_BYTES)
            self._shared = os.dup(file.fileno())
        self._slot = _Slot(self._shared)
        self.root = store.root
        self.job: _Job | None = None
        self._start()

    def _start(self) -> None:
        # A program of its own: a fork would carry over the thread pools of Polars and Rust and hang in them, and a spawned child of
        # ``multiprocessing`` would import the caller's main module again. One thread each: the pool is the parallelism.
        ours, theirs = socket.socketpair()
        environment = os.environ | dict.fromkeys(_ONE_THREAD, "1") | {"TOKENIZERS_PARALLELISM": "false"}
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        shared = [theirs.fileno(), self._shared]
        command = [sys.executable, "-c", _PROGRAM, *map(str, shared), str(os.getpid()), str(self.root)]
        # Held back from its first instruction on, until it ignores it: Ctrl-C goes to all of a terminal's processes, and a child that
        # is importing would print a traceback. A mask is inherited; ours is what it was an instant later, and nothing is lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with theirs:
                self._process = subprocess.Popen(command, env=environment, pass_fds=shared, stdin=subprocess.DEVNULL)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.connection = Connection(ours.detach())

    def give(self, job: _Job) -> None:
        self._slot.begin("")
        self.job = job
        with suppress(OSError):  # it died meanwhile: found when its answer is waited for
            self.connection.send_bytes(json.dumps({"unit": job.unit.to_dict(), "skipped": sorted(job.skipped)}).encode())

    def item(self) -> str:
        return self._slot.read()[0]

    def item_over(self, cpu_seconds: float) -> str | None:
        """Return the item in hand if it has used more than so much processor time."""
        item, before = self._slot.read()
        if not item or (used := _cpu_seconds(self._process.pid)) is None or used - before <= cpu_seconds:
            return None
        return item

    def exit_code(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        self.kill()
        self.connection.close()
        self.job = None
        self._slot.begin("")
        self._start()

    def stop(self) -> None:
        self.kill()
        self.connection.close()
        os.close(self._shared)


def work(descriptor: int, slot: int, parent: int, root: str) -> None:
    """Do units until the parent is gone: the whole program of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _die_with(parent)
    connection = Connection(descriptor)
    store, watch = Store(Path(root)), _Slot(slot)
    while True:
        try:
            order = json.loads(connection.recv_bytes())
            connection.send_bytes(_attempt(Unit.from_dict(order["unit"]), store, frozenset(order["skipped"]), watch))
        except (EOFError, OSError):
            return


def _attempt(unit: Unit, store: Store, skipped: frozenset[str], watch: Watch) -> bytes:
    try:
        execute(unit, store, skipped=skipped, watch=watch)
    except ReasonforgeError as error:
        return json.dumps(packed_error(error)).encode()
    except MemoryError:
        os._exit(1)  # as a death: the item in hand is to blame
    except BaseException:  # Rust's panics are no Exception
        return json.dumps({"bug": traceback.format_exc()}).encode()
    return b"{}"


def packed_error(error: ReasonforgeError) -> dict[str, str]:
    """Return an error as plain words, to cross a process border."""
    return {"error": type(error).__name__, "words": str(error)}


def raise_packed(content: Mapping[str, str]) -> None:
    """Raise what :func:`packed_error` packed; content without an error passes."""
    if "error" in content:
        raise _ERRORS.get(content["error"], DataError)(content["words"])


def _unpack(answer: bytes, unit: Unit, store: Store) -> Receipt:
    content = json.loads(answer)
    raise_packed(content)
    if "bug" in content:
        raise RuntimeError(f"{unit.stage} {unit.key} ({', '.join(given.path for given in unit.inputs[:3])}):\n{content['bug']}")
    receipt = store.receipt(unit)
    assert receipt is not None
    return receipt


def quarantined(store: Store, unit: Unit) -> frozenset[str]:
    """Return the items that a unit leaves out."""
    try:
        lines = (store.root / QUARANTINE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    found: set[str] = set()
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # a line that a kill cut off
            entry = json.loads(line)
            if entry["key"] == unit.key:
                found.add(entry["item"])
    return frozenset(found)


def quarantine(store: Store, unit: Unit, item: str) -> None:
    """Note that a unit leaves out an item from now on."""
    line = json.dumps({"key": unit.key, "stage": unit.stage, "item": item}, ensure_ascii=True) + "\n"
    path = store.root / QUARANTINE
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _cpu_seconds(pid: int) -> float | None:
    """Return the processor time of a process; None = it is gone."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    times = content.rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def _die_with(parent: int) -> None:
    """End when the parent ends, even by kill -9: Linux only, elsewhere the closed pipe says so after the unit."""
    with suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be said
        os._exit(1)


def run_all(units: Sequence[Unit], store: Store, executor: Executor, on_done: Callable[[Receipt], None] | None = None) -> list[Receipt]:
    """Do units and return their receipts in the order of the units."""
    receipts: dict[str, Receipt] = {}
    for receipt in executor.run(units, store):
        receipts[receipt.key] = receipt
        if on_done is not None:
            on_done(receipt)
    return [receipts[unit.key] for unit in units]
