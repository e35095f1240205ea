"""Nothing grows: not after hundreds of runs of every ending, and not after thousands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Backend, Call, Limits, Program, Sandbox
from tests.sandbox.victims import descendants, eventually, zombies

BRIEF = Limits(wall_seconds=0.3, cpu_seconds=0.25, memory_mb=256)
LIMITS = Limits(wall_seconds=10.0, cpu_seconds=8.0, memory_mb=256, files_mb=8)
MIX = {
    "prints": (Program(code="print(sum(range(1000)))", limits=LIMITS), "ok"),
    "calls": (Program(code="def f(x): return [x] * 100", calls=(Call(function="f", args=(1,)),) * 5, limits=LIMITS), "ok"),
    "reads": (Program(code="print(len(input()))", stdin="x" * 100_000, limits=LIMITS), "ok"),
    "raises": (Program(code="raise ValueError('x' * 10000)", limits=LIMITS), "error"),
    "crashes": (Program(code="import ctypes; ctypes.string_at(0)", limits=LIMITS), "signal"),
    "writes": (
        Program(
            code="import os\nos.makedirs('a/b')\nfor n in range(20): open(f'a/b/{n}', 'w').write('x' * 10000)",
            profile="files",
            limits=LIMITS,
        ),
        "ok",
    ),
    "floods": (Program(code="while True: print('y' * 1000)", limits=LIMITS), "output_limit"),
    "threads": (
        Program(
            code="import threading, time\nfor _ in range(5): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            limits=LIMITS,
        ),
        "ok",
    ),
    "keeps descriptors": (Program(code="import os\nfor _ in range(50): os.dup(1)", limits=LIMITS), "ok"),
    "exits": (Program(code="import os\nos._exit(3)", limits=LIMITS), "error"),
}
LATE = Program(code="while True: pass", limits=BRIEF)


class Size(NamedTuple):
    """What may grow."""

    processes: int
    zombies: int
    descriptors: int
    mounts: int
    own_mib: float
    workers_mib: float


def measure() -> Size:
    """Measure this process and all below it, once it has come to rest."""
    below = descendants(os.getpid())
    descriptors, mounts, resident = len(os.listdir("/proc/self/fd")), len(Path("/proc/self/mountinfo").read_text().splitlines()), 0.0
    dead = len(zombies(os.getpid()))
    for pid in below:
        descriptors += len(os.listdir(f"/proc/{pid}/fd"))
        mounts += len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
        resident += _resident_mib(pid)
        dead += len(zombies(pid))
    return Size(len(below), dead, descriptors, mounts, _resident_mib(os.getpid()), resident)


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def run_mix(sandbox: Sandbox, runs: int) -> None:
    """Run about so many programs of every kind, each with the end that it must come to."""
    names = list(MIX)
    for start in range(0, runs, 50):
        chosen = [names[number % len(names)] for number in range(start, min(start + 49, runs))]
        results = sandbox.run_many([MIX[name][0] for name in chosen] + [LATE])
        assert [result.status for result in results] == [MIX[name][1] for name in chosen] + ["timeout"]


def soak(backend: Backend, *, runs: int) -> None:
    with open_sandbox(backend, workers=2) as sandbox:
        run_mix(sandbox, 100)
        # The page cache of an allocator is not a leak; the first runs fill it.
        before = measure()
        run_mix(sandbox, runs)
        # A program's process is reaped before its result comes; only a worker just replaced may be ending still.
        eventually(lambda: measure().processes <= before.processes, 2.0)
        after = measure()
    assert after.zombies <= before.zombies
    assert after.processes <= before.processes
    assert after.descriptors <= before.descriptors
    assert after.mounts <= before.mounts
    assert after.workers_mib <= before.workers_mib + 16, (before, after)
    assert after.own_mib <= before.own_mib + 16, (before, after)


def test_row_74_three_hundred_runs_leave_nothing(backend: Backend) -> None:
    soak(backend, runs=300)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_row_74_ten_thousand_runs_leave_nothing(backend: Backend) -> None:
    soak(backend, runs=10_000)


def test_a_closed_sandbox_leaves_nothing(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = measure()
    with open_sandbox(backend, workers=2) as sandbox:
        run_mix(sandbox, 40)
        session = sandbox.session()
        session.run("open('left', 'w').write('x')")
    assert eventually(lambda: measure().processes <= before.processes, 1.0)
    after = measure()
    assert (after.zombies, after.descriptors, after.mounts) == (before.zombies, before.descriptors, before.mounts)
    assert list(tmp_path.iterdir()) == []
