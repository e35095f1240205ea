"""Pages that a crawl holds more than once, by the normal form of their URL. The newest capture is kept; nothing is rewritten.

In steps, so that no machine ever holds all URLs: keys of every file, sorted by hash; files merged in batches; one unit per range of hashes
that finds what is there twice; what was found, gathered by batch; a mask beside every file. A page is dropped for the same reason whatever
the number of ranges and workers. How large receipts get says :mod:`reasonforge.corpus.urls.merge`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Final

import numpy as np
import polars as pl
import xxhash

from reasonforge.corpus.pages import PAGES, read_table, write_table
from reasonforge.corpus.reasons import DUPLICATE_URL
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.units import Input, Receipt, Store, Unit, Work
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.corpus.urls.merge import batches, merge_sorted
from reasonforge.corpus.urls.tables import hash_range, read_range

STAGE: Final = "urls"
VERSION: Final = 1
KEYS: Final = "keys.parquet"
TWICE: Final = "twice.parquet"
GATHERED: Final = "gathered.parquet"
DROPPED: Final = "dropped.parquet"
"""Name of the mask: ids of the pages to leave out, why, and for which page."""

MASK: Final = pl.Schema({"id": pl.String, "reason": pl.String, "kept_id": pl.String})
"""Columns of a mask, sorted by id."""

Chain = Generator[list[Unit], list[Receipt], list[Receipt]]
"""Yields units that can be done side by side, is sent their receipts in that order, and returns the receipts of the last ones."""

_KEYS = pl.Schema({"high": pl.UInt64, "low": pl.UInt64, "id": pl.String, "fetched_at": pl.String, "crawl": pl.String})
_MERGED = pl.Schema({**_KEYS, "file": pl.UInt32})
_TWICE = pl.Schema({"file": pl.UInt32, "id": pl.String, "kept_id": pl.String})


def url_dedup(pages: Sequence[Receipt], store: Store, config: UrlDedupConfig) -> Chain:
    """Plan the deduplication of all pages; the receipts returned are those of the masks, in the order of ``pages``."""
    keys = yield plan_keys(pages, store)
    merged = yield plan_merged(keys, store)
    twice = yield plan_twice(merged, store, config)
    gathered = yield plan_gathered(len(pages), twice, store)
    masks = yield plan_masks(pages, gathered, store)
    return masks


def plan_keys(pages: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per file of pages."""
    function = f"{__name__}:write_keys"
    return [unit_of(f"{STAGE}/keys", function, {"pages": [store.input(receipt, PAGES)]}, version=VERSION) for receipt in pages]


