"""What every benchmark shares: the machine in words, CPU seconds of interleaved variants, and one JSON line at the end."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, str | int]:
    """Describe the processor and the operating system; no host name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "asimd") if flag in fields.get("flags", fields.get("Features", "")).split()]
    return {
        "cpu": f"{fields.get('model name', platform.processor() or 'unknown')}, family {fields.get('cpu family', '?')}",
        "cores": os.cpu_count() or 1,
        "vector_units": " ".join(wide),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of these packages."""
    return {"python": platform.python_version(), **{package: metadata.version(package) for package in packages}}


def cpu_seconds(variants: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 1) -> dict[str, list[float]]:
    """Time callables in turns, so that a busy moment of the machine hits all of them alike.

    Returns:
        CPU seconds (all threads of this process, not of its children) per variant, ``repeats`` each, in order.
    """
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(-warmup, repeats):
        for name, run in variants.items():
            start = time.process_time()
            run()
            if repeat >= 0:
                taken[name].append(time.process_time() - start)
    return taken


def medians(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Return each variant's median."""
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def report(name: str, result: Mapping[str, Any], *, packages: tuple[str, ...]) -> None:
    """Print the result as one JSON line, with machine, versions and command, and store it as ``results/<name>.json``."""
    command = " ".join(["python", os.path.relpath(sys.argv[0], RESULTS.parent.parent), *sys.argv[1:]])
    full = {"benchmark": name, **result, "machine": machine(), "versions": versions(*packages), "command": command}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(full, indent=2) + "\n")
    print(json.dumps(full))
