"""Grading speed: ours against math-verify, the same completions and references, per CPU second; and how the pool keeps its deadline.

    python benchmarks/bench_grade.py [--repeats 5] [--items 1000]

*gsm8k*: worked solutions that end in a boxed number. *math*: worked solutions whose box holds whatever MATH asks for. Half of each set is
paired with its own reference and half with the next problem's. With ``REASONFORGE_DATA`` (or ``../shared/data``) they are the published
test sets, else generated ones of the same form. References are parsed before the clock starts, on both sides; answers are not, and all our
caches are emptied before each pass (the peer's, sympy's, stay). CPU seconds of this process and of everything it started, sides in turns;
medians. ``pool`` is the same work in a worker process, started before the clock, references parsed within.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import re
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from common import report
from math_verify import parse, verify

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.verify.hostile import HANGING, RIGHT, Memory

from reasonforge.verify import answers, grade
from reasonforge.verify.extract import extract_answer
from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import GradePool

DATA = Path(os.environ.get("REASONFORGE_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
TARGETS = {"gsm8k": 8.0, "math": 2.0}
SEED = 0
DEADLINE_SECONDS = 2.0
TURN_CPU_SECONDS = 0.5


def tree_cpu_seconds() -> float:
    """Return the CPU seconds of this process and of all it has started, living or waited for."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def gsm8k(count: int) -> tuple[list[tuple[str, str]], str]:
    """Return completions and references in the form of GSM8K, and where they come from."""
    path = DATA / "gsm8k" / "test.jsonl"
    if path.exists():
        rows = [json.loads(line)["answer"] for line in path.read_text().splitlines()]
        solved = [re.sub(r"<<[^>]*>>", "", row).rsplit("####", 1) for row in rows]
        return [(rf"{text}The answer is \boxed{{{gold.strip()}}}.", gold.strip()) for text, gold in solved][:count], "GSM8K test"
    draw = random.Random(SEED)
    pairs = []
    for _ in range(count):
        a, b, c = (draw.randint(2, 60) for _ in range(3))
        text = f"There are {a} boxes with {b} pens each, so {a} * {b} = {a * b} pens.\nThen {c} are added: {a * b} + {c} = {a * b + c}.\n"
        pairs.append((rf"{text}The answer is \boxed{{{a * b + c}}}.", str(a * b + c)))
    return pairs, "generated"


def competition(count: int) -> tuple[list[tuple[str, str]], str]:
    """Return completions and references in the form of MATH, and where they come from."""
    path = DATA / "math" / "test.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt") as file:
            texts = [json.loads(line)["solution"] for line in file]
        random.Random(SEED).shuffle(texts)
        return [(text, gold) for text in texts if (gold := extract_answer(text))][:count], "MATH test"
    draw = random.Random(SEED)
    forms = [
        r"\frac{%d}{%d}", r"%d\sqrt{%d}", "(%d,%d)", "x^2+%dx-%d", r"(-\infty,%d)\cup(%d,\infty)", "%d%d", r"\frac{\sqrt{%d}}{%d}",
    ]  # fmt: skip
    golds = [draw.choice(forms) % (draw.randint(1, 40), draw.randint(41, 90)) for _ in range(count)]
    return [(rf"Step by step we find \[A = {gold}.\] So the answer is $\boxed{{{gold}}}$.", gold) for gold in golds], "generated"


def mixed(pairs: Sequence[tuple[str, str]]) -> list[GradeItem]:
    """Pair every other completion with the next problem's reference."""
    golds = [f"{gold} " for _, gold in pairs]  # the space: an answer in the same words as its reference is to be read all the same
    return [GradeItem(gold=golds[(index + index % 2) % len(pairs)], text=text) for index, (text, _) in enumerate(pairs)]


def clear_caches() -> None:
    """Forget every answer that our modules remember."""
    for name, module in list(sys.modules.items()):
        if name.startswith("reasonforge.verify"):
            for function in vars(module).values():
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


