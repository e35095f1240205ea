"""Waits, warm, for programs; forks one isolated process for each, supervises it, reports what it came to.

It has one thread, serves one request at a time, and ends when the other end of its control socket is gone.
Every program is a copy of it. So it never holds what a request says: source, input, arguments and files come in a file that the
program's own process reads after the fork; output goes to the parent unread.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

from . import folders, kernel, program, warm
from .watch import Child, Files, Outcome, ParentGone, Watch

_BOX = "/box"
_SETUP_FAILED = 70
_DESCRIPTORS_OF_A_SESSION = 5
_DESCRIPTORS_KEPT = 64
"""For what the forkserver itself holds, for one fork's pipes, and for a request."""
_MOST_SESSIONS = 256
"""Of one worker, so that its end costs no more than these."""
_MOST_THREADS = 256
"""Of a worker's programs together, beyond the first of each session."""
_DEVICES = ("null", "zero", "full", "random", "urandom")


class Unusable(Exception):
    """This forkserver can start no program any more."""


class Zygote:
    """The forkserver of one worker."""

    def __init__(self, control: socket.socket, files: Files, settings: dict[str, Any]) -> None:
        self.control = control
        self.files = files
        self.kind: str = settings["kind"]
        self.filters: dict[str, bytes] = {name: bytes.fromhex(text) for name, text in settings["filters"].items()}
        self.readable: list[str] = settings["readable"]
        self.folder: str = settings["folder"]
        self.empty = _BOX
        if self.kind == "namespace":
            for name in _DEVICES:
                kernel.protect_node(f"/dev/{name}")
        else:
            self.empty = f"{self.folder}/empty"
            os.mkdir(self.empty, 0o500)
        # bwrap adds a variable, and the interpreter may: programs see what the parent chose and nothing else.
        os.environ.clear()
        os.environ.update(settings["environment"])
        self.pid = os.getpid()
        self.sessions: dict[str, Child] = {}
        self.running: Child | None = None
        self.boxes = 0
        self.own_namespaces = os.pidfd_open(self.pid)
        self.most_sessions = _room_for_sessions()
        warm.warm_up(settings["flavour"])
        self.address_space = warm.used_address_space()
        self.pure_ruleset = kernel.landlock_ruleset(self._rules()) if self.kind == "landlock" else -1

    def serve(self) -> NoReturn:
        """Answer requests until the parent is gone."""
        send(self.control, {"ready": True, "most_sessions": self.most_sessions})
        while True:
            request, letter = receive(self.control)
            try:
                outcome = self._answer(request, letter)
            finally:
                if letter is not None:
                    os.close(letter)
            header = {
                "id": request["id"],
                "status": outcome.status,
                "exit_code": outcome.exit_code,
                "signal": outcome.signal,
                "reason": outcome.reason,
                "truncated": outcome.truncated,
                "alive": outcome.alive,
                "cpu_ms": outcome.cpu_seconds * 1000,
                "wall_ms": outcome.wall_seconds * 1000,
                "max_rss_mb": outcome.max_rss_mb,
                "sizes": outcome.sizes,
            }
            send(self.control, header)

    def _answer(self, request: dict[str, Any], letter: int | None) -> Outcome:
        kind = request["kind"]
        if kind == "close":
            self._end_session(request["session"])
            return Outcome()
        try:
            if letter is None:
                raise OSError("a request came without its content")
            return self._run(request, letter) if kind == "run" else self._run_block(request, letter)
        except OSError as error:
            if kind == "block":
                self._end_session(request["session"])
            return Outcome(status="infra", reason=f"{type(error).__name__}: {error}")

    def _run(self, request: dict[str, Any], letter: int) -> Outcome:
        child = self.running = self._fork(request, letter)
        try:
            return self._watch(child, request)
        finally:
            # Watched to its end or not: it does not outlive its run.
            child.end()
            self.running = None

    def _end_session(self, name: str) -> None:
        child = self.sessions.get(name)
        if child is not None:
            child.end()
            del self.sessions[name]

    def _run_block(self, request: dict[str, Any], letter: int) -> Outcome:
        name = request["session"]
        child = self.sessions.get(name)
        if child is None:
            if not request["first"]:
                return Outcome("error", reason="the session has ended")
            child = self.sessions[name] = self._fork(request, letter)
        child.signal(signal.SIGCONT)
        outcome = self._watch(child, request, letter)
        if not outcome.alive:
            self._end_session(name)
        return outcome

    # Forking: from here to the program's first line.

    def _fork(self, request: dict[str, Any], letter: int) -> Child:
        session = request["kind"] == "block"
        with contextlib.ExitStack() as undo:
            pipes: list[tuple[int, int]] = []
            for _ in range(4):
                pipes.append(os.pipe())
                for descriptor in pipes[-1]:
                    undo.callback(os.close, descriptor)
            (out_read, out_write), (err_read, err_write), (state_read, state_write), (last_read, last_write) = pipes
            inside = [out_write, err_write, state_write, last_read if session else last_write]
            last = last_write if session else last_read
            box = self._new_box(request["profile"])
            if box is not None:
                undo.callback(folders.remove_tree, box)
            pid = self._fork_apart()
            if pid == 0:
                self._become_program(request, letter, inside, box)
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise
            undo.pop_all()
        for descriptor in inside:
            os.close(descriptor)
        for descriptor in (out_read, err_read, state_read, last):
            os.set_blocking(descriptor, False)
        values, blocks = (None, last) if session else (last, None)
        return Child(pid, pidfd, out_read, err_read, state_read, values, blocks, box)

    def _fork_apart(self) -> int:
        """Fork; under ``namespace`` the child is the first process of a namespace of its own."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if self.kind != "namespace":
            return os.fork()
        kernel.unshare(kernel.CLONE_NEWPID)
        try:
            return os.fork()
        finally:
            if os.getpid() == self.pid:
                try:
                    kernel.join_namespace(self.own_namespaces, kernel.CLONE_NEWPID)
                except OSError as error:
                    raise Unusable from error

    def _become_program(self, request: dict[str, Any], letter: int, inside: list[int], box: str | None) -> NoReturn:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # Opened anew for each: what one program sets on an open file, another that shares it would find.
            stdin, content = os.open(os.devnull, os.O_RDWR), {}
            if request["kind"] == "run":
                stdin = self._stdin(letter, request["content"], request["stdin"]) if request["stdin"] else stdin
                content = json.loads(os.pread(letter, request["content"], 0))
            # Moved up first, so that no descriptor is overwritten before it is in its place.
            high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in (stdin, *inside)]
            ruleset = fcntl.fcntl(self.pure_ruleset, fcntl.F_DUPFD, 100) if self.kind == "landlock" else -1
            places = (0, 1, 2, 3, 4)
            for place, descriptor in zip(places, high, strict=False):
                os.dup2(descriptor, place)
            self._isolate(request, content.get("files", {}), box, ruleset)
            kernel.close_from(len(high))
            kernel_filter = self.filters.get(filter_name(request["profile"]), b"")
            if self.kind != "unsafe-subprocess":
                kernel.load_filter(kernel_filter)
            program.say(program.READY)
        except BaseException as error:
            os.write(2, f"setting up failed: {type(error).__name__}: {error}".encode())
            os._exit(_SETUP_FAILED)
        try:
            hide_the_sandbox()
            if request["kind"] == "block":
                program.run_session(request["seed"])
            program.run_program(content)
        finally:
            os._exit(1)

    def _isolate(self, request: dict[str, Any], files: dict[str, str], box: str | None, ruleset: int) -> None:
        profile, limits = request["profile"], request["limits"]
        # A process group is signalled across process namespaces: in the forkserver's, a program could end it and every session.
        os.setsid()
        files_bytes = limits["files_mb"] << 20
        if self.kind == "namespace":
            if profile != "pure":
                kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
                kernel.mount_tmpfs(_BOX, megabytes=limits["files_mb"], inodes=limits["max_files"] + 1)
            os.chdir(_BOX)
        else:
            kernel.die_with_parent(signal.SIGKILL)
            if os.getppid() != self.pid:
                os._exit(_SETUP_FAILED)
            os.chdir(box or self.empty)
            os.environ["HOME"] = os.environ["TMPDIR"] = os.getcwd()
        folders.write_files(files)
        if self.kind == "landlock":
            kernel.landlock_restrict(kernel.landlock_ruleset([*self._rules(), (box, kernel.WRITABLE)]) if box else ruleset)
        memory = self.address_space + (limits["memory_mb"] << 20)
        hard = [
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_FSIZE, files_bytes),
            (resource.RLIMIT_NOFILE, 128),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MEMLOCK, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
        ]
        if request["kind"] == "run":
            hard.append((resource.RLIMIT_CPU, math.ceil(limits["cpu_seconds"]) + 1))
        if self.kind == "namespace":
            # Counts only this worker's processes. The kernel exempts root outside; there the filter forbids processes.
            others = self.most_sessions if request["kind"] == "block" else len(self.sessions)
            hard.append((resource.RLIMIT_NPROC, _MOST_THREADS + others))
        for name, most in hard:
            ceiling = resource.getrlimit(name)[1]
            most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
            resource.setrlimit(name, (most, most))
        if self.kind != "unsafe-subprocess":
            kernel.drop_capabilities()

    def _rules(self) -> list[tuple[str, int]]:
        devices = [(f"/dev/{name}", kernel.DEVICE) for name in _DEVICES]
        return [(path, kernel.READ) for path in (*self.readable, self.empty)] + devices

    def _new_box(self, profile: str) -> str | None:
        if self.kind == "namespace" or profile == "pure":
            return None
        self.boxes += 1
        box = f"{self.folder}/box{self.boxes}"
        os.mkdir(box, 0o700)
        return box

    def _stdin(self, letter: int, start: int, size: int) -> int:
        """Put standard input into a sealed file in memory: a program that never reads it holds up nobody."""
        descriptor = os.memfd_create("stdin", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        end = start + size
        while start < end:
            start += os.sendfile(descriptor, letter, start, end - start)
        os.lseek(descriptor, 0, os.SEEK_SET)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        return descriptor

    def _watch(self, child: Child, request: dict[str, Any], block: int | None = None) -> Outcome:
        watch = Watch(
            child,
            request["limits"],
            files=self.files,
            control=self.control.fileno(),
            block=block,
            block_bytes=request["content"] if block is not None else 0,
        )
        return watch.run()

    def end(self) -> NoReturn:
        """Leave nothing behind."""
        for child in (*self.sessions.values(), *filter(None, [self.running])):
            child.kill()
        if self.kind != "namespace":
            folders.remove_tree(self.folder)
        os._exit(0)


def _room_for_sessions() -> int:
    """Take leave to have as many descriptors as can be had (programs get a limit of their own); return for how many sessions they do."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # the system's own bound may have been lowered below the limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        most = hard
    room = _MOST_SESSIONS if most == resource.RLIM_INFINITY else (most - _DESCRIPTORS_KEPT) // _DESCRIPTORS_OF_A_SESSION
    return max(1, min(_MOST_SESSIONS, room))


