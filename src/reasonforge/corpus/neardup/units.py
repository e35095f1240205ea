"""Near-duplicates as units of work: bands per file, pairs per range of keys, shingles per file, verified pairs, clusters, masks.

Between steps that go by files and steps that go by ranges, files are merged in batches: :mod:`reasonforge.corpus.urls.merge` says why, and
how large receipts get. No step holds more than a part of a file, one range of keys, the pairs that were found, and as many shingles as
:mod:`reasonforge.corpus.neardup.compare` says. Pages are dropped for the same reasons whatever the number of ranges and workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from reasonforge.corpus.hashing import UNICODE
from reasonforge.corpus.neardup.clusters import PAIRS, bucket_pairs, clusters
from reasonforge.corpus.neardup.compare import ShingleTables, similar
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.signatures import band_keys, shingle_sets, signatures
from reasonforge.corpus.pages import PAGES, read_table, write_table
from reasonforge.corpus.reasons import LEFT_OUT, NEAR_DUPLICATE, NO_WORDS, NOT_SIMILAR
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.units import Input, Receipt, Store, Unit, Work
from reasonforge.corpus.urls.dedup import Chain, mask_unit
from reasonforge.corpus.urls.merge import append_all, batches, merge_sorted
from reasonforge.corpus.urls.tables import chosen_pages, hash_range, read_range

STAGE: Final = "neardup"
VERSION: Final = 2
BANDS, PAIRED, CANDIDATES, SHINGLES, EDGES, CLUSTERS = (
    f"{name}.parquet" for name in ("bands", "pairs", "candidates", "shingles", "edges", "clusters")
)

_BANDS = pl.Schema({"key": pl.UInt64, "id": pl.String, "row": pl.UInt32})
_SHINGLES = pl.Schema({"row": pl.UInt32, "id": pl.String, "fetched_at": pl.String, "crawl": pl.String, "shingles": pl.List(pl.UInt64)})
_MERGED_BANDS = pl.Schema({**_BANDS, "file": pl.UInt32})
_MERGED_SHINGLES = pl.Schema({**_SHINGLES, "file": pl.UInt32})
_CANDIDATES = pl.Schema({"file": pl.UInt32, "row": pl.UInt32})
_CLUSTERS = pl.Schema({"file": pl.UInt32, "id": pl.String, "kept_id": pl.String})


def near_dedup(
    pages: Sequence[Receipt],
    store: Store,
    config: NearDupConfig,
    *,
    drop: Sequence[Sequence[Input]] = (),
    keep: Sequence[Sequence[Input]] = (),
) -> Chain:
    """Plan the detection of near-duplicates; the receipts returned are those of the masks, in the order of ``pages``.

    Args:
        pages: of all files.
        store: the corpus folder.
        config: what is nearly the same.
        drop: per file, tables of ids that are out of the comparison: the masks of URL deduplication. Empty = all pages are in it.
        keep: per file, tables of ids that are in it, and no others: a selection. Empty = all pages are.
    """
    bands = yield plan_bands(pages, store, config, drop=drop, keep=keep)
    merged = yield plan_merged_bands(bands, store)
    pairs = yield plan_pairs(merged, store, config)
    candidates = yield plan_candidates(len(pages), pairs, store)
    of_files = yield plan_shingles(pages, candidates, store, config)
    shingles = yield plan_merged_shingles(of_files, store)
    edges = yield plan_edges(pairs, shingles, store, config)
    found = yield plan_clusters(edges, shingles, store, config)
    masks = yield plan_masks(pages, found, store)
    return masks


def plan_bands(
    pages: Sequence[Receipt],
    store: Store,
    config: NearDupConfig,
    *,
    drop: Sequence[Sequence[Input]] = (),
    keep: Sequence[Sequence[Input]] = (),
) -> list[Unit]:
    """Return one unit per file of pages: signatures, as the keys of their bands."""
    settings = config.model_dump(include={"shingle", "permutations", "bands", "rows"})
    units: list[Unit] = []
    for number, receipt in enumerate(pages):
        given = {"pages": [store.input(receipt, PAGES)]}
        given |= {"drop": list(drop[number])} if drop else {}
        given |= {"keep": list(keep[number])} if keep else {}
        # A selection that is there and empty keeps nothing; no selection keeps all.
        units.append(_unit("bands", "write_bands", given, {**settings, "selected": bool(keep)}))
    return units


def plan_merged_bands(bands: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per batch of files, from the receipts of all bands."""
    units: list[Unit] = []
    for files in batches(len(bands)):
        given = {"bands": [store.input(bands[number], BANDS) for number in files]}
        units.append(_unit("merged-bands", "merge_bands", given, {"first_file": files.start}))
    return units


