"""What ``doctor`` looks at. Nothing here imports torch except the deep check."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reasonforge.core.errors import UnavailableError

ESSENTIAL_MISSING = UnavailableError.exit_code
_GIB = 1 << 30
_LEAST_PYTHON = (3, 11)
_LOW_MEMORY_GIB = 2.0
_LOW_DISK_GIB = 2.0
_VECTOR_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Instruction sets that matrix products gain from, as Linux names them (x86, then Arm)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    hint: str = ""
    """What to do; empty = nothing."""


def all_checks(*, deep: bool) -> list[Check]:
    """Look at everything.

    Args:
        deep: also import torch.
    """
    checks = [check_python(), *check_packages(), check_processor(), check_cores(), check_memory(), check_compiler(), *check_sandbox()]
    checks += [check_disk(Path("runs")), check_writable(Path("runs"))]
    return [*checks, *check_torch()] if deep else checks


def check_python() -> Check:
    """Is this Python new enough?"""
    found = f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}"
    if sys.version_info < _LEAST_PYTHON:
        return Check("python", "fail", found, "install Python 3.11 or newer")
    return Check("python", "ok", found)


def check_packages() -> Iterator[Check]:
    """Is every package there that reasonforge declares? Optional ones are only mentioned."""
    try:
        requirements = importlib.metadata.requires("reasonforge") or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("reasonforge", "warn", "runs from a source tree, not installed", "pip install -e .")
        requirements = ["torch"]
    for requirement in requirements:
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
        if match is None or (extra and extra[1] == "dev"):
            continue
        yield _check_package(match.group(), extra[1] if extra else None)


def _check_package(name: str, extra: str | None) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if extra is not None:
            return Check(name, "ok", f"not installed; optional: pip install 'reasonforge[{extra}]'")
        return Check(name, "fail", "not installed", f"pip install {name}")


def check_processor() -> Check:
    """Which vector instructions does the processor have?"""
    flags = _cpu_flags()
    found = f"{platform.machine()} {' '.join(flag for flag in _VECTOR_FLAGS if flag in flags)}".strip()
    if platform.machine() in ("x86_64", "AMD64") and flags and "avx2" not in flags:
        return Check("processor", "warn", f"{found} without avx2", "training on this processor is several times slower")
    return Check("processor", "ok", found)


def check_cores() -> Check:
    """How many cores may this process use, and will it use them?"""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS")
    found = f"{usable} usable" + (f", OMP_NUM_THREADS={limit}" if limit else "")
    if limit and limit.isdigit() and int(limit) > usable:
        return Check("cores", "warn", found, "more threads than cores is slower: unset OMP_NUM_THREADS")
    return Check("cores", "ok", found)


def check_memory() -> Check:
    """How much memory is free, within the container's limit if there is one?"""
    available = _available_memory()
    if available is None:
        return Check("memory", "ok", "unknown on this system")
    found = f"{available / _GIB:.1f} GiB free"
    if available < _LOW_MEMORY_GIB * _GIB:
        return Check("memory", "warn", found, "enough for the toy recipes only: close something or choose a small model")
    return Check("memory", "ok", found)


def check_compiler() -> Check:
    """Is there a C compiler for the native sampling kernels?"""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "cc", "gcc", "clang"))), None)
    if compiler is None:
        return Check("c compiler", "warn", "none", "sampling on a CPU falls back to PyTorch and is slower: install gcc or clang")
    return Check("c compiler", "ok", compiler)


def check_sandbox() -> Iterator[Check]:
    """Where could model-written programs run? Each protected backend is started and attacked; a run takes the first that holds."""
    from reasonforge.sandbox.probe import probe

    probes = probe()
    taken = next((found.backend for found in probes if found.available), None)
    for found in probes:
        name = f"sandbox {found.backend}"
        facts = ", ".join(f"{key} {value}" if key != "bwrap" else value for key, value in found.facts.items())
        if found.backend == "unsafe-subprocess":
            yield Check(name, "ok", "protects nothing; taken only where a recipe names it and sets i_understand=true")
        elif found.available:
            yield Check(name, "ok", f"{facts}; start-up test passed{'; auto takes it' if found.backend == taken else ''}")
        else:
            yield Check(name, "ok" if taken else "warn", f"not available: {found.reason}", found.hint)


def check_disk(runs: Path) -> Check:
    """How much room is there for runs?"""
    folder = _existing(runs)
    free = shutil.disk_usage(folder).free
    found = f"{free / _GIB:.1f} GiB free at {folder.resolve()}"
    if free < _LOW_DISK_GIB * _GIB:
        return Check("disk", "warn", found, "free some space, or name another place with --out")
    return Check("disk", "ok", found)


def check_writable(runs: Path) -> Check:
    """Can a run folder be made here?"""
    folder = _existing(runs)
    try:
        with tempfile.TemporaryDirectory(prefix=".reasonforge-doctor-", dir=folder):
            return Check("run folder", "ok", f"{folder.resolve()} is writable")
    except OSError as error:
        return Check("run folder", "fail", f"{folder.resolve()}: {error.strerror}", "run from a folder you may write to")


def check_torch() -> Iterator[Check]:
    """Import torch, multiply, and look for a GPU."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library that does not load
        yield Check("torch", "fail", f"cannot be imported: {error}", "reinstall it: pip install --force-reinstall torch")
        return
    product = torch.ones(8, 8) @ torch.ones(8, 8)
    works = bool((product == 8).all())
    yield Check(
        "torch", "ok" if works else "fail", f"{torch.__version__}, {torch.get_num_threads()} threads", "" if works else "reinstall torch"
    )
    if not torch.cuda.is_available():
        built = f"torch was built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch was built without CUDA"
        yield Check("gpu", "ok", f"none; {built}. Toy recipes run on the CPU")
        return
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        yield Check(f"gpu {index}", "ok", f"{torch.cuda.get_device_name(index)}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(candidate for candidate in (folder, *folder.parents, Path("/")) if candidate.is_dir())


def _cpu_flags() -> set[str]:
    return {flag for line in _read("/proc/cpuinfo").splitlines() if line.lower().startswith(("flags", "features")) for flag in line.split()}


def _available_memory() -> int | None:
    """Bytes that can be had: what the system has left, or what the container's limit leaves, whichever is less."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    if found is None:
        return None
    available = int(found[1]) * 1024
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    return min(available, max(0, int(limit) - int(used))) if limit.isdigit() and used.isdigit() else available


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
