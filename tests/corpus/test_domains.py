"""Shares of domains and trees of paths, as sums of parts."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus import domains
from reasonforge.corpus.domains import grown, mathematical, partial, path_partial, path_tree, rates, wilson_low
from reasonforge.corpus.paths import ANY, PLAINLY_ITEM, collapsed, prefixes
from tests.oracle import case


def pages(rows: list[tuple[str, str, bool]], tokens: int = 10) -> pl.DataFrame:
    """Return pages of (host, path, collected)."""
    return pl.DataFrame(
        {
            "id": [f"{number:032x}" for number in range(len(rows))],
            "host": [host for host, _, _ in rows],
            "domain": [".".join(host.split(".")[-2:]) for host, _, _ in rows],
            "path": [path for _, path, _ in rows],
            "collected": [collected for _, _, collected in rows],
            "num_tokens": [tokens] * len(rows),
            "score": pl.Series([65535 if collected else 0 for _, _, collected in rows], dtype=pl.UInt16),
        },
        schema_overrides={"host": pl.String, "path": pl.String, "domain": pl.String, "id": pl.String, "collected": pl.Boolean},
    )


def counted(collected: dict[str, int], total: dict[str, int]) -> pl.DataFrame:
    """Return the rates of domains with so many pages, so many of them collected."""
    rows = [(name, "/", number < collected[name]) for name, pages in total.items() for number in range(pages)]
    return rates([partial(pages(rows), key="host")])


def test_more_than_ten_percent_is_mathematical_and_ten_percent_is_not() -> None:
    oracle = case("schedules_and_selection", "domain_rule")
    rated = counted(oracle.inputs["collected"], oracle.inputs["total"])
    assert mathematical(rated, min_ratio=0.1, min_pages=1)["name"].to_list() == oracle.expected["math_related"]


@given(st.integers(1, 400), st.sampled_from([0.05, 0.1, 0.15, 0.3, 0.7]))
def test_the_rule_is_strict_in_whole_numbers(pages_of_domain: int, ratio: float) -> None:
    hundredths = round(ratio * 100)
    for collected in {pages_of_domain * hundredths // 100, pages_of_domain * hundredths // 100 + 1} & set(range(pages_of_domain + 1)):
        rated = counted({"a.org": collected}, {"a.org": pages_of_domain})
        expected = collected * 100 > pages_of_domain * hundredths
        assert (mathematical(rated, min_ratio=ratio, min_pages=1).height == 1) == expected


def test_a_domain_of_few_pages_is_not_judged() -> None:
    rated = counted({"a.org": 3, "b.org": 3}, {"a.org": 3, "b.org": 4})
    assert mathematical(rated, min_ratio=0.1, min_pages=4)["name"].to_list() == ["b.org"]


def test_domains_come_by_the_pages_to_win() -> None:
    rated = counted({"few.org": 9, "many.org": 20, "also.org": 20}, {"few.org": 10, "many.org": 100, "also.org": 100})
    assert mathematical(rated, min_ratio=0.1, min_pages=1)["name"].to_list() == ["also.org", "many.org", "few.org"]


HOSTS = st.tuples(st.sampled_from(["a.org", "b.org", "m.a.org"]), st.sampled_from(["/", "/q/1", "/q/2", "/wiki/x"]), st.booleans())


@given(st.lists(HOSTS, max_size=40), st.integers(0, 40))
def test_parts_sum_to_the_whole(rows: list[tuple[str, str, bool]], cut: int) -> None:
    whole = pages(rows)
    parts = [whole.head(cut), whole.slice(cut)]
    assert rates([partial(whole, key="host")]).equals(rates([partial(part, key="host") for part in parts]))
    tree = path_tree([path_partial(whole, key="domain")])
    assert tree.equals(path_tree([path_partial(part, key="domain") for part in parts]))


def test_the_registered_domain_joins_its_hosts() -> None:
    rated = rates([partial(pages([("a.org", "/", True), ("m.a.org", "/", False)]), key="domain")])
    assert rated.select("name", "pages", "collected").rows() == [("a.org", 2, 1)]


def test_tokens_are_summed_with_the_pages() -> None:
    rated = rates([partial(pages([("a.org", "/", True), ("a.org", "/x", False)], tokens=7), key="host")])
    assert rated.select("tokens", "collected_tokens").row(0) == (14, 7)


@pytest.mark.parametrize(
    ("successes", "trials", "low"),
    # (p + z²/2n - z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), worked with a calculator
    [(0, 10, 0.0), (3, 3, 0.438503), (10, 100, 0.055229), (50, 100, 0.403832), (0, 0, 0.0)],
)
def test_the_wilson_bound_is_that_of_the_formula(successes: int, trials: int, low: float) -> None:
    assert wilson_low(successes, trials) == pytest.approx(low, abs=1e-6)


def test_no_pages_have_no_domains_and_no_paths() -> None:
    empty = pages([])
    assert rates([]).is_empty()
    assert rates([partial(empty, key="host")]).is_empty()
    assert path_tree([path_partial(empty, key="host")]).is_empty()


def test_a_path_counts_for_all_its_ancestors() -> None:
    tree = path_tree([path_partial(pages([("a.org", "/q/1", True), ("a.org", "/q/2/x", False), ("a.org", "/blog", False)]), key="host")])
    found = {row["pattern"]: (row["pages"], row["collected"], row["gain"]) for row in tree.iter_rows(named=True)}
    assert found == {
        "a.org/": (3, 1, 2),
        "a.org/blog": (1, 0, 1),
        "a.org/q": (2, 1, 1),
        "a.org/q/*": (2, 1, 1),
        "a.org/q/*/x": (1, 0, 1),
    }


SEGMENT = st.one_of(
    st.sampled_from(
        [
            "q",
            "17",
            "what-is-a-group",
            "a1b2c3d4e5",
            "index.html",
            "c++",
            "a%20b%20c",
            "x" * 33,
            "数学",
            "a*b",
            "--",
            ".",
            "a-b-c-d",
            "1-2-3.pdf",
        ]
    ),
    st.text(alphabet="ab0123-_.+%2", min_size=1, max_size=12),
)


@given(st.lists(st.lists(SEGMENT, max_size=7).map(lambda parts: "/" + "/".join(parts)), max_size=12), st.integers(0, 5))
def test_the_tree_counts_each_page_at_its_nodes(paths: list[str], depth: int) -> None:
    rows = [(f"{number % 2}.a.org", path, number % 3 == 0) for number, path in enumerate(paths)]
    expected: dict[tuple[str, int], list[int]] = {}
    for host, path, collected in rows:
        for node in prefixes(host, path, max_depth=depth):
            sums = expected.setdefault((str(node), len(node.segments)), [0, 0, 0])
            sums[0] += 1
            sums[1] += collected
            sums[2] += 65535 * collected
    tree = path_partial(pages(rows), key="domain", max_depth=depth)
    found = {(row["pattern"], row["depth"]): [row["pages"], row["collected"], row["score"]] for row in tree.iter_rows(named=True)}
    assert found == expected
    assert tree["pattern"].is_sorted()


@given(st.one_of(SEGMENT, st.text(min_size=1, max_size=40)))
def test_what_is_plainly_an_item_collapses(segment: str) -> None:
    if re.search(PLAINLY_ITEM, segment):
        assert collapsed(segment) == ANY


def test_thousands_of_partial_tables_are_summed_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "_SUMMED_ROWS", 3)
    parts = [partial(pages([(f"{number % 5}.org", "/", number % 2 == 0)]), key="host") for number in range(60)]
    found = rates(iter(parts))
    assert found["name"].to_list() == [f"{number}.org" for number in range(5)]
    assert found["pages"].to_list() == [12] * 5
    assert found["collected"].sum() == 30


def test_nodes_of_few_pages_are_left_out_but_not_the_root() -> None:
    tree = path_tree([path_partial(pages([("a.org", "/q/1", True)]), key="host")], min_pages=2)
    assert tree["pattern"].to_list() == ["a.org/"]


def test_a_tree_grows_from_its_rows_with_the_most_to_win_first() -> None:
    rows = [("a.org", "/q/1", True), ("a.org", "/blog/1", False), ("m.a.org", "/x", False)]
    roots = grown(path_tree([path_partial(pages(rows), key="domain")]))
    assert [root.pattern for root in roots["a.org"]] == ["a.org/", "m.a.org/"]
    first = roots["a.org"][0]
    assert [child.pattern for child in first.children] == ["a.org/blog", "a.org/q"]
    assert [child.pattern for child in first.children[0].children] == ["a.org/blog/*"]


def test_the_mean_score_is_between_0_and_1() -> None:
    tree = path_tree([path_partial(pages([("a.org", "/", True), ("a.org", "/", True), ("a.org", "/", False)]), key="host")])
    assert tree["mean_score"].to_list() == [pytest.approx(2 / 3)]
