"""The simulated person."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from reasonforge.corpus.annotate.journal import ANNOTATIONS, Journal
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.synthetic.truth import TRUTH, decisions, read_truth
from reasonforge.corpus.urls.normal import Refused, normalise


def rows(*pages: tuple[str, bool]) -> pl.DataFrame:
    entries = [{"url": f"https://a.example{path}", "kind": "forum", "is_math": is_math, "domain": "a.example"} for path, is_math in pages]
    return pl.DataFrame(entries)


def with_places(truth: pl.DataFrame) -> pl.DataFrame:
    """Add host and path as the pages of the crawl have them."""
    found = [page for url in truth["url"] if not isinstance(page := normalise(url), Refused)]
    assert len(found) == truth.height
    return truth.with_columns(host=pl.Series([page.host for page in found]), path=pl.Series([page.path for page in found]))


def labels(table: pl.DataFrame) -> dict[str, str | None]:
    return {str(decision.pattern): decision.label for decision in decisions(table)}


def test_the_shortest_path_that_is_all_mathematics_is_named() -> None:
    pages = [(f"/questions/{i}/x", True) for i in range(5)] + [(f"/lounge/{i}", False) for i in range(5)]
    assert labels(rows(*pages)) == {"a.example/questions": "math", "a.example/lounge": "not_math"}


def test_a_host_that_is_all_mathematics_is_one_decision() -> None:
    assert labels(rows(*[(f"/a/{i}", True) for i in range(4)])) == {"a.example/": "math"}


def test_a_path_that_is_both_is_opened() -> None:
    pages = [(f"/wiki/algebra/{i}00", True) for i in range(3)] + [(f"/wiki/cooking/{i}00", False) for i in range(3)]
    assert labels(rows(*pages)) == {"a.example/wiki/algebra": "math", "a.example/wiki/cooking": "not_math"}


def test_a_path_that_is_both_to_the_last_segment_stays_open() -> None:
    pages = [(f"/wiki/{name}", i % 2 == 0) for i, name in enumerate(("alpha", "beta", "gamma", "delta"))]
    assert labels(rows(*pages)) == {}


def test_hosts_without_mathematics_are_not_looked_at_unless_asked_for() -> None:
    table = rows(*[(f"/{i}", False) for i in range(5)])
    assert decisions(table) == []
    assert [decision.label for decision in decisions(table, ["a.example"])] == ["not_math"]


def test_the_annotations_of_a_web_are_read_as_no_persons_work(folder: Path) -> None:
    lines = Journal(folder / ANNOTATIONS).lines
    assert {line.decision.by for line in lines} == {"truth"}


def test_what_the_annotations_call_mathematics_is_mathematics(folder: Path) -> None:
    truth = read_truth(folder / TRUTH).filter(pl.col("kind") != "hostile")
    said = Annotations.load(folder / ANNOTATIONS)
    pages = with_places(truth)
    accepted = pages.filter(said.labels_of(pages) == "math")
    assert accepted.height > 50
    assert accepted["is_math"].mean() > 0.95  # pyright: ignore[reportOperatorIssue]


def test_hosts_that_keep_their_www_are_annotated_too(folder: Path) -> None:
    pages = with_places(read_truth(folder / TRUTH).filter(pl.col("kind") != "hostile"))
    said = Annotations.load(folder / ANNOTATIONS)
    with_www = pages.filter(pl.col("host").str.starts_with("www.") & pl.col("is_math"))
    assert with_www.height > 10
    assert said.labels_of(with_www).is_not_null().mean() > 0.5  # pyright: ignore[reportOperatorIssue]
