"""Shards as the indexed data set of Megatron-LM and its relatives: ``NAME.bin`` with the tokens, ``NAME.idx`` with where sequences lie.

The index, all little endian: ``MMIDIDX`` and two zero bytes; version 1 as 64 bits; a byte for the type of the tokens; the number of
sequences and the number of document borders, 64 bits each; then per sequence its length (32 bits), per sequence where it begins in bytes
(64 bits), and the borders: document ``d`` is sequences ``border[d]`` to before ``border[d + 1]`` (64 bits). Here a sequence is a document.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonforge.core.errors import DataError
from reasonforge.core.files import fsync_dir, storage_errors, write_durable
from reasonforge.corpus.packing.manifest import MANIFEST
from reasonforge.corpus.packing.reader import Shards

_MAGIC = b"MMIDIDX\x00\x00"
_HEADER = struct.Struct("<9sQBQQ")
_TYPES = {8: np.dtype("<u2"), 4: np.dtype("<i4")}
"""Of the codes that the format knows, those that shards become: unsigned 16 bits, and signed 32 bits, for it has no unsigned ones."""

_PART_TOKENS = 1 << 22
_PART_DOCUMENTS = 1 << 20
_MAX_LENGTH = (1 << 31) - 1


class Exported(NamedTuple):
    """What was written."""

    bin: Path
    idx: Path
    num_tokens: int
    num_documents: int


def export_megatron(shards: Shards, prefix: Path) -> Exported:
    """Write ``prefix.bin`` and ``prefix.idx``, read the index back, and compare. Memory does not grow with the corpus.

    Raises:
        DataError: a file of that name is there already, the folder is one of shards, a shard is damaged, or a document is longer than the
            format can say. Nothing is left then.
        StorageError: the disk refused.
    """
    if (prefix.parent / MANIFEST).exists():
        raise DataError(f"{prefix.parent}: holds shards, and an export among them would stand in their way: give it a folder of its own")
    paths = Path(f"{prefix}.bin"), Path(f"{prefix}.idx")
    for path in paths:
        if path.exists():
            raise DataError(f"{path}: is there already: choose another name, or remove it first")
    code = 8 if shards.vocab_size <= 1 << 16 else 4
    unfinished = prefix.parent / f".tmp-{prefix.name[:40]}-{uuid.uuid4().hex[:16]}"
    temporary = Path(f"{unfinished}.bin"), Path(f"{unfinished}.idx")
    with storage_errors(prefix):
        prefix.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_durable(temporary[0], _tokens(shards, code))
            write_durable(temporary[1], _index(shards, code))
            check_megatron(unfinished)
            for path, there in zip(temporary, paths, strict=True):
                path.rename(there)
            fsync_dir(prefix.parent)
        finally:
            for path in temporary:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
    return Exported(*paths, num_tokens=shards.num_tokens, num_documents=shards.num_documents)


def check_megatron(prefix: Path) -> tuple[int, int]:
    """Return (tokens, documents) of an indexed data set, after checking that its index is whole and describes its tokens.

    Raises:
        DataError: it does not.
    """
    index, data = Path(f"{prefix}.idx"), Path(f"{prefix}.bin")
    try:
        size = data.stat().st_size
        with index.open("rb") as file:
            return _check(file, index, size)
    except OSError as error:
        raise DataError(f"{error.filename or index}: cannot read: {error.strerror or error}") from None


def _check(file: IO[bytes], path: Path, data_bytes: int) -> tuple[int, int]:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise DataError(f"{path}: is too short for an index")
    magic, version, code, sequences, borders = _HEADER.unpack(header)
    if magic != _MAGIC or version != 1 or code not in _TYPES:
        raise DataError(f"{path}: is no index of version 1 with 16- or 32-bit tokens")
    expected = _HEADER.size + sequences * (4 + 8) + borders * 8
    if (found := path.stat().st_size) != expected:
        raise DataError(f"{path}: has {found} bytes, its header asks for {expected}")
    lengths_at, pointers_at = _HEADER.size, _HEADER.size + sequences * 4
    borders_at = pointers_at + sequences * 8
    total = 0
    for start in range(0, sequences, _PART_DOCUMENTS):
        count = min(_PART_DOCUMENTS, sequences - start)
        lengths = np.fromfile(path, "<i4", count=count, offset=lengths_at + 4 * start).astype(np.int64)
        pointers = np.fromfile(path, "<i8", count=count, offset=pointers_at + 8 * start)
        begins = (total + np.cumsum(lengths) - lengths) * _TYPES[code].itemsize
        if np.any(lengths < 0) or not np.array_equal(begins, pointers):
            raise DataError(f"{path}: sequences from {start} on do not lie where their lengths put them")
        total += int(lengths.sum())
    if total * _TYPES[code].itemsize != data_bytes:
        raise DataError(f"{path}: describes {total} tokens, the file beside it has {data_bytes} bytes")
    last = -1
    for start in range(0, borders, _PART_DOCUMENTS):
        part = np.fromfile(path, "<i8", count=min(_PART_DOCUMENTS, borders - start), offset=borders_at + 8 * start)
        if np.any(np.diff(part, prepend=last) < 0) or (start == 0 and part[0] != 0):
            raise DataError(f"{path}: its documents are out of order")
        last = int(part[-1])
    if last != sequences:
        raise DataError(f"{path}: its documents end at sequence {last} of {sequences}")
    return total, borders - 1


def _tokens(shards: Shards, code: int) -> Iterator[memoryview]:
    for piece in shards.checked_tokens(_PART_TOKENS):
        yield piece.astype(_TYPES[code]).data


def _index(shards: Shards, code: int) -> Iterator[bytes | memoryview]:
    count = shards.num_documents
    yield _HEADER.pack(_MAGIC, 1, code, count, count + 1)
    for begins, ends in _documents(shards):
        lengths = ends - begins
        if int(lengths.max()) > _MAX_LENGTH:
            raise DataError(f"a document of {int(lengths.max())} tokens is longer than this format can say ({_MAX_LENGTH})")
        yield lengths.astype("<i4").data
    for begins, _ in _documents(shards):
        yield (begins * _TYPES[code].itemsize).astype("<i8").data
    for start in range(0, count + 1, _PART_DOCUMENTS):
        yield np.arange(start, min(start + _PART_DOCUMENTS, count + 1), dtype="<i8").data


def _documents(shards: Shards) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (begins, ends) of the documents in order, in parts."""
    last = 0
    for start in range(0, shards.num_tokens, _PART_TOKENS):
        ends = shards.document_ends(start, min(start + _PART_TOKENS, shards.num_tokens))
        if len(ends):
            yield np.concatenate(([last], ends[:-1])), ends
            last = int(ends[-1])
