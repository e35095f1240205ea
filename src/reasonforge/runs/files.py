"""JSON that a crash cannot tear, and JSON lines that survive a torn last line."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic


def write_json(path: Path, value: Any) -> None:
    """Write JSON-able data atomically, indented for people."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}.") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}).") from error


class LineWriter:
    """Appends JSON rows to a file, each with one ``write`` call, so a kill can tear at most the last line.

    Opening removes a torn last line left by an earlier kill: appending after it would spoil the next row too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors(path):
            self._descriptor = _open_append(path)
            self._size = _cut_torn_tail(path)

    def append(self, line: str) -> None:
        """Append one line of JSON (without its newline).

        Raises:
            OSError: the disk refused; the file ends after the last whole row.
        """
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):  # a disk that fills up takes part of the line, and says why at the next try
                written += os.write(self._descriptor, data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._size)
            raise
        self._size += len(data)

    def rewrite(self, keep: Callable[[dict[str, Any]], bool]) -> int:
        """Drop the rows that ``keep`` refuses, atomically, and return how many were dropped. Unreadable lines go too."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if (row := _parse(line)) is not None and keep(row)]
        if len(kept) < len(lines):
            write_atomic(self.path, b"".join(kept))
            os.close(self._descriptor)
            with storage_errors(self.path):
                self._descriptor = _open_append(self.path)
            self._size = sum(map(len, kept))
        return len(lines) - len(kept)

    def sync(self) -> None:
        """Make the rows appended so far survive a power loss.

        Raises:
            OSError: the disk refused.
        """
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a JSON-lines file; a torn last line is ignored, a missing file has no rows.

    Raises:
        DataError: the file cannot be read, or a line before the last is not a JSON object.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}.") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is torn, or nothing
        row = _parse(line)
        if row is None:
            raise DataError(f"{path}:{number}: not a JSON object. The file was changed by something other than the run.")
        rows.append(row)
    return rows


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _open_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _cut_torn_tail(path: Path) -> int:
    """Cut what follows the last newline and return the size that is left."""
    data = path.read_bytes()
    size = data.rfind(b"\n") + 1
    if size < len(data):
        os.truncate(path, size)
    return size
