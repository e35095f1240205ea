"""Starts a backend's workers and has them prove, before any use, that they isolate and that they work."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from reasonforge.sandbox.inside import kernel
from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.protocol import Backend, Profile, Program, SandboxUnavailable
from reasonforge.sandbox.worker import ENVIRONMENT, Worker

LEAST_ABI = 3
"""Below, Landlock lets a program truncate files that it may only read."""

_ATTACKS = """
import json, os, socket
held = []
def refused(name, attack):
    try:
        attack()
    except (OSError, MemoryError):
        held.append(name)
def fork():
    if os.fork() == 0:
        os._exit(0)
refused("network", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=1))
refused("host secret", lambda: open(os.path.join(FOLDER, "secret")).read())
refused("write outside", lambda: open(os.path.join(FOLDER, "written"), "w"))
refused("environment of others", lambda: open("/proc/1/environ").read())
refused("fork", fork)
if set(os.environ) <= set(ENVIRONMENT):
    held.append("environment")
print(json.dumps(held))
"""
_ATTACK_NAMES = ["network", "host secret", "write outside", "environment of others", "fork", "environment"]
_HONEST: dict[Profile, str] = {
    "pure": "import math\nimport decimal\nprint(sum(math.isqrt(n) for n in range(1000)), decimal.Decimal('0.1') + 1)",
    "files": "with open('note', 'w') as file:\n    file.write('20584 1.1')\nprint(open('note').read())",
}
_HONEST_OUTPUT = "20584 1.1\n"


def find_bwrap() -> str | None:
    """Return where bubblewrap is."""
    return shutil.which("bwrap") or shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")


def facts(backend: Backend) -> dict[str, str]:
    """Describe what a backend stands on here."""
    if backend == "namespace":
        bwrap = find_bwrap()
        return {"bwrap": _version(bwrap) if bwrap else "not found"}
    if backend == "landlock":
        return {"landlock": f"ABI {_landlock_abi()}"}
    return {}


def start_pool(backend: Backend, *, workers: int | None) -> PoolSandbox:
    """Make a pool; its workers start when they are needed."""
    workers = workers or max(1, len(os.sched_getaffinity(0)) - 1)
    start = partial(Worker, backend, bwrap=find_bwrap() or "bwrap", landlock_abi=_landlock_abi())
    return PoolSandbox(backend, start, workers=workers)


def start_tested(backend: Backend, *, workers: int | None) -> PoolSandbox:
    """Make a pool and test it: harmless attacks must fail, and an honest program must run.

    Raises:
        SandboxUnavailable: the reason, in one line.
    """
    reason = what_is_missing(backend)
    if reason:
        raise SandboxUnavailable(reason)
    pool = start_pool(backend, workers=workers)
    try:
        reason = _failure(pool, attacked=backend != "unsafe-subprocess")
    except BaseException:
        pool.close()
        raise
    if reason:
        pool.close()
        raise SandboxUnavailable(reason)
    return pool


def what_is_missing(backend: Backend) -> str:
    """Say what a backend lacks here; empty = nothing that can be seen without starting it."""
    if not sys.platform.startswith("linux"):
        return f"needs Linux, this is {platform.system()}"
    if platform.machine() not in ("x86_64", "aarch64") and backend != "unsafe-subprocess":
        return f"no system-call filter for the processor {platform.machine()}"
    if backend == "namespace":
        bwrap = find_bwrap()
        if bwrap is None:
            return "bwrap not found"
        words = [bwrap, "--unshare-all", "--cap-add", "CAP_SYS_ADMIN", "--ro-bind", "/", "/", "true"]
        try:
            tried = subprocess.run(words, capture_output=True, text=True, timeout=20, env={"PATH": "/usr/bin:/bin"}, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bwrap found, but it does not run: {error}"
        if tried.returncode:
            said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
            return f"{_version(bwrap)} found, but `bwrap --unshare-all true` failed: {said[-1]}{_diagnosis(said[-1])}"
    abi = _landlock_abi()
    if backend == "landlock" and abi < LEAST_ABI:
        return (
            f"the kernel speaks Landlock ABI {abi}, needed is {LEAST_ABI} (Linux 6.2)" if abi else "the kernel has no Landlock switched on"
        )
    return ""


def _diagnosis(message: str) -> str:
    """Say what a refusal of bwrap usually comes from."""
    if "namespace" in message or "clone" in message:
        return " (looks like a container's seccomp profile)"
    if "uid map" in message or "Permission denied" in message:
        return " (looks like AppArmor's restriction of user namespaces)"
    return ""


def _failure(pool: PoolSandbox, *, attacked: bool) -> str:
    """Run the start-up test in every profile that has rules of its own here; return what failed, empty = nothing."""
    for profile, code in _HONEST.items():
        honest = pool.run(Program(code=code, profile=profile))
        if honest.status != "ok" or honest.stdout != _HONEST_OUTPUT:
            said = " ".join((honest.reason or honest.stderr)[-200:].split())
            return f"an honest program of profile {profile} does not run: {honest.status} {said}"
        if attacked and (failure := _break_out(pool, profile)):
            return failure
    return ""


def _break_out(pool: PoolSandbox, profile: Profile) -> str:
    with tempfile.TemporaryDirectory(prefix="reasonforge-canary-") as folder:
        (Path(folder) / "secret").write_text("canary")
        values = f"FOLDER, PORT, ENVIRONMENT = {json.dumps(folder)}, 9, {json.dumps(sorted(ENVIRONMENT))}\n"
        result = pool.run(Program(code=values + _ATTACKS, profile=profile))
        try:
            held = json.loads(result.stdout)
        except ValueError:
            return f"the start-up test does not run: {result.status} {result.reason or result.stderr.strip()[-200:]}"
        through = [name for name in _ATTACK_NAMES if name not in held]
        if (Path(folder) / "written").exists() and "write outside" not in through:
            through.append("write outside")
        return f"the start-up test broke out: {', '.join(through)} (profile {profile})" if through else ""


def _version(bwrap: str) -> str:
    try:
        said = subprocess.run([bwrap, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        said = []
    return f"bwrap {said[-1]}" if said else "bwrap"


def _landlock_abi() -> int:
    return kernel.landlock_abi() if sys.platform.startswith("linux") else 0
