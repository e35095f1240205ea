"""The process in which hostile text is judged. It is two processes: a keeper that never sees the text, and a child that does.

The keeper loads everything once and forks the child, which takes milliseconds. It hands items to the child, counts each item's deadline
from its start, kills a child that outlives it and forks the next. It leaves when its parent does, and takes the child along.

Frames are a 4-byte length and that many bytes. A request is a frame that holds the number of items, then one frame of JSON per item;
the answer is one frame of JSON per item, in order. The keeper parses none of it.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any, NoReturn

WINDOW_BYTES = 32_768
"""At most so much is written to the child ahead of its answers."""
_SMALL_PIPE_BYTES = 8_192
"""What a pipe holds at least where the system does not say."""
_POLL_SECONDS = 0.25
_HEAD = struct.Struct(">I")
TIMEOUT = json.dumps({"status": "timeout"}).encode()
MEMORY = json.dumps({"status": "memory"}).encode()
READY = json.dumps({"status": "ready"}).encode()


class Closed(Exception):
    """The other end of a pipe is gone."""


def read_frame(fd: int) -> bytes:
    """Read one frame.

    Raises:
        Closed: the other end is gone.
    """
    return _read_exactly(fd, _HEAD.unpack(_read_exactly(fd, _HEAD.size))[0])


def frame(body: bytes) -> bytes:
    """Return a body with its length in front."""
    return _HEAD.pack(len(body)) + body


def write_all(fd: int, data: bytes) -> None:
    """Write all of it.

    Raises:
        Closed: the other end is gone.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except OSError:
            raise Closed from None


def readable(fds: list[int], seconds: float) -> list[int]:
    """Return which of these can be read (or have ended) now or within the time. Unlike select(2), good for any file number."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(max(0.0, seconds) * 1000)]


def _read_exactly(fd: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        try:
            part = os.read(fd, min(size, 1 << 20))
        except OSError:
            raise Closed from None
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Keeper:
    """Keeps one child alive and within its limits."""

    def __init__(self, *, deadline_seconds: float, memory_mb: int, recycle_after: int, requests: int, replies: int, parent: int) -> None:
        self._deadline_seconds = deadline_seconds
        self._memory_mb = memory_mb
        self._recycle_after = recycle_after
        self._requests, self._replies = requests, replies
        self._parent = parent
        self._watch: int | None = None  # becomes readable when the parent dies; None = this system has no such thing
        with suppress(AttributeError, OSError):
            self._watch = os.pidfd_open(parent)
        self._child = 0
        self._to_child = self._from_child = -1
        self._window = 0
        self._served = 0

    def run(self) -> None:
        """Serve requests until the parent is gone."""
        self._fork()
        try:
            write_all(self._replies, frame(READY))
            while True:
                self._wait([self._requests], None)
                count = int(read_frame(self._requests))
                self._serve(deque(read_frame(self._requests) for _ in range(count)))
        except Closed:
            pass
        finally:
            self._kill()

    def _serve(self, items: deque[bytes]) -> None:
        """Answer every item. One that ends its child is tried once more in a fresh one, within the same deadline."""
        sent: deque[bytes] = deque()
        failure: bytes | None = None  # how the item whose turn it is ended its first child
        started = time.monotonic()
        while items or sent:
            if not sent and self._served >= self._recycle_after:
                self._renew()
            try:
                if not sent and failure is None:
                    started = time.monotonic()
                self._hand_over(items, sent, alone=failure is not None)
                reply = read_frame(self._from_child) if self._wait([self._from_child], started + self._deadline_seconds) else TIMEOUT
                lost = reply in (TIMEOUT, MEMORY)
            except Closed:
                reply, lost = self._ending(), True
            if lost:
                # What was handed over behind the item that ended the child has not been looked at.
                items.extendleft(reversed(sent))
                sent.clear()
                self._renew()
                if failure is None and reply != TIMEOUT:
                    failure = reply
                    continue
                items.popleft()
            else:
                sent.popleft()
                self._served += 1
            write_all(self._replies, frame((failure or reply) if lost else reply))
            failure = None
            started = time.monotonic()

    def _hand_over(self, items: deque[bytes], sent: deque[bytes], *, alone: bool) -> None:
        """Write to the child what fits into its pipe, so that neither side blocks the other. One item always fits: it is read at once."""
        while items and (not sent or (not alone and sum(map(len, sent)) + len(items[0]) + _HEAD.size * (len(sent) + 1) < self._window)):
            if sent and self._served + len(sent) >= self._recycle_after:
                break
            sent.append(items.popleft())
            write_all(self._to_child, frame(sent[-1]))

    def _wait(self, fds: list[int], end: float | None) -> bool:
        """Wait until one of these can be read; False when the time is up. Leaves by ``Closed`` when the parent is gone."""
        others = [self._watch] if self._watch is not None else []
        if self._requests not in fds:
            others.append(self._requests)  # nothing is sent while items are being served: readable means ended
        while True:
            limit = _POLL_SECONDS if self._watch is None else 60.0
            ready = readable(fds + others, limit if end is None else min(limit, end - time.monotonic()))
            if any(fd in others for fd in ready) or os.getppid() != self._parent:
                self._leave()
            if ready:
                return True
            if end is not None and time.monotonic() >= end:
                return False

    def _leave(self) -> NoReturn:
        self._kill()
        os._exit(0)

    def _fork(self) -> None:
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                for fd in (down_write, up_read, self._requests, self._replies, *([self._watch] if self._watch is not None else [])):
                    os.close(fd)
                _confine(keeper, memory_mb=self._memory_mb)
                _child(down_read, up_write, deadline_seconds=self._deadline_seconds)
            finally:
                os._exit(1)
        os.close(down_read)
        os.close(up_write)
        self._child, self._to_child, self._from_child, self._served = pid, down_write, up_read, 0
        # Half of it: small writes fill pages badly. Users with many pipes get small ones.
        self._window = min(WINDOW_BYTES, _pipe_bytes(down_write) // 2)

    def _renew(self) -> None:
        self._kill()
        self._fork()

    def _kill(self) -> None:
        if not self._child:
            return
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._child, 0)
        os.close(self._to_child)
        os.close(self._from_child)
        self._child = 0

    def _ending(self) -> bytes:
        """Say how a child ended that ended by itself, and reap it."""
        status = 0
        with suppress(ChildProcessError):
            _, status = os.waitpid(self._child, 0)
        os.close(self._to_child)
        os.close(self._from_child)
        self._child = 0
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGALRM:  # its own alarm came first: this process had no turn for a second
            return TIMEOUT
        reason = f"the worker was killed by signal {-code}" if code < 0 else f"the worker ended with status {code}"
        return json.dumps({"status": "crash", "reason": reason}).encode()


def _pipe_bytes(fd: int) -> int:
    try:
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    except (AttributeError, OSError):
        return _SMALL_PIPE_BYTES


def _confine(keeper: int, *, memory_mb: int) -> None:
    """Bind this process to limits and to its keeper's life."""
    import ctypes  # here, as is resource: whoever only talks to workers needs neither
    import resource

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; Linux only, elsewhere the alarm below ends an orphan
    if os.getppid() != keeper:
        os._exit(0)
    for limit, value in ((resource.RLIMIT_AS, memory_mb << 20), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # some systems know the limit and refuse to set it
            resource.setrlimit(limit, (value, value))


def _child(requests: int, replies: int, *, deadline_seconds: float) -> None:
    """Answer items until the keeper is gone."""
    while True:
        try:
            request = json.loads(read_frame(requests))
        except Closed:
            return
        # The kernel ends an orphan that hangs: no keeper has to be alive for that.
        signal.setitimer(signal.ITIMER_REAL, deadline_seconds + 1.0)
        try:
            reply = {"status": "ok", "value": answer(request)}
        except MemoryError:
            write_all(replies, frame(MEMORY))
            return
        except Exception as problem:
            reply = {"status": "error", "reason": f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]}"}
        signal.setitimer(signal.ITIMER_REAL, 0)
        write_all(replies, frame(json.dumps(reply).encode()))


