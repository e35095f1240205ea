"""Files in batches, between steps of which one goes by files and the other by ranges of hashes.

A receipt lists every input of its unit, at 140 bytes each. Were every range to read every file, receipts would grow as files times ranges:
for 90,000 files and 4,096 ranges 370 million entries, 52 GB of JSON, in each step of the kind. So files are merged in batches of
:data:`BATCH_FILES` first, and ranges read batches: 1.4 million entries, 0.2 GB. On the way back, from ranges to files, a unit per batch
gathers what concerns its files, and a file reads its batch. All receipts of a stage then list about

    2 x ranges x batches + 4 x files          inputs for URLs: 0.5 GB for a crawl of that size,
    3 x ranges x batches + 6 x files          inputs for near-duplicates: 0.7 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import polars as pl
import pyarrow.parquet as pq

from reasonforge.corpus.pages import ROW_GROUP, read_table
from reasonforge.corpus.urls.tables import hash_range, read_range

BATCH_FILES: Final = 256
"""Files that are merged to one. Another number would make other units, and the same masks."""

_ROWS_AT_A_TIME = 1 << 21


def batches(num_files: int) -> list[range]:
    """Return the numbers of the files of each batch."""
    return [range(first, min(first + BATCH_FILES, num_files)) for first in range(0, num_files, BATCH_FILES)]


class TableWriter:
    """Writes a Parquet file table by table: the same tables are the same bytes, and no row group spans two of them."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        """Open a file to be written, with these columns."""
        self._schema = schema
        self._arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._writer = pq.ParquetWriter(path, self._arrow, compression="zstd", compression_level=3)

    def write(self, table: pl.DataFrame) -> None:
        """Append rows."""
        if table.height:
            rows = table.select(self._schema.names()).cast(self._schema).to_arrow(compat_level=pl.CompatLevel.oldest())
            self._writer.write_table(rows, row_group_size=ROW_GROUP)

    def __enter__(self) -> Self:
        """Return itself; the file is whole when the block ends."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()


def merge_sorted(paths: Sequence[str], first_file: int, output: Path, *, by: str, schema: pl.Schema) -> int:
    """Merge tables that are sorted by a 64-bit hash into one that is, and return its rows. Holds two million rows at a time.

    Args:
        paths: of tables with the columns of the schema but ``file``.
        first_file: number of the first one; the others follow.
        output: the file to write.
        by: the column of the hash. Rows of equal hashes stay in the order of files, and within a file as they were.
        schema: columns of the output, ``file`` among them.
    """
    rows = sum(len(read_table(path, [by])) for path in paths)
    # Hashes are even: a part of their range is a part of the rows.
    parts = max(1, -(-rows // _ROWS_AT_A_TIME))
    with TableWriter(output, schema) as writer:
        for part in range(parts):
            first, last = hash_range(part, parts)
            tables = [numbered(read_range(path, by, first, last), first_file + number) for number, path in enumerate(paths)]
            writer.write(pl.concat(tables).sort(by, maintain_order=True))
    return rows


def append_all(paths: Sequence[str], first_file: int, output: Path, *, schema: pl.Schema) -> int:
    """Write tables one after the other into one, and return its rows. Holds one of them at a time.

    Args:
        paths: of tables with the columns of the schema but ``file``.
        first_file: number of the first one; the others follow.
        output: the file to write.
        schema: columns of the output, ``file`` among them.
    """
    rows = 0
    with TableWriter(output, schema) as writer:
        for number, path in enumerate(paths):
            table = read_table(path)
            rows += len(table)
            writer.write(numbered(table, first_file + number))
    return rows


def numbered(table: pl.DataFrame, file: int) -> pl.DataFrame:
    """Return a table with the number of the file that it comes from."""
    return table.with_columns(file=pl.lit(file, pl.UInt32))
