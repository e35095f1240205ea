"""Rows of JSON Lines and Parquet, line by line and group by group: a bad row costs itself, and nothing is held but one row group.

Beside ``tasks.files``, which stops at the first bad row of a data set that people wrote: these files were written by machines, by the
million, elsewhere, and compressed with zstandard.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

import zstandard

from reasonforge.core.errors import DataError
from reasonforge.corpus.reasons import BAD_ROW, TRUNCATED

MAX_ROW_BYTES: Final = 64 << 20
_READ_BYTES = 1 << 18
_ZSTD_PIECE_BYTES = 1 << 10
_STEP_BYTES = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def json_rows(file: BinaryIO) -> Iterator[dict[str, Any] | str]:
    """Yield the objects of JSON Lines, plain or compressed with gzip or zstandard, and in place of a row that is none the reason code.

    Blank lines are skipped. Where the file is cut, the code ``truncated`` comes last.
    """
    start = file.read(4)
    file.seek(0)
    if start[:2] == _GZIP:
        chunks = _gzip_chunks(file)
    elif start == _ZSTD:
        chunks = _zstd_chunks(file)
    else:
        chunks = iter(lambda: file.read(_READ_BYTES), b"")
    is_first = True
    for line in _lines(chunks):
        if line is None:
            yield BAD_ROW
            continue
        if isinstance(line, str):
            yield line
            return
        if is_first:
            line, is_first = line.removeprefix(b"\xef\xbb\xbf"), False
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield BAD_ROW
            continue
        yield row if isinstance(row, dict) else BAD_ROW


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes | str | None]:
    """Yield lines; None for one that is too long; ``truncated`` where the compressed data ends too early."""
    pieces: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            *whole, rest = chunk.split(b"\n")
            for end in whole:
                if size + len(end) > MAX_ROW_BYTES:
                    yield None
                else:
                    yield b"".join([*pieces, end]) if pieces else end
                pieces, size = [], 0
            size += len(rest)
            if size > MAX_ROW_BYTES:
                pieces = []
            elif rest:
                pieces.append(rest)
    except EOFError:
        yield TRUNCATED
        return
    if size > MAX_ROW_BYTES:
        yield None
    elif pieces:
        yield b"".join(pieces)


def _gzip_chunks(file: BinaryIO) -> Iterator[bytes]:
    inflater, content = zlib.decompressobj(31), b""
    while content or (content := file.read(_READ_BYTES)):
        if inflater.eof:
            content = content.lstrip(b"\0")
            if not content:
                continue
            inflater = zlib.decompressobj(31)
        try:
            yield inflater.decompress(content, _STEP_BYTES)
        except zlib.error as error:
            raise EOFError from error
        content = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    while not inflater.eof:
        piece = inflater.decompress(b"", _STEP_BYTES)
        if not piece and not inflater.eof:
            raise EOFError
        yield piece


def _zstd_chunks(file: BinaryIO) -> Iterator[bytes]:
    # Not through the library's stream: it takes the end of a file that is cut for the end of the data.
    inflater, is_open = zstandard.ZstdDecompressor().decompressobj(), False
    while block := file.read(_READ_BYTES):
        at = 0
        while at < len(block):
            if inflater.eof:
                inflater = zstandard.ZstdDecompressor().decompressobj()
            piece = block[at : at + _ZSTD_PIECE_BYTES]
            try:
                yield inflater.decompress(piece)
            except zstandard.ZstdError as error:
                raise EOFError from error
            is_open = not inflater.eof
            at += len(piece) - len(inflater.unused_data)
    if is_open:
        raise EOFError


def parquet_rows(file: BinaryIO, path: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file with only these columns, those that it has.

    Raises:
        DataError: it is no Parquet file, cut or damaged.
    """
    import pyarrow as arrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            wanted = dict.fromkeys(column if column in names else column.partition(".")[0] for column in columns)
            roots = [name for name in wanted if name in names]
            for batch in table.iter_batches(batch_size=256, columns=roots, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield row
    except (arrow.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        first_line = next(iter(str(error).splitlines()), type(error).__name__)[:120]
        raise DataError(f"{path}: cannot be read as Parquet after row {number}: {first_line}. Fetch it again") from error


def field(row: Mapping[str, Any], name: str, absent: Any = None) -> Any:
    """Return a value by its name, or by the names of the objects that it is in joined by dots; ``absent`` where there is none.

    An object may be written as a string of JSON, as Parquet files of web text have it. What is in one that is null is null.
    """
    if name in row:
        return row[name]
    head, dot, rest = name.partition(".")
    if not dot or head not in row:
        return absent
    inner = row[head]
    if inner is None:
        return None
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            return absent
    return field(inner, rest, absent) if isinstance(inner, Mapping) else absent
