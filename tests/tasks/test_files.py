"""Rows from disk: what is read, and the one line that each broken file earns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reasonforge.core.errors import DataError
from reasonforge.tasks.files import MAX_ROW_BYTES, read_rows

ROWS = [{"question": "1+1?", "answer": "2"}, {"question": "二加三？", "answer": 5}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        list(read_rows(path))
    text = str(refused.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 400 + len(str(path)) * 2
    return text


@pytest.mark.parametrize(
    "data",
    [LINES, LINES.replace(b"\n", b"\r\n"), LINES.removesuffix(b"\n"), b"\xef\xbb\xbf" + LINES, b"\n\n" + LINES + b" \n\n"],
    ids=["plain", "windows", "no last line end", "byte order mark", "blank lines"],
)
def test_json_lines_are_read_in_order(tmp_path: Path, data: bytes) -> None:
    assert [row.values for row in read_rows(put(tmp_path, "a.jsonl", data))] == ROWS
    assert [row.values for row in read_rows(put(tmp_path, "a.jsonl.gz", gzip.compress(data)))] == ROWS


def test_places_are_line_numbers(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b"\n" + LINES)
    assert [row.place for row in read_rows(path)] == [f"{path}:2", f"{path}:3"]


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"question": ["1+1?", "1+2?"], "answer": [2, 3], "extra": [None, 1.5]}), path)
    rows = list(read_rows(path))
    assert rows[1].values == {"question": "1+2?", "answer": 3, "extra": 1.5}
    assert rows[0].place == f"{path}: row 1"


def test_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path, "a.jsonl", LINES)
    assert len(list(read_rows(Path("~/a.jsonl")))) == 2


def test_a_missing_file_names_its_likely_sibling(tmp_path: Path) -> None:
    put(tmp_path, "train.jsonl.gz", b"")
    assert f"Did you mean {tmp_path / 'train.jsonl.gz'}?" in refusal(tmp_path / "train.jsonl")
    assert "no such file" in refusal(tmp_path / "nowhere" / "zzz.jsonl")


def test_a_directory_names_a_file_inside(tmp_path: Path) -> None:
    put(tmp_path, "test.jsonl", LINES)
    assert f"is a directory. Name the file, for example {tmp_path / 'test.jsonl'}" in refusal(tmp_path)


def test_a_loop_of_links_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "b.jsonl")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert "a.jsonl" in refusal(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a", "a.jsonl.zst", "a.txt"])
def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    assert "Known endings: .jsonl, .jsonl.gz, .parquet" in refusal(put(tmp_path, name, LINES))


BROKEN_LINES = {
    "cut in the middle": (LINES[:-15], "a.jsonl:2: the last line is cut in the middle"),
    "trailing comma": (b'{"a": 1},\n', "a.jsonl:1: not valid JSON: Extra data at column 9"),
    "single quotes": (LINES + b"{'a': 1}\n", "a.jsonl:3: not valid JSON"),
    "not a number": (b'{"a": NaN}\n', "NaN is no JSON number"),
    "huge number": (b'{"a": ' + b"9" * 6000 + b"}\n", "not valid JSON"),
    "array": (b"[1, 2]\n", "a list, not a JSON object"),
    "string": (b'"x"\n', "a str, not a JSON object"),
    "null": (b"null\n", "a NoneType, not a JSON object"),
    "latin-1": ('{"a": "é"}\n'.encode("latin-1"), "a.jsonl:1: not UTF-8 at byte 7"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is no text file"),
    "random bytes": (bytes(range(200, 256)) + b"\x02\n", "is no text file"),
    "UTF-16": (LINES.decode().encode("utf-16"), "looks like UTF-16"),
    "UTF-16 without mark": (LINES.decode().encode("utf-16-le"), "looks like UTF-16"),
    "deep": (b"[" * 200_000 + b"\n", "nested too deeply"),
    "long row": (b'{"a": "' + b"x" * (MAX_ROW_BYTES + 5) + b'"}\n', "row of more than 8 MiB"),
    "gzip inside": (gzip.compress(LINES), "is gzip data. Rename it to end in .jsonl.gz"),
    "parquet inside": (b"PAR1" + b"\x00" * 40, "is Parquet data"),
}


@pytest.mark.parametrize(("data", "reason"), BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_line_is_named_with_its_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    assert reason in refusal(put(tmp_path, "a.jsonl", data))


def test_cut_corrupt_and_false_gzip_files_are_told_apart(tmp_path: Path) -> None:
    packed = gzip.compress(LINES * 500)
    assert "cut or corrupt after line" in refusal(put(tmp_path, "cut.jsonl.gz", packed[:-20]))
    flipped = bytearray(packed)
    flipped[len(flipped) // 2] ^= 0xFF
    text = refusal(put(tmp_path, "bad.jsonl.gz", bytes(flipped)))
    assert "bad.jsonl.gz" in text
    assert "is not gzip data" in refusal(put(tmp_path, "plain.jsonl.gz", LINES))


def test_rows_before_the_cut_are_still_read(tmp_path: Path) -> None:
    rows = read_rows(put(tmp_path, "a.jsonl", LINES + b"{"))
    assert next(rows).values == ROWS[0]
    assert next(rows).values == ROWS[1]
    with pytest.raises(DataError, match="cut in the middle"):
        next(rows)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"nonsense" * 10, LINES])
def test_unreadable_parquet_is_one_line(tmp_path: Path, data: bytes) -> None:
    assert "not readable as Parquet" in refusal(put(tmp_path, "a.parquet", data))


def test_a_cut_parquet_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"question": ["x"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-30])
    assert "not readable as Parquet" in refusal(path)
