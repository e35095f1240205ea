"""WARC files that were compressed without regard to their records, and those compressed by zstandard."""

from __future__ import annotations

import gzip
import io
import struct
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest.captures import captures
from reasonforge.corpus.ingest.config import Limits, WarcFiles
from reasonforge.corpus.ingest.warc import Lost, Record
from tests.corpus.ingest.test_warc import RECORDS, hosts, read
from tests.corpus.warcs import starts

PLAIN = b"".join(RECORDS)
BLOCKS = [record.block for record in read(PLAIN) if isinstance(record, Record)]
SOUND = hosts(read(PLAIN))


def blocks(content: bytes, cuts: list[int]) -> list[bytes]:
    """Return one gzip member for each piece between the cuts."""
    return [gzip.compress(content[start:end], mtime=0) for start, end in pairwise(sorted({0, *cuts, len(content)}))]


def frames(parts: list[bytes]) -> bytes:
    return b"".join(zstandard.ZstdCompressor(level=1).compress(part) for part in parts)


@given(st.lists(st.integers(0, len(PLAIN)), max_size=8))
def test_wherever_the_blocks_end_the_records_are_the_same(cuts: list[int]) -> None:
    found = read(b"".join(blocks(PLAIN, cuts)))
    assert [item.block for item in found if isinstance(item, Record)] == BLOCKS
    assert not any(isinstance(item, Lost) or item.is_cut for item in found)


@pytest.mark.parametrize("size", [1, 7, 200, 5000])
def test_blocks_of_one_size_as_bgzip_writes_them(size: int) -> None:
    content = PLAIN[:6000] if size == 1 else PLAIN
    parts = blocks(content, list(range(0, len(content), size)))
    # With bgzip's extra field, and its empty block at the end.
    extra = b"BC\x02\0" + struct.pack("<H", 0)
    marked = [part[:3] + b"\x04" + part[4:10] + struct.pack("<H", len(extra)) + extra + part[10:] for part in [*parts, gzip.compress(b"")]]
    assert hosts(read(b"".join(marked)))[:2] == SOUND[:2]
    if size > 1:
        assert hosts(read(b"".join(marked))) == SOUND


def test_no_record_of_a_block_can_be_cut_out_of_the_file() -> None:
    found = read(b"".join(blocks(PLAIN, list(range(0, len(PLAIN), 700)))))
    assert [(item.offset, item.length) for item in found] == [(start, 0) for start in starts(RECORDS)[:-1]]


def test_a_damaged_block_costs_the_records_that_lie_in_it() -> None:
    parts = blocks(PLAIN, list(range(0, len(PLAIN), 700)))
    middle = len(parts) // 2
    parts[middle] = parts[middle][:12] + bytes(len(parts[middle]) - 12)
    found = hosts(read(b"".join(parts)))
    assert found[:3] == SOUND[:3]
    assert found[-2:] == SOUND[-2:]
    assert "corrupt" in found


def test_a_cut_file_of_blocks_is_said_to_be_cut() -> None:
    content = b"".join(blocks(PLAIN, list(range(0, len(PLAIN), 700))))
    assert hosts(read(content[: len(content) // 2]))[-1] == "truncated"


@pytest.mark.parametrize(
    "parts", [RECORDS, [PLAIN], [PLAIN[at : at + 900] for at in range(0, len(PLAIN), 900)]], ids=["each", "one", "any"]
)
def test_frames_of_zstandard_are_read_like_members(parts: list[bytes]) -> None:
    found = read(frames(parts))
    assert [item.block for item in found if isinstance(item, Record)] == BLOCKS
    assert hosts(found) == SOUND


def test_a_frame_per_record_can_be_cut_out_of_the_file() -> None:
    content = frames(RECORDS)
    for item, part in zip(read(content), RECORDS, strict=True):
        assert zstandard.ZstdDecompressor().decompress(content[item.offset : item.offset + item.length]) == part


def test_a_cut_frame_is_said_to_be_cut() -> None:
    content = frames(RECORDS)
    assert hosts(read(content[:-40]))[-1] == "truncated"


def test_a_damaged_frame_costs_its_record_alone() -> None:
    parts = [frames([part]) for part in RECORDS]
    parts[2] = parts[2][:20] + bytes(200) + parts[2][220:]
    found = hosts(read(b"".join(parts)))
    assert "corrupt" in found
    assert found[:2] + found[-3:] == SOUND[:2] + SOUND[-3:]


def test_zstandard_with_a_dictionary_is_refused(tmp_path: Path) -> None:
    dictionary = zstandard.train_dictionary(
        2000, [f"http://site{number}.example/ WARC/1.0 {number * 7}".encode() for number in range(2000)]
    )
    packed = zstandard.ZstdCompressor(dict_data=dictionary).compress(PLAIN)
    carried = b"\x5d\x2a\x4d\x18" + struct.pack("<I", len(dictionary.as_bytes())) + dictionary.as_bytes() + packed
    for content in (packed, carried):
        with pytest.raises(DataError, match=r"x\.warc\.zst: is compressed by a dictionary"):
            list(captures(io.BytesIO(content), "x.warc.zst", WarcFiles(paths=("x",)), Limits()))
