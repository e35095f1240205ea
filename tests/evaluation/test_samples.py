"""Files of samples, well formed and not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.evaluation.samples import read_samples, write_samples
from tests.evaluation.made import sampled


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "s.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = [sampled(["7", None, "8"], scores=(0.5, 0.1, 1.0), level="3", subject="sums", unit="cm"), sampled(["9"], name="乙", gold="½")]
    write_samples(tmp_path / "s.jsonl", run)
    assert read_samples(tmp_path / "s.jsonl") == run


def test_half_a_surrogate_pair_survives(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    run = [sampled(["\ud83d"])]
    write_samples(path, run)
    assert read_samples(path)[0].samples == ("text \ud83d",)


def test_lines_of_one_text_are_joined_by_id(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"id": 1, "question": "q", "gold": 7.0, "text": "a", "score": 1},
        {"id": 2, "gold": "x", "text": "b"},
        {"id": 1, "question": "q", "gold": 7, "text": "c", "score": 0.5},
    )
    first, second = read_samples(path)
    assert (first.problem.id, first.problem.answer, first.samples, first.scores) == ("1", "7", ("a", "c"), (1, 0.5))
    assert second.problem.question == ""


def test_a_byte_order_mark_and_windows_line_ends_are_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "1", "gold": "7", "text": "t"}\r\n\r\n')
    assert [found.samples for found in read_samples(path)] == [("t",)]


def test_lines_that_grade_has_marked_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, {"refused": "x.jsonl:1: not valid JSON"}, {"id": "1", "gold": "7", "text": "t"})
    assert len(read_samples(path)) == 1


def test_lines_that_repeat_an_earlier_one_are_told_of_and_count(tmp_path: Path) -> None:
    row = {"id": "1", "gold": "7", "text": "t"}
    repeated: list[str] = []
    (found,) = read_samples(write(tmp_path, row, {**row, "text": "u"}, row), repeated=repeated.append)
    assert found.samples == ("t", "u", "t")
    assert [place.rpartition(":")[2] for place in repeated] == ["3"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (['{"id": "1", "gold"'], ":1: not valid JSON"),
        ([{"id": "1", "text": "t"}], ':1: no "gold"; columns here: "id", "text"'),
        ([{"id": "1", "gold": ["7"], "text": "t"}], ':1: "gold" is a list'),
        ([{"id": "1", "gold": "7"}], ':1: no "text"'),
        (
            [{"prompt": "q", "answer": "7"}],
            ':1: no "gold" and no "text" (one completion) or "samples" (a list of them); columns here: "prompt", "answer"',
        ),
        ([{"id": "1", "gold": "7", "text": 5}], ':1: "text" is a number, not text'),
        ([{"id": "1", "gold": "7", "text": None}], ':1: "text" is null, not text'),
        ([{"id": "1", "gold": True, "text": "t"}], ':1: "gold" is true, not text or a number'),
        ([{"id": "1", "gold": "7", "text": "t", "question": 5}], ':1: "question" is a number, not text'),
        ([{"id": "1", "gold": "7", "samples": []}], ':1: "samples" must be a list of one or more texts'),
        ([{"id": "1", "gold": "7", "samples": ["t", 1]}], ':1: "samples" must be a list'),
        ([{"id": "1", "gold": "7", "samples": ["t"], "scores": [1, 2]}], ':1: "scores" must be a list with one value for each of the 1'),
        ([{"id": "1", "gold": "7", "samples": ["t"], "lengths": [1.5]}], ':1: "lengths" holds 1.5'),
        ([{"id": "1", "gold": "7", "samples": ["t"], "truncated": [1]}], ':1: "truncated" holds 1'),
        ([{"id": "1", "gold": "7", "text": "t", "kind": "maths"}], ":1: \"kind\" is 'maths'; there are: math"),
        ([{"id": "1", "gold": "7", "text": "t", "status": "right"}], ":1: \"status\" is 'right'"),
        ([{"id": "1", "gold": "7", "samples": ["t"], "status": ["wrong", "wrong"]}], ':1: "status" is not what a grader writes'),
        ([{"id": "1", "gold": "7", "text": "t"}, {"id": "1", "gold": "8", "text": "t"}], ":2: id '1' has another reference answer"),
        ([{"id": "1", "gold": "7", "samples": ["t"]}] * 2, ":2: id '1' came before"),
        ([{"id": "1", "gold": "7", "text": "t", "score": 1}, {"id": "1", "gold": "7", "text": "t"}], 'have a "score" and others have none'),
        ([], "no samples"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, rows: list[Any], says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_samples(write(tmp_path, *rows))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
