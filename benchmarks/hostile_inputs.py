"""What texts made to hang, swell or crash a grader cost: time and memory of each, through the pool and in the caller's own process.

    python benchmarks/hostile_inputs.py

Every text is judged as a completion and as a reference, and hard pairs (true and nearly true identities) as both. After each item comes
an easy one, which must be right. ``late`` is by how much an item passed the deadline; ``own`` is the time of ``grade()`` without the pool,
where only the symbolic step runs in a worker; memory is the most that a worker held. Ends with status 1 where a bound is broken.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.verify.hostile import HANGING, HARD, RIGHT, WRONG_OR_NOTHING, Memory, boxed

from reasonforge.verify.grade import grade
from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import GradePool

DEADLINE_SECONDS = 2.0
LATE_SECONDS = 0.3
MEMORY_MB = 512


def inputs() -> Iterator[tuple[str, str, GradeItem]]:
    """Yield the role in which a text is judged, its name and the item."""
    for name, text in WRONG_OR_NOTHING.items():
        yield "completion", name, GradeItem(gold="7", text=text)
    for name, text in WRONG_OR_NOTHING.items():
        gold = text.removeprefix(r"Therefore \boxed{").removesuffix("}.")
        yield "reference", name, GradeItem(gold=gold, text=boxed("77"))
    for name, (gold, answer) in HARD.items():
        yield "pair", name, GradeItem(gold=gold, text=boxed(answer))
    yield "pair", "power of a sum", HANGING


def main() -> int:
    """Judge every input, print a row for each, and report."""
    rows: list[dict[str, Any]] = []
    print(f"{'role':<11} {'input':<26} {'characters':>10}  {'status':<10} {'pool s':>7} {'own s':>7} {'MB':>5}  next")
    with GradePool(1, deadline_seconds=DEADLINE_SECONDS, memory_mb=MEMORY_MB) as pool:
        pool.start()
        grade("x", r"\boxed{\sqrt{x^2}}")  # starts the symbolic worker of this process
        for role, name, item in inputs():
            with Memory(pool) as memory:
                start = time.monotonic()
                verdict = pool.grade(item)
                took = time.monotonic() - start
            after = pool.grade(RIGHT).correct
            start = time.monotonic()
            grade(item.gold, item.text)
            own = time.monotonic() - start
            row = {
                "role": role,
                "input": name,
                "characters": max(len(item.gold), len(item.text)),
                "status": verdict.status,
                "pool_seconds": round(took, 3),
                "own_process_seconds": round(own, 3),
                "peak_mb": round(memory.peak_mb),
                "next_is_right": after,
            }
            rows.append(row)
            print(
                f"{role:<11} {name:<26} {row['characters']:>10,}  {verdict.status:<10} {took:>7.3f} {own:>7.3f} {memory.peak_mb:>5.0f}  "
                f"{'right' if after else 'WRONG'}",
                flush=True,
            )
    late = max(row["pool_seconds"] for row in rows) - DEADLINE_SECONDS
    totals = {
        "deadline_seconds": DEADLINE_SECONDS,
        "inputs": len(rows),
        "statuses": dict(Counter(row["status"] for row in rows)),
        "most_late_seconds": round(max(0.0, late), 3),
        "slowest_in_own_process_seconds": max(row["own_process_seconds"] for row in rows),
        "peak_mb": max(row["peak_mb"] for row in rows),
        "next_wrong": sum(not row["next_is_right"] for row in rows),
    }
    report("hostile_inputs", {**totals, "rows": rows}, packages=("sympy", "mpmath"))
    return int(late > LATE_SECONDS or totals["peak_mb"] >= MEMORY_MB or totals["next_wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
