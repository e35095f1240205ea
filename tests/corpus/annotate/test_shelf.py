"""Pages by domain, in memory and in boxes on disk."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.shelf import SHELVED, Shelf


def tables_of(names: list[str], *, size: int = 3) -> list[pl.DataFrame]:
    rows = [
        {"name": name, "id": f"{i:032x}", "host": f"www.{name}", "path": f"/{i}", "score": i, "collected": i % 2 == 0, "file": i // size}
        for i, name in enumerate(names)
    ]
    frame = pl.DataFrame(rows, schema=SHELVED)
    return [frame[start : start + size] for start in range(0, len(names), size)]


def sizes_of(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in set(names) if name != "unasked"}


NAMES = st.lists(st.sampled_from(["a.org", "b.org", "c.org", "d.org", "unasked"]), max_size=40)


@given(NAMES, st.sampled_from([1, 2, 7, 1000]))
def test_boxes_of_any_size_hold_the_same_pages(names: list[str], box_pages: int) -> None:
    shelf = Shelf(iter(tables_of(names)), sizes_of(names), box_pages=box_pages)
    whole = pl.concat([pl.DataFrame(schema=SHELVED), *tables_of(names)])
    for name in ("d.org", "a.org", "unasked", "c.org", "b.org", "a.org"):
        expected = whole.filter(pl.col("name") == name).sort("id") if name != "unasked" else whole.head(0)
        assert shelf.pages(name).equals(expected)
        assert shelf.names_of(f"www.{name}") == ([name] if expected.height else [])


def test_many_pages_are_not_held_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = [f"{i:03}.org" for i in range(100) for _ in range(10)]
    shelf = Shelf(iter(tables_of(names, size=50)), sizes_of(names), box_pages=100)
    boxes = {path.name.split("-")[1] for path in tmp_path.rglob("box-*.parquet")}
    assert len(boxes) == 10
    assert sum(shelf.pages(name).height for name in sizes_of(names)) == 1000
    del shelf
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_threads_that_ask_for_different_boxes_get_their_own_pages() -> None:
    names = [f"{i % 6}.org" for i in range(240)]
    shelf = Shelf(tables_of(names), sizes_of(names), box_pages=1)
    wrong: list[str] = []

    def ask(name: str) -> None:
        for _ in range(15):
            if shelf.pages(name)["name"].unique().to_list() != [name]:
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(f"{i}.org",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_box_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = ["a.org", "b.org"] * 5
    shelf = Shelf(tables_of(names), sizes_of(names), box_pages=1)
    for path in tmp_path.rglob("box-*.parquet"):
        path.unlink()
    with pytest.raises(DataError, match="box-0"):
        shelf.pages("a.org")
