"""Supervises one child: reads what it writes, holds it to its limits, says what it came to. Takes nothing that it says for true."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from . import folders, program

_ERROR_BYTES = 4096
_VALUE_BYTES = 1 << 20
_CHUNK = 1 << 16
_LAST_READS = 32
"""A pipe holds less than so many chunks; a stopping process that still writes is not read for ever."""
_LONGEST_WAIT_SECONDS = 0.25
"""Several threads use up CPU time faster than one; so often it is looked at."""


class ParentGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass
class Child:
    """One program or session: its process and this side of its pipes."""

    pid: int
    pidfd: int
    stdout: int
    stderr: int
    results: int
    blocks: int | None = None
    """Where a session's blocks go in; None = it runs one program."""
    box: str | None = None
    """Its folder on the host; None = it has none there."""
    ready: bool = False
    """It has been isolated and has begun to run model-written code; from then on every failure is its own."""

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def signal(self, number: int) -> None:
        """Send a signal, unless the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """End it and wait for its end; what its own session group holds goes with it."""
        self.signal(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def close(self) -> None:
        """Let go of its pipes, remove its folder. The process must be gone."""
        for descriptor in (self.pidfd, self.stdout, self.stderr, self.results, self.blocks):
            if descriptor is not None:
                os.close(descriptor)
        if self.box is not None:
            folders.remove_tree(self.box)


@dataclass
class Outcome:
    """What watching a child came to."""

    status: str = "ok"
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    truncated: bool = False
    alive: bool = False
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    max_rss_mb: float = 0.0
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    values: bytearray = field(default_factory=bytearray)


class Watch:
    """From a request to its outcome: until the program ends, a block is done, or a limit is reached."""

    def __init__(self, child: Child, limits: dict[str, Any], *, control: int, unsent: bytes = b"", whole_group: bool = False) -> None:
        """Begin.

        Args:
            control: the parent's socket; when its other end is gone, so is the reason to go on.
            unsent: a session's next block.
            whole_group: processes that the child started are in its process group and end with it.
        """
        self.child = child
        self.limits = limits
        self.control = control
        self.unsent = unsent
        self.whole_group = whole_group
        self.outcome = Outcome()
        self.output_bytes: int = limits["output_kb"] * 1024
        self.started = time.monotonic()
        self.cpu_before = child.cpu_seconds() if child.ready else 0.0
        self.poller = select.poll()
        for descriptor in (child.stdout, child.stderr, child.results, child.pidfd):
            self.poller.register(descriptor, select.POLLIN)
        self.poller.register(control, select.POLLRDHUP)
        if unsent and child.blocks is not None:
            self.poller.register(child.blocks, select.POLLOUT)

    def run(self) -> Outcome:
        """Watch to the end."""
        killed, block_done = self._until_the_end()
        outcome, child = self.outcome, self.child
        if block_done:
            outcome.alive = True
            outcome.status = "ok" if block_done == program.DONE_OK else "error"
            outcome.cpu_seconds = child.cpu_seconds() - self.cpu_before
        else:
            self._reap(killed)
        outcome.wall_seconds = time.monotonic() - self.started
        for descriptor in (child.stdout, child.stderr, child.results):
            for _ in range(_LAST_READS):
                if not self._read(descriptor):
                    break
        self._settle()
        return outcome

    def _until_the_end(self) -> tuple[str, bytes]:
        """Return the status that it was killed for, and the line that ended a block; both empty = it ended by itself."""
        limits, outcome = self.limits, self.outcome
        deadline = self.started + limits["wall_seconds"]
        cpu_check = self.started + limits["cpu_seconds"]
        killed, ended = "", False
        while not (killed or ended):
            now = time.monotonic()
            if now >= deadline:
                killed, outcome.reason = "timeout", f"more than {limits['wall_seconds']:g} s"
            elif now >= cpu_check:
                left = limits["cpu_seconds"] - (self.child.cpu_seconds() - self.cpu_before)
                if left <= 0:
                    killed, outcome.reason = "timeout", f"more than {limits['cpu_seconds']:g} s of CPU time"
                cpu_check = now + min(max(left, 0.01), _LONGEST_WAIT_SECONDS)
            if killed:
                break
            ended = self._take_turn(max(0.0, min(deadline, cpu_check) - now))
            if len(outcome.stdout) > self.output_bytes or len(outcome.values) > _VALUE_BYTES:
                killed, outcome.reason = "output_limit", "more output than allowed"
            elif self.child.blocks is not None and (block_done := self._block_done()):
                # Nothing of a session runs between its blocks: no thread of it takes time from others.
                self.child.signal(signal.SIGSTOP)
                return "", block_done
        if killed:
            self.child.signal(signal.SIGKILL)
        return killed, b""

    def _take_turn(self, seconds: float) -> bool:
        """Wait for something to happen and deal with it; True = the process is gone."""
        ended = False
        for descriptor, event in self.poller.poll(seconds * 1000 + 1):
            if descriptor == self.control:
                raise ParentGone
            if descriptor == self.child.pidfd:
                ended = True
            elif descriptor == self.child.blocks:
                if event & select.POLLOUT:
                    with contextlib.suppress(BlockingIOError, BrokenPipeError):
                        self.unsent = self.unsent[os.write(descriptor, self.unsent) :]
                if not self.unsent or event & select.POLLERR:
                    self.poller.unregister(descriptor)
            else:
                self._read(descriptor)
        return ended

    def _read(self, descriptor: int) -> bool:
        """Take what is there; True = there may be more, and it is wanted."""
        outcome = self.outcome
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self.poller.unregister(descriptor)
            return False
        if descriptor == self.child.stdout:
            outcome.stdout += data
            return len(outcome.stdout) <= self.output_bytes
        if descriptor == self.child.stderr:
            outcome.stderr += data
            if len(outcome.stderr) > 2 * _CHUNK:
                outcome.truncated = True
                del outcome.stderr[:-_ERROR_BYTES]
            return True
        outcome.values += data
        return len(outcome.values) <= _VALUE_BYTES

    def _block_done(self) -> bytes:
        """Return the line by which a session says that its block is done; empty = it has not said so."""
        values = self.outcome.values
        if not values.endswith(b"\n"):
            return b""
        last = bytes(values[values.rfind(b"\n", 0, -1) + 1 : -1])
        return last if last in (program.DONE_OK, program.DONE_ERROR) else b""

    def _reap(self, killed: str) -> None:
        outcome = self.outcome
        if self.whole_group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        _, code, usage = os.wait4(self.child.pid, 0)
        outcome.cpu_seconds = usage.ru_utime + usage.ru_stime - self.cpu_before
        outcome.max_rss_mb = usage.ru_maxrss / 1024
        if os.WIFSIGNALED(code):
            outcome.signal = os.WTERMSIG(code)
            by_limit = outcome.signal in (signal.SIGKILL, signal.SIGXCPU) and outcome.cpu_seconds >= self.limits["cpu_seconds"]
            outcome.status = killed or ("timeout" if by_limit else "signal")
        else:
            outcome.exit_code = os.WEXITSTATUS(code)
            outcome.status = killed or ("error" if outcome.exit_code else "ok")

    def _settle(self) -> None:
        """Cut what is too long; tell a program's end from the sandbox's own failure."""
        outcome, child = self.outcome, self.child
        if len(outcome.stdout) > self.output_bytes:
            del outcome.stdout[self.output_bytes :]
            outcome.status, outcome.truncated = "output_limit", True
        if len(outcome.stderr) > _ERROR_BYTES:
            del outcome.stderr[:-_ERROR_BYTES]
            outcome.truncated = True
        del outcome.values[_VALUE_BYTES:]
        if not child.ready:
            child.ready = outcome.values.startswith(program.READY)
            if not child.ready:
                outcome.status, outcome.reason = "infra", outcome.stderr.decode("utf-8", "replace") or "ended before the program began"
        failed_itself = bool(outcome.exit_code) or (outcome.alive and outcome.status == "error")
        if failed_itself and program.MEMORY in outcome.values.split(b"\n"):
            outcome.status, outcome.reason = "memory", "more memory than allowed"
