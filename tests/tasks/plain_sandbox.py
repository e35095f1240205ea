"""A sandbox that protects nothing, for the tests' own harmless programs: a bare interpreter per run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from reasonforge.sandbox.protocol import Backend, CallResult, Limits, Program, RunResult, Session

_DRIVER = """
import json, sys
path = sys.argv[1]
with open(path) as file:
    job = json.load(file)
space = {"__name__": "__main__"}
exec(compile(job["code"], "<program>", "exec"), space)
results = []
for call in job["calls"]:
    try:
        first, *rest = call["function"].split(".")
        target = space[first]
        if call["method"]:
            target = target()
        for part in rest:
            target = getattr(target, part)
        value = target(*call["args"], **call["kwargs"])
        results.append(["ok", json.loads(json.dumps(value, default=list)), type(value).__name__, ""])
    except BaseException as error:
        results.append(["error", None, "", f"{type(error).__name__}: {error}"])
with open(path, "w") as file:
    json.dump(results, file)
"""


_LIMITS = Limits()


class PlainSandbox:
    """Counts its runs; ``breaks`` says before each run whether the sandbox itself fails."""

    def __init__(self, *, breaks: Callable[[int], bool] = lambda run: False) -> None:
        self.runs = 0
        self.closed = False
        self._breaks = breaks
        self._lock = threading.Lock()

    @property
    def backend(self) -> Backend:
        return "unsafe-subprocess"

    def run(self, program: Program) -> RunResult:
        with self._lock:
            number, self.runs = self.runs, self.runs + 1
        if self._breaks(number):
            return RunResult(status="infra", reason="the worker is gone")
        with tempfile.TemporaryDirectory() as folder:
            job = Path(folder) / "job.json"
            calls = [{"function": c.function, "args": list(c.args), "kwargs": dict(c.kwargs), "method": c.method} for c in program.calls]
            job.write_text(json.dumps({"code": program.code, "calls": calls}))
            command = [sys.executable, "-I", "-c", _DRIVER, str(job)]
            try:
                done = subprocess.run(
                    command, input=program.stdin, capture_output=True, text=True, timeout=program.limits.wall_seconds, check=False
                )
            except subprocess.TimeoutExpired:
                return RunResult(status="timeout")
            left = json.loads(job.read_text())
            # A program that left early has not written its values over the job.
            rows = left if isinstance(left, list) else []
            values = tuple(CallResult(status=s, value=v, type_name=t, error=e) for s, v, t, e in rows)
        status = "ok" if done.returncode == 0 else "error"
        return RunResult(status=status, stdout=done.stdout, stderr=done.stderr, values=values, exit_code=done.returncode, cpu_ms=1.0)

    def run_many(self, programs: Sequence[Program]) -> list[RunResult]:
        return [self.run(program) for program in programs]

    def session(self, limits: Limits = _LIMITS) -> Session:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
