"""Tables written row by row: memory holds one row group, and the bytes depend on the rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import polars as pl
from pyarrow import Table, parquet

from reasonforge.core.files import storage_errors
from reasonforge.corpus.ingest import dropped
from reasonforge.corpus.ingest.dropped import Dropped
from reasonforge.corpus.pages import ROW_GROUP, SCHEMA, Page

MAX_GROUP_CHARS: Final = 32 << 20
"""Characters of text in a row group: long pages make it shorter than ``ROW_GROUP``."""


class _TableWriter:
    """Writes a Parquet file; leaves none behind if the block that it stands in fails."""

    def __init__(self, path: Path, schema: pl.Schema, *, repeated: Sequence[str], searched: Sequence[str]) -> None:
        """Open the file.

        Args:
            path: where.
            schema: of the rows.
            repeated: columns with few values: written as a dictionary.
            searched: columns with statistics, by which readers pass over row groups.
        """
        self._path = path
        self._schema = schema
        self._columns: dict[str, list[Any]] = {name: [] for name in schema}
        self._num_waiting = 0
        with storage_errors(path):
            options: dict[str, Any] = {"use_dictionary": list(repeated), "write_statistics": list(searched)}
            self._writer = parquet.ParquetWriter(path, self._as_arrow().schema, compression="zstd", compression_level=3, **options)

    def _add(self, row: Page | Dropped) -> None:
        for name, column in self._columns.items():
            column.append(getattr(row, name))
        self._num_waiting += 1
        if self._num_waiting >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._num_waiting:
            return
        table = self._as_arrow()
        with storage_errors(self._path):
            self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._columns = {name: [] for name in self._schema}
        self._num_waiting = 0

    def _as_arrow(self) -> Table:
        # Not through arrow.table: where pandas is installed, it imports it.
        return pl.DataFrame(self._columns, schema=self._schema).to_arrow(compat_level=pl.CompatLevel.oldest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        with storage_errors(self._path):
            self._writer.close()
        if kind is not None:
            self._path.unlink(missing_ok=True)


class PageWriter(_TableWriter):
    """Writes the rows of ``corpus.pages`` one by one."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        super().__init__(
            path,
            SCHEMA,
            repeated=["host", "domain", "crawl", "warc", "charset"],
            searched=["id", "url", "host", "domain", "offset", "num_chars", "num_formulas", "flags"],
        )
        self._chars = 0

    def add(self, page: Page) -> None:
        """Add a page.

        Raises:
            StorageError: the disk refused.
        """
        self._chars += len(page.text)
        self._add(page)
        if self._chars >= MAX_GROUP_CHARS:
            self._flush()

    def _flush(self) -> None:
        super()._flush()
        self._chars = 0


class DroppedWriter(_TableWriter):
    """Writes the captures that gave no page, up to ``dropped.MAX_ROWS`` of them."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        super().__init__(path, dropped.SCHEMA, repeated=["crawl", "warc", "reason"], searched=["id", "url_hash", "offset"])
        self._left = dropped.MAX_ROWS

    def add(self, capture: Dropped) -> None:
        """Add a capture.

        Raises:
            StorageError: the disk refused.
        """
        if self._left:
            self._left -= 1
            self._add(capture)
