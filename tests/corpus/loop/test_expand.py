"""Which pages become positives."""

from __future__ import annotations

import polars as pl

from reasonforge.corpus.loop.expand import new_positives

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


def found(labels: Prefixes, *, selected: tuple[str, ...] = (), earlier: tuple[str, ...] | None = None) -> list[str]:
    before = None if earlier is None else pl.DataFrame({"id": list(earlier)}, schema={"id": pl.String})
    return new_positives(PAGES.with_columns(selected=pl.col("id").is_in(list(selected))), labels, earlier=before)["id"].to_list()


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
