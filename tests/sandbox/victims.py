"""What the attacks aim at: canary files, listeners and one victim process, all made by the test itself, and what became of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

PREFIX = "canary-of-the-attack-suite-"
"""Attacks look for it; the rest of a secret is drawn anew, so only a real leak shows it."""
ENVIRONMENT_SECRET = PREFIX + secrets.token_hex(12)
"""Stands in this process's environment before any sandbox is opened."""
ENVIRONMENT_NAME = "REASONFORGE_CANARY"
os.environ[ENVIRONMENT_NAME] = ENVIRONMENT_SECRET

_VICTIM = """
import ctypes, os, signal, sys, time
signal.signal(signal.SIGURG, lambda *a: os._exit(1))
secret = ctypes.create_string_buffer(sys.stdin.readline().strip().encode())
print(ctypes.addressof(secret), flush=True)
time.sleep(600)
"""
_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def adopted_orphans() -> Iterator[None]:
    """Orphans of this process's descendants fall back to this process, so that a scan finds whatever outlives its run."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for pid in zombies(os.getpid()):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def parents() -> dict[int, int]:
    """Parent of every process that is not a zombie."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state, parent = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state not in "ZX":
                found[int(entry)] = int(parent)
    return found


def descendants(root: int) -> set[int]:
    """Living processes below ``root``."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found


def zombies(root: int) -> set[int]:
    """Dead children that ``root`` has not buried."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state, parent = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state == "Z" and int(parent) == root:
                found.add(int(entry))
    return found


def eventually(condition: Callable[[], object], seconds: float) -> bool:
    """Whether ``condition()`` became true within ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class _Listener:
    """A socket that remembers who came."""

    def __init__(self, family: int, kind: int, address: object) -> None:
        self.socket = socket.socket(family, kind)
        self.socket.bind(address)  # type: ignore[arg-type]
        self.visits: list[bytes] = []
        self._stream = kind == socket.SOCK_STREAM
        if self._stream:
            self.socket.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                if self._stream:
                    connection, _ = self.socket.accept()
                    self.visits.append(b"a connection")
                    connection.sendall(b"welcome")
                    connection.close()
                else:
                    self.visits.append(self.socket.recv(1024))
            except OSError:
                return

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Scene:
    """Everything an attack may harm, and the means to see from outside whether it did."""

    def __init__(self) -> None:
        self.secret = PREFIX + secrets.token_hex(12)
        self.folder = Path(tempfile.mkdtemp(prefix="attack-scene-"))
        self.folder.chmod(0o755)
        self.expected = self.folder / "expected.txt"
        self.expected.write_text("the expected output\n")
        self.expected.chmod(0o666)
        self.readable = self.folder / "readable.txt"
        self.readable.write_text(self.secret + "\n")
        self.readable.chmod(0o644)
        self.private = self.folder / "private.txt"
        self.private.write_text(self.secret + "\n")
        self.private.chmod(0o600)
        self.tests = self.folder / "tests"
        self.tests.mkdir()
        (self.tests / "test_it.py").write_text("assert True\n")
        for folder in (self.folder, self.tests):
            folder.chmod(0o777)
        # A marked argument, a marked variable, a marked buffer: three ways to read a process.
        self.victim = subprocess.Popen(
            [sys.executable, "-I", "-c", _VICTIM, self.secret],
            env={ENVIRONMENT_NAME: self.secret},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.victim.stdin is not None
        assert self.victim.stdout is not None
        self.victim.stdin.write(self.secret + "\n")
        self.victim.stdin.flush()
        self.secret_address = int(self.victim.stdout.readline())
        self.tcp = _Listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self.udp = _Listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self.abstract_name = f"attack-scene-{secrets.token_hex(6)}"
        self.abstract = _Listener(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract_name)
        self.path = _Listener(socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "socket"))
        (self.folder / "socket").chmod(0o777)
        self.key = secrets.randbelow(1 << 30) + 1
        self.nice = os.getpriority(os.PRIO_PROCESS, self.victim.pid)
        self.affinity = os.sched_getaffinity(self.victim.pid)
        self.listing = self._listing()

    def constants(self) -> str:
        """Python source that tells an attack where everything is. It never holds a secret."""
        return (
            f"PREFIX = {PREFIX[:10]!r} + {PREFIX[10:]!r}\nFOLDER = {str(self.folder)!r}\nEXPECTED = {str(self.expected)!r}\n"
            f"READABLE = {str(self.readable)!r}\nPRIVATE = {str(self.private)!r}\nTESTS = {str(self.tests)!r}\n"
            f"KEY = {self.key}\nVICTIM = {self.victim.pid}\nADDRESS = {self.secret_address}\nLENGTH = {len(self.secret)}\n"
            f"TCP = {self.tcp.port}\nUDP = {self.udp.port}\nABSTRACT = {self.abstract_name!r}\nSOCKET = {str(self.folder / 'socket')!r}\n"
        )

    def _listing(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def harm(self) -> list[str]:
        """What has been done to the scene, in words."""
        found = []
        if not self.expected.is_file() or self.expected.read_text() != "the expected output\n":
            found.append("the file of expected output was changed")
        if self._listing() != self.listing:
            found.append(f"files came or went: {self._listing()}")
        if self.victim.poll() is not None:
            found.append("the victim process is dead")
        else:
            status = Path(f"/proc/{self.victim.pid}/status").read_text()
            if "TracerPid:\t0\n" not in status or "\nState:\tT" in status or "\nState:\tt" in status:
                found.append("the victim process was traced or stopped")
            if os.getpriority(os.PRIO_PROCESS, self.victim.pid) != self.nice or os.sched_getaffinity(self.victim.pid) != self.affinity:
                found.append("the victim process was rescheduled")
        for name in ("tcp", "udp", "abstract", "path"):
            if getattr(self, name).visits:
                found.append(f"the {name} listener was reached")
        return found

    def leaks(self, text: str) -> list[str]:
        """What of this machine stands in ``text``."""
        found = []
        if self.secret in text:
            found.append("a secret of the scene was read")
        if ENVIRONMENT_SECRET in text:
            found.append("this process's environment was read")
        for path in ("/etc/passwd", "/etc/shadow", "/etc/hosts"):
            with contextlib.suppress(OSError):
                # A sandbox may have such files of its own; the last lines are this machine's.
                last = Path(path).read_text().strip().splitlines()[-1:]
                if last and len(last[0]) > 10 and last[0] in text:
                    found.append(f"{path} was read")
        return found

    def close(self) -> None:
        self.victim.send_signal(signal.SIGKILL)
        self.victim.communicate()
        for listener in (self.tcp, self.udp, self.abstract, self.path):
            listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
