"""Rows of JSON Lines and Parquet files. Whatever is wrong is one line that names the file, the row and the remedy."""

from __future__ import annotations

import difflib
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from reasonforge.core.errors import DataError, UnavailableError

MAX_ROW_BYTES = 8 << 20
"""A longer row is taken for a broken file (a missing line end, usually), not read into memory."""
_HEAD_BYTES = 256
SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")


class Row(NamedTuple):
    """One record and where it stands."""

    place: str
    """``file:line`` (or ``file: row n`` in Parquet), for messages."""
    values: dict[str, Any]


def read_rows(path: Path, *, max_row_bytes: int = MAX_ROW_BYTES, nan_is_null: bool = False) -> Iterator[Row]:
    """Yield the rows of a file in order; blank lines are skipped.

    Args:
        path: the file; its ending says what it is.
        max_row_bytes: a longer line is an error.
        nan_is_null: read NaN and Infinity, which are no JSON, as null: so pandas writes what is missing. False = they are errors.

    Raises:
        DataError: the file is missing, of another kind, cut, corrupt or not UTF-8, or a row is no JSON object.
    """
    path = path.expanduser()
    name = path.name.lower()
    _require_file(path)
    if name.endswith(".parquet"):
        yield from _parquet_rows(path)
    elif name.endswith((".jsonl", ".jsonl.gz")):
        for row in _json_rows(path, compressed=name.endswith(".gz"), max_row_bytes=max_row_bytes, nan_is_null=nan_is_null):
            if isinstance(row, DataError):
                raise row
            yield row
    else:
        raise DataError(f"{path}: unknown kind of file. Known endings: {', '.join(SUFFIXES)}")


def read_json_lines(path: Path, *, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[Row | DataError]:
    """Yield the rows of JSON Lines, and in place of a line that is wrong what is wrong with it.

    Raises:
        DataError: the file is missing, of another kind, or its compressed data ends too early.
    """
    path = path.expanduser()
    _require_file(path)
    name = path.name.lower()
    if not name.endswith((".jsonl", ".jsonl.gz")):
        raise DataError(f"{path}: unknown kind of file. Known endings: .jsonl, .jsonl.gz")
    yield from _json_rows(path, compressed=name.endswith(".gz"), max_row_bytes=max_row_bytes)


def _require_file(path: Path) -> None:
    try:
        if path.is_file():
            return
        if path.is_dir():
            inside = sorted(entry.name for entry in path.iterdir() if entry.name.lower().endswith(SUFFIXES))
            raise DataError(f"{path}: is a directory. Name the file" + (f", for example {path / inside[0]}" if inside else ""))
        siblings = os.listdir(path.parent) if path.parent.is_dir() else []
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    close = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.5)
    if close:
        raise DataError(f"{path}: no such file. Did you mean {path.parent / close[0]}?")
    raise DataError(f"{path}: no such file" + ("" if siblings else f"; the folder {path.parent} has no files either"))


def _json_rows(path: Path, *, compressed: bool, max_row_bytes: int, nan_is_null: bool = False) -> Iterator[Row | DataError]:
    number = 0
    try:
        with path.open("rb") as raw:
            _refuse_other_kinds(path, raw, compressed=compressed)
            reader = gzip.GzipFile(fileobj=raw) if compressed else raw
            while line := reader.readline(max_row_bytes + 1):
                number += 1
                if len(line) > max_row_bytes:
                    while not line.endswith(b"\n") and (line := reader.readline(max_row_bytes)):
                        pass  # the rest of it is no row of its own
                    yield DataError(f"{path}:{number}: row of more than {max_row_bytes >> 20} MiB. Is a line end missing?")
                    continue
                try:
                    values = _json_row(path, number, line, nan_is_null=nan_is_null)
                except DataError as error:
                    yield error
                    continue
                if values is not None:
                    yield Row(f"{path}:{number}", values)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip data is cut or corrupt after line {number} ({error}). Copy the file again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _refuse_other_kinds(path: Path, raw: IO[bytes], *, compressed: bool) -> None:
    """Look at the first bytes: a wrong ending is found out here and not as line noise later."""
    start = raw.read(_HEAD_BYTES)
    raw.seek(0)
    refuse_placeholder(path, start)
    if compressed and start and start[:2] != b"\x1f\x8b":
        raise DataError(f"{path}: is not gzip data, in spite of its name. Rename it to end in .jsonl")
    if not compressed and start[:2] == b"\x1f\x8b":
        raise DataError(f"{path}: is gzip data. Rename it to end in .jsonl.gz")
    if start[:4] == b"PAR1":
        raise DataError(f"{path}: is Parquet data. Rename it to end in .parquet")
    if not compressed and _is_binary(start):
        raise DataError(f"{path}: is no text file. Give JSON Lines, one object per line")


def _is_binary(start: bytes) -> bool:
    """Say whether these are the first bytes of no text in any encoding. Text in a wrong one gets a message of its own."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or start[:2] in (b"{\0", b"\0{"):
        return False
    if b"\0" in start:
        return True
    try:
        start.decode()
    except UnicodeDecodeError as error:
        is_cut = error.end == len(start) and error.reason == "unexpected end of data"
        return not is_cut and any(byte < 32 and byte not in b"\t\n\r\f" for byte in start)
    return False


def refuse_placeholder(path: Path, start: bytes) -> None:
    """Refuse what downloads leave in place of a file: a pointer of Git LFS, or a web page.

    Raises:
        DataError: the first bytes are those of one.
    """
    if start.startswith(b"version https://git-lfs"):
        raise DataError(f"{path}: is a pointer of Git LFS, not the file. Fetch it: git lfs pull")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise DataError(f"{path}: is a web page, not data. Download the file itself")


def _json_row(path: Path, number: int, line: bytes, *, nan_is_null: bool) -> dict[str, Any] | None:
    """Read one line; None where it is blank."""
    place = f"{path}:{number}"
    if number == 1:
        if line[:2] in (b"\xff\xfe", b"\xfe\xff") or (b"\x00" in line[:4]):
            raise DataError(f"{place}: looks like UTF-16. Save the file as UTF-8")
        line = line.removeprefix(b"\xef\xbb\xbf")
    if not line.strip():
        return None
    try:
        values = json.loads(line.decode(), parse_constant=_as_null if nan_is_null else _refuse_constant)
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start} of the line. Save the file as UTF-8") from None
    except RecursionError:
        raise DataError(f"{place}: nested too deeply") from None
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise DataError(f"{place}: the last line is cut in the middle. Copy the file again or delete the line") from None
        detail = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)[:100]
        raise DataError(f"{place}: not valid JSON: {detail}. Each line must be one JSON object") from None
    if not isinstance(values, dict):
        raise DataError(f"{place}: a {type(values).__name__}, not a JSON object with named columns")
    return values


def _as_null(name: str) -> None:
    """Stand for a constant that is no JSON."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise UnavailableError(f"{path}: reading Parquet needs pyarrow, which is not installed") from None
    number = 0
    try:
        with path.open("rb") as raw:
            refuse_placeholder(path, raw.read(_HEAD_BYTES))
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}: row {number}", values)
    except DataError:
        raise
    except (arrow.ArrowException, OSError, ValueError) as error:
        first_line = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(f"{path}: not readable as Parquet after row {number}: {first_line}") from None
