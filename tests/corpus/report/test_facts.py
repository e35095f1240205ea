"""The headline: what a corpus came to, in sentences."""

from __future__ import annotations

from dataclasses import replace

from reasonforge.corpus.report.facts import headline
from tests.corpus.report.fabricate import corpus_of, round_of


def test_recall_and_precision_stand_beside_those_of_the_first_round() -> None:
    said = " ".join(headline(corpus_of()))
    assert "recall 90.0 %, precision 90.0 % (after the first round 30.0 % and 90.0 %)" in said


def test_without_a_truth_nothing_is_said_about_recall() -> None:
    said = " ".join(headline(corpus_of(rounds=(round_of(1, found=None), round_of(2, found=None)))))
    assert "recall" not in said


def test_one_round_has_nothing_to_be_compared_with() -> None:
    said = " ".join(headline(corpus_of(rounds=(round_of(1),))))
    assert "round before" not in said
    assert "first round" not in said
    assert said.startswith("1 round collected 100 pages")


def test_a_corpus_without_rounds_says_so() -> None:
    assert headline(corpus_of(rounds=())) == ["No round has collected anything yet."]


def test_a_rule_in_place_of_a_person_is_said_not_to_be_the_papers_procedure() -> None:
    assert any("not the paper's procedure" in sentence for sentence in headline(corpus_of(annotated_by="auto")))
    assert not any("not the paper's procedure" in sentence for sentence in headline(corpus_of(annotated_by="human")))


def test_other_sources_are_named_as_checked_or_as_not_checked() -> None:
    said = headline(corpus_of(checked=("github",), unchecked=("arxiv", "novels")))
    assert "Pages are those of the crawl, and documents of github." in said
    assert "Not checked against benchmarks: arxiv, novels." in said


def test_automatic_labels_in_a_file_of_decisions_are_named_too() -> None:
    rounds = (round_of(1), round_of(2, authors={"auto": 3, "human": 9}), round_of(3, authors={}))
    said = [sentence for sentence in headline(corpus_of(rounds=rounds, annotated_by="file")) if "not the paper's procedure" in sentence]
    assert said == ["In round 2 3 of 12 labels came from a rule and from nobody's eyes: not the paper's procedure."]


def test_a_page_that_holds_text_of_two_benchmarks_is_one_page() -> None:
    (one,) = corpus_of().benchmarks
    said = headline(corpus_of(benchmarks=(one, replace(one, name="math500", pages=4)), shared=9))
    assert "9 pages shared text with 2 benchmarks." in said


def test_pages_that_were_not_checked_are_not_called_clean() -> None:
    unchecked = " ".join(headline(corpus_of(decontaminated=False, benchmarks=(), shared=0)))
    clean = " ".join(headline(corpus_of(benchmarks=(), shared=0)))
    assert "not checked" in unchecked
    assert "No page shared text with a benchmark." in clean
