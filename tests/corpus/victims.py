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

_CLUSTER = """
import sys
import ray

info = ray.init("local", num_cpus=int(sys.argv[1]), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print(info.address_info["address"], flush=True)
sys.stdin.read()
"""

_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""Programs of the test get into its clusters, and nobody else; without it Ray writes a token into the home folder."""


def start(command: Sequence[str], home: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a program of this Python in a folder that it and its kin can be found by, and whose cluster is named by the test alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    given = {**inherited, **_TOKEN, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1", **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *command], env=given, cwd=home, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@contextmanager
def ray_cluster(num_cpus: int, home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a cluster of Ray that outlives its drivers, as one of many machines does; its owner's process and its address."""
    owner = start(["-c", _CLUSTER, str(num_cpus)], home)
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


def living_in(home: Path) -> list[int]:
    """Return the processes whose working folder it is: also who has lost its parent, and who has written its name over its environment."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == home:
                found.append(int(folder.name))
        except OSError:  # gone, or somebody else's
            continue
    return found


def wait_until(condition: Callable[[], object], seconds: float, pause: float = 0.01) -> bool:
    """Return whether something became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
