"""One writer per run directory."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

from reasonforge.core.errors import UnavailableError
from reasonforge.core.files import storage_errors

_PATIENCE_SECONDS = 0.5


class RunLock:
    """An exclusive ``flock`` on a file that names its holder. The kernel frees it when the holder dies, even by kill -9."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            UnavailableError: another process holds it.
        """
        self.path = path
        with storage_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not self._take():
            holder = _holder(path)
            os.close(self._descriptor)
            raise UnavailableError(f"{path.parent}: in use by {holder}. Wait for it, stop it, or choose another run directory.")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        # A forked worker that outlives a killed run would keep the lock with its copy of the descriptor.
        os.register_at_fork(after_in_child=self._forget)

    def release(self) -> None:
        """Let go; the file stays (removing it would let two processes lock two files of one name)."""
        self._forget()

    def _take(self) -> bool:
        # A reader that looks whether the run is alive holds the lock for an instant: try for a moment.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


def _holder(path: Path) -> str:
    try:
        pid, host = path.read_text(errors="replace").split()[:2]
    except (OSError, ValueError):
        return "another process"
    return f"process {pid} on {host}"
