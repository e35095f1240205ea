"""A user's reward function in a process of its own: it can raise, print, leak or hang without taking the run along.

Parent and child speak JSON lines over pipes (no pickle). The child is started with ``python -m reasonforge.rewards.function``.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Literal, SupportsFloat

from reasonforge.core.errors import RecipeError, UnavailableError

_START_SECONDS = 60.0
"""Importing the user's module (and what it imports) may take this long; the deadline of a call starts after it."""


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What a call came to; ``value`` is meaningful only when ``status`` is ok."""

    status: Literal["ok", "timeout", "error"]
    value: float
    reason: str


class RewardProcess:
    """One worker process around one reward function. Killed and replaced when a call outlives its deadline."""

    def __init__(self, path: str, *, deadline_seconds: float) -> None:
        self._path = path
        self._deadline_seconds = deadline_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def __call__(self, *, question: str, answer: str, completion: str, meta: Mapping[str, Any]) -> FunctionResult:
        """Return the function's value for one completion, or why there is none."""
        child = self._child or self._start()
        request = {"question": question, "answer": answer, "completion": completion, "meta": dict(meta)}
        end = time.monotonic() + self._deadline_seconds
        try:
            self._write_line(child, json.dumps(request).encode() + b"\n", end=end)
            reply = self._read_line(child, end=end)
        except TimeoutError:
            self.close()
            return FunctionResult("timeout", 0.0, f"{self._path} gave no answer within {self._deadline_seconds:g} s")
        except (BrokenPipeError, EOFError):
            self.close()
            return FunctionResult("error", 0.0, f"{self._path} ended its process")
        if "error" in reply:
            return FunctionResult("error", 0.0, f"{self._path} {reply['error']}")
        return FunctionResult("ok", float(reply["value"]), "")

    def close(self) -> None:
        """Kill the worker and what it started, if there is one."""
        if self._child is None:
            return
        child, self._child, self._buffer = self._child, None, b""
        # The worker leads a group of its own, and until it is waited for below nobody else can have its number.
        with suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # The user's module is looked up where they stand, as `python -m` would.
        paths = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH", "")]))
        child = subprocess.Popen(
            [sys.executable, "-m", "reasonforge.rewards.function", self._path],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # a terminal sends Ctrl-C to the whole group: the run must stop in order, with its worker alive
        )
        assert child.stdin is not None
        os.set_blocking(child.stdin.fileno(), False)  # a worker that does not read must not hold the run
        self._child = child
        try:
            reply = self._read_line(child, end=time.monotonic() + _START_SECONDS)
        except TimeoutError:
            self.close()
            raise UnavailableError(f"reward function {self._path}: its module did not load within {_START_SECONDS:g} s") from None
        except EOFError:
            self.close()
            raise RecipeError(f"reward function {self._path}: cannot be loaded: its module ended the process") from None
        if "error" in reply:
            self.close()
            raise RecipeError(f"reward function {self._path}: {reply['error']}")
        return child

    def _write_line(self, child: subprocess.Popen[bytes], line: bytes, *, end: float) -> None:
        """Hand over a request before ``end`` (monotonic seconds).

        Raises:
            TimeoutError: the child did not take it in time.
            BrokenPipeError: the child is gone.
        """
        assert child.stdin is not None
        rest = memoryview(line)
        while rest:
            _, ready, _ = select.select([], [child.stdin], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            rest = rest[os.write(child.stdin.fileno(), rest) :]

    def _read_line(self, child: subprocess.Popen[bytes], *, end: float) -> dict[str, Any]:
        """Read one reply before ``end`` (monotonic seconds).

        Raises:
            TimeoutError: there was none in time.
            EOFError: the child is gone.
        """
        assert child.stdout is not None
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            chunk = os.read(child.stdout.fileno(), 65536)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)


def _finite(value: object) -> float | None:
    """Return the number that a function returned (NumPy's and torch's scalars too); None if it is not one. Text never is."""
    if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # arrays of several numbers, integers beyond all floats
        return None
    return number if math.isfinite(number) else None


def _worker(path: str) -> None:
    """Child: answer requests until the parent goes away."""
    replies: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the function prints goes to stderr, never between our replies

    def send(reply: dict[str, Any]) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    module_name, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), name)
        if not callable(function):
            raise TypeError(f"{name} is not callable")
    except Exception as problem:
        send({"error": f"cannot be loaded: {type(problem).__name__}: {problem}"})
        return
    send({"ready": True})
    for line in sys.stdin:
        try:
            value = function(**json.loads(line))
            number = _finite(value)
            send({"error": f"returned {value!r:.80}, not a finite number"} if number is None else {"value": number})
        except Exception as problem:
            send({"error": f"raised {type(problem).__name__}: {' '.join(str(problem).split())[:200]}"})


if __name__ == "__main__":
    _worker(sys.argv[1])
