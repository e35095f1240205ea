"""Read a corpus folder whole: every file that a unit left, and every shard and tokenizer that was published, against the digest it was
written with; every receipt against its own, and the manifests of shards against the receipts.

A run looks at sizes alone, which is a matter of seconds; a byte that a disk or a copy has changed is found here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.corpus.loop.ledger import Ledger
from reasonforge.corpus.loop.shards import PACK, SHARDS, TOKENIZER
from reasonforge.corpus.packing.manifest import MANIFEST, Manifest
from reasonforge.corpus.packing.units import manifest_of
from reasonforge.corpus.units import RECEIPT, Output, Receipt, Store, file_digest

_KEY = re.compile(r"[0-9a-f]{32}")
_CHANGED = "its bytes are not those that were written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file that is not what it was written as."""

    path: Path
    what: str
    remove: Path
    """What a run makes again once it is gone: mostly a folder."""


@dataclass(slots=True)
class Verification:
    """Reads a corpus folder, and counts what it has read."""

    root: Path
    on_bytes: Callable[[int], None] = lambda num_bytes: None
    """Told after every file how many bytes have been read."""
    files: int = 0
    num_bytes: int = 0
    _linked: dict[tuple[int, int], str] = field(default_factory=dict)
    """Digests of files that have several names: a published shard is the file that its unit left, read once."""
    _packed: dict[tuple[str, str], Receipt] = field(default_factory=dict)
    """Units without damage that packed: folder of the stage and key -> receipt."""

    def damages(self) -> Iterator[Damage]:
        """Yield every damaged or missing file.

        Raises:
            DataError: the folder is no corpus, or its plan cannot be read.
        """
        ledger = Ledger(self.root)
        steps = [unit for step in ledger.steps() for unit in step.units]
        planned = dict.fromkeys(steps)
        is_complete = ledger.ended().get("state") == "complete"
        learns = is_complete and any(stage == TOKENIZER for stage, _ in planned)
        sources = {stage.removeprefix(f"{PACK}/") for stage, _ in planned if is_complete and stage.startswith(f"{PACK}/")}
        for folder in unit_folders(self.root):
            planned.pop((folder.parent.relative_to(self.root).as_posix(), folder.name), None)
            yield from self._of_unit(folder)
        sources |= {folder.name for folder in _published(self.root) if (folder / MANIFEST).exists()}
        for name in sorted(sources):
            units = [unit for unit in steps if unit[0] == f"{PACK}/{name}"] if is_complete else []
            yield from self._of_shards(self.root / SHARDS / name, self._expected(name, units))
        for name, output in published_tokenizer(self.root, is_expected=learns).items():
            path = self.root / TOKENIZER / name
            yield from self._of_file(path, output.size, output.xxh3, path)
        for folder in (self.root / stage / key for stage, key in planned if is_complete):
            yield Damage(path=folder, what="is missing", remove=folder)

    def _of_unit(self, folder: Path) -> Iterator[Damage]:
        path = folder / RECEIPT
        self.files += 1
        try:
            text = path.read_bytes()
            receipt = Receipt.from_json(text, path)
        except (OSError, DataError) as error:
            yield Damage(path=path, what=_why(error) if isinstance(error, OSError) else "is no receipt", remove=folder)
            return
        # The key is a digest of all that went in: it vouches for that part of a receipt without a digest of its own.
        is_own = receipt.unit.key == folder.name and folder == self.root / receipt.unit.stage / folder.name
        if not (is_own and receipt.is_as_written(text)):
            yield Damage(path=path, what="is the receipt of another unit, or was changed", remove=folder)
            return
        is_whole = True
        for name, output in receipt.outputs.items():
            for damage in self._of_file(folder / name, output.size, output.xxh3, folder):
                is_whole = False
                yield damage
        if is_whole and receipt.unit.stage.startswith(f"{PACK}/"):
            self._packed[receipt.unit.stage, receipt.key] = receipt

    def _expected(self, name: str, units: Sequence[tuple[str, str]]) -> Manifest | None:
        """Return the manifest that the shards of planned units are to have; None = they are damaged, or there are none."""
        receipts = [self._packed[unit] for unit in units if unit in self._packed]
        if not units or len(receipts) < len(units):
            return None
        with suppress(DataError, KeyError):  # an early program wrote other facts
            return manifest_of(receipts, Store(self.root), name)
        return None

    def _of_shards(self, folder: Path, expected: Manifest | None) -> Iterator[Damage]:
        self.files += 1
        path = folder / MANIFEST
        try:
            manifest = Manifest.read(folder)
        except DataError as error:
            yield Damage(path=path, what=str(error).partition(": ")[2] if path.exists() else "is missing", remove=folder)
            return
        if expected is not None and path.read_bytes() != expected.to_json():
            yield Damage(path=path, what="does not say what was packed", remove=folder)
        for shard in (expected or manifest).shards:
            yield from self._of_file(folder / f"{shard.name}.bin", None, shard.bin_xxh3, folder)
            yield from self._of_file(folder / f"{shard.name}.idx", None, shard.idx_xxh3, folder)

    def _of_file(self, path: Path, size: int | None, xxh3: str, folder: Path) -> Iterator[Damage]:
        self.files += 1
        try:
            state = path.stat()
            digest = self._linked.get((state.st_dev, state.st_ino)) or file_digest(path)
        except OSError as error:
            yield Damage(path=path, what=_why(error), remove=folder)
            return
        if state.st_nlink > 1:
            self._linked[state.st_dev, state.st_ino] = digest
        self.num_bytes += state.st_size
        self.on_bytes(self.num_bytes)
        if size is not None and state.st_size != size:
            yield Damage(path=path, what=f"has {state.st_size} bytes, {size} were written", remove=folder)
        elif digest != xxh3:
            yield Damage(path=path, what=_CHANGED, remove=folder)


