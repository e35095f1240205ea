"""Pages: the rows that everything after extraction reads. One Parquet file per input file; ``text`` is read by few and column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl
import xxhash

from reasonforge.core.errors import DataError, StorageError

PAGES = "pages.parquet"
"""Name of the output that holds the pages of a unit."""

ROW_GROUP = 8192
"""Rows that are read at a time."""

SCHEMA = pl.Schema(
    {
        "id": pl.String,
        "url": pl.String,
        "host": pl.String,
        "domain": pl.String,
        "path": pl.String,
        "found_url": pl.String,
        "crawl": pl.String,
        "warc": pl.String,
        "offset": pl.UInt64,
        "length": pl.UInt32,
        "fetched_at": pl.String,
        "charset": pl.String,
        "title": pl.String,
        "text": pl.String,
        "num_chars": pl.UInt32,
        "num_formulas": pl.UInt32,
        "flags": pl.UInt32,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the crawl as text."""

    id: str
    """32 hex digits, see :func:`page_id`."""
    url: str
    """In normal form (``corpus.urls.normalise``): equal = the same page."""
    host: str
    """Lower case, without port and without a leading ``www.``."""
    domain: str
    """Registered domain of the host by the public suffix list; the host itself where it has none."""
    path: str
    """Of the normal form, with its leading slash and without the query."""
    found_url: str
    """As the crawl has it."""
    crawl: str
    """Name of the crawl or source that the file belongs to."""
    warc: str
    """Name of the file."""
    offset: int
    """Of the record in the file, in bytes: with ``length`` a range request fetches it again. The row where a file has no such thing."""
    length: int
    """Bytes of the record in the file; 0 = not known."""
    fetched_at: str
    """ISO 8601, UTC; empty = not known."""
    charset: str
    """The encoding that the bytes were read by; empty = they came as text."""
    title: str
    text: str
    """Main content, formulas as ``$...$`` and ``$$...$$``; NFC; paragraphs parted by blank lines."""
    num_chars: int
    num_formulas: int
    flags: int = 0
    """Bits of ``corpus.pages.Flag``."""


class Flag:
    """Bits of :attr:`Page.flags`."""

    HTML_CUT = 1
    """The HTML was longer than the limit and was cut."""
    TEXT_CUT = 2
    """The text was longer than the limit and was cut."""
    FLAT = 4
    """Too deeply nested for a tree: all text, no main content."""
    RECORD_CUT = 8
    """The record is truncated, by the crawler or by the file's end."""
    DECODING_LOSSES = 16
    """Bytes that are no text in the page's charset were replaced."""
    NOT_ENCODED = 32
    """The header claims a content encoding or chunks that the body does not have."""
    MARKS_CUT = 64
    """Letters carried more marks than any language puts on one; the further ones were left out."""


def page_id(found_url: str, fetched_at: str, warc: str, offset: int) -> str:
    """Return the id of one capture of a page: the same on every machine, another for every record."""
    return xxhash.xxh3_128_hexdigest(f"{found_url}\n{fetched_at}\n{warc}\n{offset}".encode("utf-8", "backslashreplace"))


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet (zstd), the same bytes for the same rows.

    Raises:
        StorageError: the disk refused.
    """
    try:
        frame.write_parquet(path, compression="zstd", compression_level=3, row_group_size=ROW_GROUP, statistics=True)
    except (OSError, pl.exceptions.ComputeError) as error:  # Polars has no class of its own for a disk that is full
        raise StorageError(f"{path}: cannot write: {str(error).splitlines()[0]}; check the path and the disk") from error


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a Parquet file, or some of its columns.

    Raises:
        DataError: it is missing, broken, or lacks a column.
    """
    try:
        return pl.read_parquet(path, columns=None if columns is None else list(columns), glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error


assert [entry.name for entry in fields(Page)] == SCHEMA.names()