def compare(items: list[GradeItem], *, repeats: int) -> dict[str, Any]:
    """Time the three ways in turns and count what each accepts."""
    parsed = [parse(f"${item.gold}$") for item in items]
    accepted: dict[str, list[bool]] = {}

    def once(name: str) -> float:
        clear_caches()
        if name == "math_verify":
            start = tree_cpu_seconds()
            accepted[name] = [verify(gold, parse(item.text)) for gold, item in zip(parsed, items, strict=True)]
            return tree_cpu_seconds() - start
        if name == "ours":
            for item in items:
                answers.read_answer(item.gold)
            start = tree_cpu_seconds()
            accepted[name] = [grade(item.gold, item.text).correct for item in items]
            return tree_cpu_seconds() - start
        with GradePool(1) as pool:
            pool.grade(RIGHT)  # the worker is up
            start = tree_cpu_seconds()
            accepted[name] = [verdict.correct for verdict in pool.grade_many(items)]
            return tree_cpu_seconds() - start

    names = ("ours", "math_verify", "pool")
    # A turn is as many passes as fill it: a worker's clock ticks in hundredths of a second.
    passes = {name: max(1, math.ceil(TURN_CPU_SECONDS / max(once(name), 0.01))) for name in names}
    taken: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            taken[name].append(sum(once(name) for _ in range(passes[name])) / passes[name])
    rates = {name: len(items) / statistics.median(seconds) for name, seconds in taken.items()}
    own = [index % 2 == 0 for index in range(len(items))]
    return {
        "items": len(items),
        "per_cpu_second": {name: round(rate) for name, rate in rates.items()},
        "ratio": round(rates["ours"] / rates["math_verify"], 1),
        "ratio_pool": round(rates["pool"] / rates["math_verify"], 1),
        "accepted_of_own": {name: sum(yes for yes, mine in zip(found, own) if mine) for name, found in accepted.items()},
        "accepted_of_others": {name: sum(yes for yes, mine in zip(found, own) if not mine) for name, found in accepted.items()},
        "own": sum(own),
    }


def deadlines(count: int) -> dict[str, Any]:
    """Return by how much hanging items pass the deadline, what a worker held at most, and whether the items after them are right."""
    late: list[float] = []
    statuses, after = [], []
    with GradePool(1, deadline_seconds=DEADLINE_SECONDS) as pool:
        pool.start()
        with Memory(pool) as memory:
            for _ in range(count):
                start = time.monotonic()
                statuses.append(pool.grade(HANGING).status)
                late.append(time.monotonic() - start - DEADLINE_SECONDS)
                after.append(pool.grade(RIGHT).correct)
    return {
        "deadline_seconds": DEADLINE_SECONDS,
        "hanging_items": count,
        "timeouts": statuses.count("timeout"),
        "most_late_seconds": round(max(late), 3),
        "peak_worker_mb": round(memory.peak_mb),
        "right_after_each": all(after),
    }


def burst(count: int, *, workers: int, deadline_seconds: float) -> dict[str, Any]:
    """Return what becomes of a burst in which every twentieth item hangs."""
    hangs = [index % 20 == 7 for index in range(count)]
    items = [HANGING if hang else GradeItem(gold=str(index), text=rf"\boxed{{{index}}}") for index, hang in enumerate(hangs)]
    with GradePool(workers, deadline_seconds=deadline_seconds) as pool:
        pool.grade_many(items[:2] * workers)
        start = time.monotonic()
        statuses = [verdict.status for verdict in pool.grade_many(items)]
        wall = time.monotonic() - start
    return {
        "items": count,
        "hanging": sum(hangs),
        "workers": workers,
        "deadline_seconds": deadline_seconds,
        "timeouts": statuses.count("timeout"),
        "right": statuses.count("correct"),
        "wall_seconds": round(wall, 2),
        "wall_to_least_possible": round(wall / (sum(hangs) * deadline_seconds / workers), 3),
    }


def main() -> None:
    """Run everything and report it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--items", type=int, default=1_000)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    for name, load in (("gsm8k", gsm8k), ("math", competition)):
        pairs, source = load(arguments.items)
        result[name] = {"source": source, **compare(mixed(pairs), repeats=arguments.repeats), "target_ratio": TARGETS[name]}
    result["deadlines"] = deadlines(5)
    result["burst"] = burst(1_000, workers=2, deadline_seconds=0.5)
    report("grade", result, packages=("math-verify", "latex2sympy2_extended", "sympy"))


if __name__ == "__main__":
    main()
