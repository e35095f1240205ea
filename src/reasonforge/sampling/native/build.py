"""From C sources to a loaded library: compiled once per (sources, compiler, processor), kept in the user's cache directory."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

_LOG = logging.getLogger("reasonforge.sampling")
_SOURCES = Path(__file__).parent
# A multiply and an add must fuse everywhere or nowhere: results may not depend on which loop a row went through.
_COMMON = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno", "-ffp-contract=fast", "-Wno-psabi")
_TUNINGS = (("-march=native",), ("-mcpu=native",), ())
_COMPILE_SECONDS = 300


class BuildError(Exception):
    """The library cannot be had; the message says why."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the library, compiling it if need be; None where there is no compiler or ``REASONFORGE_NATIVE=0``. Says so once."""
    if os.environ.get("REASONFORGE_NATIVE") == "0":
        _LOG.info("native sampling is switched off (REASONFORGE_NATIVE=0); using torch")
        return None
    try:
        return load_library(cache_directory())
    except (BuildError, OSError, subprocess.SubprocessError) as error:
        _LOG.warning("native sampling is not available (%s); using torch, several times slower", error)
        return None


def load_library(directory: Path) -> ctypes.CDLL:
    """Load the library from a cache directory, building it there if it is missing or damaged."""
    compiler = _compiler()
    home = directory / f"native-{_key(compiler)}"
    if not _is_intact(home):
        _build(compiler, home)
    return ctypes.CDLL(str(home / "step.so"))


def cache_directory() -> Path:
    """Return a directory only this user can write: the cache, or a fresh temporary one (deleted with the machine's)."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reasonforge"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = base.stat()
        # Code is loaded from here: nobody else may have put it there.
        private = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if private and os.access(base, os.W_OK | os.X_OK):
            return base
    except (OSError, RuntimeError):
        pass
    return Path(tempfile.mkdtemp(prefix="reasonforge-"))


def _compiler() -> list[str]:
    command = shlex.split(os.environ.get("CC") or "cc")
    found = shutil.which(command[0])
    if found is None:
        raise BuildError(f"no C compiler: {command[0]!r} is not on the PATH")
    return [found, *command[1:]]


def _key(compiler: list[str]) -> str:
    """Hash everything that the binary depends on."""
    digest = hashlib.blake2b(digest_size=12)
    for source in sorted(_SOURCES.glob("*.[ch]")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    version = subprocess.run([*compiler, "--version"], capture_output=True, timeout=_COMPILE_SECONDS, check=True).stdout
    digest.update(version + repr((compiler, _COMMON, _TUNINGS)).encode() + _processor().encode())
    return digest.hexdigest()


def _processor() -> str:
    """Name the instruction set: a home directory may be shared by machines that differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    features = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return platform.machine() + " ".join(sorted(next(features, "").split()))


def _is_intact(home: Path) -> bool:
    """Check the stored digest: loading a truncated library would kill the process with a bus error."""
    try:
        return (home / "digest").read_text() == hashlib.blake2b((home / "step.so").read_bytes()).hexdigest()
    except OSError:
        return False


def _build(compiler: list[str], home: Path) -> None:
    """Compile into a temporary directory, then move it into place in one step; a concurrent process does the same in its own."""
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        _compile(compiler, made / "step.so")
        (made / "digest").write_text(hashlib.blake2b((made / "step.so").read_bytes()).hexdigest())
        try:
            made.rename(home)
        except OSError:
            if _is_intact(home):  # another process was faster
                return
            shutil.rmtree(home, ignore_errors=True)
            made.rename(home)


def _compile(compiler: list[str], target: Path) -> None:
    """Run the compiler with the first tuning it knows."""
    complaint = ""
    for tuning in _TUNINGS:
        command = [*compiler, *_COMMON, *tuning, str(_SOURCES / "step.c"), "-o", str(target), "-lm"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS)
        if result.returncode == 0:
            return
        complaint = result.stderr.strip().rpartition("\n")[2] or f"exit code {result.returncode}"
    raise BuildError(f"{compiler[0]} failed: {complaint}")