def plan_pairs(merged: Sequence[Receipt], store: Store, config: NearDupConfig) -> list[Unit]:
    """Return one unit per range of keys, from the receipts of all batches."""
    given = {"bands": [store.input(receipt, BANDS) for receipt in merged]}
    settings = {"partitions": config.partitions, "max_bucket": config.max_bucket}
    return [_unit("pairs", "write_pairs", given, {**settings, "partition": number}) for number in range(config.partitions)]


def plan_candidates(num_files: int, pairs: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per batch of files, from the receipts of all ranges."""
    given = {"pairs": [store.input(receipt, PAIRED) for receipt in pairs]}
    return [
        _unit("candidates", "write_candidates", given, {"first_file": files.start, "last_file": files.stop - 1})
        for files in batches(num_files)
    ]


def plan_shingles(pages: Sequence[Receipt], candidates: Sequence[Receipt], store: Store, config: NearDupConfig) -> list[Unit]:
    """Return one unit per file of pages: the shingles of those of its pages that are in a pair."""
    return [
        _unit(
            "shingles",
            "write_shingles",
            {"pages": [store.input(pages[number], PAGES)], "candidates": [store.input(receipt, CANDIDATES)]},
            {"file": number, "shingle": config.shingle},
        )
        for files, receipt in zip(batches(len(pages)), candidates, strict=True)
        for number in files
    ]


def plan_merged_shingles(shingles: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per batch of files, from the receipts of all shingles."""
    units: list[Unit] = []
    for files in batches(len(shingles)):
        given = {"shingles": [store.input(shingles[number], SHINGLES) for number in files]}
        units.append(_unit("merged-shingles", "merge_shingles", given, {"first_file": files.start}))
    return units


def plan_edges(pairs: Sequence[Receipt], shingles: Sequence[Receipt], store: Store, config: NearDupConfig) -> list[Unit]:
    """Return one unit per range of keys: its pairs, each compared exactly. ``shingles`` are those of batches."""
    found = [store.input(receipt, SHINGLES) for receipt in shingles]
    return [
        _unit("edges", "write_edges", {"pairs": [store.input(receipt, PAIRED)], "shingles": found}, {"jaccard": config.jaccard})
        for receipt in pairs
    ]


def plan_clusters(edges: Sequence[Receipt], shingles: Sequence[Receipt], store: Store, config: NearDupConfig) -> list[Unit]:
    """Return the one unit that says which page of all pairs is kept. ``shingles`` are those of batches."""
    given = {
        "edges": [store.input(receipt, EDGES) for receipt in edges],
        "shingles": [store.input(receipt, SHINGLES) for receipt in shingles],
    }
    return [_unit("clusters", "write_clusters", given, {"jaccard": config.jaccard})]


def plan_masks(pages: Sequence[Receipt], found: Sequence[Receipt], store: Store) -> list[Unit]:
    """Return one unit per file of pages."""
    joined = [store.input(receipt, CLUSTERS) for receipt in found]
    return [
        mask_unit(STAGE, number, store.input(receipt, PAGES), joined, NEAR_DUPLICATE, version=VERSION)
        for number, receipt in enumerate(pages)
    ]


def write_bands(work: Work) -> None:
    """Unit: the keys of the bands of one file, sorted."""
    given, settings = roles(work), work.settings
    path = given["pages"][0]
    work.counts.taken = len(read_table(path, ["id"]))
    tables = [pl.DataFrame(schema=_BANDS)]
    taking_part = 0
    keep = given.get("keep", []) if settings["selected"] else None
    for pages in chosen_pages(path, ["id", "text"], drop=given.get("drop", []), keep=keep):
        taking_part += len(pages)
        made = signatures(pages["text"].to_list(), shingle=settings["shingle"], permutations=settings["permutations"])
        filled = np.flatnonzero(made.num_shingles)
        work.counts.kept += len(filled)
        keys = band_keys(made.values[filled], bands=settings["bands"], rows=settings["rows"])
        repeated = pages.select("id", "row")[np.repeat(filled, settings["bands"])]
        tables.append(repeated.with_columns(key=pl.Series(keys.ravel(), dtype=pl.UInt64)).select(_BANDS.names()).cast(_BANDS))
    work.counts.drop(LEFT_OUT, work.counts.taken - taking_part)
    work.counts.drop(NO_WORDS, taking_part - work.counts.kept)
    write_table(work.output(BANDS), pl.concat(tables).sort("key", "row"))


def merge_bands(work: Work) -> None:
    """Unit: the bands of one batch of files, sorted by key."""
    rows = merge_sorted(work.inputs, work.settings["first_file"], work.output(BANDS), by="key", schema=_MERGED_BANDS)
    work.counts.taken = work.counts.kept = rows


def write_pairs(work: Work) -> None:
    """Unit: candidates of one range of keys."""
    first, last = hash_range(work.settings["partition"], work.settings["partitions"])
    keys = pl.concat([pl.DataFrame(schema=_MERGED_BANDS), *(read_range(path, "key", first, last) for path in work.inputs)])
    pairs, large = bucket_pairs(keys, max_bucket=work.settings["max_bucket"])
    work.counts.taken = work.counts.kept = len(keys)
    work.counts.note("pairs", len(pairs))
    work.counts.note("large_buckets", large)
    write_table(work.output(PAIRED), pairs)


def write_candidates(work: Work) -> None:
    """Unit: the pages of one batch of files that are in a pair."""
    first, last = work.settings["first_file"], work.settings["last_file"]
    ends = [
        read_range(path, f"file_{end}", first, last).select(file=f"file_{end}", row=f"row_{end}") for path in work.inputs for end in "ab"
    ]
    found = pl.concat([pl.DataFrame(schema=_CANDIDATES), *ends])
    pages = found.unique().sort("file", "row")
    work.counts.taken = work.counts.kept = len(pages)
    write_table(work.output(CANDIDATES), pages)


def write_shingles(work: Work) -> None:
    """Unit: the shingles of the candidates of one file."""
    given, file = roles(work), work.settings["file"]
    wanted = read_range(given["candidates"][0], "file", file, file).select("row")
    tables = [pl.DataFrame(schema=_SHINGLES)]
    for part in chosen_pages(given["pages"][0], ["id", "fetched_at", "crawl", "text"]):
        pages = part.join(wanted, on="row", how="semi", maintain_order="left")
        sets = shingle_sets(pages["text"].to_list(), shingle=work.settings["shingle"])
        table = pages.drop("text").with_columns(shingles=pl.Series(sets, dtype=pl.List(pl.UInt64)))
        tables.append(table.select(_SHINGLES.names()).cast(_SHINGLES))
    found = pl.concat(tables, rechunk=True)
    work.counts.taken = work.counts.kept = len(found)
    write_table(work.output(SHINGLES), found)


def merge_shingles(work: Work) -> None:
    """Unit: the shingles of one batch of files, file after file."""
    rows = append_all(work.inputs, work.settings["first_file"], work.output(SHINGLES), schema=_MERGED_SHINGLES)
    work.counts.taken = work.counts.kept = rows


def write_edges(work: Work) -> None:
    """Unit: the pairs of one range that are similar enough."""
    given = roles(work)
    pairs = read_table(given["pairs"][0])
    edges = pairs.filter(pl.Series(similar(pairs, ShingleTables(given.get("shingles", [])), threshold=work.settings["jaccard"])))
    work.counts.taken = len(pairs)
    work.counts.kept = len(edges)
    work.counts.drop(NOT_SIMILAR, len(pairs) - len(edges))
    write_table(work.output(EDGES), edges)


def write_clusters(work: Work) -> None:
    """Unit: the pages that are dropped, of all files."""
    given = roles(work)
    tables = [read_table(path) for path in given.get("edges", [])]
    edges = pl.concat(tables).unique() if tables else pl.DataFrame(schema=PAIRS)
    columns = ["row", "id", "fetched_at", "crawl", "file"]
    in_edges = pl.concat([edges.select(file=f"file_{end}", row=f"row_{end}") for end in "ab"]).unique()
    named = [read_table(path, columns).join(in_edges, on=["file", "row"], how="semi") for path in given.get("shingles", [])]
    members = pl.concat([pl.DataFrame(schema=_MERGED_SHINGLES).select(columns), *named])
    dropped = clusters(edges, members, ShingleTables(given.get("shingles", [])).read_all, threshold=work.settings["jaccard"])
    work.counts.taken = work.counts.kept = len(edges)
    work.counts.note("dropped", len(dropped))
    write_table(work.output(CLUSTERS), dropped.cast(_CLUSTERS))


def _unit(stage: str, function: str, given: dict[str, list[Input]], settings: dict[str, Any]) -> Unit:
    return unit_of(f"{STAGE}/{stage}", f"{__name__}:{function}", given, settings={**settings, "unicode": UNICODE}, version=VERSION)
