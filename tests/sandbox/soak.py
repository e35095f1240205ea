"""Thousands of runs of every ending, and kills from outside: what grows, what is lost, what is left.

``make soak`` prints the figures and stores them; ``test_soak.py`` and ``test_attacks_rows.py`` hold shorter ones to their bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import RESULTS, machine, versions

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.probe import SAFE_BACKENDS
from reasonforge.sandbox.protocol import Backend, Call, Limits, Program, RunResult, Sandbox
from reasonforge.sandbox.start import what_is_missing
from tests.sandbox.victims import adopted_orphans, descendants, eventually, parents, zombies

ROOT = Path(__file__).resolve().parents[2]
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
COMPUTING = MIX | {
    "computes": (Program(code="import numpy, sympy\nprint(sympy.factor('x**2 - 1'), numpy.arange(10).sum())", limits=LIMITS), "ok"),
}
"""With what needs the other kind of worker, which takes longer to start."""
LATE = Program(code="while True: pass", limits=BRIEF)
ROUND = 50
"""Programs of one round; the last of them never ends by itself."""
LEAK_MIB = 16.0
"""Growth of memory that an allocator may show; a leak of 2 KiB a run would show more in ten thousand."""


class Size(NamedTuple):
    """What may grow."""

    processes: int
    zombies: int
    descriptors: int
    mounts: int
    files: int
    own_mib: float
    workers_mib: float


def measure() -> Size:
    """Measure this process and all below it, at rest."""
    below = descendants(os.getpid())
    descriptors, mounts, resident = len(os.listdir("/proc/self/fd")), len(Path("/proc/self/mountinfo").read_text().splitlines()), 0.0
    dead = len(zombies(os.getpid()))
    for pid in below:
        descriptors += len(os.listdir(f"/proc/{pid}/fd"))
        mounts += len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
        resident += _resident_mib(pid)
        dead += len(zombies(pid))
    files = len(list(Path(tempfile.gettempdir()).glob("reasonforge-*/**/*")))
    return Size(len(below), dead, descriptors, mounts, files, _resident_mib(os.getpid()), resident)


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of its own for temporary files, so that those of others are not counted."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


def run_mix(sandbox: Sandbox, runs: int, mix: Mapping[str, tuple[Program, str]] = MIX) -> list[str]:
    """Run so many programs of every kind, and in each round a conversation of two blocks.

    Returns:
        Those that came to another end than they must, in words.
    """
    names, wrong = list(mix), []
    for start in range(0, runs, ROUND):
        chosen = [names[number % len(names)] for number in range(start, min(start + ROUND - 1, runs))]
        with sandbox.session(LIMITS) as session:
            said = [session.run(code).stdout for code in ("x = list(range(100000))", "print(len(x))")]
        wrong += [f"a session said {said}"] if said != ["", "100000\n"] else []
        results = sandbox.run_many([mix[name][0] for name in chosen] + [LATE])
        expected = [(name, mix[name][1]) for name in chosen] + [("never ends", "timeout")]
        wrong += [
            f"{name}: {result.status} {result.reason}"
            for (name, status), result in zip(expected, results, strict=True)
            if result.status != status
        ]
    return wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What many runs left."""

    runs: int
    seconds: float
    before: Size
    after: Size
    wrong: list[str]

    @property
    def grown(self) -> list[str]:
        """What grew, in words."""
        counts = [
            f"{name}: {old} -> {new}" for name, old, new in zip(Size._fields[:5], self.before[:5], self.after[:5], strict=True) if new > old
        ]
        return counts + [
            f"{name}: {old:.1f} -> {new:.1f}"
            for name, old, new in zip(Size._fields[5:], self.before[5:], self.after[5:], strict=True)
            if new > old + LEAK_MIB
        ]


