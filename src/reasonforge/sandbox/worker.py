"""One worker: a warm interpreter inside its isolation, reached through one socket."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from reasonforge.sandbox import inside
from reasonforge.sandbox.flavours import Flavour
from reasonforge.sandbox.messages import NotAsked, Outputs, Reply, Request, WorkerLost, receive_frame, send_frame
from reasonforge.sandbox.protocol import Backend
from reasonforge.sandbox.seccomp import Machine, build_filter

_INSIDE = Path(inside.__file__).parent
_START_SECONDS = 60.0
_GRACE_SECONDS = 10.0
"""After a program's wall limit, in which a worker must have killed it and answered."""
_END_SECONDS = 2.0
"""In which a worker that lost its parent is gone; it is killed after that."""
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PROGRAMS = (Path("/usr/bin"), Path("/bin"))
"""For the profile ``shell``; the others start no programs."""
ENVIRONMENT = {
    "HOME": "/box",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TMPDIR": "/box",
    "TZ": "UTC",
}
"""All that a program sees of an environment. The same on every machine: it decides the order of sets, for one."""


def readable_paths() -> list[Path]:
    """Return what an interpreter reads: its own folders, this environment's packages, shared libraries. Nothing else is in reach."""
    found = [Path("/usr/lib"), Path("/lib"), Path("/usr/lib64"), Path("/lib64"), Path("/etc/ld.so.cache")]
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        found += [Path(prefix) / name for name in ("bin", "lib", "lib64", "pyvenv.cfg")]
    return [path for path in dict.fromkeys(found) if path.exists()]


def filters(backend: Backend, *, landlock_abi: int) -> dict[str, bytes]:
    """Assemble the system-call filters of a backend's profiles."""
    if backend == "unsafe-subprocess":
        return {}
    machine = platform.machine()
    if machine not in ("x86_64", "aarch64"):
        raise WorkerLost(f"no system-call filter for the processor {machine}")
    host_files = backend == "landlock"
    # In a pid namespace there is nobody else to signal; Landlock forbids signals to others from ABI 6 on.
    signals = backend == "namespace" or landlock_abi >= 6

    def build(*, writing: bool, programs: bool = False) -> bytes:
        return build_filter(cast(Machine, machine), writing=writing, host_files=host_files, signals=signals, programs=programs)

    built = {"pure": build(writing=False), "files": build(writing=True)}
    return built if host_files else built | {"shell": build(writing=True, programs=True)}


