"""Which pages become positives."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.loop.expand import POSITIVE_SCHEMA, Positives, new_positives

PAGES = pl.DataFrame(
    {
        "id": ["1", "2", "3", "4", "5"],
        "host": ["a.org", "a.org", "a.org", "b.org", "c.org"],
        "path": ["/q/1", "/q/2", "/blog", "/q/1", "/q/1"],
    }
)


class Prefixes:
    """Says what is said of a host and the first segment of a path."""

    def __init__(self, **labels: str) -> None:
        self._labels = labels

    def labels_of(self, pages: pl.DataFrame) -> pl.Series:
        said = [self._labels.get(host[0] + path.split("/")[1]) for host, path in pages.select("host", "path").iter_rows()]
        return pl.Series(said, dtype=pl.String)


def expanded(labels: Prefixes, *, selected: tuple[str, ...] = (), earlier: tuple[str, ...] | None = None) -> Positives:
    """Expand pages; an earlier positive that is none of them lies at x.org/gone."""
    rows = {row[0]: row for row in PAGES.rows()}
    before = [rows.get(page, (page, "x.org", "/gone")) for page in earlier or ()]
    table = None if earlier is None else pl.DataFrame(before, schema=POSITIVE_SCHEMA, orient="row")
    return new_positives(PAGES.with_columns(selected=pl.col("id").is_in(list(selected))), labels, earlier=table)


def found(labels: Prefixes, *, selected: tuple[str, ...] = (), earlier: tuple[str, ...] | None = None) -> list[str]:
    return expanded(labels, selected=selected, earlier=earlier).pages["id"].to_list()


def test_uncollected_pages_under_an_accepted_path_become_positives() -> None:
    assert found(Prefixes(aq="math"), selected=("1",)) == ["2"]


def test_other_labels_add_nothing() -> None:
    assert found(Prefixes(aq="not_math", ablog="skip")) == []


def test_positives_of_earlier_rounds_stay_even_when_collected_since() -> None:
    assert found(Prefixes(aq="math"), selected=("1",), earlier=("5", "1")) == ["5", "1", "2"]


def test_a_page_is_a_positive_once() -> None:
    assert found(Prefixes(aq="math"), earlier=("2",)) == ["2", "1"]


def test_positives_of_domains_that_fell_out_of_the_rule_stay() -> None:
    assert found(Prefixes(), earlier=("gone",)) == ["gone"]


def test_nothing_said_is_nothing_added() -> None:
    assert found(Prefixes()) == []


@pytest.mark.parametrize("label", ["not_math", "skip"])
def test_a_positive_is_taken_back_when_its_path_is_called_something_else(label: str) -> None:
    result = expanded(Prefixes(aq=label, bq="math"), earlier=("1", "2", "3"))
    assert result.pages["id"].to_list() == ["3", "4"]
    assert result.taken_back.rows() == [("1", "a.org", "/q/1"), ("2", "a.org", "/q/2")]


def test_a_positive_outside_the_rounds_domains_is_taken_back_too() -> None:
    assert found(Prefixes(xgone="not_math"), earlier=("gone", "5")) == ["5"]


def test_a_positive_of_which_nothing_is_said_any_more_stays() -> None:
    assert found(Prefixes(bq="not_math"), earlier=("1", "2")) == ["1", "2"]


_LABELS = st.sampled_from(["math", "not_math", "skip", None])


@given(st.tuples(_LABELS, _LABELS, _LABELS, _LABELS), st.sets(st.sampled_from("12345")), st.sets(st.sampled_from([*"12345", "gone"])))
def test_every_page_and_earlier_positive_is_kept_taken_back_or_not_accepted(
    said: tuple[str | None, ...], selected: set[str], earlier: set[str]
) -> None:
    labels = {key: label for key, label in zip(("aq", "ablog", "bq", "xgone"), said, strict=True) if label is not None}
    result = expanded(Prefixes(**labels), selected=tuple(selected), earlier=tuple(sorted(earlier)))
    kept, back = result.pages["id"].to_list(), result.taken_back["id"].to_list()
    assert len({*kept, *back}) == len(kept) + len(back)
    assert {*back} <= earlier <= {*kept, *back}
    key = {"1": "aq", "2": "aq", "3": "ablog", "4": "bq", "5": "cq", "gone": "xgone"}
    assert all(labels.get(key[page]) in ("not_math", "skip") for page in back)
    assert all(labels.get(key[page]) == "math" and page not in selected for page in {*kept} - earlier)
