"""What passes between the trainer and a worker, and strict reading of what model-written code states."""

from __future__ import annotations

import json
import math
import os
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from reasonforge.sandbox.inside.watch import ERROR_BYTES, ERROR_RING
from reasonforge.sandbox.protocol import CallResult

_LONGEST_HEADER = 1 << 16
_DEEPEST_VALUE = 64
_LONGEST_TEXT = 300


class WorkerLost(Exception):
    """A worker ended, hung, or said what it cannot have meant to say. It says nothing about the program."""


class NotAsked(Exception):
    """This process could not put a request together. No worker has heard of it, so each of them is as good as before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a worker is asked to do."""

    header: Mapping[str, Any]
    """Read by the forkserver, of which every later program is a copy: holds nothing that this request's program says or is told."""
    content: bytes = b""
    """Read by the program's own process only."""
    stdin: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a request."""

    header: Mapping[str, Any]
    stdout: bytes
    stderr: bytes
    values: bytes


class Outputs:
    """The files in memory that a forkserver has programs' output moved into; it never reads them itself."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []
        try:
            for name in ("stdout", "stderr", "values"):
                self.descriptors.append(os.memfd_create(name))
        except OSError:
            for descriptor in self.descriptors:
                os.close(descriptor)
            raise
        self._lock = threading.Lock()
        self._closed = False

    def take(self, sizes: list[int]) -> tuple[bytes, bytes, bytes]:
        """Read and empty them.

        Args:
            sizes: bytes that came in all, of each.

        Raises:
            WorkerLost: they have been closed meanwhile.
        """
        out_size, error_size, values_size = sizes
        with self._lock:
            if self._closed:
                raise WorkerLost("the sandbox is closed")
            out, error, values = self.descriptors
            stdout = os.pread(out, out_size, 0)
            stderr = os.pread(error, min(error_size, ERROR_RING), 0)
            said = os.pread(values, values_size, 0)
            for descriptor, size in zip(self.descriptors, sizes, strict=True):
                if size:
                    os.ftruncate(descriptor, 0)
        if error_size > ERROR_RING:
            turn = error_size % ERROR_RING
            stderr = stderr[turn:] + stderr[:turn]
        return stdout, stderr[-ERROR_BYTES:], said

    def close(self) -> None:
        """Let go of them, once no other thread reads."""
        with self._lock:
            self.abandon()

    def abandon(self) -> None:
        """Let go of them where there is no other thread, as in a forked copy of the owner, whose lock nobody would ever release."""
        if not self._closed:
            self._closed = True
            for descriptor in self.descriptors:
                os.close(descriptor)


def send_frame(control: socket.socket, message: Mapping[str, Any], *, timeout: float, descriptor: int | None = None) -> None:
    """Send one message, and a descriptor along with it.

    Raises:
        WorkerLost: nobody takes it.
    """
    body = json.dumps(message).encode()
    data = struct.pack("!I", len(body)) + body
    try:
        control.settimeout(timeout)
        sent = 0 if descriptor is None else socket.send_fds(control, [data], [descriptor])
        control.sendall(data[sent:])
    except OSError as error:
        raise WorkerLost(f"the worker takes no request: {error}") from error


def receive_frame(control: socket.socket, *, timeout: float) -> dict[str, Any]:
    """Read one reply.

    Raises:
        WorkerLost: the worker is gone, does not answer in time, or answers out of bounds.
    """
    deadline = time.monotonic() + timeout
    (size,) = struct.unpack("!I", _receive_exactly(control, 4, deadline))
    if size > _LONGEST_HEADER:
        raise WorkerLost("the worker's answer is too long")
    try:
        return json.loads(_receive_exactly(control, size, deadline))
    except ValueError as error:
        raise WorkerLost("the worker's answer is not readable") from error


def _receive_exactly(control: socket.socket, size: int, deadline: float) -> bytearray:
    data = bytearray()
    while len(data) < size:
        try:
            control.settimeout(max(0.001, deadline - time.monotonic()))
            piece = control.recv(min(size - len(data), 1 << 20))
        except TimeoutError as error:
            raise WorkerLost("the worker does not answer") from error
        except OSError as error:
            raise WorkerLost(f"the worker is gone: {error}") from error
        if not piece:
            raise WorkerLost("the worker is gone")
        data += piece
    return data


def call_results(lines: bytes, *, most: int) -> tuple[CallResult, ...]:
    """Read what calls came to from the lines that state it. All of it is written by hostile code.

    Args:
        lines: what came out of the pipe; a last line that is not complete is none.
        most: number of calls that were made; what is stated beyond them is dropped.
    """
    return tuple(_call_result(line) for line in lines.split(b"\n")[:-1][:most])


def _call_result(line: bytes) -> CallResult:
    try:
        stated = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
        if not isinstance(stated, dict) or stated.get("status") not in ("ok", "error", "timeout"):
            raise ValueError("not a call's result")
        if stated["status"] != "ok":
            return CallResult(status=stated["status"], error=_plain(stated.get("error", "")))
        return CallResult(status="ok", value=_bounded(stated["value"]), type_name=_plain(stated["type"]))
    except RecursionError:
        return CallResult(status="error", error="ValueError: the value is nested too deeply")
    except (ValueError, KeyError) as error:
        return CallResult(status="error", error=_plain(f"ValueError: the value is not readable: {error}"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _plain(text: object) -> str:
    return _valid(str(text)[:_LONGEST_TEXT])


def _valid(text: str) -> str:
    """Replace halves of characters, which no file and no terminal takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _bounded(value: Any) -> Any:
    """Return the value if it is nested no deeper than anybody compares; make its texts valid.

    Raises:
        ValueError: it is nested too deeply, or a number in it overflows.
    """

    def walk(part: Any, depth: int) -> Any:
        if depth > _DEEPEST_VALUE:
            raise ValueError("nested too deeply")
        if isinstance(part, str):
            return _valid(part)
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("a number overflows")
        if isinstance(part, list):
            return [walk(inner, depth + 1) for inner in part]
        if isinstance(part, dict):
            return {_valid(key): walk(inner, depth + 1) for key, inner in part.items()}
        return part

    return walk(value, 0)
