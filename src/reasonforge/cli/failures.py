"""What goes wrong becomes one line on stderr and an exit code; only a bug leaves a traceback, in a file."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from reasonforge.core.errors import ReasonforgeError, StorageError, UnavailableError
from reasonforge.runs.redact import redact_argv, redact_text, secret_values
from reasonforge.runs.text import clean_text

BUG = 70
_USAGE = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")
"""How PyTorch's RuntimeErrors say it, on a GPU and on a CPU."""


def report_failure(error: BaseException, argv: Sequence[str], *, debug: bool) -> int:
    """Say on stderr what went wrong, and return the exit code."""
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        # It has what it wanted (| head). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    if debug:
        _print("".join(traceback.format_exception(error)).rstrip(), newlines=True)
    message, code = _explain(error)
    if code == BUG and not isinstance(error, ReasonforgeError):
        _print(f"bug: {type(error).__name__}: {error} (details: {_write_crash_file(error, argv)}). Please report it.")
        return BUG
    for line in message.splitlines() or [type(error).__name__]:
        _print(f"error: {line}")
    return code


def _explain(error: BaseException) -> tuple[str, int]:
    """Return what to tell the user, and the exit code."""
    if isinstance(error, ReasonforgeError):
        return str(error), error.exit_code
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return "interrupted", _INTERRUPTED
    # Typer raises the usage errors of the parser below it, whose class has no public name in every version that we support.
    if callable(format_message := getattr(error, "format_message", None)):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "reasonforge"
        # Newer versions of Typer read values with pydantic, and let its prefix through.
        message = " ".join(str(format_message()).split()).replace(": Value error, ", ": ")
        return f"{message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help", _USAGE
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return f"{error.filename or 'disk'}: {error.strerror}. Free space or choose another folder with --out", StorageError.exit_code
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)):
        return "out of memory. Lower training.max_tokens_per_device, sampling.max_slots or the model's size", UnavailableError.exit_code
    return str(error), BUG


def _write_crash_file(error: BaseException, argv: Sequence[str]) -> str:
    """Write what is needed to find the bug into the run's folder, or a temporary one; return where it lies."""
    from reasonforge.runs.info import new_attempt  # pydantic: --help need not wait for it

    secrets = _secrets()
    attempt = new_attempt(redact_argv(argv, secrets))
    trace = redact_text("".join(traceback.format_exception(error)), secrets)
    content = f"{trace}\n{json.dumps(attempt.model_dump(exclude={'host'}), indent=2)}\n"
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in filter(None, (_run_folder(argv), Path(tempfile.gettempdir()))):
        with contextlib.suppress(OSError):
            # Exclusive and private: in a shared temporary folder nobody else may have made or may read this file.
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(content)
            return str(folder / name)
    _print(content, newlines=True)
    return "above"


def _run_folder(argv: Sequence[str]) -> Path | None:
    """Return the folder named by ``--out`` if it is there; None = none was named, or it was never made."""
    for position, argument in enumerate(argv):
        name, has_value, value = argument.partition("=")
        if name == "--out":
            folder = Path(value if has_value else "".join(argv[position + 1 : position + 2]))
            return folder if folder.name and folder.is_dir() else None
    return None


def _reader_is_gone() -> bool:
    """Say whether it is stdout that broke. Any other broken pipe (to a worker, say) is a bug."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # stdout is no file, or closed
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))


def _secrets() -> frozenset[str]:
    return secret_values(dict(os.environ))


def _print(text: str, *, newlines: bool = False) -> None:
    with contextlib.suppress(OSError, ValueError):  # a closed stderr must not change the exit code
        print(clean_text(redact_text(text, _secrets()), newlines=newlines), file=sys.stderr, flush=True)
