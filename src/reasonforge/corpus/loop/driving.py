"""One driver at a time: it holds the folder, and clears away first what killed ones were writing."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reasonforge.core.files import storage_errors
from reasonforge.corpus.loop.ledger import LOCK, Ledger
from reasonforge.runs.lock import RunLock

_UNIT = re.compile(r"[0-9a-f]{32}")
"""Name of a whole unit's folder: its key."""


@contextmanager
def driving(root: Path) -> Iterator[Ledger]:
    """Hold a corpus folder as its only driver, and clear away what killed ones left.

    Workers of ranks take no lock: any number of them may work beside the driver.

    Raises:
        UnavailableError: another driver holds it.
    """
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    lock = RunLock(root / LOCK)
    try:
        _sweep_own(root)
        sweep_dead(root)
        yield Ledger(root)
    finally:
        lock.release()


def _sweep_own(root: Path) -> None:
    """Remove what a killed driver was writing: nobody else writes there."""
    for path in [*root.glob(".tmp-recipe*"), *root.glob("plan/.tmp-*"), *root.glob("shards/.tmp-*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sweep_dead(root: Path) -> int:
    """Remove the half-done folders of processes of this machine that are gone; return how many."""
    removed = 0
    for path in _half_done(root):
        _, host, pid = _maker(path.name)
        if path.is_dir() and host == socket.gethostname() and pid is not None and not _alive(pid):
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _half_done(folder: Path) -> list[Path]:
    """Return the half-done folders below one, however deep a stage's lies; whole units, of which there may be very many, are not opened."""
    folders = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    here = [Path(entry.path) for entry in folders if entry.name.startswith(".tmp-")]
    deeper = [entry.path for entry in folders if not (entry.name.startswith(".tmp-") or _UNIT.fullmatch(entry.name))]
    return [*here, *(path for name in deeper for path in _half_done(Path(name)))]


def _maker(name: str) -> tuple[str, str, int | None]:
    """Return key, host and process id from the name that :func:`reasonforge.corpus.units.execute` gives."""
    rest, _, _ = name.removeprefix(".tmp-").rpartition("-")
    rest, _, pid = rest.rpartition("-")
    key, _, host = rest.partition("-")
    return key, host, int(pid) if pid.isdigit() else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
