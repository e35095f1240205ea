"""Files of pages as finished units, and a driver for chains of units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from unittest import mock

import polars as pl

from reasonforge.corpus.pages import PAGES, SCHEMA, Page, page_id, read_table, write_table
from reasonforge.corpus.units import Receipt, Store, Unit, UnitFunction, Work, execute, file_input
from reasonforge.corpus.urls.dedup import Chain


def page(number: int, *, url: str = "", text: str = "", fetched_at: str = "", crawl: str = "crawl") -> Page:
    """Return a page; its id follows from its number."""
    return Page(
        id=page_id(str(number), "", "", number),
        url=url or f"https://example.org/{number}",
        host="example.org",
        domain="example.org",
        path=f"/{number}",
        found_url=url,
        crawl=crawl,
        warc="made",
        offset=number,
        length=0,
        fetched_at=fetched_at,
        charset="",
        title="",
        text=text,
        num_chars=len(text),
        num_formulas=0,
    )


def take(work: Work) -> None:
    """Unit: the pages of a file, as they are."""
    pages = read_table(work.inputs[0])
    work.counts.taken = work.counts.kept = len(pages)
    pages.write_parquet(work.output(PAGES))


def stored(root: Path, files: Sequence[Sequence[Page]]) -> tuple[Store, list[Receipt]]:
    """Return a corpus folder with these files of pages."""
    store = Store(root / "corpus")
    receipts = []
    for number, pages in enumerate(files):
        source = root / f"pages-{number}.parquet"
        write_table(source, pl.DataFrame([asdict(page) for page in pages], schema=SCHEMA))
        # The number is a setting: two files with the same pages are two units.
        unit = Unit(stage="pages", function="reasonforge.corpus.pages:-", settings={"file": number}, inputs=(file_input(source),))
        receipts.append(_execute_with(take, unit, store))
    return store, receipts


def _execute_with(function: UnitFunction, unit: Unit, store: Store) -> Receipt:
    with mock.patch("reasonforge.corpus.units.function_of", return_value=function):
        return execute(unit, store)


def driven(chain: Chain, store: Store, *, backwards: bool = False) -> list[Receipt]:
    """Do all units of a chain, of each step in order or from the last to the first, and return the last receipts."""
    receipts: list[Receipt] | None = None
    while True:
        try:
            units = next(chain) if receipts is None else chain.send(receipts)
        except StopIteration as ended:
            return ended.value
        done = {unit.key: execute(unit, store) for unit in (reversed(units) if backwards else units)}
        receipts = [done[unit.key] for unit in units]


def rows(store: Store, receipt: Receipt, name: str) -> list[tuple]:
    """Return the rows of an output."""
    return read_table(store.output(receipt, name)).rows()


def ids(*numbers: int) -> list[str]:
    """Return the ids of pages."""
    return [page(number).id for number in numbers]


def table_of_ids(path: Path, wanted: Sequence[str]) -> Path:
    """Write a table of ids."""
    pl.DataFrame({"id": list(wanted)}, schema={"id": pl.String}).write_parquet(path)
    return path
