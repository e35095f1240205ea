"""A user's reward function in processes of its own: it can raise, print, leak or hang without taking the run along.

Parent and child speak JSON lines over pipes (no pickle). A child is started with ``python -m reasonforge.rewards.function``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import queue
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
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

    def __call__(self, *, question: str, answer: str, completion: str, meta: Mapping[str, Any], source: str = "") -> FunctionResult:
        """Return the function's value for one completion, or why there is none."""
        child = self._child or self._start()
        request = {"question": question, "answer": answer, "completion": completion, "meta": dict(meta), "source": source}
        end = time.monotonic() + self._deadline_seconds
        try:
            self._write_line(child, json.dumps(request).encode() + b"\n", end=end)
            reply = self._read_line(child, end=end)
        except TimeoutError:
            self.close()
            return FunctionResult("timeout", 0.0, f"{self._path} gave no answer within {self._deadline_seconds:g} s")
        except (OSError, ValueError, EOFError):  # gone, or closed by another thread
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


class RewardProcesses:
    """Several workers around one reward function; safe to call from several threads. A worker starts when all others are busy."""

    def __init__(self, path: str, *, deadline_seconds: float, workers: int) -> None:
        self._processes = [RewardProcess(path, deadline_seconds=deadline_seconds) for _ in range(workers)]
        # Last in, first out: as long as one worker is enough, no other loads the module.
        self._free: queue.LifoQueue[RewardProcess] = queue.LifoQueue()
        for process in self._processes:
            self._free.put(process)

    def __call__(self, *, question: str, answer: str, completion: str, meta: Mapping[str, Any], source: str = "") -> FunctionResult:
        """Return the function's value for one completion, or why there is none. The deadline counts from the moment a worker is free."""
        process = self._free.get()
        try:
            return process(question=question, answer=answer, completion=completion, meta=meta, source=source)
        finally:
            self._free.put(process)

    def close(self) -> None:
        """Kill all workers and what they started."""
        for process in self._processes:
            process.close()


def _finite(value: object) -> float | None:
    """Return the number that a function returned (NumPy's and torch's scalars too); None if it is not one. Text never is."""
    if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # arrays of several numbers, integers beyond all floats
        return None
    return number if math.isfinite(number) else None


def _awaited(value: Any) -> Any:
    """Return what an ``async def`` function comes to, and anything else as it is."""
    if not inspect.iscoroutine(value):
        return value
    import asyncio

    return asyncio.run(value)


def _adapted(function: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    """Return how to call a user's function with a request: by our names, or as verl calls ``compute_score`` where it has those."""
    try:
        names = set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a builtin without a signature
        names = set()
    if not {"solution_str", "ground_truth"} <= names:
        return lambda request: _awaited(function(**{name: request[name] for name in ("question", "answer", "completion", "meta")}))

    def compute_score(request: dict[str, Any]) -> Any:
        meta = request["meta"]
        given = {
            "data_source": meta.get("data_source", request["source"]),
            "solution_str": request["completion"],
            "ground_truth": request["answer"],
            "extra_info": {"question": request["question"], **meta},
        }
        value = _awaited(function(**{name: value for name, value in given.items() if name in names}))
        return value["score"] if isinstance(value, dict) and "score" in value else value

    return compute_score


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
        call = _adapted(function)
    except Exception as problem:
        send({"error": f"cannot be loaded: {type(problem).__name__}: {problem}"})
        return
    send({"ready": True})
    for line in sys.stdin:
        try:
            value = call(json.loads(line))
            number = _finite(value)
            send({"error": f"returned {value!r:.80}, not a finite number"} if number is None else {"value": number})
        except Exception as problem:
            send({"error": f"raised {type(problem).__name__}: {' '.join(str(problem).split())[:200]}"})


if __name__ == "__main__":
    _worker(sys.argv[1])
