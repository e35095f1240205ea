"""Reading parts of Parquet tables: a range of a sorted column, the pages of a file a few thousand at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from reasonforge.corpus.pages import ROW_GROUP, read_table


def hash_range(partition: int, partitions: int) -> tuple[int, int]:
    """Return the first and the last 64-bit hash of a range; the ranges cover all hashes without a gap."""
    return (partition << 64) // partitions, ((partition + 1 << 64) // partitions) - 1


def read_range(path: str, column: str, first: int, last: int) -> pl.DataFrame:
    """Read the rows whose value lies between two, both included; of a table sorted by it only these row groups are read.

    Raises:
        DataError: the file is missing or broken.
    """
    return _collected(pl.scan_parquet(path, glob=False).filter(pl.col(column).is_between(first, last)), path, [column])


def read_rows(path: str, columns: Sequence[str], *, file: int, rows: pl.Series) -> pl.DataFrame:
    """Read columns of some rows of one file, from a table of several files; no other row is held.

    Args:
        path: of a table with columns ``file`` and ``row``.
        columns: to read.
        file: its number.
        rows: their numbers in it.

    Raises:
        DataError: the table is missing, broken, or lacks a column.
    """
    # Two filters and no function of both columns: row groups of other files are left out by their statistics.
    chosen = pl.scan_parquet(path, glob=False).filter(pl.col("file") == file).filter(pl.col("row").is_in(rows.implode()))
    return _collected(chosen.select(columns), path, ["file", "row", *columns])


def chosen_pages(
    path: str, columns: Sequence[str], *, drop: Sequence[str] = (), keep: Sequence[str] | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the pages of a file that take part, row group by row group, with the number of their ``row`` in the file.

    Args:
        path: the file of pages.
        columns: to read, ``id`` among them.
        drop: tables with the ids of pages that do not take part.
        keep: tables with the ids of pages that do, and no others. None = all do.

    Raises:
        DataError: a file is missing, broken, or lacks a column.
    """
    total = len(read_table(path, ["id"]))
    dropped = [read_table(table, ["id"]) for table in drop]
    kept = None if keep is None else pl.concat([pl.DataFrame(schema={"id": pl.String}), *(read_table(table, ["id"]) for table in keep)])
    for first in range(0, total, ROW_GROUP):
        part = _collected(pl.scan_parquet(path, glob=False).slice(first, ROW_GROUP).select(columns), path, columns)
        pages = part.with_row_index("row", offset=first)
        for mask in dropped:
            pages = pages.join(mask, on="id", how="anti", maintain_order="left")
        if kept is not None:
            pages = pages.join(kept, on="id", how="semi", maintain_order="left")
        yield pages


def _collected(rows: pl.LazyFrame, path: str, columns: Sequence[str]) -> pl.DataFrame:
    try:
        return rows.collect()
    except (OSError, pl.exceptions.PolarsError):
        read_table(path, columns)  # says what is wrong with it
        raise
