"""Records of WARC files that are in order, and of those that are not."""

from __future__ import annotations

import gzip
import io
import random

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.ingest.warc import Lost, Record, records
from tests.corpus.warcs import http, members, page, record, starts, warcinfo

RECORDS = [
    warcinfo(),
    *(page("<p>" + " ".join(random.Random(number).choices("abcdefgh", k=900)), f"http://h{number}.example/") for number in range(5)),
]
MEMBERS = members(RECORDS)
STARTS = starts(MEMBERS)


def read(content: bytes, **limits: int) -> list[Record | Lost]:
    return list(records(io.BytesIO(content), **limits))


def hosts(found: list[Record | Lost]) -> list[str]:
    """Return the number of each page's host, the kind of what is no page, and the reason for a span that is lost."""
    return [item.reason if isinstance(item, Lost) else item.headers.get("warc-target-uri", "")[8:9] or item.kind[-4:] for item in found]


def test_records_are_those_that_fastwarc_finds() -> None:
    content = b"".join(MEMBERS)
    theirs = [
        (entry.headers.get("WARC-Target-URI"), entry.stream_pos, entry.reader.read())
        for entry in ArchiveIterator(io.BytesIO(content), parse_http=False)
    ]
    ours = [(item.headers.get("warc-target-uri"), item.offset, item.block) for item in read(content) if isinstance(item, Record)]
    assert ours == theirs


@pytest.mark.parametrize("packed", [MEMBERS, RECORDS], ids=["gzip", "plain"])
def test_offset_and_length_cut_the_record_out_of_the_file(packed: list[bytes]) -> None:
    content = b"".join(packed)
    for item, part in zip(read(content), packed, strict=True):
        assert isinstance(item, Record)
        assert content[item.offset : item.offset + item.length] == part


def test_one_gzip_member_for_all_gives_the_same_blocks_and_says_that_none_can_be_cut_out() -> None:
    one = read(gzip.compress(b"".join(RECORDS)))
    many = read(b"".join(MEMBERS))
    assert [item.block for item in one if isinstance(item, Record)] == [item.block for item in many if isinstance(item, Record)]
    assert all(isinstance(item, Record) and item.length == 0 for item in one)
    assert [item.offset for item in one] == starts(RECORDS)[:-1]


def test_a_file_cut_in_a_record_gives_what_is_there_and_says_so() -> None:
    found = read(b"".join(MEMBERS)[: STARTS[3] + 250])
    assert hosts(found) == ["info", "0", "1", "2", "truncated"]
    assert isinstance(found[3], Record)
    assert found[3].is_cut
    assert RECORDS[3].count(found[3].block) == 1


