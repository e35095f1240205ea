"""Programs in the sandbox against the same programs in a bare, unprotected ``python -I``, in turns: milliseconds from call to answer.

python benchmarks/bench_sandbox.py [--runs 20] [--backend namespace --backend landlock]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from common import report

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.pool import PoolSandbox
from reasonforge.sandbox.probe import SAFE_BACKENDS
from reasonforge.sandbox.protocol import Call, Program, SandboxUnavailable

# None of these expressions is among those that a worker is warmed up with: sympy remembers what it has computed.
PROGRAMS = {
    "stdlib": """
import math
from fractions import Fraction
print(sum(Fraction(1, n) for n in range(1, 30)), math.comb(40, 20))
""",
    "numpy+sympy": """
import numpy as np
from sympy import Rational, integrate, solve, symbols
x, y = symbols("x y")
print(solve([3 * x + 2 * y - 12, x - y + 1], [x, y]), integrate(x**3 + Rational(1, 2) * x, (x, 0, 3)), int(np.arange(10).sum()))
""",
}
CALLED = "def f(n):\n    return sum(i * i for i in range(n))"
CALLS = 20


def milliseconds(run: Callable[[], object]) -> float:
    """Run once; return the wall time. CPU time would leave out the worker, which is nobody's waited-for child while it lives."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def bare(code: str) -> str:
    """Run as everybody does at first: a fresh interpreter, with all of this user's rights."""
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Measure every backend that works here."""
    options = argparse.ArgumentParser(description="Time programs in the sandbox against a bare interpreter.")
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--backend", action="append", choices=SAFE_BACKENDS)
    arguments = options.parse_args()
    sandboxes: dict[str, PoolSandbox] = {}
    for backend in SAFE_BACKENDS:
        if arguments.backend and backend not in arguments.backend:
            continue
        try:
            sandboxes[backend] = open_sandbox(backend, workers=1)
        except SandboxUnavailable as error:
            print(f"left out: {error}", file=sys.stderr)
    rows: dict[str, dict[str, float]] = {}
    try:
        for name, code in PROGRAMS.items():
            expected = bare(code)
            for sandbox in sandboxes.values():
                assert sandbox.run(Program(code=code)).stdout == expected
            runs = {"bare": lambda code=code: bare(code)}
            runs |= {backend: lambda code=code, sandbox=sandbox: sandbox.run(Program(code=code)) for backend, sandbox in sandboxes.items()}
            taken = {key: statistics.median(times) for key, times in in_turns(runs, rounds=arguments.runs).items()}
            row = {f"{key}_ms": round(value, 2) for key, value in taken.items()}
            row |= {f"{backend}_times_faster": round(taken["bare"] / taken[backend], 2) for backend in sandboxes}
            rows[name] = row
        rows[f"{CALLS} calls of one program"] = calls_row(sandboxes, rounds=arguments.runs)
    finally:
        for sandbox in sandboxes.values():
            sandbox.close()
    report("sandbox", {"runs": arguments.runs, "rows": rows}, packages=("numpy", "sympy"))


def in_turns(runs: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Time each in turn, so that a busy moment of the machine hits all alike."""
    taken: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            taken[key].append(milliseconds(run))
    return taken


def calls_row(sandboxes: Mapping[str, PoolSandbox], *, rounds: int) -> dict[str, float]:
    """Many tests of one candidate: all calls in one run, against one run each."""
    calls = tuple(Call(function="f", args=(n,)) for n in range(CALLS))
    programs = [Program(code=CALLED, calls=(call,)) for call in calls]
    runs: dict[str, Callable[[], object]] = {}
    for backend, sandbox in sandboxes.items():
        runs[f"{backend}_one_run_ms"] = lambda sandbox=sandbox: sandbox.run(Program(code=CALLED, calls=calls))
        runs[f"{backend}_{CALLS}_runs_ms"] = lambda sandbox=sandbox: [sandbox.run(program) for program in programs]
    return {key: round(statistics.median(times), 2) for key, times in in_turns(runs, rounds=rounds).items()}


if __name__ == "__main__":
    main()
