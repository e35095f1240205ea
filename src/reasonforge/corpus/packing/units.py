"""Packing as units of work: a batch of input files, one shard; then the shards of a source in one folder with their manifest."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from reasonforge.core.errors import DataError
from reasonforge.core.files import fsync_dir, storage_errors, write_durable
from reasonforge.corpus.packing.batches import SHARD_TOKENS, batches
from reasonforge.corpus.packing.documents import Text, documents, read_masks
from reasonforge.corpus.packing.encode import encode_documents, eos_of
from reasonforge.corpus.packing.manifest import INDEX_TYPE, MANIFEST, Manifest, Shard, token_type
from reasonforge.corpus.units import RECEIPT, Input, Receipt, Store, Unit, Work, total
from reasonforge.runs.files import read_json, write_json
from reasonforge.text.tokenizer import Tokenizer

VERSION = 2
"""Of what a unit writes."""

BIN, IDX, FACTS = "shard.bin", "shard.idx", "shard.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackInput:
    """One file of documents, and what lies beside it."""

    file: Input
    """``pages.parquet``, another Parquet file, or JSON Lines."""
    keep: Input | None = None
    """Table of the ids that were selected; None = all."""
    drop: tuple[Input, ...] = ()
    """Tables of ids to leave out: those of URL and near-duplicates."""
    actions: Input | None = None
    """Decontamination's table of what to cut; None = nothing."""
    text_field: str = "text"
    """Column of the text."""
    id_field: str | None = "id"
    """Column of the ids that the tables name; may be missing where there is no table. None = they name documents by their row's number."""
    tokens: float | None = None
    """That it will give, about, as far as that is known without reading it. None = not known: it becomes a shard of its own."""


def plan_pack(
    inputs: Sequence[PackInput], tokenizer: Path, *, stage: str = "pack", root: Path | None = None, shard_tokens: int = SHARD_TOKENS
) -> list[Unit]:
    """Return one unit per shard: of a large file, or of neighbours that are a shard together.

    Args:
        inputs: in the order that the documents will have.
        tokenizer: folder with ``tokenizer.json``; where the units run it must lie in the same place.
        stage: names the folder of the units.
        root: the corpus folder; a tokenizer below it is named relative to it, so that the folder can be moved.
        shard_tokens: about what a shard is to have at most (:func:`reasonforge.corpus.packing.batches.batches`).

    Raises:
        DataError: the tokenizer cannot be read, or has no token that ends a document.
    """
    loaded = load_tokenizer(tokenizer)
    path = tokenizer.expanduser()
    named = path.relative_to(root).as_posix() if root is not None and path.is_relative_to(root) else str(path.absolute())
    encoder = Input(named, loaded.encoding_sha256)
    return [
        Unit(
            stage=stage,
            function="reasonforge.corpus.packing.units:pack_files",
            version=VERSION,
            settings={"files": [_described(inputs[index]) for index in batch]},
            inputs=(encoder, *(entry for index in batch for entry in _read(inputs[index]))),
        )
        for batch in batches([given.tokens for given in inputs], shard_tokens)
    ]


def num_files(unit: Unit) -> int:
    """Return how many files a unit of :func:`plan_pack` packs: neighbours in the order of the plan."""
    return len(unit.settings["files"])


def pack_files(work: Work) -> None:
    """Write the shard of some files: ``shard.bin``, ``shard.idx``, and what is known of them in ``shard.json``."""
    folder, *paths = work.inputs
    expected = work.unit.inputs[0].digest
    tokenizer = _planned_tokenizer(folder, expected)
    num_tokens = num_documents = num_characters = num_bytes = 0
    with storage_errors(work.output(BIN)), work.output(BIN).open("wb") as bin_file, work.output(IDX).open("wb") as idx_file:
        for name, texts in _texts(work, paths):
            for encoded in encode_documents(texts, tokenizer, work.counts, begin=lambda document, name=name: _begin(work, document, name)):
                encoded.tokens.tofile(bin_file)
                (np.cumsum(encoded.lengths) + num_tokens).astype(INDEX_TYPE).tofile(idx_file)
                num_tokens += len(encoded.tokens)
                num_documents += len(encoded.lengths)
                num_characters += encoded.num_characters
                num_bytes += encoded.num_bytes
    work.counts.note("tokens", num_tokens)
    work.counts.note("characters", num_characters)
    work.counts.note("bytes", num_bytes)
    facts: dict[str, Any] = {
        "dtype": token_type(tokenizer.vocab_size),
        "vocab_size": tokenizer.vocab_size,
        "tokenizer_sha256": expected,
        "eos_id": eos_of(tokenizer),
        "num_tokens": num_tokens,
        "num_documents": num_documents,
        "num_characters": num_characters,
    }
    write_json(work.output(FACTS), facts)


