"""Captures that did not become pages: which, where and why. A table beside the pages, so that anybody can ask about any URL."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import polars as pl
import xxhash

from reasonforge.corpus.urls.normal import Refused, normalise

DROPPED_CAPTURES: Final = "dropped.parquet"
"""Name of the output. No mask, as stages behind it leave under the same name: these never were pages."""

MAX_ROWS: Final = 1 << 20
"""Of one file: a broken file can hold more drops than pages. The others are counted, and not listed."""

MAX_URL_CHARS: Final = 500
"""Of a URL that are stored; what it is found by is the hash of all of it."""

SCHEMA: Final = pl.Schema(
    {
        "id": pl.String,
        "url_hash": pl.UInt64,
        "found_url": pl.String,
        "crawl": pl.String,
        "warc": pl.String,
        "offset": pl.UInt64,
        "fetched_at": pl.String,
        "reason": pl.String,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A capture, or a span of the file, that gave no page."""

    id: str
    """As the page would have had it."""
    url_hash: int
    """See :func:`url_hash`."""
    found_url: str
    """As the crawl has it, cut to ``MAX_URL_CHARS``; empty = it has none, or could not be read."""
    crawl: str
    warc: str
    """Name of the file."""
    offset: int
    """In the file, as a page's."""
    fetched_at: str
    """ISO 8601, UTC; empty = not known."""
    reason: str
    """Code, see :mod:`reasonforge.corpus.reasons`."""


def url_hash(url: str) -> int:
    """Return what the spellings of a URL have in common: a hash of its normal form, or of the URL as it is where it has none.

    >>> url_hash("http://www.Example.org/a#top") == url_hash("example.org/a")
    True
    """
    normal = normalise(url)
    return xxhash.xxh3_64_intdigest((url.strip() if isinstance(normal, Refused) else normal.url).encode("utf-8", "replace"))


assert [entry.name for entry in fields(Dropped)] == SCHEMA.names()
