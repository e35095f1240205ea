"""``pages.parquet`` written page by page: memory holds one row group, and the bytes depend on the pages alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import polars as pl
from pyarrow import Table, parquet

from reasonforge.core.files import storage_errors
from reasonforge.corpus.pages import ROW_GROUP, SCHEMA, Page

MAX_GROUP_CHARS: Final = 32 << 20
"""Characters of text in a row group: long pages make it shorter than ``ROW_GROUP``."""

_NAMES = tuple(SCHEMA)
_REPEATED = ["host", "domain", "crawl", "warc", "charset"]
_SEARCHED = ["id", "url", "host", "domain", "offset", "num_chars", "num_formulas", "flags"]


class PageWriter:
    """Writes the rows of ``corpus.pages`` one by one; leaves no file behind if the block that it stands in fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: dict[str, list[Any]] = {name: [] for name in _NAMES}
        self._chars = 0
        with storage_errors(path):
            options: dict[str, Any] = {"use_dictionary": _REPEATED, "write_statistics": _SEARCHED}
            self._writer = parquet.ParquetWriter(path, _as_arrow({}).schema, compression="zstd", compression_level=3, **options)

    def add(self, page: Page) -> None:
        """Add a page.

        Raises:
            StorageError: the disk refused.
        """
        for name, column in self._columns.items():
            column.append(getattr(page, name))
        self._chars += len(page.text)
        if len(self._columns["id"]) >= ROW_GROUP or self._chars >= MAX_GROUP_CHARS:
            self._flush()

    def _flush(self) -> None:
        if not self._columns["id"]:
            return
        # Not through arrow.table: where pandas is installed, it imports it.
        table = _as_arrow(self._columns)
        with storage_errors(self._path):
            self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._columns = {name: [] for name in _NAMES}
        self._chars = 0

    def __enter__(self) -> PageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        with storage_errors(self._path):
            self._writer.close()
        if kind is not None:
            self._path.unlink(missing_ok=True)


def _as_arrow(columns: Mapping[str, list[Any]]) -> Table:
    return pl.DataFrame(columns, schema=SCHEMA).to_arrow(compat_level=pl.CompatLevel.oldest())
