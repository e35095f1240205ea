"""Candidates compared exactly: the same answer however little fits into memory, and nothing read that is in no pair."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.hashing import U64
from reasonforge.corpus.neardup import clusters, compare, units
from reasonforge.corpus.neardup.clusters import PAIRS
from reasonforge.corpus.neardup.compare import Page, ShingleTables, similar, whole_parts
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.signatures import jaccard
from reasonforge.corpus.pages import write_table
from reasonforge.corpus.units import Receipt, digest_of
from reasonforge.corpus.urls import tables
from reasonforge.corpus.urls.tables import read_rows
from tests.corpus.neardup.test_units import chain, crawl
from tests.corpus.urls.made import driven, page, stored

FILES, ROWS = 5, 12


def made(folder: Path) -> tuple[ShingleTables, dict[Page, U64], pl.DataFrame]:
    """Return five files of twelve pages in two tables, their shingles, and sixty pairs of which some are alike; two pages are in none."""
    draw = np.random.default_rng(0)
    common = draw.integers(0, 1 << 63, 40, dtype=np.uint64)
    sets = {}
    for file in range(FILES):
        for row in range(ROWS):
            own = draw.integers(0, 1 << 63, int(draw.integers(0, 20)), dtype=np.uint64)
            sets[file, row] = np.unique(np.concatenate((common[: 20 + row], own)))
    for table, files in (("a", (0, 1, 2)), ("b", (3, 4))):
        pages = [(file, row, sets[file, row]) for file in files for row in range(ROWS)]
        schema = {"file": pl.UInt32, "row": pl.UInt32, "shingles": pl.List(pl.UInt64)}
        write_table(folder / f"{table}.parquet", pl.DataFrame(pages, schema=schema, orient="row"))
    places = [(file, row) for file in range(FILES) for row in range(ROWS) if row not in (3, 7)]
    ends = [sorted(places[number] for number in draw.choice(len(places), 2, replace=False)) for _ in range(60)]
    pairs = pl.DataFrame([(*one, *other) for one, other in ends], schema=PAIRS, orient="row").unique().sort(PAIRS.names())
    return ShingleTables([str(folder / "a.parquet"), str(folder / "b.parquet")]), sets, pairs


@pytest.mark.parametrize("held", [1, 300, 700, 1 << 25])
def test_what_is_similar_does_not_depend_on_the_room(tmp_path: Path, held: int) -> None:
    looks, sets, pairs = made(tmp_path)
    expected = [jaccard(sets[a, b], sets[c, d]) >= 0.6 for a, b, c, d in pairs.iter_rows()]
    assert 5 < sum(expected) < len(expected) - 5
    assert similar(pairs, looks, threshold=0.6, held=held).tolist() == expected


def test_without_pairs_nothing_is_read(tmp_path: Path) -> None:
    assert similar(pl.DataFrame(schema=PAIRS), ShingleTables([]), threshold=0.6).tolist() == []


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """Return file and rows of every look into a table."""
    seen: list[tuple[int, list[int]]] = []

    def spy(path: str, columns: list[str], *, file: int, rows: pl.Series) -> pl.DataFrame:
        found = read_rows(path, columns, file=file, rows=rows)
        seen.append((file, sorted(found["row"])))
        return found

    monkeypatch.setattr(compare, "read_rows", spy)
    return seen


def test_only_pages_of_pairs_are_read_and_where_there_is_room_once(tmp_path: Path, read: list[tuple[int, list[int]]]) -> None:
    looks, _, pairs = made(tmp_path)
    similar(pairs, looks, threshold=0.6)
    ends = pl.concat([pairs.select(file=f"file_{end}", row=f"row_{end}") for end in "ab"]).unique()
    expected = {file: sorted(ends.filter(pl.col("file") == file)["row"]) for file in range(FILES)}
    assert dict(read) == expected
    assert len(read) == FILES
    assert sum(map(len, expected.values())) < FILES * ROWS


def test_without_room_a_file_meets_those_behind_it_one_by_one(tmp_path: Path, read: list[tuple[int, list[int]]]) -> None:
    looks, _, pairs = made(tmp_path)
    similar(pairs, looks, threshold=0.6, held=1)
    for file in range(FILES - 1):
        at = next(number for number, (first, _) in enumerate(read) if first == file)
        mine = pairs.filter(pl.col("file_a") == file)
        behind = {int(other): sorted(set(mine.filter(pl.col("file_b") == other)["row_b"])) for other in mine["file_b"] if other > file}
        assert dict(read[at + 1 : at + 1 + len(behind)]) == behind
        del read[: at + 1 + len(behind)]


def test_a_page_that_is_read_holds_nothing_else_of_its_file(tmp_path: Path) -> None:
    looks, sets, _ = made(tmp_path)
    found = looks.read(1, pl.Series([2, 5], dtype=pl.UInt32))
    assert {page: shingles.tolist() for page, shingles in found.items()} == {(1, row): sets[1, row].tolist() for row in (2, 5)}
    assert all(shingles.base is None for shingles in found.values())


@pytest.mark.parametrize("texts", [None, chain()], ids=["copies", "a chain"])
def test_units_leave_the_same_bytes_however_little_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str] | None
) -> None:
    files = crawl(0) if texts is None else [[page(number, text=texts[number]) for number in range(file, 12, 3)] for file in range(3)]
    digests = []
    for name in ("much", "little"):
        if name == "little":
            monkeypatch.setattr(units, "similar", partial(similar, held=1))
            monkeypatch.setattr(clusters, "_OPEN_PAGES", 1)
            monkeypatch.setattr(tables, "ROW_GROUP", 3)
        (tmp_path / name).mkdir()
        store, pages = stored(tmp_path / name, files)
        driven(units.near_dedup(pages, store, NearDupConfig(partitions=2)), store)
        receipts = [Receipt.from_json(path.read_bytes(), path) for path in sorted(store.root.glob("neardup/**/receipt.json"))]
        digests.append((len(receipts), digest_of(receipts)))
    assert digests[0] == digests[1]
    assert digests[0][0] > 10


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(1, 8))
def test_parts_hold_every_thing_once_and_no_group_is_cut(groups: list[int], least: int) -> None:
    numbers = np.array(groups, np.int64)
    parts = whole_parts(numbers, least)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    held = [set(numbers[part].tolist()) for part in parts]
    assert sum(map(len, held)) == len(set(groups))
    assert all(len(part) >= least for part in parts[:-1])
    assert all(part.tolist() == sorted(part.tolist()) for part in parts)