def publish(receipts: Sequence[Receipt], store: Store, out: Path, *, source: str, replace: bool = False) -> Manifest:
    """Put the shards of finished units into one folder with their manifest: whole or not at all.

    The files are linked where the file system can, so they take no second place on the disk.

    Args:
        receipts: of :func:`plan_pack`'s units, in their order.
        store: where they lie.
        out: the folder; one that holds these very shards already is left as it is.
        source: name of what was packed.
        replace: other shards in ``out`` give way, once these are whole: readers find the old or the new, and where nothing can be packed
            the old. Not where units of the same stage did not make them, nor where something else lies beside them.

    Raises:
        DataError: no document came through, or ``out`` holds something else.
        StorageError: the disk refused.
    """
    try:
        if (there := published([receipt.unit for receipt in receipts], out, source=source)) is not None:
            return there
    except DataError:
        if not (replace and (out / MANIFEST).is_file()):
            raise
        for stage in {receipt.unit.stage for receipt in receipts}:
            if (why := not_packed_by(store, stage, out)) is not None:
                raise DataError(f"{out}: is to hold other shards, and {why}: move it away, and go on") from None
    manifest = manifest_of(receipts, store, source)
    temporary = out.parent / f".tmp-{out.name[:40]}-{uuid.uuid4().hex[:16]}"
    old = temporary.with_name(f"{temporary.name}-old")
    with storage_errors(out):
        temporary.mkdir(parents=True)
        try:
            for shard, receipt in zip(manifest.shards, _with_tokens(receipts), strict=True):
                for name, suffix in ((BIN, ".bin"), (IDX, ".idx")):
                    _link(store.output(receipt, name), temporary / f"{shard.name}{suffix}")
            write_durable(temporary / MANIFEST, [manifest.to_json()])
            fsync_dir(temporary)
            if out.is_dir() and any(out.iterdir()):
                os.rename(out, old)
            os.replace(temporary, out)
            fsync_dir(out.parent)
        finally:
            if old.exists() and not out.exists():
                os.rename(old, out)
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return manifest


