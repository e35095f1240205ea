"""What an annotator looks at: domains, what lies under their paths, and the text of some pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.corpus import domains
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.domains import DomainKey
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.paths import Pattern

TABLE = pl.Schema({"id": pl.String, "host": pl.String, "domain": pl.String, "path": pl.String, "score": pl.UInt16, "collected": pl.Boolean})
"""Columns of the pages that are looked at."""


class PageText(NamedTuple):
    """What is shown of a page. All of it was written by strangers."""

    url: str
    title: str
    text: str


class AnnotationData(Protocol):
    """Where the annotator's page, the spreadsheet and the proposing model get what they show."""

    def domains(self) -> pl.DataFrame:
        """Return the mathematical domains of a round as :func:`reasonforge.corpus.domains.mathematical` does, the most to win first."""
        ...

    def paths(self, name: str) -> pl.DataFrame:
        """Return the path tree of a domain as :func:`reasonforge.corpus.domains.path_tree` does."""
        ...

    def pages(self, pattern: Pattern) -> pl.DataFrame:
        """Return ``id``, ``host``, ``path``, ``score`` and ``collected`` of the pages that a pattern matches."""
        ...

    def texts(self, ids: Sequence[str]) -> Mapping[str, PageText]:
        """Return what is shown of pages."""
        ...


class PageTable:
    """Annotation data over a table in memory: a hundred bytes a page, the texts fetched when they are shown."""

    def __init__(
        self,
        pages: pl.DataFrame,
        texts: Callable[[Sequence[str]], Mapping[str, PageText]],
        *,
        key: DomainKey = "host",
        min_ratio: float = 0.10,
        min_pages: int = 20,
    ) -> None:
        """Args:
        pages: :data:`TABLE` and ``num_tokens``; only pages that count at all.
        texts: finds what is shown of pages.
        key: what a domain is.
        min_ratio: a domain is mathematical above this share.
        min_pages: a domain with fewer pages is not judged.
        """
        rated = domains.rates([domains.partial(pages, key=key)])
        self._key: DomainKey = key
        self._domains = domains.mathematical(rated, min_ratio=min_ratio, min_pages=min_pages)
        asked = pages.select(TABLE.names()).filter(pl.col(key).is_in(self._domains["name"].implode())).sort(key, "id")
        self._of_domain = {str(name): part for (name,), part in asked.partition_by(key, as_dict=True).items()}
        self._names_of_host: dict[str, list[str]] = {}
        for name, part in self._of_domain.items():
            for host in part["host"].unique():
                self._names_of_host.setdefault(host, []).append(name)
        self._texts = texts

    def domains(self) -> pl.DataFrame:
        """Return the mathematical domains, the most to win first."""
        return self._domains

    def paths(self, name: str) -> pl.DataFrame:
        """Return the path tree of a domain, down to single pages."""
        pages = self._of_domain.get(name, pl.DataFrame(schema=TABLE))
        return domains.path_tree([domains.path_partial(pages, key=self._key)])

    def pages(self, pattern: Pattern) -> pl.DataFrame:
        """Return the pages that a pattern matches."""
        parts = [self._of_domain[name] for name in self._names_of_host.get(pattern.host, ())]
        pages = pl.concat([pl.DataFrame(schema=TABLE), *parts])
        return pages.filter(Annotations({pattern: "math"}).labels_of(pages).is_not_null())

    def texts(self, ids: Sequence[str]) -> Mapping[str, PageText]:
        """Return what is shown of pages."""
        return self._texts(ids)


def open_tables(
    tables: Sequence[Path], pages: Sequence[Path], *, key: DomainKey = "host", min_ratio: float = 0.10, min_pages: int = 20
) -> PageTable:
    """Return annotation data over Parquet files.

    Args:
        tables: columns ``id``, ``host``, ``domain``, ``path``, ``score`` (u16), ``selected`` and ``num_tokens``; only pages that count.
        pages: ``pages.parquet`` files that hold their texts.
        key: what a domain is.
        min_ratio: a domain is mathematical above this share.
        min_pages: a domain with fewer pages is not judged.

    Raises:
        DataError: a file is missing or broken.
    """
    columns = ["id", "host", "domain", "path", "score", "selected", "num_tokens"]
    empty = pl.DataFrame(
        schema={**{name: pl.String for name in columns[:4]}, "score": pl.UInt16, "selected": pl.Boolean, "num_tokens": pl.UInt32}
    )
    joined = pl.concat([empty, *(read_table(path, columns) for path in tables)]).rename({"selected": "collected"})
    return PageTable(joined, StoredTexts(pages), key=key, min_ratio=min_ratio, min_pages=min_pages)


class StoredTexts:
    """Texts of pages in Parquet files: which file holds which page is read once, a text when it is shown."""

    def __init__(self, pages: Sequence[Path]) -> None:
        """Use these files; nothing is read yet."""
        self._paths = list(pages)
        self._ids: pl.DataFrame | None = None

    def __call__(self, ids: Sequence[str]) -> dict[str, PageText]:
        """Return the texts that are found.

        Raises:
            DataError: a file is missing or broken.
        """
        if self._ids is None:
            parts = [read_table(path, ["id"]).with_columns(file=pl.lit(i, dtype=pl.UInt32)) for i, path in enumerate(self._paths)]
            self._ids = pl.concat([pl.DataFrame(schema={"id": pl.String, "file": pl.UInt32}), *parts])
        wanted = self._ids.filter(pl.col("id").is_in(list(ids)))
        found: dict[str, PageText] = {}
        for (file,), part in sorted(wanted.partition_by("file", as_dict=True).items()):
            path = self._paths[int(file)]
            try:
                rows = pl.scan_parquet(path, glob=False).filter(pl.col("id").is_in(part["id"].to_list()))
                for row in rows.select("id", "url", "title", "text").collect().iter_rows():
                    found[row[0]] = PageText(*(value or "" for value in row[1:]))
            except (OSError, pl.exceptions.PolarsError) as error:
                raise DataError(f"{path}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error
        return found
