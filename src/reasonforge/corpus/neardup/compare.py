"""Exact comparison of candidates, with as many shingles in memory as were allowed, however many pages and files there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reasonforge.corpus.hashing import U64
from reasonforge.corpus.neardup.signatures import jaccard
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.urls.tables import read_rows

HELD_SHINGLES: Final = 1 << 25
"""Shingles that are held before pages are compared with those of further files, one file at a time: 256 MB."""

Page = tuple[int, int]
"""Number of the file, and of the row in it."""


class ShingleTables:
    """The shingles of pages of many files, in tables of several files each."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Look which table has which files.

        Args:
            paths: of tables with columns ``file``, ``row`` and ``shingles``; a file is in one of them.
        """
        self._path_of = {file: path for path in paths for file in read_table(path, ["file"])["file"].unique()}

    def read(self, file: int, rows: pl.Series) -> dict[Page, U64]:
        """Return the distinct shingles, sorted, of some pages of a file; nothing else of it is held."""
        table = read_rows(self._path_of[file], ["row", "shingles"], file=file, rows=rows)
        pages = zip(table["row"], table["shingles"], strict=True)
        # Copies: a view would hold all that was read with it.
        return {(file, row): shingles.to_numpy().astype(np.uint64, copy=True) for row, shingles in pages}

    def read_all(self, pages: pl.DataFrame) -> list[U64]:
        """Return the shingles of each page of a table with columns ``file`` and ``row``."""
        sets: dict[Page, U64] = {}
        for (file,), some in pages.group_by("file"):
            sets |= self.read(int(str(file)), some["row"].unique())
        return [sets[page] for page in pages.select("file", "row").iter_rows()]


def similar(pairs: pl.DataFrame, tables: ShingleTables, *, threshold: float, held: int = HELD_SHINGLES) -> NDArray[np.bool_]:
    """Return which pairs are at least so similar.

    Of some files after the other, all pages that are in a pair are held, until there are enough; they are compared with each other, then
    with those of every later file. Few pages are read once; many are read again for every time that the memory was full.

    Args:
        pairs: columns ``file_a``, ``row_a``, ``file_b`` and ``row_b``; the first file is not the later one.
        tables: the shingles of their pages.
        threshold: the least similarity.
        held: shingles that are held, and those of one file more.
    """
    found = np.zeros(len(pairs), np.bool_)
    numbered = pairs.with_row_index("pair")
    ends = pl.concat([numbered.select("file_a", file=f"file_{end}", row=f"row_{end}") for end in "ab"]).unique()
    by_file = {int(str(file)): some for (file,), some in ends.group_by("file")}
    files = sorted(by_file)
    at = 0
    while at < len(files):
        first, size = files[at], 0
        sets: dict[Page, U64] = {}
        while at < len(files) and size < held:
            # A page whose pairs are all with files before has been compared.
            rows = by_file[files[at]].filter(pl.col("file_a") >= first)["row"].unique()
            read = tables.read(files[at], rows) if len(rows) else {}
            size += sum(map(len, read.values()))
            sets |= read
            at += 1
        last = files[at - 1]
        mine = numbered.filter(pl.col("file_a").is_between(first, last))
        _compare(mine.filter(pl.col("file_b") <= last), sets, sets, threshold, found)
        for (file,), some in mine.filter(pl.col("file_b") > last).group_by("file_b"):
            _compare(some, sets, tables.read(int(str(file)), some["row_b"].unique()), threshold, found)
    return found


def _compare(
    pairs: pl.DataFrame, first: Mapping[Page, U64], second: Mapping[Page, U64], threshold: float, found: NDArray[np.bool_]
) -> None:
    for pair, file_a, row_a, file_b, row_b in pairs.select("pair", "file_a", "row_a", "file_b", "row_b").iter_rows():
        found[pair] = jaccard(first[file_a, row_a], second[file_b, row_b]) >= threshold


def whole_parts(groups: NDArray[np.int64], least: int) -> Sequence[NDArray[np.int64]]:
    """Return the places of things in parts of at least so many (but the last), each group of equal numbers whole in one of them."""
    order = np.argsort(groups, kind="stable")
    borders = np.flatnonzero(np.diff(groups[order])) + 1
    cuts: list[int] = []
    for border in borders.tolist():
        if border - (cuts[-1] if cuts else 0) >= least:
            cuts.append(border)
    return [np.sort(part) for part in np.split(order, cuts)]