def test_one_gzip_member_that_is_cut_gives_the_records_before_the_cut_and_a_part_of_one() -> None:
    whole = gzip.compress(b"".join(RECORDS))
    found = read(whole[: len(whole) * 2 // 3])
    *whole_pages, part = [item for item in found if isinstance(item, Record)]
    assert hosts(found)[-1] == "truncated"
    assert [item.block for item in whole_pages] == [item.block for item in read(whole)[: len(whole_pages)] if isinstance(item, Record)]
    assert part.is_cut
    assert 2 < len(whole_pages) < len(RECORDS)
    assert RECORDS[len(whole_pages)].count(part.block) == 1


def test_a_megabyte_of_line_ends_between_records_is_nothing() -> None:
    blank = b"\r\n" * 500_000
    assert hosts(read(RECORDS[1] + blank + RECORDS[2])) == ["0", "1"]
    assert hosts(read(gzip.compress(RECORDS[1] + blank) + MEMBERS[2])) == ["0", "1"]


@pytest.mark.parametrize("missing", range(1, 9))
def test_a_missing_trailer_of_the_last_member_is_noticed(missing: int) -> None:
    assert hosts(read(b"".join(MEMBERS)[:-missing]))[-1] == "truncated"


@given(st.integers(min_value=1, max_value=STARTS[-1] - 1))
def test_a_cut_is_noticed_wherever_it_is_but_between_members(end: int) -> None:
    found = read(b"".join(MEMBERS)[:end])
    assert (hosts(found)[-1] == "truncated") == (end not in STARTS)


def test_a_plain_file_cut_in_a_body_or_in_a_header_is_noticed() -> None:
    content, at = b"".join(RECORDS), starts(RECORDS)
    assert hosts(read(content[: at[2] - 100])) == ["info", "0", "truncated"]
    assert hosts(read(content[: at[2] + 40])) == ["info", "0", "truncated"]
    assert hosts(read(content[: at[2]])) == ["info", "0"]


@given(st.integers(min_value=STARTS[2], max_value=STARTS[3] - 1), st.integers(min_value=1, max_value=255))
def test_a_corrupt_byte_costs_at_most_its_own_record(position: int, mask: int) -> None:
    content = bytearray(b"".join(MEMBERS))
    content[position] ^= mask
    found = [host for host in hosts(read(bytes(content))) if host not in ("corrupt", "truncated")]
    # A byte of the gzip header that nobody reads (time, system) costs nothing.
    assert found in (["info", "0", "2", "3", "4"], ["info", "0", "1", "2", "3", "4"])


def test_the_checksum_of_a_member_is_looked_at() -> None:
    content = bytearray(b"".join(MEMBERS))
    content[STARTS[3] - 6] ^= 1
    assert hosts(read(bytes(content))) == ["info", "0", "corrupt", "2", "3", "4"]


def test_two_kilobytes_of_noise_cost_the_records_they_lie_in() -> None:
    content = bytearray(b"".join(MEMBERS))
    middle = STARTS[2] + 100
    content[middle : middle + 1_000] = random.Random(0).randbytes(1_000)
    found = read(bytes(content))
    assert hosts(found) == ["info", "0", "corrupt", "3", "4"]
    lost = found[2]
    assert isinstance(lost, Lost)
    assert (lost.offset, lost.offset + lost.length) == (STARTS[2], STARTS[4])


def test_noise_between_members_costs_no_record() -> None:
    content = b"".join([*MEMBERS[:3], random.Random(1).randbytes(700), *MEMBERS[3:]])
    assert hosts(read(content)) == ["info", "0", "1", "corrupt", "2", "3", "4"]


def test_padding_after_the_last_member_is_nothing() -> None:
    assert hosts(read(b"".join(MEMBERS) + b"\0" * 300)) == hosts(read(b"".join(MEMBERS)))


def test_a_broken_header_costs_its_record_alone() -> None:
    broken = list(RECORDS)
    broken[2] = broken[2].replace(b"WARC/1.0", b"WORC/1.0", 1)
    broken[4] = broken[4].replace(b"Content-Length:", b"Content-Lenght:", 1)
    for content in (b"".join(members(broken)), b"".join(broken), gzip.compress(b"".join(broken))):
        assert hosts(read(content)) == ["info", "0", "corrupt", "2", "corrupt", "4"]


@pytest.mark.parametrize("length", [0, 50, 5_000, 10**9, 10**12])
@pytest.mark.parametrize("packing", ["members", "plain", "one member"])
def test_a_content_length_that_lies_costs_no_other_record(length: int, packing: str) -> None:
    lying = list(RECORDS)
    lying[2] = record(http(b"<p>" + b"x" * 500), url="http://hL.example/", length=length)
    content = {"members": b"".join(members(lying)), "plain": b"".join(lying), "one member": gzip.compress(b"".join(lying))}[packing]
    found = read(content)
    # What is behind a length that is too small belongs to no record; a member of its own says that it does.
    junk = ["corrupt"] if length < 500 and packing != "members" else []
    assert hosts(found) == ["info", "0", "L", *junk, "2", "3", "4"]
    assert isinstance(found[2], Record)
    assert found[2].is_cut


@pytest.mark.parametrize("length", ["", "-5", "many", "1" * 5_000, "１２"])
def test_a_content_length_that_is_no_number_costs_its_record(length: str) -> None:
    bad = [RECORDS[1], record(http(b"<p>x"), length=length), RECORDS[2]]
    assert hosts(read(b"".join(members(bad)))) == ["0", "corrupt", "1"]


def test_line_feeds_alone_end_headers_too() -> None:
    block = http(b"<p>x")
    head = f"WARC/1.0\nWARC-Type: response\nWARC-Target-URI: http://hF.example/\nContent-Length: {len(block)}\n\n".encode()
    found = read((head + block + b"\n\n") * 2)
    assert [item.block for item in found if isinstance(item, Record)] == [block, block]


def test_a_long_record_is_read_up_to_the_limit_and_passed_over_to_the_next() -> None:
    for content in (b"".join(MEMBERS), b"".join(RECORDS), gzip.compress(b"".join(RECORDS))):
        found = read(content, max_block_bytes=100)
        assert [len(item.block) for item in found if isinstance(item, Record)] == [17, 100, 100, 100, 100, 100]
        assert [item.is_cut for item in found if isinstance(item, Record)] == [False, *[True] * 5]


def test_a_record_that_inflates_beyond_measure_is_given_up_and_the_next_is_found() -> None:
    content = b"".join([MEMBERS[1], gzip.compress(page(b"\0" * 3_000_000)), MEMBERS[2]])
    assert hosts(read(content, max_block_bytes=1_000, max_inflated_bytes=1_000_000)) == ["0", "bomb", "1"]


def test_a_large_record_that_hardly_compresses_is_no_bomb() -> None:
    video = record(random.Random(3).randbytes(300_000), url="http://hV.example/", content_type="video/mp4", kind="resource")
    content = b"".join([*members([video]), MEMBERS[1]])
    assert hosts(read(content, max_block_bytes=1_000, max_inflated_bytes=100_000)) == ["V", "0"]


def test_the_state_of_a_file_does_not_depend_on_how_much_is_read_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size, 7) if size and size > 0 else size)

    content = b"".join([*MEMBERS[:3], b"noise" * 9, *MEMBERS[3:]])[:-20]
    assert list(records(Slow(content))) == read(content)


@given(st.binary(max_size=300))
def test_noise_gives_no_record_and_no_crash(content: bytes) -> None:
    for start in (b"", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"WARC/1.0\r\n"):
        assert not any(isinstance(item, Record) and item.block for item in read(start + content))


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["keep", "cut", "flip", "noise", "twice"])), max_size=6))
def test_every_byte_of_a_plain_or_packed_file_is_in_a_record_or_lost(damage: list[tuple[int, str]]) -> None:
    parts = list(MEMBERS)
    for index, kind in damage:
        part = MEMBERS[index]
        parts[index] = {
            "keep": part,
            "cut": part[: len(part) // 2],
            "flip": part[:-6] + bytes([part[-6] ^ 255]) + part[-5:],
            "noise": b"\xaa" * 33 + part,
            "twice": part + part,
        }[kind]
    content = b"".join(parts)
    at = 0
    for item in read(content):
        if item.length:
            assert item.offset == at
            at += item.length
    assert at == len(content)
