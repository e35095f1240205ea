"""WARC files that were compressed without regard to their records, and those compressed by zstandard."""

from __future__ import annotations

import gzip
import io
import struct
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest.captures import Capture, Left, captures
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


ARC = b"filedesc://a.arc 192.0.2.1 20060101000000 text/plain 76\n1 0 Somebody\nURL IP-address Archive-date Content-type Archive-length\n"
BOMB = zstandard.compress(bytes(80 << 20))
DICTIONARY = zstandard.train_dictionary(2000, [f"http://site{number}.example/ WARC/1.0 {number * 7}".encode() for number in range(2000)])


def with_dictionary(parts: list[bytes], *, packed: bool = False) -> bytes:
    """Return a file as ArchiveTeam writes them: a frame that holds the dictionary, then the records, which need it."""
    content = zstandard.compress(DICTIONARY.as_bytes()) if packed else DICTIONARY.as_bytes()
    compressor = zstandard.ZstdCompressor(dict_data=DICTIONARY)
    return b"\x5d\x2a\x4d\x18" + struct.pack("<I", len(content)) + content + b"".join(map(compressor.compress, parts))


def pages_of(content: bytes) -> list[Capture | Left]:
    return list(captures(io.BytesIO(content), "x.warc.zst", WarcFiles(paths=("x",)), Limits()))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_a_file_that_brings_its_dictionary_is_read(packed: bool) -> None:
    content = with_dictionary(RECORDS, packed=packed)
    found = read(content)
    assert [item.block for item in found if isinstance(item, Record)] == BLOCKS
    inflater = zstandard.ZstdDecompressor(dict_data=DICTIONARY)
    for item, part in zip(found, RECORDS, strict=True):
        assert inflater.decompress(content[item.offset : item.offset + item.length]) == part
    assert any(isinstance(item, Capture) for item in pages_of(content))


def test_a_damaged_frame_of_a_file_with_a_dictionary_costs_its_record_alone() -> None:
    content = bytearray(with_dictionary(RECORDS))
    damaged = read(bytes(content))[2]
    content[damaged.offset + 8 : damaged.offset + damaged.length] = b"\xff" * (damaged.length - 8)
    found = hosts(read(bytes(content)))
    assert "corrupt" in found
    assert found[:2] + found[-3:] == SOUND[:2] + SOUND[-3:]


@pytest.mark.parametrize("content", [b"\x5d\x2a\x4d\x18", with_dictionary(RECORDS)[:300]])
def test_without_its_dictionary_all_of_a_file_is_lost(content: bytes) -> None:
    assert read(content) == [Lost(offset=0, length=len(content), reason="corrupt")]


def test_frames_without_data_are_passed_over() -> None:
    empty = b"\x50\x2a\x4d\x18" + struct.pack("<I", 5) + b"table"
    found = read(empty + frames(RECORDS[:2]) + empty + frames(RECORDS[2:]) + empty)
    assert hosts(found) == SOUND


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zstandard.ZstdCompressor(dict_data=DICTIONARY).compress(PLAIN), "is compressed by a dictionary that it does not bring along"),
        (with_dictionary(RECORDS)[:300], "the dictionary that it begins with is cut"),
        (b"\x5d\x2a\x4d\x18", "the dictionary that it begins with is cut"),
        (b"\x5d\x2a\x4d\x18\xff\xff\xff\xff", "the dictionary that it begins with is said to have 4294967295 bytes"),
        (with_dictionary(RECORDS).replace(DICTIONARY.as_bytes()[:200], bytes(200)), "the dictionary that it begins with is damaged"),
        (
            b"\x5d\x2a\x4d\x18" + struct.pack("<I", len(BOMB)) + BOMB + frames(RECORDS),
            "the dictionary that it begins with inflates beyond measure",
        ),
        (ARC, "is an ARC file, the format before WARC, which is not read here"),
        (gzip.compress(ARC), "is an ARC file, the format before WARC, which is not read here"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"x\.warc\.zst: {message}"):
        pages_of(content)
