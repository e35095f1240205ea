"""``reasonforge`` in a process that can be killed, and moments to kill it at."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reasonforge.cli.main import main

_PATIENCE_SECONDS = 60.0

Start = Callable[..., "Process"]


class Process:
    """A process of ``reasonforge``; what it says goes to a file."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log
        self._code: int | None = None

    @property
    def said(self) -> str:
        """Standard output and error so far."""
        return self._log.read_text() if self._log.exists() else ""

    def poll(self) -> int | None:
        """Return the exit code, negative = ended by that signal; None = still running."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self) -> int:
        """Wait for its end."""
        _until(lambda: self.poll() is not None, self)
        assert self._code is not None
        return self._code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended by itself."""
        if self.poll() is None:
            os.kill(self.pid, number)


def forked(*arguments: str | Path, log: Path) -> Process:
    """Start ``reasonforge`` in a copy of this process: as killable as any, without the seconds that importing torch takes."""
    pid = os.fork()
    if pid:
        return Process(pid, log)
    code = 99
    try:
        with log.open("w", buffering=1) as file:
            sys.stdout = sys.stderr = file
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            code = main([str(argument) for argument in arguments])
    finally:
        os._exit(code)


def launched(*arguments: str | Path, log: Path) -> Process:
    """Start ``python -m reasonforge`` as a user would."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    with log.open("w") as file:
        command = [sys.executable, "-m", "reasonforge", *map(str, arguments)]
        child = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    process = Process(child.pid, log)
    child.returncode = 0  # waited for by Process alone
    return process


def rows(run: Path) -> int:
    """Return how many rows of metrics a run has written."""
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def wait_for_rows(process: Process, run: Path, count: int) -> None:
    """Wait until a run has written so many rows of metrics, or is over."""
    _until(lambda: rows(run) >= count or process.poll() is not None, process)


def run_with_kills(start: Start, recipe: Path, run: Path, *, kills: int, total_rows: int, seed: int) -> list[int]:
    """Run a recipe, kill -9 it at random moments, resume it each time, and let it finish; return the rows there were at each kill."""
    draws = random.Random(seed)
    log = run.with_suffix(".log")
    found: list[int] = []
    process = start("run", recipe, "--out", run, log=log)
    for target in sorted(draws.sample(range(1, total_rows), kills)):
        # Further than the kill before: a process that is killed while it starts leaves no attempt behind.
        wait_for_rows(process, run, max(target, found[-1] + 1 if found else 0))
        time.sleep(draws.uniform(0.0, 0.03))  # anywhere within a step: sampling, update, a half-written checkpoint
        process.send(signal.SIGKILL)
        code = process.wait()
        assert code in (-signal.SIGKILL, 0), process.said
        found.append(rows(run))
        process = start("run", "--resume", "--out", run, log=log)
    assert process.wait() == 0, process.said
    return found


def _until(holds: Callable[[], bool], process: Process) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"nothing for a minute: {process.said}"
        time.sleep(0.002)
