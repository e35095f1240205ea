"""Pages that a crawl holds more than once, by the normal form of their URL. The newest capture is kept; nothing is rewritten.

Three steps, so that no machine ever holds all URLs: keys of every file, sorted by hash; one unit per range of hashes that finds what is
there twice; a mask beside every file. A page is dropped for the same reason whatever the number of ranges and workers.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Final

import numpy as np
import polars as pl
import xxhash

from reasonforge.corpus.loop.steps import roles, unit_of
from reasonforge.corpus.pages import PAGES, read_table, write_table
from reasonforge.corpus.units import Receipt, Store, Unit, Work
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.corpus.urls.reasons import DUPLICATE_URL
from reasonforge.corpus.urls.tables import hash_range, read_range

STAGE: Final = "urls"
VERSION: Final = 1
KEYS: Final = "keys.parquet"
TWICE: Final = "twice.parquet"
DROPPED: Final = "dropped.parquet"
"""Name of the mask: ids of the pages to leave out, why, and for which page."""

MASK: Final = pl.Schema({"id": pl.String, "reason": pl.String, "kept_id": pl.String})
"""Columns of a mask, sorted by id."""

Chain = Generator[list[Unit], list[Receipt], list[Receipt]]
"""Yields units that can be done side by side, is sent their receipts in that order, and returns the receipts of the last ones."""

_KEYS = pl.Schema({"high": pl.UInt64, "low": pl.UInt64, "id": pl.String, "fetched_at": pl.String, "crawl": pl.String})
_TWICE = pl.Schema({"file": pl.UInt32, "id": pl.String, "kept_id": pl.String})


def url_dedup(pages: Sequence[Receipt], store: Store, config: UrlDedupConfig) -> Chain:
    """Plan the deduplication of all pages; the receipts returned are those of the masks, in the order of ``pages``."""
    keys = yield plan_keys(pages, store)
    twice = yield plan_twice(keys, store, config)
    masks = yield plan_masks(pages, twice, store)
    return masks


def plan_keys(pages: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per file of pages."""
    function = f"{__name__}:write_keys"
    return [unit_of(f"{STAGE}/keys", function, {"pages": [store.input(receipt, PAGES)]}, version=VERSION) for receipt in pages]


def plan_twice(keys: Sequence[Receipt], store: Store, config: UrlDedupConfig) -> list[Unit]:
    """Return one unit per range of hashes, from the receipts of all keys."""
    given = {"keys": [store.input(receipt, KEYS) for receipt in keys]}
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


def plan_masks(pages: Sequence[Receipt], twice: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per file of pages, from the receipts of all ranges."""
    found = [store.input(receipt, TWICE) for receipt in twice]
    return [
        unit_of(
            STAGE,
            f"{__name__}:write_mask",
            {"pages": [store.input(receipt, PAGES)], "twice": found},
            settings={"file": number},
            version=VERSION,
        )
        for number, receipt in enumerate(pages)
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


def find_twice(work: Work) -> None:
    """Unit: the pages of one range of hashes that are dropped."""
    first, last = hash_range(work.settings["partition"], work.settings["partitions"])
    keys = [read_range(path, "high", first, last) for path in work.inputs]
    tables = [table.with_columns(file=pl.lit(number, pl.UInt32)) for number, table in enumerate(keys)]
    together = pl.concat(tables) if tables else pl.DataFrame(schema={**_KEYS, "file": pl.UInt32})
    work.counts.taken = len(together)
    dropped = twice(together)
    work.counts.drop(DUPLICATE_URL, len(dropped))
    work.counts.kept = len(together) - len(dropped)
    write_table(work.output(TWICE), dropped)


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


def write_mask(work: Work) -> None:
    """Unit: the mask of one file."""
    given = roles(work)
    ids = read_table(given["pages"][0], ["id"])
    mask = mask_of(work.settings["file"], given.get("twice", []), DUPLICATE_URL)
    work.counts.taken = len(ids)
    work.counts.drop(DUPLICATE_URL, len(mask))
    work.counts.kept = len(ids) - len(mask)
    write_table(work.output(DROPPED), mask)


def mask_of(file: int, tables: Sequence[str], reason: str) -> pl.DataFrame:
    """Return the mask of one file: its rows of tables with the columns ``file``, ``id`` and ``kept_id``."""
    found = [read_range(path, "file", file, file).select("id", "kept_id") for path in tables]
    rows = pl.concat(found) if found else pl.DataFrame(schema={"id": pl.String, "kept_id": pl.String})
    return rows.with_columns(reason=pl.lit(reason, pl.String)).select(MASK.names()).sort("id")