def published(units: Sequence[Unit], out: Path, *, source: str) -> Manifest | None:
    """Return the manifest of a folder that holds what these units make; None = there is nothing yet. Asked before the work, too.

    Raises:
        DataError: it holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if (out / MANIFEST).is_file():
        manifest = Manifest.read(out)
        if (manifest.units, manifest.source) == (_digest(units), source):
            return manifest
    raise DataError(f"{out}: holds something else: choose another folder, or remove it first")


def not_packed_by(store: Store, stage: str, folder: Path) -> str | None:
    """Return why a folder is not, or not only, shards that a stage's units left: removing it might lose them; None = it is."""
    if folder.is_symlink() or not (folder / MANIFEST).is_file():
        return "it is no folder of shards that this corpus made"
    try:
        manifest = Manifest.read(folder)
    except DataError:
        return f"its {MANIFEST} cannot be read"
    own = {MANIFEST, *(f"{shard.name}{suffix}" for shard in manifest.shards for suffix in (".bin", ".idx"))}
    if others := sorted({path.name for path in folder.iterdir()} - own):
        return f"it holds {others[0]}, which packing did not write"
    left: set[tuple[str, str]] = set()
    unreadable: list[Path] = []
    for path in sorted((store.root / stage).glob(f"*/{RECEIPT}")):
        try:
            outputs = Receipt.from_json(path.read_bytes(), path).outputs
            left.add((outputs[BIN].xxh3, outputs[IDX].xxh3))
        except (DataError, KeyError, OSError):
            unreadable.append(path)
    if all((shard.bin_xxh3, shard.idx_xxh3) in left for shard in manifest.shards):
        return None
    more = f" ({unreadable[0]} cannot be read)" if unreadable else ""
    return f"this corpus has no units that packed it{more}"


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read a tokenizer that can pack: one that can end a document.

    Raises:
        DataError: it cannot be read, or has no such token.
    """
    tokenizer = Tokenizer.load(folder.expanduser())
    try:
        eos_of(tokenizer)
        token_type(tokenizer.vocab_size)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from None
    return tokenizer


@lru_cache(maxsize=1)
def _planned_tokenizer(folder: str, expected: str) -> Tokenizer:
    """Return the tokenizer that units were planned with, read once for all files that a process packs."""
    tokenizer = load_tokenizer(Path(folder))
    if tokenizer.encoding_sha256 != expected:
        raise DataError(f"{folder}: the tokenizer has changed since the packing was planned: plan it again")
    return tokenizer


def manifest_of(receipts: Sequence[Receipt], store: Store, source: str) -> Manifest:
    """Return the manifest of the folder that :func:`publish` makes of units.

    Raises:
        DataError: no document came through, or a unit's facts cannot be read.
    """
    full = list(_with_tokens(receipts))
    counts = total(receipts)
    if not full:
        reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(counts.dropped.items())) or "the files have no rows"
        raise DataError(f"{source}: no document to pack ({reasons}): look at the files, the name of their text's column, and the masks")
    facts = [read_json(store.output(receipt, FACTS)) for receipt in full]
    first: dict[str, Any] = {name: facts[0][name] for name in ("dtype", "vocab_size", "tokenizer_sha256", "eos_id")}
    assert all(fact[name] == value for fact in facts for name, value in first.items()), "units of two tokenizers in one folder"
    sums: dict[str, Any] = {name: sum(fact[name] for fact in facts) for name in ("num_tokens", "num_documents", "num_characters")}
    return Manifest(
        source=source,
        **first,
        **sums,
        units=_digest([receipt.unit for receipt in receipts]),
        dropped=dict(sorted(counts.dropped.items())),
        shards=tuple(
            Shard(
                name=f"shard-{number:05d}",
                num_tokens=fact["num_tokens"],
                num_documents=fact["num_documents"],
                bin_xxh3=receipt.outputs[BIN].xxh3,
                idx_xxh3=receipt.outputs[IDX].xxh3,
            )
            for number, (fact, receipt) in enumerate(zip(facts, full, strict=True))
        ),
    )


def _digest(units: Sequence[Unit]) -> str:
    return xxhash.xxh3_128_hexdigest("\n".join(unit.key for unit in units).encode())


def _with_tokens(receipts: Sequence[Receipt]) -> Iterator[Receipt]:
    return (receipt for receipt in receipts if receipt.outputs[BIN].size)


def _described(given: PackInput) -> dict[str, Any]:
    return {
        "text_field": given.text_field,
        "id_field": given.id_field,
        "keep": given.keep is not None,
        "drop": len(given.drop),
        "actions": given.actions is not None,
    }


def _read(given: PackInput) -> tuple[Input, ...]:
    """Return the file and what lies beside it, in the order in which :func:`_texts` takes them."""
    return (given.file, *([given.keep] if given.keep else []), *given.drop, *([given.actions] if given.actions else []))


def _texts(work: Work, paths: Sequence[str]) -> Iterator[tuple[str, Iterator[Text]]]:
    """Yield the documents of each file, and what tells them from another file's of that id: nothing where there is one file."""
    left = iter(paths)
    files = work.settings["files"]
    for number, file in enumerate(files):
        path = next(left)
        keep = next(left) if file["keep"] else None
        drop = [next(left) for _ in range(file["drop"])]
        masks = read_masks(keep=keep, drop=drop, actions=next(left) if file["actions"] else None)
        texts = documents(path, masks, work.counts, text_field=file["text_field"], id_field=file["id_field"])
        yield (f"{number}:" if len(files) > 1 else ""), texts


def _begin(work: Work, document: str, file: str) -> bool:
    if not document:
        work.end()
        return True
    return work.begin(f"{file}{document}")


def _link(source: Path, target: Path) -> None:
    with suppress(OSError):  # another file system, or one without links
        os.link(source, target)
        return
    shutil.copyfile(source, target)
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
