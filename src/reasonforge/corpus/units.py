"""Units of work: a pure function of files and settings that leaves a folder of files, whole or not at all.

A corpus is made of thousands of them. A unit is named by what goes into it, not by who works on it: workers, machines and restarts are no
part of its key, so all of them can change between two runs of the same corpus, and a finished unit stays finished.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import xxhash

from reasonforge.core.errors import DataError
from reasonforge.core.files import fsync_dir, storage_errors, write_durable
from reasonforge.corpus.versions import versions

RECEIPT = "receipt.json"
"""Written last: a folder that has it is whole."""

KILLS_WORKER = "kills_worker"
"""Reason code of an item that a worker died of, twice."""

_READ_BYTES = 1 << 20
_MAX_NAME = 512
_SHOWN = 40
_DISK_REFUSES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


class Input(NamedTuple):
    """A file that a unit reads."""

    path: str
    """Path or URL; one below the corpus folder is relative to it, so that the folder can be moved."""
    digest: str
    """Of the content: the key depends on it, and not on the path."""


class Output(NamedTuple):
    """A file that a unit left."""

    size: int
    """Bytes."""
    xxh3: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a unit takes of the machine that does it: for executors that choose the machine. No part of its key, nor of its receipt."""

    cpus: int = 1
    """Threads that work at a time."""
    memory_bytes: int = 0
    """Where that is much; 0 = not worth mentioning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece of work. Equal keys = equal bytes."""

    stage: str
    """Which part of the corpus it makes; names a folder: letters, digits, ``-``, ``_``, ``.`` and ``/``."""
    function: str
    """``"package.module:name"`` of a function that takes a :class:`Work`."""
    version: int = 1
    """Raised when the function writes other bytes for the same inputs: finished units of the old version are then done again."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able; all that the function may depend on besides its inputs."""
    inputs: tuple[Input, ...] = ()
    needs: Needs = field(default=Needs(), compare=False)

    @property
    def key(self) -> str:
        """Return 32 hex digits of everything that goes in."""
        parts = {
            "stage": self.stage,
            "function": self.function,
            "version": self.version,
            "settings": self.settings,
            "inputs": [given.digest for given in self.inputs],
        }
        return xxhash.xxh3_128_hexdigest(json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode())

    def to_dict(self) -> dict[str, Any]:
        """Return the unit as JSON-able values; what it needs is for who hands it out, and stays behind."""
        return {
            "stage": self.stage,
            "function": self.function,
            "version": self.version,
            "settings": dict(self.settings),
            "inputs": [given._asdict() for given in self.inputs],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Unit:
        """Read what :meth:`to_dict` returned; raises ``KeyError`` or ``TypeError`` for anything else."""
        return cls(
            stage=content["stage"],
            function=content["function"],
            version=content["version"],
            settings=content["settings"],
            inputs=tuple(Input(**given) for given in content["inputs"]),
        )


@dataclass(slots=True)
class Counts:
    """What became of the items of a unit. Every item that comes in goes out or is dropped for a reason that has a code."""

    taken: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Reason code to number."""
    noted: dict[str, int] = field(default_factory=dict)
    """Other sums: formulas found, bytes lost, flags."""

    def drop(self, reason: str, number: int = 1) -> None:
        """Count items that do not go on."""
        if number:
            self.dropped[reason] = self.dropped.get(reason, 0) + number

    def note(self, name: str, number: int = 1) -> None:
        """Add to a sum."""
        if number:
            self.noted[name] = self.noted.get(name, 0) + number

    def check(self, where: str) -> None:
        """Assert that nothing was lost."""
        out = self.kept + sum(self.dropped.values())
        assert self.taken == out, (
            f"{where}: {self.taken} items came in, {self.kept} went out and {self.dropped} were dropped: {self.taken - out} are lost"
        )

    def __add__(self, other: Counts) -> Counts:
        """Return the sum, name by name."""
        total = Counts(self.taken + other.taken, self.kept + other.kept, dict(self.dropped), dict(self.noted))
        for reason, number in other.dropped.items():
            total.drop(reason, number)
        for name, number in other.noted.items():
            total.note(name, number)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a finished unit left: nothing in it depends on when it ran, nor where, but for the versions of the libraries there."""

    key: str
    unit: Unit
    outputs: Mapping[str, Output]
    counts: Counts
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Library -> version (:mod:`reasonforge.corpus.versions`). No part of the key nor of :func:`digest_of`; empty = nobody noted it."""

    def to_json(self, *, is_sealed: bool = True) -> bytes:
        """Return canonical JSON.

        Args:
            is_sealed: its last field is a digest of the rest; receipts of early programs have none.
        """
        outputs = {name: output._asdict() for name, output in self.outputs.items()}
        content = {"key": self.key, **self.unit.to_dict(), "counts": asdict(self.counts), "outputs": outputs}
        if self.made_by:
            content["made_by"] = dict(self.made_by)
        if is_sealed:
            content["xxh3"] = xxhash.xxh3_128_hexdigest(_canonical(content))
        return _canonical(content)

    def is_as_written(self, text: bytes) -> bool:
        """Whether the text that this was read from is the one that was written: for who reads all; a run trusts the disk."""
        return text in (self.to_json(), self.to_json(is_sealed=False))

    @classmethod
    def from_json(cls, text: bytes | str, where: Path) -> Receipt:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: it is something else.
        """
        try:
            content = json.loads(text)
            return cls(
                key=content["key"],
                unit=Unit.from_dict(content),
                outputs={name: Output(**output) for name, output in content["outputs"].items()},
                counts=Counts(**content["counts"]),
                made_by={str(name): str(version) for name, version in content.get("made_by", {}).items()},
            )
        except (AttributeError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{where}: not a receipt of a unit ({error}): delete its folder, and the unit is done again") from error


class Watch(Protocol):
    """Knows which item a worker has in hand, so that one that kills it is found."""

    def begin(self, item: str) -> None:
        """Say which item comes next; an empty text = none."""


class _NoWatch:
    def begin(self, item: str) -> None:
        pass


class Work:
    """What a unit's function is handed: where to read, where to write, what to count."""

    def __init__(self, unit: Unit, root: Path, folder: Path, *, skipped: frozenset[str] = frozenset(), watch: Watch | None = None) -> None:
        """Open a unit for work.

        Args:
            unit: what is to be done.
            root: the corpus folder.
            folder: where the outputs are written, empty.
            skipped: names (:func:`item_name`) of items that killed a worker before.
            watch: told of every item; None = nobody watches.
        """
        self.unit = unit
        self.root = root
        self.folder = folder
        self.counts = Counts()
        self._skipped = skipped
        self._watch: Watch = watch or _NoWatch()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return the unit's settings."""
        return self.unit.settings

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return where the inputs lie: paths that can be opened from here, or URLs."""
        return tuple(resolve(given.path, self.root) for given in self.unit.inputs)

    def output(self, name: str) -> Path:
        """Return where to write an output; it becomes visible when the unit is done, with all others."""
        return self.folder / name

    def begin(self, item: str) -> bool:
        """Say that this item comes next. Call it before anything that hostile content can crash.

        Returns:
            False = leave it out: a worker died of it, twice. It is counted as dropped; as taken you count it yourself, before this call.
        """
        name = item_name(item)
        if name in self._skipped:
            self.counts.drop(KILLS_WORKER)
            return False
        self._watch.begin(name)
        return True

    def end(self) -> None:
        """Say that no item is in hand."""
        self._watch.begin("")


def item_name(item: str) -> str:
    """Return what an item is called where workers die of it: a short line of plain text, another for every item."""
    if len(item) <= _MAX_NAME and item.isprintable() and item.isascii():
        return item
    digest = xxhash.xxh3_128_hexdigest(item.encode("utf-8", "surrogatepass"))
    return f"{ascii(item[:_SHOWN])[1:-1]}... {digest}"


UnitFunction = Callable[[Work], None]


class Store:
    """The folder of a corpus: ``STAGE/KEY/`` per finished unit."""

    def __init__(self, root: Path) -> None:
        """Use a folder; it is made when something is written."""
        self.root = root

    def folder(self, unit: Unit) -> Path:
        """Return where a unit's outputs lie once it is done."""
        return self.root / unit.stage / unit.key

    def receipt(self, unit: Unit) -> Receipt | None:
        """Return what a unit left; None = it is not done.

        Raises:
            DataError: the receipt is broken, or an output is missing or has another size.
        """
        folder = self.folder(unit)
        path = folder / RECEIPT
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        receipt = Receipt.from_json(text, path)
        for name, output in receipt.outputs.items():
            try:
                size = (folder / name).stat().st_size
            except FileNotFoundError:
                size = -1
            if size != output.size:
                found = "is missing" if size < 0 else f"has {size} bytes"
                raise DataError(f"{folder / name}: {found}, its receipt says {output.size}: delete {folder}, and the unit is done again")
        return receipt

    def output(self, receipt: Receipt, name: str) -> Path:
        """Return the path of an output."""
        return self.folder(receipt.unit) / name

    def input(self, receipt: Receipt, name: str) -> Input:
        """Return an output as the input of another unit."""
        relative = self.output(receipt, name).relative_to(self.root).as_posix()
        return Input(relative, receipt.outputs[name].xxh3)


def resolve(path: str, root: Path) -> str:
    """Return a path or URL that can be opened; a relative one is below ``root``."""
    return path if "://" in path or os.path.isabs(path) else str(root / path)


def file_input(path: Path, root: Path | None = None) -> Input:
    """Return a local file as an input, by the digest of its content.

    Args:
        path: reads it whole (a gigabyte takes a fraction of a second).
        root: the corpus folder; a file below it is named relative to it.

    Raises:
        DataError: it cannot be read.
    """
    try:
        digest = file_digest(path)
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    if root is not None and path.is_relative_to(root):
        return Input(path.relative_to(root).as_posix(), digest)
    return Input(str(path.absolute()), digest)


def file_digest(path: Path) -> str:
    """Return the 128-bit XXH3 of a file's bytes, in hex."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def execute(unit: Unit, store: Store, *, skipped: frozenset[str] = frozenset(), watch: Watch | None = None) -> Receipt:
    """Do a unit here and now, unless it is done, and return its receipt.

    The outputs are written beside, synced and renamed together. Of two workers that do one unit the first to finish is kept: the bytes
    of both are the same.

    Raises:
        DataError: an input cannot be read as what it should be.
        StorageError: the disk refused a write.
    """
    if (done := store.receipt(unit)) is not None:
        return done
    target = store.folder(unit)
    temporary = target.parent / f".tmp-{unit.key}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with storage_errors(temporary):
        temporary.mkdir(parents=True)
    try:
        work = Work(unit, store.root, temporary, skipped=skipped, watch=watch)
        try:
            function_of(unit)(work)
        except OSError as error:
            if error.errno in _DISK_REFUSES:
                with storage_errors(temporary):
                    raise
            raise
        work.end()
        work.counts.check(f"{unit.stage} {unit.key}")
        with storage_errors(target):
            made_by = versions(unit.function)
            receipt = Receipt(key=unit.key, unit=unit, outputs=_sealed(temporary), counts=work.counts, made_by=made_by)
            write_durable(temporary / RECEIPT, [receipt.to_json()])
            fsync_dir(temporary)
            try:
                os.rename(temporary, target)
            except OSError:
                if store.receipt(unit) is None:  # else another worker was first
                    if target.exists():
                        raise DataError(f"{target}: has no {RECEIPT}: delete it, and the unit is done again") from None
                    raise
            fsync_dir(target.parent)
        return receipt
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)


def function_of(unit: Unit) -> UnitFunction:
    """Return the function that a unit names."""
    module, _, name = unit.function.partition(":")
    return getattr(importlib.import_module(module), name)


def total(receipts: Iterable[Receipt]) -> Counts:
    """Return the sum of what many units counted."""
    return sum((receipt.counts for receipt in receipts), Counts())


def digest_of(receipts: Iterable[Receipt]) -> str:
    """Return one digest of all that these units left, whatever the order they were done in."""
    lines = sorted(
        f"{receipt.unit.stage} {receipt.key} {name} {output.xxh3}" for receipt in receipts for name, output in receipt.outputs.items()
    )
    return xxhash.xxh3_128_hexdigest("\n".join(lines).encode())


def _canonical(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()


def _sealed(folder: Path) -> dict[str, Output]:
    """Sync every file and return its size and digest."""
    outputs: dict[str, Output] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        outputs[path.relative_to(folder).as_posix()] = Output(path.stat().st_size, file_digest(path))
    return outputs
