"""Files merged in batches: the same masks whatever the batch, and receipts that grow with ranges times batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.units import near_dedup
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.units import Receipt, Store, Unit, execute, file_digest
from reasonforge.corpus.urls import merge
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.corpus.urls.dedup import DROPPED, Chain, url_dedup
from reasonforge.corpus.urls.merge import append_all, batches, merge_sorted
from reasonforge.corpus.urls.tables import hash_range, read_range
from tests.corpus.urls.made import page, stored

SCHEMA = pl.Schema({"key": pl.UInt64, "name": pl.String, "file": pl.UInt32})


def all_units(chain: Chain, store: Store) -> tuple[list[Unit], list[Receipt]]:
    """Do a chain; return every unit of it, and the last receipts."""
    units: list[Unit] = []
    receipts: list[Receipt] | None = None
    while True:
        try:
            planned = next(chain) if receipts is None else chain.send(receipts)
        except StopIteration as ended:
            return units, ended.value
        units += planned
        receipts = [execute(unit, store) for unit in planned]


def six_files(root: Path) -> tuple[Store, list[Receipt]]:
    """Return six files of four pages, every page of which is in two files."""
    root.mkdir()
    return stored(
        root,
        [
            [
                page(10 * file + number, url=f"https://example.org/{(4 * file + number) % 12}", text=f"w{(4 * file + number) % 12} " * 9)
                for number in range(4)
            ]
            for file in range(6)
        ],
    )


def test_batches_hold_every_file_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "BATCH_FILES", 4)
    assert [list(files) for files in batches(10)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches(0) == []


@pytest.mark.parametrize("kind", ["urls", "near_duplicates"])
def test_masks_do_not_depend_on_the_size_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    found = []
    for size in (1, 2, 5, 256):
        monkeypatch.setattr(merge, "BATCH_FILES", size)
        store, pages = six_files(tmp_path / str(size))
        chain = url_dedup(pages, store, UrlDedupConfig()) if kind == "urls" else near_dedup(pages, store, NearDupConfig())
        _, masks = all_units(chain, store)
        found.append([mask.outputs[DROPPED].xxh3 for mask in masks])
        assert sum(mask.counts.kept for mask in masks) == 12
    assert found == [found[0]] * 4


@pytest.mark.parametrize(("kind", "shuffles"), [("urls", 2), ("near_duplicates", 3)])
def test_inputs_in_receipts_grow_with_ranges_times_batches_and_not_with_ranges_times_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, shuffles: int
) -> None:
    monkeypatch.setattr(merge, "BATCH_FILES", 3)
    store, pages = six_files(tmp_path / "six")
    files, ranges, num_batches = 6, 50, 2
    chain = (
        url_dedup(pages, store, UrlDedupConfig(partitions=ranges))
        if kind == "urls"
        else near_dedup(pages, store, NearDupConfig(partitions=ranges))
    )
    units, _ = all_units(chain, store)
    entries = sum(len(unit.inputs) for unit in units)
    assert entries <= shuffles * ranges * num_batches + 2 * ranges + 8 * files
    assert entries < ranges * files * shuffles / 2


def test_a_merged_table_is_sorted_holds_every_row_and_can_be_read_by_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "_ROWS_AT_A_TIME", 7_000)
    draw = np.random.default_rng(1)
    tables = []
    for number in range(3):
        keys = np.sort(draw.integers(0, 1 << 64, 20_000, dtype=np.uint64))
        keys[:5] = 17  # equal hashes: in the order of files
        tables.append(pl.DataFrame({"key": np.sort(keys), "name": [f"{number}-{row}" for row in range(20_000)]}))
        write_table(tmp_path / f"{number}.parquet", tables[-1])
    paths = [str(tmp_path / f"{number}.parquet") for number in range(3)]
    assert merge_sorted(paths, 40, tmp_path / "merged.parquet", by="key", schema=SCHEMA) == 60_000
    expected = pl.concat([table.with_columns(file=pl.lit(40 + number, pl.UInt32)) for number, table in enumerate(tables)])
    merged = read_table(tmp_path / "merged.parquet")
    assert merged.equals(expected.sort("key", maintain_order=True).select(SCHEMA.names()))
    parts = [read_range(str(tmp_path / "merged.parquet"), "key", *hash_range(part, 5)) for part in range(5)]
    assert pl.concat(parts).equals(merged)


def test_merging_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    write_table(tmp_path / "0.parquet", pl.DataFrame({"key": pl.Series([1, 2], dtype=pl.UInt64), "name": ["a", "é"]}))
    for name in ("one", "other"):
        merge_sorted([str(tmp_path / "0.parquet")] * 2, 0, tmp_path / name, by="key", schema=SCHEMA)
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "other")


def test_tables_that_are_appended_keep_their_order_and_say_their_file(tmp_path: Path) -> None:
    for number, names in enumerate((["b", "a"], [], ["c"])):
        write_table(
            tmp_path / f"{number}.parquet",
            pl.DataFrame({"key": range(len(names)), "name": names}, schema={"key": pl.UInt64, "name": pl.String}),
        )
    paths = [str(tmp_path / f"{number}.parquet") for number in range(3)]
    assert append_all(paths, 7, tmp_path / "all.parquet", schema=SCHEMA) == 3
    assert read_table(tmp_path / "all.parquet").rows() == [(0, "b", 7), (1, "a", 7), (0, "c", 9)]
