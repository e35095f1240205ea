"""The tokenizer of a corpus, and its shards where training looks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.corpus.loop.units import alive, ranks
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.packing.units import publish
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.roles import roles
from reasonforge.corpus.units import Receipt, Store, Work
from reasonforge.text.config import BpeTokenizer
from reasonforge.text.train import build_tokenizer

SHARDS = "shards"
"""Folder of the corpus that holds a folder of shards per source."""
TOKENIZER = "tokenizer"


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
    work.counts.drop("not_drawn", whole.height - taken.height)
    tokenizer = build_tokenizer(BpeTokenizer.model_validate(settings["tokenizer"]), texts=_texts(given["pages"], taken))
    tokenizer.save(work.output(TOKENIZER))


def publish_all(store: Store, packed: Mapping[str, Sequence[Receipt]]) -> dict[str, Manifest]:
    """Put the shards of every source into ``shards/NAME`` and return their manifests; shards of an older plan give way."""
    manifests: dict[str, Manifest] = {}
    for name, receipts in packed.items():
        folder = store.root / SHARDS / name
        manifests[name] = publish(receipts, store, folder, source=name, replace=True)
    return manifests


def _kept(pages: str, keep: str, masks: Sequence[str]) -> pl.DataFrame:
    ids = read_table(pages, ["id"])
    return alive(ids.join(read_table(keep, ["id"]), on="id", how="semi", maintain_order="left"), masks)


def _texts(files: Sequence[str], taken: pl.DataFrame) -> Iterator[str]:
    """Yield the texts file by file: what is learned depends on how often a pair stands there, not on the order."""
    for index, path in enumerate(files):
        wanted = taken.filter(pl.col("file") == index).select("id")
        if wanted.height:
            yield from read_table(path, ["id", "text"]).join(wanted, on="id", how="semi", maintain_order="left")["text"]
