"""The tokenizer of a corpus, and its shards where training looks for them."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.corpus.loop.units import alive, ranks
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.packing.units import not_packed_by, publish
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.reasons import NOT_DRAWN
from reasonforge.corpus.roles import roles
from reasonforge.corpus.units import Receipt, Store, Work
from reasonforge.text.config import BpeTokenizer
from reasonforge.text.train import build_tokenizer

SHARDS = "shards"
"""Folder of the corpus that holds a folder of shards per source."""
TOKENIZER = "tokenizer"
PACK = "pack"
"""Stage of the units that pack; the source's name stands behind it."""


class Retired(NamedTuple):
    """What became of the published shards of a source that the recipe does not have any more."""

    folder: Path
    kept_because: str | None
    """Why it is still there; None = it was removed."""


def learn_tokenizer(work: Work) -> None:
    """Learn the tokenizer from the documents of lowest rank.

    Inputs: ``pages`` and ``keep``, one each per file, and ``mask``s. Settings: ``tokenizer``, ``documents``, ``seed``.
    """
    given, settings = roles(work), work.settings
    drawn = [
        _kept(pages, keep, given.get("mask", ())).with_columns(file=pl.lit(index, pl.UInt32))
        for index, (pages, keep) in enumerate(zip(given["pages"], given["keep"], strict=True))
    ]
    whole = pl.concat(drawn)
    ranked = whole.with_columns(ranks(whole["id"], settings["seed"])).sort("rank", "id")
    taken = ranked.head(settings["documents"])
    if taken.is_empty():
        raise DataError("no page is left to learn a tokenizer from: look at the reasons in: reasonforge corpus status")
    work.counts.taken, work.counts.kept = whole.height, taken.height
    work.counts.drop(NOT_DRAWN, whole.height - taken.height)
    tokenizer = build_tokenizer(BpeTokenizer.model_validate(settings["tokenizer"]), texts=_texts(given["pages"], taken))
    tokenizer.save(work.output(TOKENIZER))


def publish_all(store: Store, packed: Mapping[str, Sequence[Receipt]]) -> dict[str, Manifest]:
    """Put the shards of every source into ``shards/NAME`` and return their manifests; shards of an older plan give way.

    Raises:
        DataError: no document came through, or there is something that this corpus did not pack.
        StorageError: the disk refused.
    """
    manifests: dict[str, Manifest] = {}
    for name, receipts in packed.items():
        folder = store.root / SHARDS / name
        manifests[name] = publish(receipts, store, folder, source=name, replace=True)
    return manifests


def publish_tokenizer(store: Store, packed: Mapping[str, Sequence[Receipt]]) -> Path | None:
    """Put the tokenizer that was learned where people look for it, and return its folder; None = the recipe names a folder of its own.

    Only its files: beside them lie those of the units that learned one.

    Raises:
        StorageError: the disk refused.
    """
    encoders = {Path(receipt.unit.inputs[0].path) for receipts in packed.values() for receipt in receipts}
    learned = sorted(path for path in encoders if not path.is_absolute() and path.parts[0] == TOKENIZER and (store.root / path).is_dir())
    if not learned:
        return None
    # Of several, which have one digest: units that were done before may name the place where an equal one was learned.
    folder = store.root / TOKENIZER
    # tokenizer.json last: without it there is no tokenizer.
    for file in sorted((store.root / learned[0]).iterdir(), key=lambda file: file.name == "tokenizer.json"):
        content, there = file.read_bytes(), folder / file.name
        if not there.is_file() or there.read_bytes() != content:
            write_atomic(there, content)
    return folder


def retire(store: Store, names: Container[str]) -> list[Retired]:
    """Remove the published shards of sources that are none any more: training that takes every folder of shards must not find them.

    A folder goes only if the corpus published it and it holds nothing else. The units that packed it stay, so a source that comes back
    is published again without work.

    Args:
        store: the corpus folder.
        names: of the sources that there are.

    Raises:
        StorageError: the disk refused.
    """
    found: list[Retired] = []
    for folder in sorted((store.root / SHARDS).glob("*")):
        if folder.name in names or folder.name.startswith(".") or not folder.is_dir():
            continue
        found.append(Retired(folder, why := not_packed_by(store, f"{PACK}/{folder.name}", folder)))
        if why is None:
            gone = folder.with_name(f".tmp-{uuid.uuid4().hex[:16]}")
            with storage_errors(folder):
                os.rename(folder, gone)  # whole or not at all, also where the rest is interrupted
            shutil.rmtree(gone, ignore_errors=True)
    return found


def _kept(pages: str, keep: str, masks: Sequence[str]) -> pl.DataFrame:
    ids = read_table(pages, ["id"])
    return alive(ids.join(read_table(keep, ["id"]), on="id", how="semi", maintain_order="left"), masks)


def _texts(files: Sequence[str], taken: pl.DataFrame) -> Iterator[str]:
    """Yield the texts file by file: what is learned depends on how often a pair stands there, not on the order."""
    for index, path in enumerate(files):
        wanted = taken.filter(pl.col("file") == index).select("id")
        if wanted.height:
            yield from read_table(path, ["id", "text"]).join(wanted, on="id", how="semi", maintain_order="left")["text"]
