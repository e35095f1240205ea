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

from reasonforge.core.errors import DataError, ReasonforgeError, StorageError, UnavailableError
from reasonforge.runs.redact import redact_argv, redact_text, secret_values
from reasonforge.runs.text import clean_text

BUG = 70
_USAGE = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_DISK_ERRORS = {
    errno.ENOSPC: "Free space or choose another folder with --out",
    errno.EDQUOT: "Free space or choose another folder with --out",
    errno.EFBIG: "Choose another folder with --out",
    errno.EROFS: "Choose another folder with --out",
    errno.EIO: "The device reports an error: check it before you go on",
}
"""What to do about each."""
_NO_PERMISSION = {errno.EACCES, errno.EPERM}
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
    if isinstance(error, OSError) and error.errno in _NO_PERMISSION:
        return _explain_refusal(error)
    if isinstance(error, OSError) and (advice := _DISK_ERRORS.get(error.errno or 0)) is not None:
        return f"{_shown(error.filename, 'disk')}: {error.strerror}. {advice}", StorageError.exit_code
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)):
        return "out of memory. Lower training.max_tokens_per_device, sampling.max_slots or the model's size", UnavailableError.exit_code
    return str(error), BUG


def _explain_refusal(error: OSError) -> tuple[str, int]:
    """Tell reading from writing. The error does not say which it was, but what is written has a name that was not there before."""
    path = error.filename
    if not isinstance(path, (str, bytes)):
        return f"no permission: {error.strerror}", StorageError.exit_code
    shown = _shown(path, "")
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.lexists(path) and not os.access(path, os.R_OK) and error.filename2 is None:
        return f"{shown}: no permission to read it. Change its permissions, or name another file", DataError.exit_code
    if not os.path.lexists(path) and not os.access(folder, os.X_OK):
        return f"{shown}: no permission to look into {_shown(folder, '')}", StorageError.exit_code
    return f"{shown}: no permission to write it. Change the permissions of the folder, or choose another with --out", StorageError.exit_code


def _shown(path: object, otherwise: str) -> str:
    return os.fsdecode(path) if isinstance(path, (str, bytes)) else otherwise if path is None else str(path)


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
