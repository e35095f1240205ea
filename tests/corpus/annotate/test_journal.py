"""The file of decisions: what holds, what is refused, and what a crash or a neighbour can do to it."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError, StorageError
from reasonforge.corpus.annotate.journal import Decision, Journal
from reasonforge.corpus.paths import Pattern, read_pattern
from tests.corpus.annotate.fabricate import NOW, decision, journal_of

A = read_pattern("a.org/q")


def label(journal: Journal, pattern: Pattern = A) -> str | None:
    line = journal.standing(pattern)
    return None if line is None else line.decision.label


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none.jsonl")
    assert journal.lines == []
    assert not journal.path.exists()


def test_the_last_line_for_a_pattern_wins_however_it_is_spelled(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [("https://www.A.org/q/", "math"), ("a.org/q", "not_math")]
    path.write_text("".join(json.dumps({"round": 1, "pattern": p, "label": v, "by": "human:ann", "at": NOW}) + "\n" for p, v in rows))
    assert label(Journal(path)) == "not_math"


@given(
    st.lists(
        st.builds(
            Decision,
            round=st.integers(1, 9),
            pattern=st.sampled_from([A, read_pattern("b.org/"), read_pattern("c.org/数学/*"), read_pattern("www.gov.uk/q")]),
            label=st.sampled_from(["math", "not_math", "skip"]),
            by=st.sampled_from(["human:ann", "model:m/7B", "auto", "truth"]),
            at=st.just(NOW),
            why=st.text(max_size=30),
            seen=st.lists(st.text("0123456789abcdef", max_size=8), max_size=3).map(tuple),
            overrules=st.booleans(),
        ),
        max_size=8,
    )
)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, decisions: list[Decision]) -> None:
    path = tmp_path_factory.mktemp("j") / "a.jsonl"
    Journal(path).append(decisions)
    assert [line.decision for line in Journal(path).lines] == decisions


@pytest.mark.parametrize("cut", [1, 5, 40, 80])
def test_a_torn_last_line_is_ignored_and_cut_by_the_next(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    journal_of(path, [decision("a.org/q", "math"), decision("a.org/r", "skip")])
    os.truncate(path, path.stat().st_size - cut)
    whole = path.read_bytes().splitlines(keepends=True)[0]
    journal = Journal(path)
    expected = 2 if cut == 1 else 1  # without its line end alone it is still whole
    assert len(journal.lines) == expected
    journal.append([decision("a.org/s", "math")])
    assert len(Journal(path).lines) == expected + 1
    assert [line.decision for line in Journal(path).lines] == [line.decision for line in journal.lines]
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("rest", [b"\0" * 4096, b'{"round": 1, "patt' + b"\0" * 100, b"\xff\xfe", b"[1]"])
def test_what_a_power_loss_left_behind_the_last_line_is_ignored_and_cut(tmp_path: Path, rest: bytes) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math")])
    before = journal.path.read_bytes()
    journal.path.write_bytes(before + rest)
    journal.refresh()
    assert len(journal.lines) == len(Journal(journal.path).lines) == 1
    assert journal.revision == 1  # it is still the same file
    journal.append([decision("a.org/r", "math")])
    assert journal.path.read_bytes() == before + decision("a.org/r", "math").to_json().encode() + b"\n"


def test_of_a_sheet_that_a_power_loss_tore_whole_lines_stay_and_the_next_import_brings_the_rest(tmp_path: Path) -> None:
    sheet = [decision(f"a.org/{name}", "math") for name in "pqrs"]
    journal = journal_of(tmp_path / "a.jsonl", sheet)
    whole = journal.path.read_bytes()
    os.truncate(journal.path, len(whole) * 5 // 8)
    torn = Journal(journal.path)
    assert len(torn.lines) == 2
    torn.append(sheet[2:])
    assert torn.path.read_bytes() == whole


def test_undo_restores_what_stood_before(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math"), decision("a.org/q", "skip")])
    last = journal.last_of("human:ann", round_number=1)
    assert last is not None
    journal.append([decision("a.org/q", None, withdraws=last.digest)])
    assert label(journal) == label(Journal(journal.path)) == "math"
    assert len(journal.path.read_bytes().splitlines()) == 3


def test_undoing_one_of_two_equal_lines_leaves_the_other(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math"), decision("a.org/q", "math")])
    line = journal.lines[0]
    journal.append([decision("a.org/q", None, withdraws=line.digest)])
    assert label(journal) == "math"
    journal.append([decision("a.org/q", None, withdraws=line.digest)])
    assert label(journal) is None


def test_two_people_who_disagree_unknowingly_are_an_error_that_names_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    journal_of(path, [decision("a.org/q", "math"), decision("b.org/", "math"), decision("a.org/q", "not_math", by="human:bob")])
    with pytest.raises(DataError, match=r"a\.jsonl:1 and .*a\.jsonl:3: of a\.org/q human:ann says math and human:bob not_math"):
        Journal(path)


@pytest.mark.parametrize(
    "settled",
    [
        decision("a.org/q", "math", overrules=True),
        decision("a.org/q", "not_math"),  # ann comes round
        decision("a.org/q", "skip", by="human:bob"),  # bob has no opinion any more
    ],
)
def test_a_later_line_settles_it(tmp_path: Path, settled: Decision) -> None:
    path = tmp_path / "a.jsonl"
    journal_of(path, [decision("a.org/q", "math"), decision("a.org/q", "not_math", by="human:bob"), settled])
    assert label(Journal(path)) == settled.label


def test_people_may_differ_from_truth_and_the_automaton(tmp_path: Path) -> None:
    lines = [decision("a.org/q", "math", by="auto"), decision("a.org/q", "not_math"), decision("a.org/q", "skip", by="truth")]
    journal = journal_of(tmp_path / "a.jsonl", lines)
    assert label(Journal(journal.path)) == "skip"


def test_what_a_model_says_is_a_proposal_and_decides_nothing(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math", by="model:m")])
    assert label(journal) is None
    assert journal.decisions() == {}
    proposal = journal.proposal(A)
    assert proposal is not None
    assert proposal.decision.label == "math"


def test_proposals_blank_lines_and_what_was_taken_back_are_no_decisions_of_a_round(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math", by="model:m"), decision("a.org/r", "math")])
    journal.append([decision("a.org/r", None, withdraws=journal.lines[1].digest)])
    with journal.path.open("a") as file:
        file.write("\n\n")
    journal.refresh()
    assert journal.num_decided(1) == 0
    journal.append([decision("a.org/s", "skip"), decision("a.org/t", "math", round_number=2)])
    assert (journal.num_decided(1), journal.num_decided(2)) == (1, 1)


def test_later_rounds_can_be_left_out(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math"), decision("a.org/q", "skip", round_number=2)])
    assert journal.decisions(up_to_round=1)[A].decision.label == "math"
    assert journal.decisions()[A].decision.label == "skip"


GOOD = {"round": 1, "pattern": "a.org/q", "label": "math", "by": "human:ann", "at": NOW}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ('"text"', "object"),
        (json.dumps(GOOD | {"label": "maths"}), "label"),
        (json.dumps(GOOD | {"label": None}), "withdraws"),
        (json.dumps(GOOD | {"withdraws": "0123"}), "withdraws"),
        (json.dumps(GOOD | {"label": None, "withdraws": "0123"}), "takes back line 0123"),
        (json.dumps(GOOD | {"round": 0}), "round"),
        (json.dumps(GOOD | {"round": True}), "round"),
        (json.dumps(GOOD | {"pattern": "a.org/q?x=1"}), "pattern"),
        (json.dumps(GOOD | {"pattern": "/q"}), "pattern"),
        (json.dumps(GOOD | {"pattern": "a.org/q*"}), r"\* stands for one whole segment"),
        (json.dumps(GOOD | {"by": "ann"}), "human:NAME"),
        (json.dumps(GOOD | {"by": "human:"}), "human:NAME"),
        (json.dumps(GOOD | {"at": "yesterday"}), "yesterday"),
        (json.dumps(GOOD | {"lable": "math"}), "lable"),
        ("[" * 100_000, "JSON|recursion"),
        ("\x00", "JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n{json.dumps(GOOD)}\n")
    with pytest.raises(DataError, match=rf"a\.jsonl:3: .*({words})"):
        Journal(path)


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"why": "\xff\xfe"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:1"):
        Journal(path)


def test_a_file_saved_by_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n" + json.dumps(GOOD | {"label": "skip"}).encode() + b"\r\n")
    assert label(Journal(path)) == "skip"


def test_a_file_changed_by_hand_is_read_anew(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math"), decision("a.org/r", "math")])
    journal.path.write_text(decision("a.org/q", "skip").to_json() + "\n")
    journal.append([decision("a.org/s", "math")])
    assert [str(pattern) for pattern in journal.decisions()] == ["a.org/q", "a.org/s"]
    assert label(journal) == "skip"


def test_a_last_line_that_goes_on_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GOOD))
    journal = Journal(path)
    with path.open("a") as file:
        file.write("\n" + json.dumps(GOOD | {"label": "skip"}))
    journal.refresh()
    assert [line.number for line in journal.lines] == [1, 2]
    assert label(journal) == "skip"


def _append_many(path: Path, name: str, number: int) -> None:
    journal = Journal(path)
    for i in range(number):
        journal.append([decision(f"{name}.org/{i}", "math")])


def test_nothing_is_lost_between_threads_and_processes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    shared = Journal(path)
    threads = [
        threading.Thread(target=lambda name=name: [shared.append([decision(f"{name}.org/{i}", "math")]) for i in range(10)])
        for name in ("t1", "t2")
    ]
    processes = [multiprocessing.get_context("fork").Process(target=_append_many, args=(path, name, 10)) for name in ("p1", "p2")]
    for worker in [*processes, *threads]:
        worker.start()
    for worker in [*processes, *threads]:
        worker.join()
    found = sorted(str(pattern) for pattern in Journal(path).decisions())
    assert found == sorted(f"{name}.org/{i}" for name in ("t1", "t2", "p1", "p2") for i in range(10))


def test_a_disk_that_refuses_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math")])
    before, write = journal.path.read_bytes(), os.write

    first = True

    def once(descriptor: int, data: bytes) -> int:
        nonlocal first
        if first:
            first = False
            return write(descriptor, bytes(data)[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", once)
    with pytest.raises(StorageError, match="No space left"):
        journal.append([decision("a.org/r", "math")])
    monkeypatch.undo()
    assert journal.path.read_bytes() == before
    assert len(journal.append([decision("a.org/r", "math")])) == 1


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "a.jsonl", [decision("a.org/q", "math", why="lone \ud800 surrogate")])
    assert Journal(journal.path).lines[0].decision.why == "lone ? surrogate"
    before = journal.path.read_bytes()
    good = decision("a.org/r", "math")
    for bad in (
        replace(good, pattern=Pattern("a.org", ("\ud800",))),
        replace(good, pattern=Pattern("a.org", ("q r",))),
        replace(good, pattern=Pattern("a.org", ("q/r",))),
        replace(good, pattern=Pattern("www.a.org", ())),
        replace(good, by="ann"),
        replace(good, round=0),
        replace(good, at="now"),
        replace(good, why="x" * (2 << 20)),
        replace(good, label=None),
    ):
        with pytest.raises(DataError):
            journal.append([good, bad])
        assert journal.path.read_bytes() == before


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        Journal(tmp_path)
