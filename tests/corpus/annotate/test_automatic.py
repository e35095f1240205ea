"""Labels by share alone: which paths they take, whom they leave alone, and that they say what they are."""

from __future__ import annotations

from pathlib import Path

from reasonforge.corpus.annotate.automatic import label_by_share, labels_by_share
from reasonforge.corpus.annotate.journal import Decision, Journal
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.paths import read_pattern
from tests.corpus.annotate.fabricate import NOW, WEB, decision, journal_of, table_of


def labelled(journal: Journal, ratio: float = 0.5) -> list[Decision]:
    return label_by_share(table_of(WEB), journal, min_ratio=ratio, round_number=1, clock=lambda: NOW)


def test_the_uppermost_paths_with_the_share_are_mathematics() -> None:
    found = {str(one.row.pattern): one.label for one in labels_by_share(table_of(WEB), min_ratio=0.4)}
    # forum/questions has 30 of 80, its numbers 30 of 60; school as a whole has 25 of 60.
    assert found == {"forum.example/questions/*": "math", "forum.example/questions/tagged": "not_math", "school.example/": "math"}


def test_what_a_star_would_catch_besides_is_kept_out() -> None:
    labels = Annotations({one.row.pattern: one.label for one in labels_by_share(table_of(WEB), min_ratio=0.5)})
    assert labels.label_of("forum.example", "/questions/1001") == "math"
    assert labels.label_of("forum.example", "/questions/tagged/x1001y") == "not_math"
    assert labels.label_of("forum.example", "/users/1001") is None


def test_where_nothing_has_the_share_nothing_is_said() -> None:
    assert labels_by_share(table_of(WEB), min_ratio=1.0) == []


def test_settled_paths_and_what_lies_below_are_left_alone() -> None:
    settled = [read_pattern("forum.example/questions"), read_pattern("school.example/algebra")]
    assert labels_by_share(table_of(WEB), min_ratio=0.5, settled=settled) == []


def test_every_line_says_that_this_is_not_how_the_paper_did_it(tmp_path: Path) -> None:
    found = labelled(Journal(tmp_path / "a.jsonl"))
    assert found
    assert all(d.by == "auto" and "not the paper's procedure" in d.why for d in found)


def test_people_are_not_overruled(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("forum.example/questions", "not_math")])
    assert {d.pattern.host for d in labelled(journal)} == {"school.example"}


def test_a_second_time_says_nothing_new(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append(labelled(journal))
    assert labelled(journal) == []
    assert labelled(journal, 0.4)  # another ratio does
