"""Files that are either whole and durable or absent: what a crash, a full disk or a power cut must not leave half-written."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from reasonforge.core.errors import StorageError

_ADVICE = {
    errno.ENOSPC: "free some space or choose another run directory",
    errno.EDQUOT: "free some of your quota or choose another run directory",
    errno.EFBIG: "the file system takes no file of this size; choose another run directory",
    errno.EROFS: "the file system is read-only; choose another run directory",
    errno.EACCES: "check the permissions of the folder",
    errno.EPERM: "check the permissions of the folder",
    errno.EIO: "the device reports an error; check it before you go on",
}

_READ_BYTES = 1 << 20


class WrittenFile(NamedTuple):
    """What was put on disk."""

    size: int
    """Bytes."""
    sha256: str


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn every ``OSError`` of a block that writes into a one-line :class:`StorageError` that says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the path and the disk")
        raise StorageError(f"{path}: cannot write: {error.strerror or error}; {advice}") from error


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex; reads 1 MiB at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fsync_dir(path: Path) -> None:
    """Make the names inside a folder durable: a rename is not on disk before its folder is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durable(path: Path, chunks: Iterable[bytes | memoryview]) -> WrittenFile:
    """Write a new file piece by piece and fsync it, hashing on the way. Raises ``FileExistsError`` if the name is taken.

    The name itself becomes durable only with :func:`fsync_dir` of its folder.
    """
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        for chunk in chunks:
            view = memoryview(chunk).cast("B")
            digest.update(view)
            size += len(view)
            while view:  # one write takes at most 2 GiB, and less when a signal comes
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return WrittenFile(size, digest.hexdigest())


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file's content: readers and crashes see the old bytes or the new ones, never a part.

    Raises:
        StorageError: the disk refused; the old file is untouched and nothing is left beside it.
    """
    # Named for its target, so that a sweep knows whose it is; in part, for the whole may be as long as the file system allows.
    temporary = path.parent / f".tmp-{path.name[:40]}-{uuid.uuid4().hex[:16]}"
    with storage_errors(path):
        try:
            write_durable(temporary, [content])
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        fsync_dir(path.parent)
