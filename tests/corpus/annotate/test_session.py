"""What the page's keys do, without a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.journal import Journal
from reasonforge.corpus.annotate.session import Contradiction, Session
from tests.corpus.annotate.fabricate import NOW, WEB, Site, decision, frame_of, journal_of, session_of, table_of


def press(session: Session, pattern: str, label: str, **more: Any) -> dict[str, Any]:
    return session.label(pattern, label, **{"known": "", "looked": False, **more})


def rows(session: Session, name: str = "forum.example") -> dict[str, dict[str, Any]]:
    return {row["pattern"]: row for row in session.domain(name)["rows"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


def test_the_page_begins_with_the_domains_and_the_budget(path: Path) -> None:
    state = session_of(path).state()
    counts = [(name, pages, collected) for name, pages, collected, *_ in state["domains"]]
    assert counts == [("forum.example", 120, 32), ("school.example", 60, 25)]
    # 88 * 32 / 120 and 35 * 25 / 60: the first domain covers 62 %.
    assert state["budget"] == [[0.8, 2], [0.9, 2], [0.95, 2]]
    assert (state["gained"], state["decided"], state["progress"]) == (0, 0, {})


def test_a_label_wins_its_pages_and_settles_what_lies_below(path: Path) -> None:
    session = session_of(path)
    answer = press(session, "forum.example/questions", "math")
    assert answer["gained"] == 50
    found = rows(session)
    assert found["forum.example/questions"]["label"] == "math"
    assert found["forum.example/questions/*"]["inherited"] == "math"
    assert found["forum.example/users"]["inherited"] is None


def test_a_longer_path_takes_its_pages_out_again(path: Path) -> None:
    session = session_of(path)
    press(session, "forum.example/questions", "math")
    assert press(session, "forum.example/questions/tagged", "not_math")["gained"] == 30
    assert press(session, "forum.example/questions/tagged", "skip")["gained"] == 30


def test_what_a_yes_adds_is_what_it_then_adds(path: Path) -> None:
    session = session_of(path)
    for pattern in ("forum.example/questions/*", "forum.example/", "forum.example/users", "school.example/news"):
        before = session.state()["gained"]
        adds = session.samples(pattern)["adds"]
        assert press(session, pattern, "math")["gained"] == before + adds
    assert session.samples("forum.example/users")["adds"] == 0  # it says what the path above says


def test_a_domain_is_finished_when_no_row_is_open(path: Path) -> None:
    session = session_of(path)
    assert press(session, "forum.example/", "skip")["progress"]["forum.example"]["closed"] is False
    press(session, "forum.example/questions", "not_math")
    assert press(session, "forum.example/users", "math")["progress"]["forum.example"] == {"won": 38, "settled": 88, "closed": True}


def test_where_nothing_is_to_win_nothing_is_open(path: Path) -> None:
    session = session_of(path, web={"a.org": {"/q/#": (40, 40), "/r/#": (40, 10)}})
    press(session, "a.org/", "skip")
    assert press(session, "a.org/r", "math")["progress"]["a.org"]["closed"] is True


def test_a_new_session_knows_what_the_last_one_did(path: Path) -> None:
    first = session_of(path)
    press(first, "forum.example/questions", "math")
    second = session_of(path)
    assert {key: value for key, value in second.state().items() if key != "by"} == {k: v for k, v in first.state().items() if k != "by"}
    assert second.undo()["pattern"] == "forum.example/questions"
    assert first.changes(1)["gained"] == 0


def test_undo_is_of_ones_own_in_this_round(path: Path) -> None:
    journal_of(path, [decision("forum.example/users", "math", round_number=2), decision("school.example/", "math", by="human:bob")])
    with pytest.raises(DataError, match="nothing of yours"):
        session_of(path).undo()


def test_undo_of_a_domain_that_is_not_looked_at_any_more_works(path: Path) -> None:
    journal_of(path, [decision("elsewhere.example/", "math")])
    answer = session_of(path).undo()
    assert (answer["pattern"], answer["domain"]) == ("elsewhere.example/", None)


def test_the_pages_that_were_seen_stand_in_the_file(path: Path) -> None:
    session = session_of(path)
    press(session, "forum.example/questions", "math", looked=True)
    press(session, "forum.example/users", "math", looked=False)
    seen = [line.decision.seen for line in Journal(path).lines]
    assert [len(ids) for ids in seen] == [10, 0]
    assert set(seen[0]) <= set(frame_of(WEB)["id"])


def test_changes_name_the_domains_that_others_changed(path: Path) -> None:
    session = session_of(path)
    journal_of(path, [decision("school.example/", "math", by="human:bob")])
    changes = session.changes(0)
    assert list(changes["progress"]) == ["school.example"]
    assert changes["gained"] == 35
    assert session.changes(changes["revision"])["progress"] == {}


def test_a_page_that_lags_behind_hears_of_all_it_missed(path: Path) -> None:
    session = session_of(path)
    press(session, "school.example/", "math")
    answer = press(session, "forum.example/", "math", since=0)
    assert sorted(answer["progress"]) == ["forum.example", "school.example"]


def test_a_file_that_was_replaced_is_reckoned_anew(path: Path) -> None:
    session = session_of(path)
    press(session, "forum.example/", "math")
    press(session, "school.example/", "math")
    path.write_text(decision("forum.example/users", "math").to_json() + "\n")
    assert session.changes(2) == {
        "progress": {
            "forum.example": {"won": 38, "settled": 38, "closed": False},
            "school.example": {"won": 0, "settled": 0, "closed": False},
        },
        "gained": 38,
        "decided": 1,
        "revision": 4,
    }


def test_every_tab_hears_that_a_file_was_replaced(path: Path) -> None:
    session = session_of(path)
    press(session, "forum.example/", "math")
    first = second = press(session, "school.example/", "math")["revision"]
    path.write_text("".join(decision(f"forum.example/{name}", "math").to_json() + "\n" for name in ("users", "tags")))
    for since in (first, second):
        assert sorted(session.changes(since)["progress"]) == ["forum.example", "school.example"]
    # Nor does the number of its lines have to be another.
    assert session.changes(session.changes(0)["revision"])["progress"] == {}


def test_a_revision_that_never_was_is_told_everything(path: Path) -> None:
    session = session_of(path)
    press(session, "school.example/", "math")
    assert list(session.changes(99)["progress"]) == ["school.example"]


def test_others_are_overruled_only_by_who_saw_what_they_said(path: Path) -> None:
    session = session_of(path)
    journal_of(path, [decision("forum.example/", "not_math", by="human:bob")])
    with pytest.raises(Contradiction, match="human:bob said not_math"):
        press(session, "forum.example/", "math")
    press(session, "forum.example/", "math", known=rows(session)["forum.example/"]["line"])
    Journal(path)  # no contradiction is left in the file


def test_ones_own_words_may_be_changed_at_any_time(path: Path) -> None:
    session = session_of(path)
    press(session, "forum.example/", "not_math")
    press(session, "forum.example/", "math")
    assert rows(session)["forum.example/"]["label"] == "math"


def test_a_registered_domain_holds_its_hosts(path: Path) -> None:
    from reasonforge.corpus.annotate.data import PageTable

    web: dict[str, Site] = {"a.school.example": {"/q/#": (30, 15)}, "b.school.example": {"/r/#": (30, 3)}}
    frame = frame_of(web).with_columns(domain=frame_of(web)["host"].str.slice(2))
    data = PageTable(lambda _: [frame], lambda _: {}, key="domain")
    session = Session(data, Journal(path), round_number=1, by="human:ann", clock=lambda: NOW, next_command="")
    assert [row["pattern"] for row in session.domain("school.example")["rows"]] == [
        "b.school.example/", "b.school.example/r", "a.school.example/", "a.school.example/q",
    ]  # fmt: skip
    assert press(session, "b.school.example/", "math")["progress"]["school.example"]["won"] == 27
    assert {page["collected"] for page in session.samples("a.school.example/")["pages"]} == {True, False}


def test_the_summary_counts_what_stands(path: Path) -> None:
    session = session_of(path)
    press(session, "forum.example/", "skip")
    press(session, "forum.example/", "math")
    press(session, "school.example/", "not_math")
    summary = session.summary()
    assert summary["labels"] == {"math": 1, "not_math": 1, "skip": 0}
    assert (summary["gained"], summary["decided"], summary["finished"], summary["num_domains"]) == (88, 2, 2, 2)
    assert summary["authors"] == ["human:ann"]


def test_a_round_without_domains_is_an_empty_page(path: Path) -> None:
    state = session_of(path, web={"shop.example": WEB["shop.example"]}).state()
    assert (state["domains"], state["num_domains"], state["gained"]) == ([], 0, 0)


@pytest.mark.parametrize("by", ["ann", "human:", "human:a\nb", "model:"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(path: Path, by: str) -> None:
    with pytest.raises(DataError, match="human:NAME"):
        session_of(path, by=by)


def test_an_unknown_domain_is_an_error(path: Path) -> None:
    session = session_of(path)
    for name in ("", "shop.example", "../etc"):
        with pytest.raises(DataError, match="no domain"):
            session.domain(name)
    with pytest.raises(DataError, match="no domain"):
        press(session, "shop.example/", "math")
    assert table_of(WEB).paths("nothing").is_empty()


def test_what_is_said_about_a_decision_stands_in_its_line(path: Path) -> None:
    session = session_of(path)
    session.label("forum.example/", "math", known="", looked=False, why="  proofs\n all over ")
    assert Journal(path).lines[-1].decision.why == "proofs all over"
    assert rows(session)["forum.example/"]["why"] == "proofs all over"
    with pytest.raises(DataError, match="1001 characters"):
        session.label("forum.example/", "math", known="", looked=False, why="x" * 1001)
    assert len(Journal(path).lines) == 1


def test_who_accepts_and_says_why_has_still_accepted(path: Path) -> None:
    journal_of(path, [decision("forum.example/", "math", by="model:m")])
    session = session_of(path)
    session.label("forum.example/", "accept", known="", looked=False, why="looked twice")
    last = Journal(path).lines[-1].decision
    assert (last.why, last.author) == ("accepted from model:m; looked twice", "model accepted")


def test_a_single_page_that_somebody_named_counts(path: Path) -> None:
    journal_of(path, [decision("forum.example/users/1030", "math")])
    session = session_of(path)
    assert session.state()["gained"] == 1
    assert press(session, "forum.example/", "math")["gained"] == 88
    assert press(session, "forum.example/users", "not_math")["gained"] == 51


def test_a_round_left_halfway_says_what_the_loop_makes_of_it(path: Path) -> None:
    session = session_of(path)
    assert "The loop waits" in session.summary()["left"]
    press(session, "forum.example/", "math")
    assert session.summary()["left"].startswith(
        "1 domain of round 1 is not finished. The loop takes a round with one decision for annotated"
    )
    press(session, "school.example/", "math")
    assert session.summary()["left"] == ""
