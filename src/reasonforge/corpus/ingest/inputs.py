"""Files anywhere: found by pattern, opened as bytes, named, and told apart by what is in them."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import xxhash

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest.remote import file_system, is_url, url_errors
from reasonforge.corpus.units import Input, file_input
from reasonforge.tasks.files import refuse_placeholder

_MAGIC = "*?["
_VERSIONS = ("ETag", "etag", "md5Hash", "md5", "checksum", "crc32c", "LastModified", "last_modified", "updated", "mtime", "created")
"""What file systems call the thing that changes when a file does, best first."""
_READ_BLOCK = 8 << 20
"""Bytes per request for a remote file, which is read from front to back."""


class Found(NamedTuple):
    """A file that a pattern matches."""

    path: str
    """Absolute, or a URL."""
    name: str
    """Within what the pattern fixes: the same when the folder is moved."""


def find(pattern: str) -> list[Found]:
    """Return the files that a path, URL or pattern of them means, in order of their names.

    Raises:
        DataError: there is none.
        UnavailableError: the file system at the URL cannot be reached, or its package is not installed.
    """
    if pattern.startswith("file://"):
        pattern = pattern.removeprefix("file://")
    return _find_url(pattern) if is_url(pattern) else _find_local(pattern)


def _find_local(pattern: str) -> list[Found]:
    pattern = os.path.expanduser(pattern)
    if os.path.lexists(pattern) or not any(character in pattern for character in _MAGIC):
        if os.path.isdir(pattern):
            raise DataError(f"{pattern}: is a folder. Name its files: {os.path.join(pattern, '**', '*.warc.gz')}")
        if not os.path.isfile(pattern):
            raise DataError(f"{pattern}: no such file")
        return [Found(os.path.abspath(pattern), os.path.basename(pattern))]
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise DataError(f"{pattern}: no file matches")
    fixed = _fixed_part(pattern)
    return [Found(os.path.abspath(path), path[len(fixed) :]) for path in paths]


def _find_url(pattern: str) -> list[Found]:
    with url_errors(pattern):
        system, path = file_system(pattern)
        if not any(character in path for character in _MAGIC):
            return [Found(pattern, path.rstrip("/").rpartition("/")[2])]
        paths = sorted(cast(list[str], system.glob(path)))
        if not paths:
            raise DataError(f"{pattern}: no file matches")
        fixed = len(_fixed_part(path))
        return [Found(str(system.unstrip_protocol(path)), path[fixed:]) for path in paths]


def _fixed_part(pattern: str) -> str:
    """Return the folders before the first wildcard."""
    start = min(pattern.index(character) for character in _MAGIC if character in pattern)
    return pattern[: pattern.rfind("/", 0, start) + 1]


def as_input(found: Found, root: Path) -> Input:
    """Return a file as the input of a unit: a local one by its bytes, all of which are read for it, a remote one by what its server says.

    Raises:
        DataError: it cannot be read, or is empty.
        UnavailableError: its server cannot be reached.
    """
    if not is_url(found.path):
        if os.path.getsize(found.path) == 0:
            raise DataError(f"{found.path}: is empty")
        return file_input(Path(found.path), root)
    with url_errors(found.path):
        return remote_input(found.path, *file_system(found.path))


def remote_input(url: str, system: Any, path: str) -> Input:
    """Return a remote file as the input of a unit, by what its server says of it.

    Args:
        url: of the file.
        system: that has it.
        path: of the file in the system.

    Raises:
        DataError: it is not there, or is empty.
        UnavailableError: the server cannot be reached.
    """
    with url_errors(url):
        about: dict[str, Any] = system.info(path)
    size = about.get("size")
    if size == 0:
        raise DataError(f"{url}: is empty")
    version = next((f"{name}={about[name]}" for name in _VERSIONS if about.get(name)), "")
    return Input(url, xxhash.xxh3_128_hexdigest(f"{url}\n{size}\n{version}".encode("utf-8", "surrogateescape")))


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a local or remote file to be read as bytes.

    Raises:
        DataError: it is missing, empty, or a placeholder that a download left. While it is read, too: it cannot be read.
        UnavailableError: what holds it cannot be reached.
    """
    with _reading(path):
        if is_url(path):
            system, inside = file_system(path)
            raw = cast(BinaryIO, system.open(inside, "rb", block_size=_READ_BLOCK))
        else:
            raw = open(path, "rb")  # noqa: SIM115  closed below, like the other
    with raw:
        file = cast(BinaryIO, _Checked(raw, path))
        start = file.read(256)
        file.seek(0)
        if not start:
            raise DataError(f"{path}: is empty")
        refuse_placeholder(Path(path), start)
        yield file


class _Checked(io.RawIOBase):
    """A file whose errors say which file it is."""

    def __init__(self, raw: BinaryIO, path: str) -> None:
        self._raw = raw
        self._path = path

    def read(self, size: int = -1, /) -> bytes:
        with _reading(self._path):
            return self._raw.read(size)

    def readinto(self, buffer: Any, /) -> int:
        with _reading(self._path):
            content = self._raw.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with _reading(self._path):
            return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


@contextmanager
def _reading(path: str) -> Iterator[None]:
    if is_url(path):
        with url_errors(path):
            yield
        return
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