def bwrap_command(bwrap: str) -> Iterator[str]:
    """Spell the namespaces and mounts of a worker. Every mount is read-only; programs that write get a folder of their own per run."""
    yield from (bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv")
    for name, value in ENVIRONMENT.items():
        yield from ("--setenv", name, value)
    # Kept by the worker alone, over its own namespaces, to make those of each program; programs have none.
    yield from ("--cap-add", "CAP_SYS_ADMIN")
    for path in (*readable_paths(), *_PROGRAMS):
        yield from ("--ro-bind-try", str(path), str(path))
    yield from ("--ro-bind", str(_INSIDE), "/sandbox/inside")
    for name in _DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    yield from ("--dir", "/box", "--remount-ro", "/", "--chdir", "/box", "--")


def _letter(request: Request) -> int | None:
    """Put what a request says into a file in memory; None = it says nothing."""
    if not request.content and not request.stdin:
        return None
    letter = -1
    try:
        letter = os.memfd_create("request")
        for part in (request.content, request.stdin):
            left = memoryview(part)
            while left:
                left = left[os.write(letter, left) :]
    except OSError as error:
        if letter >= 0:
            os.close(letter)
        raise NotAsked(f"the request cannot be written: {error}") from error
    return letter


def _python(folder: str) -> list[str]:
    # Not -I: that would ignore PYTHONHASHSEED. The environment is ours, so -s and -P are all of -I that is left to ask for.
    start = f"import sys; sys.path.insert(0, {folder!r}); from inside.zygote import main; main()"
    return [sys.executable, "-s", "-P", "-B", "-c", start]


class Worker:
    """A zygote in its isolation. One request at a time; the caller sees to that."""

    def __init__(self, backend: Backend, flavour: Flavour, *, bwrap: str, landlock_abi: int) -> None:
        """Start it. Call this from a thread that lives as long as the worker: the kernel kills the worker with that thread.

        Raises:
            WorkerLost: it does not come up; the message says what it printed.
        """
        self.flavour: Flavour = flavour
        self.runs = 0
        self.sessions: set[str] = set()
        """Names of those that live here. This and ``runs`` belong to whoever holds the worker's slot."""
        self.ending: list[str] = []
        """Names of sessions whose processes are to be ended before the next request."""
        self._requests = 0
        self._closed = threading.Lock()
        command = [*bwrap_command(bwrap), *_python("/sandbox")] if backend == "namespace" else _python(str(_INSIDE.parent))
        with contextlib.ExitStack() as undo:
            try:
                self.folder = "/box"
                if backend != "namespace":
                    self.folder = tempfile.mkdtemp(prefix="reasonforge-sandbox-")
                    undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
                self._log = undo.enter_context(tempfile.TemporaryFile())
                self._outputs = Outputs()
                undo.callback(self._outputs.close)
                self._control, theirs = socket.socketpair()
                undo.callback(self._control.close)
                passed = (theirs.fileno(), *self._outputs.descriptors)
                with theirs:
                    self._process = subprocess.Popen(
                        [*command, *map(str, passed)],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=self._log,
                        # bwrap gets none: what it was started with can be read inside.
                        env={} if backend == "namespace" else ENVIRONMENT,
                        pass_fds=passed,
                        start_new_session=True,
                    )
            except OSError as error:
                raise WorkerLost(f"cannot start {command[0]}: {error}") from error
            undo.pop_all()
        settings = {
            "kind": backend,
            "flavour": flavour,
            "folder": self.folder,
            "environment": ENVIRONMENT,
            "readable": [str(path) for path in readable_paths()],
            "filters": {}
            if backend == "unsafe-subprocess"
            else {name: code.hex() for name, code in filters(backend, landlock_abi=landlock_abi).items()},
        }
        try:
            send_frame(self._control, settings, timeout=_START_SECONDS)
            self.most_sessions: int = receive_frame(self._control, timeout=_START_SECONDS)["most_sessions"]
        except WorkerLost as error:
            said = self._last_words()
            self.close()
            raise WorkerLost(said or str(error)) from error

    @property
    def pid(self) -> int:
        """The process that this worker hangs on."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once it has been closed or has ended by itself."""
        return not self._closed.locked() and self._process.poll() is None

    def ask(self, request: Request, *, wall_seconds: float) -> Reply:
        """Ask, and wait for the answer.

        Raises:
            NotAsked: there is no memory, or no descriptor, left for the request.
            WorkerLost: there is no answer to this request; the worker is of no more use.
        """
        self._requests += 1
        header = {"id": self._requests, **request.header, "content": len(request.content), "stdin": len(request.stdin)}
        letter = _letter(request)
        try:
            send_frame(self._control, header, timeout=_GRACE_SECONDS, descriptor=letter)
        finally:
            if letter is not None:
                os.close(letter)
        answer = receive_frame(self._control, timeout=wall_seconds + _GRACE_SECONDS)
        if answer.get("id") != self._requests:
            raise WorkerLost("the worker answers something else")
        stdout, stderr, values = self._outputs.take(answer["sizes"])
        return Reply(header=answer, stdout=stdout, stderr=stderr, values=values)

    def close(self) -> None:
        """End it and everything in it. Safe to call again and from any thread."""
        if not self._closed.acquire(blocking=False):
            return
        with contextlib.suppress(OSError):
            # Reaches through copies of the socket that a forked process may hold, and wakes a thread that waits for an answer.
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._outputs.close()
        if self.folder != "/box":
            shutil.rmtree(self.folder, ignore_errors=True)

    def disown(self) -> None:
        """Let go of it in a forked copy of its owner, without ending it."""
        if self._closed.acquire(blocking=False):
            self._control.close()
            self._outputs.abandon()

    def _last_words(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 2000))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""
