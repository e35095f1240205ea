"""What an annotator looks at: domains, what lies under their paths, and the text of some pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.corpus import domains
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.annotate.shelf import SHELVED, Shelf
from reasonforge.corpus.domains import DomainKey
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.paths import Pattern


class PageText(NamedTuple):
    """What is shown of a page. All of it was written by strangers."""

    url: str
    title: str
    text: str


FindTexts = Callable[[pl.DataFrame], Mapping[str, PageText]]
"""Finds what is shown of pages (``id`` and ``file``), by id."""


class AnnotationData(Protocol):
    """Where the annotator's page, the spreadsheet and the proposing model get what they show."""

    def domains(self) -> pl.DataFrame:
        """Return the mathematical domains of a round as :func:`reasonforge.corpus.domains.mathematical` does, the most to win first."""
        ...

    def paths(self, name: str) -> pl.DataFrame:
        """Return the path tree of a domain as :func:`reasonforge.corpus.domains.path_tree` does."""
        ...

    def pages(self, pattern: Pattern) -> pl.DataFrame:
        """Return ``id``, ``file``, ``host``, ``path``, ``score`` and ``collected`` of the pages that a pattern matches."""
        ...

    def texts(self, pages: pl.DataFrame) -> Mapping[str, PageText]:
        """Return what is shown of rows of :meth:`pages`, by id."""
        ...


class PageTable:
    """Annotation data over tables of pages, read one after another; how much of them stays in memory is the shelf's business."""

    def __init__(
        self,
        tables: Callable[[Sequence[str]], Iterable[pl.DataFrame]],
        texts: FindTexts,
        *,
        key: DomainKey = "host",
        min_ratio: float = 0.10,
        min_pages: int = 20,
    ) -> None:
        """Args:
        tables: begins to read these columns of the tables, of ``id``, ``host``, ``domain``, ``path``, ``score`` (u16), ``selected`` and
            ``num_tokens``; only pages that count at all. They are gone through twice.
        texts: finds what is shown of pages; ``file`` is the place of their table.
        key: what a domain is.
        min_ratio: a domain is mathematical above this share.
        min_pages: a domain with fewer pages is not judged.
        """
        counted = (table.rename({"selected": "collected"}) for table in tables([key, "selected", "num_tokens"]))
        rated = domains.rates(domains.partial(table, key=key) for table in counted)
        self._domains = domains.mathematical(rated, min_ratio=min_ratio, min_pages=min_pages)
        columns = list(dict.fromkeys([key, "id", "host", "path", "score", "selected"]))
        parts = (
            table.with_columns(name=pl.col(key), collected=pl.col("selected"), file=pl.lit(file, pl.UInt32))
            for file, table in enumerate(tables(columns))
        )
        self._shelf = Shelf(parts, dict(self._domains.select("name", "pages").iter_rows()))
        self._texts = texts

    def domains(self) -> pl.DataFrame:
        """Return the mathematical domains, the most to win first."""
        return self._domains

    def paths(self, name: str) -> pl.DataFrame:
        """Return the path tree of a domain, down to single pages."""
        return domains.path_tree([domains.path_partial(self._shelf.pages(name), key="name")])

    def pages(self, pattern: Pattern) -> pl.DataFrame:
        """Return the pages that a pattern matches."""
        parts = [self._shelf.pages(name) for name in self._shelf.names_of(pattern.host)]
        pages = pl.concat([pl.DataFrame(schema=SHELVED), *parts])
        return pages.filter(Annotations({pattern: "math"}).labels_of(pages).is_not_null())

    def texts(self, pages: pl.DataFrame) -> Mapping[str, PageText]:
        """Return what is shown of pages."""
        return self._texts(pages)


def open_tables(
    tables: Sequence[Path], pages: Sequence[Path], *, key: DomainKey = "host", min_ratio: float = 0.10, min_pages: int = 20
) -> PageTable:
    """Return annotation data over Parquet files.

    Args:
        tables: columns ``id``, ``host``, ``domain``, ``path``, ``score`` (u16), ``selected`` and ``num_tokens``; only pages that count.
        pages: for each of them the ``pages.parquet`` that its pages stand in; empty = no texts are asked for.
        key: what a domain is.
        min_ratio: a domain is mathematical above this share.
        min_pages: a domain with fewer pages is not judged.

    Raises:
        DataError: a file is missing or broken.
    """
    assert not pages or len(pages) == len(tables), "a file of pages for each table"
    texts = StoredTexts(pages)

    def read(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        return (read_table(path, list(columns)) for path in tables)

    return PageTable(read, texts, key=key, min_ratio=min_ratio, min_pages=min_pages)


class StoredTexts:
    """Texts of pages in Parquet files, read when they are shown: of the file that a page stands in, the one row."""

    def __init__(self, pages: Sequence[Path]) -> None:
        """Use these files; nothing is read yet."""
        self._paths = list(pages)

    def __call__(self, pages: pl.DataFrame) -> dict[str, PageText]:
        """Return the texts that are found.

        Raises:
            DataError: a file is missing or broken.
        """
        found: dict[str, PageText] = {}
        for (file,), part in sorted(pages.partition_by("file", as_dict=True).items() if self._paths else ()):
            path = self._paths[int(file)]
            try:
                rows = pl.scan_parquet(path, glob=False).filter(pl.col("id").is_in(part["id"].to_list()))
                for row in rows.select("id", "url", "title", "text").collect().iter_rows():
                    found[row[0]] = PageText(*(value or "" for value in row[1:]))
            except (OSError, pl.exceptions.PolarsError) as error:
                raise DataError(f"{path}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error
        return found