def unit_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of units, ``STAGE/KEY``, in order; half-done ones and those of the shards are none."""
    for path, folders, _ in os.walk(root):
        keys = sorted(name for name in folders if _KEY.fullmatch(name))
        yield from (Path(path) / key for key in keys)
        top = Path(path) == root
        folders[:] = sorted(name for name in folders if name not in keys and not name.startswith(".") and not (top and name == SHARDS))


def bytes_of(root: Path) -> int:
    """Return how many bytes :class:`Verification` will have counted at the end."""
    folders = [*unit_folders(root), *_published(root)]
    files = (path for folder in folders for path in folder.rglob("*") if path.name not in (RECEIPT, MANIFEST))
    tokenizer = (root / TOKENIZER / name for name in published_tokenizer(root))
    return sum(path.stat().st_size for path in (*files, *tokenizer) if path.is_file())


def published_tokenizer(root: Path, *, is_expected: bool = False) -> dict[str, Output]:
    """Return the files that the published copy of the learned tokenizer is to have, by name; none = nothing was published.

    Of several tokenizers that were learned it is a copy of the one that it is most like.

    Args:
        root: the corpus folder.
        is_expected: it has to be there.
    """
    folder = root / TOKENIZER
    learned: list[dict[str, Output]] = []
    for path in sorted(folder.glob(f"*/{RECEIPT}")):
        with suppress(DataError, OSError):  # a damage of that unit
            outputs = Receipt.from_json(path.read_bytes(), path).outputs
            learned.append({name.removeprefix(f"{TOKENIZER}/"): outputs[name] for name in outputs if name.startswith(f"{TOKENIZER}/")})
    there = {name for names in learned for name in names if (folder / name).is_file()}
    if not learned or not (there or is_expected):
        return {}
    digests = {name: file_digest(folder / name) for name in there} if len(learned) > 1 else {}
    return max(learned, key=lambda files: sum(digests.get(name) == output.xxh3 for name, output in files.items()))


def _published(root: Path) -> list[Path]:
    return [folder for folder in (root / SHARDS).glob("*") if not folder.name.startswith(".")]


def _why(error: OSError) -> str:
    return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
