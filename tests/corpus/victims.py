"""Processes that a test started, found as Linux shows them: who is killed must be nobody else's."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MARK = "REASONFORGE_TEST_MARK"
"""In the environment of what a test starts: also who loses its parent is found by it."""

_CLUSTER = """
import sys
import ray

info = ray.init("local", num_cpus=int(sys.argv[1]), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print(info.address_info["address"], flush=True)
sys.stdin.read()
"""


_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Programs of the test get into its clusters, and nobody else; without it Ray writes a token into the home folder."""


def start(command: Sequence[str], mark: str, **environment: str) -> subprocess.Popen[str]:
    """Start a program of this Python that can be found by its mark, and whose cluster, if it uses one, is named by the test."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    given = {**inherited, **_TOKEN, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1", MARK: mark, **environment}
    return subprocess.Popen(
        [sys.executable, *command], env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def ray_cluster(num_cpus: int, mark: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a cluster of Ray that outlives its drivers, as one of many machines does; its owner's process and its address."""
    owner = start(["-c", _CLUSTER, str(num_cpus)], mark)
    try:
        assert owner.stdout is not None
        address = owner.stdout.readline().strip()
        assert address, owner.communicate()[1]
        yield owner, address
    finally:
        try:
            owner.communicate(timeout=60)  # the end of its input ends it
        finally:
            owner.kill()
            owner.wait()


def children(pid: int) -> list[int]:
    """Return the children of a process, none if it is gone."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # a thread that ended
            continue
    return found


def descendants(pid: int) -> list[int]:
    """Return children, their children, and so on."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


def command_of(pid: int) -> str:
    """Return the command line of a process as it calls itself; empty = it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def named(pids: Sequence[int], text: str) -> list[int]:
    """Return those whose command line holds a text."""
    return [pid for pid in pids if text in command_of(pid)]


def marked(mark: str) -> list[int]:
    """Return the processes that began with a mark in their environment, and live."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"{MARK}={mark}".encode() in environment:
            found.append(int(folder.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float, pause: float = 0.01) -> bool:
    """Return whether something became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