def answer(request: dict[str, Any]) -> Any:
    """Do what one request asks."""
    from reasonforge.verify.grade import grade
    from reasonforge.verify.items import verdict_to_json
    from reasonforge.verify.symbolic import equal
    from reasonforge.verify.tree import from_lists

    if request.pop("do") == "grade":
        return verdict_to_json(grade(request.pop("gold"), request.pop("text"), **request))
    return equal(from_lists(request["a"]), from_lists(request["b"]))


def main(*, deadline_seconds: float, memory_mb: int, recycle_after: int, parent: int) -> None:
    """Serve the parent over stdin and stdout."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the starting thread may have blocked the alarm
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGCHLD):  # a parent that ignores them hands that on
        signal.signal(number, signal.SIG_DFL)
    # Nothing that is printed may come between the frames.
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    if os.getppid() != parent:
        return
    from reasonforge.verify import grade, items, symbolic
    from reasonforge.verify.pool import decide_in_process

    with suppress(ImportError):
        import ctypes
        import resource

        del ctypes, resource
    del grade, items  # all loaded before the fork, so that no child pays for it
    decide_in_process()
    symbolic.warm_up()
    os.dup2(nowhere, 2)
    gc.collect()
    gc.freeze()  # a collection in the child would touch, and so copy, every page
    Keeper(
        deadline_seconds=deadline_seconds, memory_mb=memory_mb, recycle_after=recycle_after,
        requests=requests, replies=replies, parent=parent,
    ).run()  # fmt: skip
    os._exit(0)  # tidying up what was loaded takes longer than anybody waits for it


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
