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

    def label_of(self, host: str, path: str) -> str | None:
        return self._labels.get(host[0] + path.split("/")[1])


def ids(*values: str) -> pl.Series:
    return pl.Series("id", values, dtype=pl.String)


def found(labels: Prefixes, *, domains: tuple[str, ...], collected: tuple[str, ...], earlier: tuple[str, ...] = ()) -> list[str]:
    table = new_positives(PAGES, labels, domains=ids(*domains), key="host", collected=ids(*collected), earlier=ids(*earlier) if earlier else None)
    return table["id"].to_list()


def test_uncollected_pages_under_an_accepted_path_become_positives() -> None:
    assert found(Prefixes(aq="math"), domains=("a.org",), collected=("1",)) == ["2"]


def test_a_path_in_a_domain_that_is_not_mathematical_is_not_looked_at() -> None:
    assert found(Prefixes(aq="math", bq="math"), domains=("b.org",), collected=()) == ["4"]


def test_other_labels_add_nothing() -> None:
    assert found(Prefixes(aq="not_math", ablog="skip"), domains=("a.org",), collected=()) == []


def test_positives_of_earlier_rounds_stay_even_when_collected_since() -> None:
    assert found(Prefixes(aq="math"), domains=("a.org",), collected=("1",), earlier=("1", "5")) == ["1", "2", "5"]


def test_nothing_said_is_nothing_added() -> None:
    assert found(Prefixes(), domains=("a.org", "b.org"), collected=()) == []


def test_no_mathematical_domain_adds_nothing() -> None:
    assert found(Prefixes(aq="math"), domains=(), collected=()) == []