def plan_merged(keys: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per batch of files, from the receipts of all keys."""
    return [
        unit_of(
            f"{STAGE}/merged",
            f"{__name__}:merge_keys",
            {"keys": [store.input(keys[number], KEYS) for number in files]},
            settings={"first_file": files.start},
            version=VERSION,
        )
        for files in batches(len(keys))
    ]


def plan_twice(merged: Sequence[Receipt], store: Store, config: UrlDedupConfig) -> list[Unit]:
    """Return one unit per range of hashes, from the receipts of all batches."""
    given = {"keys": [store.input(receipt, KEYS) for receipt in merged]}
    return [
        unit_of(
            f"{STAGE}/twice",
            f"{__name__}:find_twice",
            given,
            settings={"partition": partition, "partitions": config.partitions},
            version=VERSION,
        )
        for partition in range(config.partitions)
    ]


def plan_gathered(num_files: int, twice: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per batch of files, from the receipts of all ranges."""
    given = {"twice": [store.input(receipt, TWICE) for receipt in twice]}
    return [
        unit_of(
            f"{STAGE}/gathered",
            f"{__name__}:gather",
            given,
            settings={"first_file": files.start, "last_file": files.stop - 1},
            version=VERSION,
        )
        for files in batches(num_files)
    ]


def plan_masks(pages: Sequence[Receipt], gathered: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per file of pages, from the receipts of all batches."""
    return [
        mask_unit(STAGE, number, store.input(pages[number], PAGES), [store.input(receipt, GATHERED)], DUPLICATE_URL, version=VERSION)
        for files, receipt in zip(batches(len(pages)), gathered, strict=True)
        for number in files
    ]


def write_keys(work: Work) -> None:
    """Unit: hashes of the URLs of one file."""
    (path,) = work.inputs
    pages = read_table(path, ["id", "url", "fetched_at", "crawl"])
    work.counts.taken = work.counts.kept = len(pages)
    write_table(work.output(KEYS), url_keys(pages))


def url_keys(pages: pl.DataFrame) -> pl.DataFrame:
    """Return 128 bits for each URL, with what decides between captures, sorted by them."""
    digests = b"".join(xxhash.xxh3_128_digest(url.encode("utf-8", "surrogatepass")) for url in pages["url"])
    halves = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)
    keys = pages.select(pl.Series("high", halves[:, 0]), pl.Series("low", halves[:, 1]), "id", "fetched_at", "crawl").cast(_KEYS)
    return keys.sort("high", "low", "id", maintain_order=True)


def merge_keys(work: Work) -> None:
    """Unit: the keys of one batch of files, sorted by hash."""
    rows = merge_sorted(work.inputs, work.settings["first_file"], work.output(KEYS), by="high", schema=_MERGED)
    work.counts.taken = work.counts.kept = rows


def find_twice(work: Work) -> None:
    """Unit: the pages of one range of hashes that are dropped."""
    first, last = hash_range(work.settings["partition"], work.settings["partitions"])
    keys = [read_range(path, "high", first, last) for path in work.inputs]
    together = pl.concat([pl.DataFrame(schema=_MERGED), *keys])
    work.counts.taken = len(together)
    dropped = twice(together)
    work.counts.drop(DUPLICATE_URL, len(dropped))
    work.counts.kept = len(together) - len(dropped)
    write_table(work.output(TWICE), dropped)


def gather(work: Work) -> None:
    """Unit: what all ranges found in one batch of files."""
    first, last = work.settings["first_file"], work.settings["last_file"]
    found = pl.concat([pl.DataFrame(schema=_TWICE), *(read_range(path, "file", first, last) for path in work.inputs)])
    work.counts.taken = work.counts.kept = len(found)
    write_table(work.output(GATHERED), found.sort("file", "id"))


def twice(keys: pl.DataFrame) -> pl.DataFrame:
    """Return the captures that are dropped, each with the one that is kept instead: the newest, of those the smallest id.

    Args:
        keys: what :func:`url_keys` returns for several files, with the number of the ``file``.
    """
    group = ["high", "low"]
    # A page without a date is older than any with one; where dates are equal or missing, names of crawls sort by time. The file decides
    # where one file was read twice, under one id.
    ranked = keys.sort([*group, "fetched_at", "crawl", "id", "file"], descending=[False, False, True, True, False, False])
    first = pl.col("id").first().over(group)
    dropped = ranked.with_columns(kept_id=first, place=pl.int_range(pl.len()).over(group)).filter(pl.col("place") > 0)
    return dropped.select(_TWICE.names()).cast(_TWICE).sort("file", "id")


def mask_unit(stage: str, file: int, pages: Input, found: Sequence[Input], reason: str, *, version: int) -> Unit:
    """Return the unit that writes the mask of one file of pages.

    Args:
        stage: folder of the unit.
        file: number of the file in the tables.
        pages: the file.
        found: tables of what is dropped from all files, with the columns ``file``, ``id`` and ``kept_id``.
        reason: code of why it is dropped.
        version: of what finds it.
    """
    given, settings = {"pages": [pages], "found": found}, {"file": file, "reason": reason}
    return unit_of(stage, f"{__name__}:write_mask", given, settings=settings, version=version)


def write_mask(work: Work) -> None:
    """Unit: the mask of one file."""
    given, reason = roles(work), work.settings["reason"]
    ids = read_table(given["pages"][0], ["id"])
    mask = mask_of(work.settings["file"], given["found"], reason)
    work.counts.taken = len(ids)
    work.counts.drop(reason, len(mask))
    work.counts.kept = len(ids) - len(mask)
    write_table(work.output(DROPPED), mask)


def mask_of(file: int, tables: Sequence[str], reason: str) -> pl.DataFrame:
    """Return the mask of one file: its rows of tables with the columns ``file``, ``id`` and ``kept_id``."""
    found = [read_range(path, "file", file, file).select("id", "kept_id") for path in tables]
    rows = pl.concat([pl.DataFrame(schema={"id": pl.String, "kept_id": pl.String}), *found])
    return rows.with_columns(reason=pl.lit(reason, pl.String)).select(MASK.names()).sort("id")
