"""Rows of JSON Lines and Parquet files, line by line."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest import rows
from reasonforge.corpus.ingest.rows import field, json_rows, parquet_rows

ROWS = [{"url": f"http://a.example/{number}", "text": "é" * number} for number in range(300)]
PLAIN = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
PACKERS = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def read(content: bytes) -> list[dict | str]:  # type: ignore[type-arg]
    return list(json_rows(io.BytesIO(content)))


@pytest.mark.parametrize("packing", PACKERS)
def test_the_rows_are_the_same_however_they_are_packed(packing: str) -> None:
    assert read(PACKERS[packing](PLAIN)) == ROWS


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_several_compressed_pieces_are_one_file(packing: str) -> None:
    cut = len(PLAIN) // 3
    assert read(PACKERS[packing](PLAIN[:cut]) + PACKERS[packing](PLAIN[cut:])) == ROWS


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_compressed_data_that_is_cut_is_said_to_be(packing: str, share: float) -> None:
    packed = PACKERS[packing](PLAIN)
    found = read(packed[: int(len(packed) * share)])
    assert found[-1] == "truncated"
    assert found[:-1] == ROWS[: len(found) - 1]


@pytest.mark.parametrize("line", [b"{", b"[1]", b'"a"', b"nul", b'{"a": "\xff"}', b"[" * 100_000, b'{"url": 1'])
def test_a_bad_row_costs_itself(line: bytes) -> None:
    assert read(b'{"a": 1}\n' + line + b'\n\n  \n{"b": 2}') == [{"a": 1}, "bad_row", {"b": 2}]


def test_a_line_without_end_costs_itself_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_ROW_BYTES", 1_000)
    assert read(b'{"a": 1}\n{"b": "' + b"x" * 2_000_000 + b'"}\n{"c": 3}\n') == [{"a": 1}, "bad_row", {"c": 3}]


def test_a_byte_order_mark_is_no_part_of_the_first_row() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}\n') == [{"a": 1}]


@given(st.binary(max_size=300))
def test_noise_gives_rows_or_codes_and_no_crash(content: bytes) -> None:
    for start in (b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"):
        assert all(isinstance(row, (dict, str)) for row in read(start + content))


def test_parquet_gives_the_columns_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"url": ["u", "v"], "text": ["t", None], "other": [1, 2], "metadata": [{"url": "m"}, {"url": "n"}]}).write_parquet(path)
    with path.open("rb") as file:
        assert list(parquet_rows(file, str(path), ["url", "metadata.url", "absent"])) == [
            {"url": "u", "metadata": {"url": "m"}},
            {"url": "v", "metadata": {"url": "n"}},
        ]


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1 and then nothing PAR1", b"x" * 100])
def test_what_is_no_parquet_is_an_error_that_names_the_file(content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet after row 0"):
        list(parquet_rows(io.BytesIO(content), "a.parquet", ["url"]))


def test_a_field_is_found_by_its_name_or_by_its_path_also_in_a_string_of_json() -> None:
    assert field({"a": {"b": 1}}, "a.b") == 1
    assert field({"a.b": 2, "a": {"b": 1}}, "a.b") == 2
    assert field({"a": '{"b": "x"}'}, "a.b") == "x"
    assert field({"a": "{"}, "a.b") is None
    assert field({"a": [1]}, "a.b") is None
    assert field({}, "a") is None
