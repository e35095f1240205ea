"""The spreadsheet: out, filled in by whatever program people use, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.data import PageText
from reasonforge.corpus.annotate.journal import Decision, Journal
from reasonforge.corpus.annotate.sheet import COLUMNS, guarded, read_sheet, unguarded, write_sheet
from reasonforge.corpus.paths import read_pattern
from tests.corpus.annotate.fabricate import NOW, WEB, decision, frame_of, table_of
from tests.report.hostile import HOSTILE

Rows = list[dict[str, str]]


def exported(journal: Journal) -> Rows:
    return list(csv.DictReader(io.StringIO(write_sheet(table_of(WEB), journal, seed=0), newline="")))


def sheet(rows: Rows, *, delimiter: str = ",", encoding: str = "utf-8", head: str = "", line_end: str = "\r\n") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return (head + out.getvalue()).encode(encoding)


def read(content: bytes, journal: Journal, *, by: str = "human:ann") -> list[Decision]:
    return read_sheet(content, "work.csv", journal, round_number=1, by=by, clock=lambda: NOW)


def filled(journal: Journal, **labels: str) -> Rows:
    rows = exported(journal)
    for row in rows:
        row["label"] = labels.get(row["pattern"].replace("/", "_").replace(".", "_"), row["label"])
    return rows


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "a.jsonl")


def test_the_sheet_is_the_worklist_in_its_order(journal: Journal) -> None:
    rows = exported(journal)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["pattern"] for row in rows][:2] == ["forum.example/", "forum.example/questions"]
    assert {row["pattern"].partition("/")[0] for row in rows} == {"forum.example", "school.example"}
    assert (rows[1]["pages"], rows[1]["collected"], rows[1]["gain"], rows[1]["share"]) == ("80", "30", "50", "0.375")
    assert rows[1]["title"].startswith("Title of /questions/")


def test_only_the_first_domains_can_be_exported(journal: Journal) -> None:
    some = write_sheet(table_of(WEB), journal, seed=0, share=0.5)
    assert "forum.example" in some
    assert "school.example" not in some


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"delimiter": ";", "encoding": "utf-8-sig", "line_end": "\n"},
        {"delimiter": ";", "head": "sep=;\r\n"},
        {"delimiter": "|", "head": '"sep=|"\r\n'},
        {"head": "\r\n\r\n"},
    ],
)
def test_what_any_spreadsheet_saves_comes_back(journal: Journal, change: dict[str, str]) -> None:
    rows = filled(journal, forum_example_questions="math", forum_example_users="n", school_example_=" SKIP ")
    rows[1]["why"] = 'questions; "mostly", good: 数学 ∑'
    decisions = read(sheet(rows, **change), journal)
    assert [(str(d.pattern), d.label, d.why) for d in decisions] == [
        ("forum.example/questions", "math", rows[1]["why"]),
        ("forum.example/users", "not_math", ""),
        ("school.example/", "skip", ""),
    ]


def test_a_sheet_that_nobody_touched_says_nothing(journal: Journal) -> None:
    journal.append([decision("forum.example/", "math"), decision("school.example/", "skip", by="human:bob")])
    rows = exported(journal)
    assert (rows[0]["label"], rows[0]["standing"]) == ("math", "math")
    assert read(sheet(rows), journal) == []


def test_an_emptied_label_says_nothing(journal: Journal) -> None:
    journal.append([decision("forum.example/", "math")])
    assert read(sheet(filled(journal, forum_example_="")), journal) == []


def test_taking_a_sheet_in_twice_changes_nothing(journal: Journal) -> None:
    content = sheet(filled(journal, forum_example_questions="math"))
    journal.append(read(content, journal))
    assert read(content, journal) == []


def test_who_changes_what_others_said_overrules_them_knowingly(journal: Journal) -> None:
    journal.append([decision("forum.example/", "math", by="human:bob")])
    found = read(sheet(filled(journal, forum_example_="not_math")), journal)
    assert [d.overrules for d in found] == [True]
    journal.append(found)
    assert Journal(journal.path).standing(read_pattern("forum.example/")) == journal.lines[-1]


def test_what_others_said_after_the_export_is_not_overruled(journal: Journal) -> None:
    content = sheet(filled(journal, forum_example_="math"))
    journal.append([decision("forum.example/", "not_math", by="human:bob")])
    with pytest.raises(DataError, match=r"work\.csv:2: human:bob said not_math of forum\.example/ after the export"):
        read(content, journal)


def test_every_bad_row_is_listed_and_nothing_is_taken_in(journal: Journal) -> None:
    rows = filled(journal, forum_example_="math", forum_example_questions="maths", forum_example_users="perhaps")
    rows.append(dict(rows[0]) | {"label": "not_math"})
    rows.append(dict(rows[0]) | {"pattern": "no pattern", "label": "math"})
    with pytest.raises(DataError) as caught:
        read(sheet(rows), journal)
    lines = str(caught.value).splitlines()
    places = [line.split(": ")[0] for line in lines]
    assert places == ["work.csv:3", "work.csv:6", f"work.csv:{len(rows)}", f"work.csv:{len(rows) + 1}", "work.csv"]
    assert "math in line 2" in lines[2]
    assert lines[-1].endswith("nothing was taken in")
    assert not journal.path.exists()


def test_hundreds_of_bad_rows_are_not_all_printed(journal: Journal) -> None:
    rows = [{"pattern": f"a.org/{i}", "label": "?"} for i in range(500)]
    with pytest.raises(DataError, match="and 480 more"):
        read(sheet(rows), journal)


def test_a_row_of_several_lines_is_named_by_its_last(journal: Journal) -> None:
    with pytest.raises(DataError, match=r"work\.csv:4: label"):
        read(b'pattern,label,why\na.org/q,math,"one\ntwo"\na.org/r,nonsense,\n', journal)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\r\n\r\n", "empty"),
        (b"pattern,why\na.org/,x\n", "no column 'label'"),
        (b"label\nmath\n", "no column 'pattern'"),
        (b"pattern,label,label\na.org/,math,math\n", "twice"),
        (b"PK\x03\x04workbook", "workbook"),
        ("pattern,label,why\na.org/,math,Ä\n".encode("latin-1"), "not UTF-8"),
        (b'pattern,label\n"a.org/,math\n', "no CSV from here on"),
        (b'pattern,label\n"a.org/"x,math\n', "no CSV from here on"),
        (b"\xff\xfep", "not UTF-16"),
        (b"pattern,label\na.org/" + b"x" * 200_000 + b",math\n", "no CSV from here on"),
    ],
)
def test_what_is_no_sheet_is_said(journal: Journal, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"work.csv.*{words}"):
        read(content, journal)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "'", "'quoted'"])
def test_a_cell_is_never_a_formula(cell: str) -> None:
    assert guarded(cell).startswith("'")
    assert unguarded(guarded(cell)) == cell


@given(st.text())
def test_guarding_is_undone(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_hostile_titles_are_cells_like_any_other(journal: Journal) -> None:
    web = {"a.org": {f"/q{i}/#": (12, 6) for i in range(len(HOSTILE))}}
    make: Callable[[int], PageText] = lambda i: PageText(HOSTILE[i % len(HOSTILE)], HOSTILE[(i + 1) % len(HOSTILE)], "")  # noqa: E731
    texts = {name: make(i) for i, name in enumerate(frame_of(web)["id"])}
    text = write_sheet(table_of(web, texts=texts), journal, seed=0)
    text.encode()  # no lone surrogate is left
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row)
    assert not any(ord(character) < 32 for row in rows for cell in row for character in cell)
