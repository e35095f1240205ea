"""The files that a recipe names, and what each is known by: the part of a plan that must not read terabytes.

A local file is known by the digest of its bytes. Units of their own reckon it, so that workers read the files and not who plans, and a
file whose path, size and time of change stay the same is read once. What a server says of a remote file is asked for once a call, many at
a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import xxhash

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors
from reasonforge.corpus.ingest.inputs import Found, as_input, find, remote_input
from reasonforge.corpus.ingest.remote import file_system, is_url, url_errors
from reasonforge.corpus.units import Input, Receipt, Store, Unit, Work, file_digest

STAGE: Final = "inputs"
DIGEST: Final = "digest.txt"
"""Name of the output: 32 hex digits."""

_LOOKUPS = 32
"""Servers, or times a server, asked at once."""
_TICK_SECONDS = 0.02
"""Of a file system's clock: within it a file can change and keep its time."""
_COARSE_TICK_SECONDS = 2.0
"""Of one that counts whole seconds, or two."""


class Survey:
    """The files behind patterns. Each pattern is looked up once, each file asked about once."""

    def __init__(self, store: Store, *, identify: Callable[[Found, Path], Input] = as_input) -> None:
        """Know nothing yet.

        Args:
            store: the corpus folder; files below it are named relative to it.
            identify: says what a file is known by that :meth:`plan` was not told of.
        """
        self._store = store
        self._identify = identify
        self._found: dict[str, list[Found]] = {}
        self._known: dict[str, Input] = {}
        self._asked: dict[str, tuple[str, Input]] = {}

    def find(self, pattern: str) -> list[Found]:
        """Return the files that a path, URL or pattern of them means, as :func:`reasonforge.corpus.ingest.inputs.find` does."""
        if pattern not in self._found:
            self._found[pattern] = find(pattern)
        return self._found[pattern]

    def input(self, found: Found) -> Input:
        """Return a file as the input of a unit."""
        if found.path not in self._known:
            self._known[found.path] = self._identify(found, self._store.root)
        return self._known[found.path]

    def plan(self, patterns: Iterable[str]) -> list[Unit]:
        """Return the units that reckon the digests of all local files; remote ones are asked about at once.

        Raises:
            DataError: a pattern matches no file, or a file is missing or empty.
            UnavailableError: a server cannot be reached.
        """
        units: list[Unit] = []
        for path in self.ask(patterns):
            given, about = stated(path, self._store.root)
            settings = {"size": about.st_size, "mtime_ns": about.st_mtime_ns}
            unit = Unit(stage=STAGE, function=f"{__name__}:write_digest", settings=settings, inputs=(given,))
            self._asked[unit.key] = (path, given)
            units.append(unit)
        return units

    def ask(self, patterns: Iterable[str]) -> list[str]:
        """Ask servers about all remote files, and return the paths of the local ones.

        Raises:
            DataError: a pattern matches no file, or a remote file is missing or empty.
            UnavailableError: a server cannot be reached.
        """
        paths = list(dict.fromkeys(found.path for pattern in patterns for found in self.find(pattern)))
        self._ask([path for path in paths if is_url(path)])
        return [path for path in paths if not is_url(path)]

    def learn(self, receipts: Sequence[Receipt]) -> None:
        """Take in what the units of :meth:`plan` have left.

        Raises:
            DataError: it is damaged.
        """
        for receipt in receipts:
            path, given = self._asked[receipt.key]
            self._known[path] = Input(given.path, read_digest(self._store.output(receipt, DIGEST)))

    def _ask(self, urls: Sequence[str]) -> None:
        if not urls:
            return
        places = []
        for url in urls:
            with url_errors(url):
                places.append((url, *file_system(url)))  # here: a file system that a thread opens knows nothing of what was listed
        pool = ThreadPoolExecutor(min(_LOOKUPS, len(places)))
        try:
            self._known |= {given.path: given for given in pool.map(lambda place: remote_input(*place), places)}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def stated(path: str, root: Path) -> tuple[Input, os.stat_result]:
    """Return a local file by path, size and time of change, and what was found: enough to tell it from others, and no word about its bytes.

    Args:
        path: absolute.
        root: the corpus folder; a file below it is named relative to it.

    Raises:
        DataError: it is missing or empty.
    """
    try:
        about = os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if about.st_size == 0:
        raise DataError(f"{path}: is empty")
    name = Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
    text = f"{name}\n{about.st_size}\n{about.st_mtime_ns}"
    return Input(name, xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogateescape"))), about


def by_place(found: Found, root: Path) -> Input:
    """Return a file as the input of a unit by where it lies, its content unread: for units that nobody will look for again.

    Raises:
        DataError: it is missing or empty.
    """
    return as_input(found, root) if is_url(found.path) else stated(found.path, root)[0]


def write_digest(work: Work) -> None:
    """Reckon the digest of a file.

    Raises:
        DataError: it cannot be read, or is not what it was when the plan was made.
    """
    ((path,), settings) = (work.inputs, work.settings)
    work.counts.taken = 1
    _settle(settings["mtime_ns"])
    try:
        digest = file_digest(Path(path))
        about = os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if (about.st_size, about.st_mtime_ns) != (settings["size"], settings["mtime_ns"]):
        raise DataError(f"{path}: has changed while it was read, or just before. Run again once nobody writes to it")
    target = work.output(DIGEST)
    with storage_errors(target):
        target.write_text(digest + "\n", encoding="ascii")
    work.counts.kept = 1
    work.counts.note("bytes", about.st_size)


def read_digest(path: Path) -> str:
    """Read what :func:`write_digest` wrote.

    Raises:
        DataError: it is something else.
    """
    try:
        digest = path.read_bytes().decode("ascii").strip()
        if len(digest) != 32 or int(digest, 16) < 0:
            raise ValueError
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no digest of a file: delete {path.parent}, and it is reckoned again") from error
    return digest


def _settle(mtime_ns: int) -> None:
    """Wait until a change would show in the time of a file that was changed just now."""
    tick = _COARSE_TICK_SECONDS if mtime_ns % 1_000_000_000 == 0 else _TICK_SECONDS
    if (left := tick - (time.time() - mtime_ns / 1e9)) > 0:
        time.sleep(min(left, tick))
