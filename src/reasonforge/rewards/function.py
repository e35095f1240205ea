"""A user's reward function in a process of its own: it can raise, print, leak or hang without taking the run along.

Parent and child speak JSON lines over pipes (no pickle). The child is started with ``python -m reasonforge.rewards.function``.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

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
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            reply = self._read_line(child, seconds=self._deadline_seconds)
        except BrokenPipeError:
            reply = None
        if reply is None:
            died = child.poll() is not None
            self.close()
            if died:
                return FunctionResult("error", 0.0, f"{self._path} ended its process")
            return FunctionResult("timeout", 0.0, f"{self._path} gave no answer within {self._deadline_seconds:g} s")
        if "error" in reply:
            return FunctionResult("error", 0.0, f"{self._path} {reply['error']}")
        return FunctionResult("ok", float(reply["value"]), "")

    def close(self) -> None:
        """Kill the worker, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
            self._child, self._buffer = None, b""

    def _start(self) -> subprocess.Popen[bytes]:
        # The user's module is looked up where they stand, as `python -m` would.
        paths = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH", "")]))
        child = subprocess.Popen(
            [sys.executable, "-m", "reasonforge.rewards.function", self._path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._child = child
        reply = self._read_line(child, seconds=_START_SECONDS)
        if reply is None:
            self.close()
            raise UnavailableError(f"reward function {self._path}: its module did not load within {_START_SECONDS:g} s")
        if "error" in reply:
            self.close()
            raise RecipeError(f"reward function {self._path}: {reply['error']}")
        return child

    def _read_line(self, child: subprocess.Popen[bytes], *, seconds: float) -> dict[str, Any] | None:
        """Read one reply; None when the deadline passed or the child is gone."""
        assert child.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            chunk = os.read(child.stdout.fileno(), 65536)
            if not chunk:
                child.wait()
                return None
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)


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
            if isinstance(value, bool | int | float) and math.isfinite(value):
                send({"value": float(value)})
            else:
                send({"error": f"returned {value!r:.80}, not a finite number"})
        except Exception as problem:
            send({"error": f"raised {type(problem).__name__}: {' '.join(str(problem).split())[:200]}"})


if __name__ == "__main__":
    _worker(sys.argv[1])
