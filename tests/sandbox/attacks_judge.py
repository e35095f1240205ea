"""Runs one attack and says, mostly from outside, what it achieved; and shows for each that it achieves something where nothing stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reasonforge.sandbox.protocol import Limits, Profile, Program, RunResult, Sandbox
from tests.sandbox.attacks import PRELUDE, Attack
from tests.sandbox.victims import Scene, descendants, eventually

Road = Callable[[str, Profile, Limits], RunResult]
"""A way into the sandbox: source, profile and limits to what came of them."""
_WRONG_END = ("ended as", "took", "came back")
"""What the judge says of an attack that only ended otherwise than it should: a fault in a sandbox, but no proof that it got through."""


def as_program(sandbox: Sandbox) -> Road:
    """The road of a program of its own."""
    return lambda code, profile, limits: sandbox.run(Program(code=code, profile=profile, limits=limits))


def as_session(sandbox: Sandbox) -> Road:
    """The road of a block in a conversation."""

    def road(code: str, profile: Profile, limits: Limits) -> RunResult:
        with sandbox.session(limits) as session:
            return session.run(code)

    return road


def as_bare_process(scene: Scene) -> Road:
    """No sandbox and no limits but time: a plain process in a folder of its own, with this process's environment and an open file."""

    def road(code: str, profile: Profile, limits: Limits) -> RunResult:
        with tempfile.TemporaryDirectory() as folder, open(scene.readable) as inherited:
            finished = subprocess.run(
                [sys.executable, "-B", "-c", code],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                pass_fds=[inherited.fileno()],
                timeout=limits.wall_seconds + 20,
                check=False,
            )
        return RunResult(status="ok" if finished.returncode == 0 else "error", stdout=finished.stdout, stderr=finished.stderr)

    return road


def warm_up(sandbox: Sandbox) -> None:
    """Start whatever the sandbox starts only when it is needed: later counts of processes are then steady."""
    sandbox.run_many([Program(code=code) for code in ("pass", "import numpy, sympy")] * 2)


def achieved(road: Road, attack: Attack, scene: Scene, *, limits: Limits | None = None) -> list[str]:
    """What the attack achieved, in words; empty = the sandbox held.

    Raises:
        AssertionError: the attack itself is wrong, so that nothing is known.
    """
    limits = limits or attack.limits
    within = attack.within or limits.wall_seconds + 2.0
    before = len(descendants(os.getpid()))
    found: list[str] = []
    for number, code in enumerate(part for part in (attack.code, attack.then) if part):
        start = time.monotonic()
        result = road(scene.constants() + PRELUDE + code, attack.profile, limits)
        seconds = time.monotonic() - start
        said = [line for line in result.stdout.splitlines() if line.startswith(("HELD", "READ", "BREACH", "BROKEN"))]
        assert not any(line.startswith("BROKEN") for line in said), f"{attack} is broken: {said}"
        found += [line for line in said if line.startswith("BREACH")]
        found += scene.leaks(result.stdout + result.stderr + result.reason)
        ends = attack.ends if number == 0 else ("ok", "signal")
        if result.status not in ends:
            found.append(f"ended as {result.status} ({result.reason} {result.stderr[-300:]!r}), not as one of {ends}")
        if result.status == "ok" and not said and "timeout" not in ends:
            found.append("ended without a word: became another program?")
        if seconds > within:
            found.append(f"took {seconds:.1f} s of {within}")
        if len(result.stdout) > limits.output_kb * 1024 + 4096 or len(result.stderr) > 16384:
            found.append(f"came back with {len(result.stdout)} + {len(result.stderr)} characters")
    found += scene.harm()
    for folder in sys.path:
        settled = Path(folder, "settled-by-the-attack-suite.txt")
        if settled.exists():
            settled.unlink()
            found.append(f"settled in {folder}")
    # A worker that has just been replaced may be ending still.
    if not eventually(lambda: len(descendants(os.getpid())) <= before, 1.5):
        found.append(f"{len(descendants(os.getpid())) - before} processes outlived their run")
    return found


def gets_through(attack: Attack, sandbox: Sandbox, scene: Scene) -> list[str]:
    """What the attack achieves where the defence against it is missing, in the way that its ``proof`` names.

    Args:
        attack: one whose proof is neither ``end`` nor ``none``.
        sandbox: for ``looser`` and ``session`` a protected one; else one of the backend ``unsafe-subprocess``.
        scene: a scene that the attack may harm.
    """
    assert attack.proof not in ("end", "none")
    assert (sandbox.backend == "unsafe-subprocess") == (attack.proof in ("unprotected", "bare"))
    own = descendants(os.getpid())
    try:
        if attack.proof == "looser":
            found = achieved(as_program(sandbox), attack, scene, limits=attack.looser)
        elif attack.proof == "session":
            with sandbox.session(attack.limits) as session:
                # Its process is there before the attack: that it stays is no feat.
                session.run("pass")
                found = achieved(lambda code, profile, limits: session.run(code), attack, scene)
        elif attack.proof == "bare":
            found = achieved(as_bare_process(scene), attack, scene)
        else:
            found = achieved(as_program(sandbox), attack, scene)
    finally:
        # Whatever the attack left running: processes that it started, and that have fallen back to this one.
        for pid in descendants(os.getpid()) - own - {scene.victim.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return feats(found)


def feats(found: list[str]) -> list[str]:
    """Of what the judge found, what an attack gained; that it only ended otherwise than it should is left out."""
    return [what for what in found if not what.startswith(_WRONG_END)]
