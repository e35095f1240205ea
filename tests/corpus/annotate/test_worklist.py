"""What to look at first, what is worth a key, and what a label wins."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.data import PageTable, PageText, open_tables
from reasonforge.corpus.annotate.journal import Label
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.annotate.samples import draw_samples
from reasonforge.corpus.annotate.worklist import Gains, budget, lies_under, path_rows, rows_to_label, worklist
from reasonforge.corpus.paths import Pattern, read_pattern
from tests.corpus.annotate.fabricate import WEB, frame_of, table_of


def test_domains_come_by_expected_gain() -> None:
    table = pl.DataFrame({"name": ["a", "b", "c", "d"], "pages": [100, 1000, 40, 0], "collected": [50, 20, 20, 0]}).filter(
        pl.col("pages") > 0
    )
    ranked = worklist(table)
    # 50 * 0.5, 980 * 0.02, 20 * 0.5
    assert ranked["name"].to_list() == ["a", "b", "c"]
    assert ranked["expected"].to_list() == pytest.approx([25.0, 19.6, 10.0])
    assert ranked["covered"].to_list() == pytest.approx([25 / 54.6, 44.6 / 54.6, 1.0])


def test_the_budget_is_the_shortest_head_of_the_list_that_covers_a_share() -> None:
    ranked = worklist(pl.DataFrame({"name": list("abcdefghij"), "pages": [20] * 10, "collected": [10] * 10}))
    assert budget(ranked) == {0.8: 8, 0.9: 9, 0.95: 10}
    assert budget(ranked.head(0)) == {0.8: 0, 0.9: 0, 0.95: 0}


def test_nothing_to_win_is_covered_at_once() -> None:
    ranked = worklist(pl.DataFrame({"name": ["a", "b"], "pages": [20, 30], "collected": [20, 30]}))
    assert set(budget(ranked).values()) == {1}


def test_only_mathematical_domains_are_looked_at() -> None:
    assert table_of(WEB).domains()["name"].to_list() == ["forum.example", "school.example"]


def test_paths_worth_a_key_are_shown_with_the_most_to_win_first() -> None:
    rows = path_rows(table_of(WEB).paths("forum.example"))
    shown = [(str(row.pattern), row.depth, row.pages, row.collected, row.gain) for row in rows]
    assert shown == [
        ("forum.example/", 0, 120, 32, 88),
        ("forum.example/questions", 1, 80, 30, 50),
        ("forum.example/questions/*", 2, 60, 30, 30),
        ("forum.example/questions/tagged", 2, 20, 0, 20),
        ("forum.example/users", 1, 40, 2, 38),
    ]


def test_paths_of_few_pages_are_not_worth_one() -> None:
    tree = table_of({"a.org": {"/q/#": (40, 20), "/about#/": (4, 0)}}).paths("a.org")
    assert [str(row.pattern) for row in path_rows(tree)] == ["a.org/", "a.org/q"]


def test_hosts_that_no_pattern_can_name_are_left_out() -> None:
    tree = table_of({"a b.org": {"/q/#": (40, 20)}, "a.org": {"/q x/r#": (40, 20)}})
    assert path_rows(tree.paths("a b.org")) == []
    assert [str(row.pattern) for row in path_rows(tree.paths("a.org"))] == ["a.org/"]


@settings(max_examples=60)
@given(st.data())
def test_pages_won_are_those_that_the_labels_match(data: st.DataObject) -> None:
    segments = ["q", "tagged", "1001", "what-is-a-group", "r"]
    paths = data.draw(st.lists(st.lists(st.sampled_from(segments), max_size=5), min_size=21, max_size=30))
    frame = pl.DataFrame(
        {
            "id": [f"{i:032x}" for i in range(len(paths))],
            "host": "a.org",
            "domain": "a.org",
            "path": ["/" + "/".join(path) for path in paths],
            "score": [1] * len(paths),
            "selected": [i % 3 == 0 for i in range(len(paths))],
            "num_tokens": [1] * len(paths),
        },
        schema_overrides={"score": pl.UInt16},
    )
    table = PageTable(lambda _: [frame], lambda _: {})
    tree = table.paths("a.org")
    finer = ["a.org/q/1001", "a.org/1001", "a.org/q/what-is-a-group/r", "a.org/q/q/q/q/q", "a.org/*/1001", "a.org/*/*/*/*/r"]
    patterns = [read_pattern(text) for text in [*tree["pattern"], *finer]]
    labels: dict[Pattern, Label] = data.draw(
        st.dictionaries(st.sampled_from(patterns), st.sampled_from(["math", "not_math", "skip"]), max_size=6)
    )
    uncollected = ~frame["selected"]
    gains = Gains(tree, table.pages)
    for taken_back in [None, *labels]:  # what was counted before leaves no trace
        some: dict[Pattern, Label] = {pattern: label for pattern, label in labels.items() if pattern != taken_back}
        said = Annotations(some).labels_of(frame)
        assert gains.won(some) == int(((said == "math") & uncollected).sum())
        assert gains.decided(some) == int((said.is_in(["math", "not_math"]) & uncollected).fill_null(False).sum())
    assert gains.total == int(uncollected.sum())


def test_a_pattern_lies_under_a_star_above_it() -> None:
    texts = ["a.org/", "a.org/*", "a.org/q", "a.org/q/*", "a.org/*/r", "b.org/q"]
    patterns = [read_pattern(text) for text in texts]
    under = {(str(a), str(b)) for a, b in itertools.permutations(patterns, 2) if lies_under(a, b)}
    assert under == {
        *((text, "a.org/") for text in texts[1:5]),
        *((text, "a.org/*") for text in texts[2:5]),
        ("a.org/q/*", "a.org/q"),
    }


def test_samples_are_five_of_each_kind_from_under_the_path() -> None:
    samples = draw_samples(table_of(WEB), read_pattern("forum.example/questions"), seed=0)
    assert [page.collected for page in samples] == [False] * 5 + [True] * 5
    assert all("/questions/" in page.url for page in samples)
    assert len({page.id for page in samples}) == 10


def test_samples_depend_on_the_seed_and_not_on_the_order_of_the_pages() -> None:
    pattern = read_pattern("forum.example/questions")
    turned = dict(reversed([(host, dict(reversed(site.items()))) for host, site in WEB.items()]))
    first, again, other = (draw_samples(table_of(web), pattern, seed=seed) for web, seed in ((WEB, 0), (turned, 0), (WEB, 1)))
    assert first == again
    assert first != other


def test_every_page_is_drawn_about_as_often_as_any_other() -> None:
    data, pattern = table_of({"a.org": {"/q/#": (40, 20)}}), read_pattern("a.org/q")
    drawn = [page.id for seed in range(200) for page in draw_samples(data, pattern, seed=seed, number=5)]
    counts = [drawn.count(name) for name in set(drawn)]
    # 5 of 20 of its kind: 50 times in 200 draws, were the gaps between the hashes even.
    assert len(counts) == 40
    assert max(counts) < 150


def test_long_texts_are_clipped_and_missing_ones_said() -> None:
    data = table_of({"a.org": {"/q/#": (30, 30)}}, texts=None)
    name = data.pages(read_pattern("a.org/"))["id"][0]
    long = table_of({"a.org": {"/q/#": (30, 30)}}, texts={name: PageText("u" * 900, "t" * 900, "x" * 9000)})
    found = {page.id: page for page in draw_samples(long, read_pattern("a.org/"), seed=0, number=30)}[name]
    assert (len(found.url), len(found.title), len(found.text)) == (500, 300, 1502)
    bare = PageTable(lambda _: [frame_of({"a.org": {"/q/#": (30, 30)}})], lambda _: {})
    assert all("not stored" in page.text and page.url.startswith("a.org/q") for page in draw_samples(bare, read_pattern("a.org/"), seed=0))


def write_tables(folder: Path) -> tuple[list[Path], list[Path]]:
    frame = frame_of(WEB)
    tables, pages = [folder / "t0.parquet", folder / "t1.parquet"], [folder / "p0.parquet", folder / "p1.parquet"]
    for i in range(2):
        part = frame.filter(pl.int_range(pl.len()) % 2 == i)
        part.write_parquet(tables[i])
        texts = part.select("id", url="https://" + pl.col("host") + pl.col("path"), title="Title of " + pl.col("path"))
        texts.with_columns(text="Text of " + pl.col("title").str.slice(9) + " with $x^2$").sample(
            fraction=1, shuffle=True, seed=0
        ).write_parquet(pages[i])
    return tables, pages


def test_parquet_files_show_what_the_same_table_in_memory_shows(tmp_path: Path) -> None:
    stored, memory = open_tables(*write_tables(tmp_path)), table_of(WEB)
    assert stored.domains().equals(memory.domains())
    assert list(rows_to_label(stored)) == list(rows_to_label(memory))
    pattern = read_pattern("forum.example/questions")
    assert draw_samples(stored, pattern, seed=3) == draw_samples(memory, pattern, seed=3)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    tables, pages = write_tables(tmp_path)
    pages[1].write_bytes(b"PAR1")
    data = open_tables(tables, pages)
    with pytest.raises(DataError, match=r"p1\.parquet"):
        draw_samples(data, read_pattern("forum.example/"), seed=0)
    with pytest.raises(DataError, match=r"none\.parquet"):
        open_tables([tmp_path / "none.parquet"], [])


def test_a_text_is_looked_for_in_the_one_file_that_its_page_stands_in(tmp_path: Path) -> None:
    tables, pages = write_tables(tmp_path)
    data = open_tables(tables, pages)
    rows = data.pages(read_pattern("forum.example/")).filter(pl.col("file") == 0).head(3)
    pages[1].write_bytes(b"PAR1")  # would be an error, were it read
    assert set(data.texts(rows)) == set(rows["id"])
