"""Looking labels up: the longest pattern decides, for one page and for a table of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.annotate.journal import LABELS, Label
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.paths import Pattern, read_pattern
from reasonforge.corpus.urls.normal import Refused, normalise
from tests.corpus.annotate.fabricate import decision, journal_of

HOSTS = st.sampled_from(["a.org", "b.org", "x.a.org"])
SEGMENTS = st.lists(st.sampled_from(["q", "r", "*", "17", "数"]), max_size=4).map(tuple)
PATTERNS = st.builds(Pattern, HOSTS, SEGMENTS)
PATHS = st.lists(st.sampled_from(["q", "r", "17", "数", "", "qq", "*"]), max_size=6).map(lambda parts: "/" + "/".join(parts))


def said(**labels: Any) -> Annotations:
    return Annotations({read_pattern(pattern.replace("__", "/").replace("_", ".")): label for pattern, label in labels.items()})


@given(st.dictionaries(PATTERNS, st.sampled_from(LABELS), max_size=8), st.lists(st.tuples(HOSTS, PATHS), max_size=12))
def test_one_page_a_table_of_pages_and_the_definition_agree(labels: dict[Pattern, Label], pages: list[tuple[str, str]]) -> None:
    annotations = Annotations(labels)
    expected = []
    for host, path in pages:
        matching = [pattern for pattern in labels if pattern.matches(host, path)]
        expected.append(labels[max(matching, key=lambda pattern: pattern.rank)] if matching else None)
    assert [annotations.label_of(host, path) for host, path in pages] == expected
    frame = pl.DataFrame(pages, schema={"host": pl.String, "path": pl.String}, orient="row")
    assert annotations.labels_of(frame).to_list() == expected


def test_a_literal_segment_wins_over_a_star_of_the_same_length() -> None:
    annotations = said(**{"a_org__*__r": "math", "a_org__q__*": "not_math"})
    assert annotations.label_of("a.org", "/q/r") == "not_math"


def test_segments_match_whole_or_not_at_all() -> None:
    annotations = said(a_org__questions="math")
    found = [
        annotations.label_of("a.org", path) for path in ("/questions", "/questions/", "//questions//1", "/questions-old", "/Questions")
    ]
    assert found == ["math", "math", "math", None, None]


def test_another_host_is_another_place() -> None:
    annotations = said(a_org__="math")
    assert [annotations.label_of(host, "/x") for host in ("a.org", "b.a.org", "a.org.evil.example")] == ["math", None, None]


def test_an_empty_table_and_no_labels_have_no_answers() -> None:
    empty = pl.DataFrame(schema={"host": pl.String, "path": pl.String})
    assert said(a_org__="math").labels_of(empty).to_list() == []
    assert Annotations({}).labels_of(pl.DataFrame({"host": ["a.org"], "path": ["/"]})).to_list() == [None]


def test_a_file_is_read_as_of_a_round_without_its_proposals(tmp_path: Path) -> None:
    lines = [decision("a.org/q", "math"), decision("a.org/q", "skip", round_number=2), decision("b.org/", "math", by="model:m")]
    path = journal_of(tmp_path / "a.jsonl", lines).path
    assert Annotations.load(path).label_of("a.org", "/q/1") == "skip"
    assert Annotations.load(path, up_to_round=1).label_of("a.org", "/q/1") == "math"
    assert Annotations.load(path).label_of("b.org", "/") is None
    assert len(Annotations.load(tmp_path / "none.jsonl")) == 0


@pytest.mark.parametrize(
    "url", ["https://www.gov.uk/q/17", "https://www.x.example/q/17", "https://www.a.org/q/17", "https://bücher.example/q/数学"]
)
def test_what_was_said_of_a_url_is_found_for_its_page(tmp_path: Path, url: str) -> None:
    page = normalise(url)
    assert not isinstance(page, Refused)
    row = {"round": 1, "pattern": url.rpartition("/")[0], "label": "math", "by": "human:ann", "at": "2026-01-02T03:04:05+00:00"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    said = Annotations.load(tmp_path / "a.jsonl")
    assert said.label_of(page.host, page.path) == "math"
    assert said.labels_of(pl.DataFrame({"host": [page.host], "path": [page.path]})).to_list() == ["math"]