def soak(backend: Backend, *, runs: int, mix: Mapping[str, tuple[Program, str]] = MIX) -> Soaked:
    """Run so many programs on two workers, and measure before and after."""
    with temporary_folder(), open_sandbox(backend, workers=2) as sandbox:
        # The page cache of an allocator is no leak; the first runs fill it.
        wrong = run_mix(sandbox, min(runs, 4 * ROUND), mix)
        before, start = measure(), time.monotonic()
        wrong += run_mix(sandbox, runs, mix)
        seconds = time.monotonic() - start
        # A program's process is reaped before its result comes; only a worker just replaced may be ending still.
        eventually(lambda: measure().processes <= before.processes, 2.0)
        return Soaked(runs=runs, seconds=seconds, before=before, after=measure(), wrong=wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a SIGKILL of a worker cost. Times are of a machine that may be busy."""

    killed: int
    statuses: dict[str, int]
    """Ends of the runs that were under way or waiting."""
    back_seconds: float
    """From the last kill's result to that of the next run."""


def kill_worker(backend: Backend, *, kills: int, outermost: bool) -> Recovered:
    """Kill the only worker in the middle of a run, so many times: its forkserver or the process that all of it hangs on."""
    with open_sandbox(backend, workers=1) as sandbox:
        assert sandbox.run(Program(code="print(1)")).stdout == "1\n"
        idle = len(descendants(os.getpid()))
        results: list[RunResult] = []
        sleeper = Program(code="import time; time.sleep(1.0)", limits=Limits(wall_seconds=4))
        thread = threading.Thread(target=lambda: results.append(sandbox.run(sleeper)))
        thread.start()
        for _ in range(kills):
            assert eventually(lambda: len(descendants(os.getpid())) > idle, 10)
            chain = _deepest_chain(os.getpid())
            os.kill(chain[0 if outermost else -2], signal.SIGKILL)
            assert eventually(lambda gone=set(chain): not gone & parents().keys(), 5)
        thread.join(20)
        start = time.monotonic()
        after = sandbox.run(Program(code="print(2)"))
        seconds = time.monotonic() - start
        assert (after.status, after.stdout) == ("ok", "2\n")
    return Recovered(killed=kills, statuses=dict(Counter(result.status for result in results)), back_seconds=seconds)


def _deepest_chain(root: int) -> list[int]:
    """Processes from a child of ``root`` down to the one farthest below it."""
    table = parents()
    chains = []
    for pid in descendants(root):
        chain = [pid]
        while table.get(chain[0], root) != root:
            chain.insert(0, table[chain[0]])
        chains.append(chain)
    return max(chains, key=len)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphaned:
    """What outlived a parent that was killed while its programs ran."""

    processes: int
    left_after_a_second: int
    gone_seconds: float | None
    """None = some were there to the end."""
    files_left: int


_PARENT = """
import os, sys, threading, time
sys.path.insert(0, {root!r})
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Limits, Program
from tests.sandbox.victims import descendants
sandbox = open_sandbox({backend!r}, workers=2)
sleeper = Program(code="import time; time.sleep(30)", limits=Limits(wall_seconds=30))
threading.Thread(target=sandbox.run_many, args=([sleeper] * 2,), daemon=True).start()
time.sleep(1.0)
print(*descendants(os.getpid()), flush=True)
time.sleep(60)
"""


def kill_parent(backend: Backend, folder: Path) -> Orphaned:
    """Kill a process of its own that runs two programs, and watch what it leaves.

    Args:
        backend: its sandbox's.
        folder: an empty one, for its temporary files.
    """
    with adopted_orphans():
        script = _PARENT.format(root=str(ROOT), backend=backend)
        environment = os.environ | {"TMPDIR": str(folder)}
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
        assert parent.stdout is not None
        below = {int(word) for word in parent.stdout.readline().split()}
        parent.kill()
        start = time.monotonic()
        parent.wait()
        parent.stdout.close()
        eventually(lambda: not parents().keys() & below, 1.0)
        left = parents().keys() & below
        gone = eventually(lambda: not parents().keys() & below, 5.0) and time.monotonic() - start
    return Orphaned(processes=len(below), left_after_a_second=len(left), gone_seconds=gone or None, files_left=len(list(folder.iterdir())))


def main() -> int:
    """Soak every backend that this machine has, print the figures and store them."""
    parser = argparse.ArgumentParser(prog="make soak", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="programs per backend (default: %(default)s)")
    runs = parser.parse_args().runs
    figures, failures = {}, []
    for backend in SAFE_BACKENDS:
        if lacks := what_is_missing(backend):
            figures[backend] = {"skipped": lacks}
            print(f"{backend}: skipped: {lacks}")
            continue
        soaked = soak(backend, runs=runs, mix=COMPUTING)
        print(f"{backend}: {soaked.runs} runs in {soaked.seconds:.0f} s, {len(soaked.wrong)} with another end than they must")
        for name, old, new in zip(Size._fields, soaked.before, soaked.after, strict=True):
            print(f"  {name:12} {old:8.6g} -> {new:.6g}")
        killed = [kill_worker(backend, kills=kills, outermost=False) for kills in (1, 2)]
        for cost in killed:
            ends = ", ".join(f"{count} {status}" for status, count in cost.statuses.items())
            print(f"  forkserver killed {cost.killed}x in one run: {ends}; next run answered in {cost.back_seconds:.2f} s")
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            orphaned = kill_parent(backend, Path(folder))
        print(
            f"  parent killed: {orphaned.processes} processes below it, {orphaned.left_after_a_second} left after 1 s, "
            f"{orphaned.files_left} temporary files left"
        )
        failures += [f"{backend}: {what}" for what in (*soaked.grown, *soaked.wrong)]
        # A run is tried once more: only the second kill costs it.
        lost = [cost for cost in killed if cost.back_seconds >= 2 or cost.statuses.get("infra", 0) != cost.killed - 1]
        failures += [f"{backend}: {cost}" for cost in lost]
        failures += [f"{backend}: {orphaned}"] if orphaned.left_after_a_second or orphaned.files_left else []
        figures[backend] = {
            "runs": soaked.runs,
            "runs_per_second": round(soaked.runs / soaked.seconds, 1),
            "wrong_ends": len(soaked.wrong),
            "before": {name: round(value, 1) for name, value in soaked.before._asdict().items()},
            "after": {name: round(value, 1) for name, value in soaked.after._asdict().items()},
            "forkserver_killed": [asdict(cost) | {"back_seconds": round(cost.back_seconds, 2)} for cost in killed],
            "parent_killed": asdict(orphaned) | {"gone_seconds": orphaned.gone_seconds and round(orphaned.gone_seconds, 2)},
        }
    result = {
        "benchmark": "soak",
        "backends": figures,
        "failures": failures,
        "machine": machine(),
        "versions": versions(),
        "command": f"python -m tests.sandbox.soak --runs {runs}",
    }
    (RESULTS / "soak.json").write_text(json.dumps(result, indent=2) + "\n")
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{'FAILED' if failures else 'held'}; figures in {(RESULTS / 'soak.json').relative_to(ROOT)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