def filter_name(profile: str) -> str:
    """Return which filter a profile runs under."""
    return {"pure": "pure", "shell": "shell"}.get(profile, "files")


def hide_the_sandbox() -> None:
    """Take our modules out of the way of names that a program imports."""
    package = __name__.rpartition(".")[0]
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def receive(control: socket.socket) -> tuple[dict[str, Any], int | None]:
    """Read one request, and take the descriptor of the file that its content is in.

    Raises:
        EOFError: there is none any more.
    """
    size, descriptors, _, _ = socket.recv_fds(control, 4, 1)
    size += receive_exactly(control, 4 - len(size)) if size else b""
    if len(size) < 4:
        raise EOFError
    body = receive_exactly(control, struct.unpack("!I", size)[0])
    return json.loads(body), descriptors[0] if descriptors else None


def receive_exactly(control: socket.socket, size: int) -> bytearray:
    """Read so many bytes."""
    data = bytearray()
    while len(data) < size:
        piece = control.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return data


def send(control: socket.socket, header: dict[str, Any]) -> None:
    """Send one reply."""
    text = json.dumps(header).encode()
    control.sendall(struct.pack("!I", len(text)) + text)


def main() -> None:
    """Serve on the socket whose descriptor is the first argument; the others are the files that take output."""
    number, *files = map(int, sys.argv[1:])
    control = socket.socket(fileno=number)
    for descriptor in (number, *files):
        os.set_inheritable(descriptor, False)
    sys.path[:] = [folder for folder in sys.path if folder != os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings, _ = receive(control)
    if settings["kind"] != "namespace":
        kernel.die_with_parent(signal.SIGTERM)
    zygote = Zygote(control, Files(*files), settings)
    signal.signal(signal.SIGTERM, lambda number, frame: zygote.end())
    try:
        zygote.serve()
    except (EOFError, ConnectionError, ParentGone, Unusable):
        zygote.end()
