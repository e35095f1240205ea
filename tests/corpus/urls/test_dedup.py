from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.pages import PAGES, write_table
from reasonforge.corpus.units import digest_of, execute
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.corpus.urls.dedup import DROPPED, plan_keys, twice, url_dedup, url_keys
from reasonforge.corpus.urls.tables import chosen_pages, hash_range, read_range
from tests.corpus.urls.made import driven, ids, page, rows, stored, table_of_ids

A, B = "https://example.org/a", "https://example.org/b"


def masks(root: Path, files: list, *, partitions: int = 4, backwards: bool = False) -> list[list[tuple]]:
    store, receipts = stored(root, files)
    done = driven(url_dedup(receipts, store, UrlDedupConfig(partitions=partitions)), store, backwards=backwards)
    return [rows(store, receipt, DROPPED) for receipt in done]


def test_the_newest_capture_is_kept_and_the_others_say_which_one_that_is(tmp_path: Path) -> None:
    files = [
        [page(0, url=A, fetched_at="2023-01-01T00:00:00Z"), page(1, url=B, fetched_at="2023-01-01T00:00:00Z")],
        [page(2, url=A, fetched_at="2024-01-01T00:00:00Z")],
    ]
    old, new = ids(0, 2)
    assert masks(tmp_path, files) == [[(old, "duplicate_url", new)], []]


def test_without_dates_the_newest_crawl_is_kept_and_a_page_with_a_date_before_one_without(tmp_path: Path) -> None:
    files = [
        [page(0, url=A, crawl="CC-MAIN-2023-06"), page(1, url=A, crawl="CC-MAIN-2024-10")],
        [page(2, url=B, crawl="CC-MAIN-2024-10"), page(3, url=B, crawl="CC-MAIN-2013-20", fetched_at="2013-05-01T00:00:00Z")],
    ]
    first, second, third, fourth = ids(0, 1, 2, 3)
    assert masks(tmp_path, files) == [[(first, "duplicate_url", second)], [(third, "duplicate_url", fourth)]]


def test_between_equals_the_smallest_id_is_kept(tmp_path: Path) -> None:
    found = masks(tmp_path, [[page(number, url=A) for number in range(5)]])
    kept = min(ids(*range(5)))
    assert found == [[(identity, "duplicate_url", kept) for identity in sorted(ids(*range(5))) if identity != kept]]


def test_of_a_file_that_was_given_twice_one_stays_whole(tmp_path: Path) -> None:
    pages = [page(0, url=A), page(1, url=B)]
    first, second = masks(tmp_path, [pages, pages])
    assert first == []
    assert [row[0] for row in second] == sorted(ids(0, 1))


def test_a_crawl_without_pages_has_empty_masks(tmp_path: Path) -> None:
    assert masks(tmp_path, [[], []]) == [[], []]


@pytest.mark.parametrize(("partitions", "backwards"), [(1, False), (2, True), (7, True)])
def test_masks_depend_neither_on_the_number_of_partitions_nor_on_the_order_of_work(
    tmp_path: Path, partitions: int, backwards: bool
) -> None:
    files = [[page(10 * file + number, url=f"https://example.org/{number * (file + 1) % 7}") for number in range(10)] for file in range(3)]
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = masks(tmp_path / "one", files, partitions=3)
    assert one == masks(tmp_path / "other", files, partitions=partitions, backwards=backwards)
    assert sum(map(len, one)) == 30 - 7


def test_a_second_run_does_nothing_again(tmp_path: Path) -> None:
    store, receipts = stored(tmp_path, [[page(0, url=A), page(1, url=A)]])
    first = driven(url_dedup(receipts, store, UrlDedupConfig()), store)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.parquet")}
    assert digest_of(driven(url_dedup(receipts, store, UrlDedupConfig()), store)) == digest_of(first)
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*.parquet")} == before


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "2023", "2024"])), max_size=12))
def test_exactly_one_capture_of_each_url_is_kept(captures: list[tuple[str, str]]) -> None:
    pages = pl.DataFrame(
        {
            "id": [f"{number:02}" for number in range(len(captures))],
            "url": [url for url, _ in captures],
            "fetched_at": [fetched for _, fetched in captures],
            "crawl": [""] * len(captures),
        },
        schema=dict.fromkeys(("id", "url", "fetched_at", "crawl"), pl.String),
    )
    dropped = twice(url_keys(pages).with_columns(file=pl.lit(0, pl.UInt32)))
    kept = [entry for entry in pages.iter_rows() if entry[0] not in set(dropped["id"])]
    assert sorted(entry[1] for entry in kept) == sorted({url for url, _ in captures})
    for _, url, fetched, _ in kept:
        assert fetched == max(when for other, when in captures if other == url)


@given(st.integers(1, 100))
def test_ranges_of_hashes_cover_all_of_them_without_a_gap(partitions: int) -> None:
    ranges = [hash_range(partition, partitions) for partition in range(partitions)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == (1 << 64) - 1
    assert all(after[0] == before[1] + 1 for before, after in pairwise(ranges))


def test_reading_by_ranges_reads_every_row_of_a_large_table_once(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    keys = np.sort(draw.integers(0, 1 << 64, 50_000, dtype=np.uint64))
    path = tmp_path / "keys.parquet"
    write_table(path, pl.DataFrame({"high": keys}))
    parts = [read_range(str(path), "high", *hash_range(partition, 7))["high"].to_numpy() for partition in range(7)]
    assert np.array_equal(np.concatenate(parts), keys)
    assert min(map(len, parts)) > 0


def test_pages_are_read_row_group_by_row_group_with_their_row_and_without_those_left_out(tmp_path: Path) -> None:
    names = [f"{number:05}" for number in range(20_000)]
    path = str(tmp_path / "pages.parquet")
    write_table(Path(path), pl.DataFrame({"id": names, "text": names}))
    drop, keep = (str(table_of_ids(tmp_path / f"{step}.parquet", names[::step])) for step in (2, 3))
    parts = list(chosen_pages(path, ["id", "text"], drop=[drop], keep=[keep]))
    assert len(parts) == 3
    wanted = [number for number in range(20_000) if number % 2 and not number % 3]
    assert pl.concat(parts).select("row", "text").rows() == [(number, names[number]) for number in wanted]
    assert sum(map(len, chosen_pages(path, ["id"]))) == 20_000
    assert sum(map(len, chosen_pages(path, ["id"], keep=[]))) == 0


def test_a_broken_file_of_pages_is_an_error_that_names_it(tmp_path: Path) -> None:
    store, receipts = stored(tmp_path, [[page(0)]])
    path = store.output(receipts[0], PAGES)
    (unit,) = plan_keys(receipts, store)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"pages\.parquet: cannot read"):
        execute(unit, store)
