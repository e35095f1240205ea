"""The pages of a round's mathematical domains, by domain: in memory where they are few, else in boxes on disk, one of them open."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from reasonforge.corpus.pages import read_table, write_table

SHELVED = pl.Schema(
    {
        "name": pl.String,
        "id": pl.String,
        "host": pl.String,
        "path": pl.String,
        "score": pl.UInt16,
        "collected": pl.Boolean,
        "file": pl.UInt32,
    }
)
"""Columns of the pages: ``name`` is the domain, ``file`` the place of the table that a page came from."""

BOX_PAGES = 4_000_000
"""Pages of a box, about 130 bytes each: half a gigabyte, twice that while it is sorted. A domain that has more makes a larger one."""
_WAITING_PAGES = 1_000_000


class Shelf:
    """Pages by domain, for several threads.

    Names next to each other in the alphabet share a box, so who goes through them in order opens each once.
    """

    def __init__(self, tables: Iterable[pl.DataFrame], sizes: Mapping[str, int], *, box_pages: int = BOX_PAGES) -> None:
        """Go through tables once.

        Args:
            tables: :data:`SHELVED`.
            sizes: pages of each domain that is looked at; the pages of others are left out.
            box_pages: about so many are in memory at a time.
        """
        self._lock = threading.Lock()
        self._boxes = _boxes(sizes, box_pages)
        self._names_of_host: dict[str, list[str]] = {}
        self._files: dict[int, list[Path]] = {}
        self._open: tuple[int, dict[str, pl.DataFrame]] = (-1, {})
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        is_small = len(set(self._boxes.values())) <= 1
        names = pl.Series(list(self._boxes), dtype=pl.String).implode()
        waiting, num_rows = [pl.DataFrame(schema=SHELVED)], 0
        for table in tables:
            mine = table.filter(pl.col("name").is_in(names)).select(SHELVED.names()).cast(SHELVED)
            self._learn_hosts(mine)
            waiting.append(mine)
            num_rows += mine.height
            if num_rows >= min(_WAITING_PAGES, box_pages) and not is_small:
                self._put_away(pl.concat(waiting))
                waiting, num_rows = [], 0
        if is_small:
            self._open = (0, _by_name(pl.concat(waiting)))
        elif waiting:
            self._put_away(pl.concat(waiting))

    def pages(self, name: str) -> pl.DataFrame:
        """Return the pages of a domain, sorted by id; none of one that is not looked at.

        Raises:
            DataError: a file of the shelf is gone.
        """
        box = self._boxes.get(name)
        if box is None:
            return pl.DataFrame(schema=SHELVED)
        with self._lock:
            if self._open[0] != box:
                self._open = (-1, {})  # the one box is let go before the next is read
                self._open = (box, _by_name(pl.concat([pl.DataFrame(schema=SHELVED), *map(read_table, self._files.get(box, ()))])))
            return self._open[1].get(name, pl.DataFrame(schema=SHELVED))

    def names_of(self, host: str) -> list[str]:
        """Return the domains that have pages of a host."""
        return self._names_of_host.get(host, [])

    def _learn_hosts(self, pages: pl.DataFrame) -> None:
        for host, name in pages.select("host", "name").unique().iter_rows():
            known = self._names_of_host.setdefault(host, [])
            if name not in known:
                known.append(name)

    def _put_away(self, pages: pl.DataFrame) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="reasonforge-annotate-")
        numbered = pages.with_columns(box=pl.col("name").replace_strict(self._boxes, return_dtype=pl.UInt32))
        for (box,), part in numbered.partition_by("box", as_dict=True, include_key=False).items():
            files = self._files.setdefault(int(box), [])
            files.append(Path(self._folder.name) / f"box-{box}-{len(files)}.parquet")
            write_table(files[-1], part)


def _boxes(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """Return the box of each name: as many neighbours in one as have room."""
    found: dict[str, int] = {}
    box = held = 0
    for name in sorted(sizes):
        if held and held + sizes[name] > most:
            box, held = box + 1, 0
        found[name] = box
        held += sizes[name]
    return found


def _by_name(pages: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(name): part for (name,), part in pages.sort("name", "id").partition_by("name", as_dict=True).items()}
