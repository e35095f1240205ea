"""Supervises one child: passes on what it writes, holds it to its limits, says what it came to. Takes nothing that it says for true.

Programs are copies of this process. So nothing that one reads or writes may ever be in this process's memory, where the next would
find it: the kernel moves it from the program's pipes into files of the parent's.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from dataclasses import dataclass
from typing import Any

from . import folders, program

ERROR_BYTES = 4096
"""Of the error stream the parent keeps the last so many."""
VALUE_BYTES = 1 << 20
_CHUNK = 1 << 16
ERROR_RING = 1 << 16
"""Of the error stream the file holds the last so many bytes, the next one always at its position modulo this."""
_LAST_READS = 32
"""A pipe holds less than so many chunks; a stopping process that still writes is not read for ever."""
_LONGEST_WAIT_SECONDS = 0.25
"""Several threads use up CPU time faster than one; so often it is looked at."""
_state = bytearray(4096)
"""What a program says of its state is looked at here, and wiped."""


class ParentGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass
class Child:
    """One program or session: its process and this side of its pipes."""

    pid: int
    pidfd: int
    stdout: int
    stderr: int
    state: int
    """Single bytes by which it says how far it is."""
    values: int | None = None
    """Where what calls returned comes out; None = a session."""
    blocks: int | None = None
    """Where a session's blocks go in; None = it runs one program."""
    box: str | None = None
    """Its folder on the host; None = it has none there."""
    ready: bool = False
    """It has been isolated and has begun to run model-written code; from then on every failure is its own."""
    reaped: bool = False
    """Its number may by now be another's."""

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def signal(self, number: int) -> None:
        """Send a signal, unless the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self) -> tuple[int, resource.struct_rusage]:
        """Wait for its end and take with it what it has left in its process group; return how it ended and what it used."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        _, code, usage = os.wait4(self.pid, 0)
        self.reaped = True
        return code, usage

    def kill(self) -> None:
        """End it and wait for its end."""
        if not self.reaped:
            self.signal(signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # a signal handler was quicker
                self.reap()

    def end(self) -> None:
        """Kill it, whatever has become of it, and let go of all it had."""
        self.kill()
        self.close()

    def close(self) -> None:
        """Let go of its pipes, remove its folder. The process must be gone."""
        for descriptor in (self.pidfd, self.stdout, self.stderr, self.state, self.values, self.blocks):
            if descriptor is not None:
                os.close(descriptor)
        if self.box is not None:
            folders.remove_tree(self.box)


@dataclass(frozen=True)
class Files:
    """Files in memory, owned by the parent, that take what a program writes. No program ever holds them."""

    stdout: int
    stderr: int
    values: int


@dataclass
class Stream:
    """One pipe of a program, emptied by the kernel into a file."""

    pipe: int
    file: int
    most: int | None
    """Bytes that are wanted; one more is taken, to know of it. None = it is read for ever, and the file keeps the end."""
    size: int = 0

    @property
    def over(self) -> bool:
        """Whether there was more than is wanted."""
        return self.most is not None and self.size > self.most

    def move(self) -> int:
        """Move what is there.

        Returns:
            Bytes moved; 0 = the pipe is closed, or no more is wanted.

        Raises:
            BlockingIOError: nothing is there now.
        """
        if self.most is None:
            position = self.size % ERROR_RING
            room = ERROR_RING - position
        else:
            position = self.size
            room = self.most + 1 - self.size
        if room <= 0:
            return 0
        moved = os.splice(self.pipe, self.file, min(room, _CHUNK), offset_dst=position, flags=os.SPLICE_F_NONBLOCK)
        self.size += moved
        return moved


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
    sizes: tuple[int, int, int] = (0, 0, 0)
    """Bytes that came of standard output, error stream and values; each file holds what was wanted of them."""


class Watch:
    """From a request to its outcome: until the program ends, a block is done, or a limit is reached."""

    def __init__(
        self,
        child: Child,
        limits: dict[str, Any],
        *,
        files: Files,
        control: int,
        block: int | None = None,
        block_bytes: int = 0,
    ) -> None:
        """Begin.

        Args:
            files: where to put what it writes.
            control: the parent's socket; when its other end is gone, so is the reason to go on.
            block: file of a session's next block; None = none.
            block_bytes: its size.
        """
        self.child = child
        self.limits = limits
        self.control = control
        self.block = block
        self.unsent = block_bytes
        self.sent = 0
        self.outcome = Outcome()
        self.out_of_memory = False
        self.block_done = 0
        self.stdout = Stream(child.stdout, files.stdout, limits["output_kb"] * 1024)
        self.stderr = Stream(child.stderr, files.stderr, None)
        self.values = Stream(-1 if child.values is None else child.values, files.values, VALUE_BYTES)
        self.streams = {stream.pipe: stream for stream in (self.stdout, self.stderr, self.values) if stream.pipe >= 0}
        self.started = time.monotonic()
        self.cpu_before = child.cpu_seconds() if child.ready else 0.0
        self.poller = select.poll()
        for descriptor in (*self.streams, child.state, child.pidfd):
            self.poller.register(descriptor, select.POLLIN)
        self.poller.register(control, select.POLLRDHUP)
        if self.unsent and child.blocks is not None:
            self.poller.register(child.blocks, select.POLLOUT)

    def run(self) -> Outcome:
        """Watch to the end."""
        outcome, child = self.outcome, self.child
        killed, outcome.alive = self._until_the_end()
        if outcome.alive:
            self._drain()
            if self.stdout.over:
                # What is left in the pipe would come out with the next block.
                killed, outcome.alive = "output_limit", False
                child.signal(signal.SIGKILL)
        if outcome.alive:
            outcome.status = "ok" if self.block_done == program.DONE_OK else "error"
            outcome.cpu_seconds = child.cpu_seconds() - self.cpu_before
        else:
            self._reap(killed)
        outcome.wall_seconds = time.monotonic() - self.started
        self._drain()
        self._settle()
        return outcome

    def _drain(self) -> None:
        for descriptor in (*self.streams, self.child.state):
            for _ in range(_LAST_READS):
                if not self._read(descriptor):
                    break

    def _until_the_end(self) -> tuple[str, bool]:
        """Return the status that it was killed for, empty = it was not; and whether it lives on, its block being done."""
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
            if self.stdout.over or self.values.over:
                killed, outcome.reason = "output_limit", "more output than allowed"
            elif self.block_done and not ended:
                # Nothing of a session runs between its blocks: no thread of it takes time from others.
                self.child.signal(signal.SIGSTOP)
                return "", True
        if killed:
            self.child.signal(signal.SIGKILL)
        return killed, False

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
                    self._send_block(descriptor)
                if not self.unsent or event & select.POLLERR:
                    self.poller.unregister(descriptor)
            else:
                self._read(descriptor)
        return ended

    def _send_block(self, descriptor: int) -> None:
        """Pass on a part of the block. Its file is written never again, so the kernel may lend the pipe its pages."""
        assert self.block is not None
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            moved = os.splice(self.block, descriptor, self.unsent, offset_src=self.sent, flags=os.SPLICE_F_NONBLOCK)
            self.sent += moved
            self.unsent -= moved

    def _read(self, descriptor: int) -> bool:
        """Take what is there; True = there may be more, and it is wanted."""
        try:
            taken = self._read_state() if descriptor == self.child.state else self.streams[descriptor].move()
        except BlockingIOError:
            return False
        if not taken:
            with contextlib.suppress(KeyError):
                self.poller.unregister(descriptor)
        return bool(taken)

    def _read_state(self) -> int:
        """Look at what a program says of its state. Return the number of bytes; 0 = the pipe is closed."""
        count = os.readv(self.child.state, [_state])
        if count:
            said = _state
            if not self.child.ready:
                self.child.ready = said[0] == program.READY
            self.out_of_memory = self.out_of_memory or said.find(program.MEMORY, 0, count) >= 0
            if self.child.blocks is not None and said[count - 1] in (program.DONE_OK, program.DONE_ERROR):
                self.block_done = said[count - 1]
            said[:count] = bytes(count)
        return count

    def _reap(self, killed: str) -> None:
        outcome = self.outcome
        code, usage = self.child.reap()
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
        """Count what came; tell a program's end from the sandbox's own failure."""
        outcome = self.outcome
        outcome.sizes = (self.stdout.size, self.stderr.size, self.values.size)
        if self.stdout.over:
            outcome.status, outcome.reason, outcome.truncated = "output_limit", "more output than allowed", True
        if self.stderr.size > ERROR_BYTES:
            outcome.truncated = True
        if not self.child.ready:
            outcome.status = "infra"
        failed_itself = bool(outcome.exit_code) or (outcome.alive and outcome.status == "error")
        if failed_itself and self.out_of_memory:
            outcome.status, outcome.reason = "memory", "more memory than allowed"
