"""Runs one attack and says, mostly from outside, what it achieved."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reasonforge.sandbox.protocol import Limits, Profile, Program, RunResult, Sandbox
from tests.sandbox.attacks import PRELUDE, Attack
from tests.sandbox.victims import Scene, descendants, eventually

Road = Callable[[str, Profile, Limits], RunResult]
"""A way into the sandbox: source, profile and limits to what came of them."""


def as_program(sandbox: Sandbox) -> Road:
    """The road of a program of its own."""
    return lambda code, profile, limits: sandbox.run(Program(code=code, profile=profile, limits=limits))


def as_session(sandbox: Sandbox) -> Road:
    """The road of a block in a conversation."""

    def road(code: str, profile: Profile, limits: Limits) -> RunResult:
        with sandbox.session(limits) as session:
            return session.run(code)

    return road


def warm_up(sandbox: Sandbox) -> None:
    """Start whatever the sandbox starts only when it is needed: later counts of processes are then steady."""
    sandbox.run_many([Program(code=code) for code in ("pass", "import numpy, sympy", "pass", "import numpy, sympy")])


def achieved(road: Road, attack: Attack, scene: Scene) -> list[str]:
    """What the attack achieved, in words; empty = the sandbox held.

    Raises:
        AssertionError: the attack itself is wrong, so that nothing is known.
    """
    before = len(descendants(os.getpid()))
    found: list[str] = []
    for number, code in enumerate(part for part in (attack.code, attack.then) if part):
        start = time.monotonic()
        result = road(scene.constants() + PRELUDE + code, attack.profile, attack.limits)
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
        if seconds > attack.limits.wall_seconds + 2.0:
            found.append(f"took {seconds:.1f} s of {attack.limits.wall_seconds}")
        if len(result.stdout) > attack.limits.output_kb * 1024 + 4096 or len(result.stderr) > 16384:
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
