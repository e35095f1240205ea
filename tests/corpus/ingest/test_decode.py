"""Bodies with their transfer and content encodings undone, and those that only claim to have them."""

from __future__ import annotations

import gzip
import random
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.ingest import decode
from tests.corpus.warcs import http

PAGE = ("<!DOCTYPE html><title>é</title>" + "<p>Let <i>x</i> be prime. " * 200).encode()


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda content: brotli.compress(content, quality=5),
    "zstd": zstandard.ZstdCompressor().compress,
    " GZip ": gzip.compress,
    "identity": bytes,
}


def chunked(content: bytes, size: int = 700) -> bytes:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x;note=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nTrailer: 1\r\n\r\n"


def undo(raw: bytes, *, max_bytes: int = 1 << 20, max_inflated_bytes: int = 1 << 22, **headers: str) -> decode.Body:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return decode.body(raw, names, max_bytes=max_bytes, max_inflated_bytes=max_inflated_bytes)


@pytest.mark.parametrize("coding", PACKERS)
def test_a_content_encoding_is_undone(coding: str) -> None:
    assert undo(PACKERS[coding](PAGE), content_encoding=coding) == decode.Body(PAGE, False, False)


def test_deflate_without_its_header_is_undone() -> None:
    assert undo(raw_deflate(PAGE), content_encoding="deflate").content == PAGE


def test_several_encodings_are_undone_last_first() -> None:
    assert undo(gzip.compress(brotli.compress(PAGE)), content_encoding="br, gzip").content == PAGE


def test_chunks_are_joined_before_the_content_is_inflated() -> None:
    found = undo(chunked(gzip.compress(PAGE)), content_encoding="gzip", transfer_encoding="chunked")
    assert found == decode.Body(PAGE, False, False)


@given(st.binary(max_size=2_000), st.integers(min_value=1, max_value=900))
def test_joining_chunks_gives_back_what_was_cut_into_them(content: bytes, size: int) -> None:
    assert undo(chunked(content, size), transfer_encoding="Chunked").content == content


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "sdch"])
def test_a_plain_body_that_claims_an_encoding_stays_as_it_is(coding: str) -> None:
    assert undo(PAGE, content_encoding=coding) == decode.Body(PAGE, False, True)


@pytest.mark.parametrize("body", [PAGE, b"2024 was a year\r\n<p>of chunks", b"5\r\napples and pears"])
def test_a_plain_body_that_claims_chunks_stays_as_it_is(body: bytes) -> None:
    assert undo(body, transfer_encoding="chunked") == decode.Body(body, False, True)


def test_of_a_body_that_begins_like_a_chunk_that_is_cut_no_more_than_the_first_line_is_lost() -> None:
    assert undo(b"fff\r\n<p>and then a body", transfer_encoding="chunked") == decode.Body(b"<p>and then a body", True, False)


def test_chunks_that_end_too_early_give_what_is_there() -> None:
    found = undo(chunked(PAGE)[:2_000], transfer_encoding="chunked")
    assert found.is_cut
    assert PAGE.startswith(found.content)
    assert len(found.content) > 1_900


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_compressed_content_that_ends_too_early_gives_what_is_there(coding: str) -> None:
    page = b"<p>" + random.Random(0).randbytes(300_000).hex().encode()
    packed = PACKERS[coding](page)
    found = undo(packed[: len(packed) // 2], content_encoding=coding)
    assert found.is_cut
    assert page.startswith(found.content)
    assert len(found.content) > 10_000


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_page_longer_than_the_limit_is_cut_to_it(coding: str) -> None:
    found = undo(PACKERS[coding](PAGE), max_bytes=1_000, content_encoding=coding)
    assert found == decode.Body(PAGE[:1_000], True, False) or (found.content == PAGE[:1_000] and found.is_cut)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_called_one_before_it_is_in_memory(coding: str) -> None:
    import tracemalloc

    content = b"\0" * (64 << 20)
    bomb = PACKERS[coding](content)
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    found = undo(bomb, max_bytes=1 << 20, max_inflated_bytes=8 << 20, content_encoding=coding)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.is_bomb
    assert found.content == b""
    assert peak < 50 << 20


def test_a_bomb_within_a_bomb_is_one() -> None:
    assert undo(gzip.compress(gzip.compress(b"\0" * (32 << 20))), content_encoding="gzip, gzip").is_bomb


def test_a_hundred_claimed_encodings_cost_four() -> None:
    found = undo(gzip.compress(PAGE), content_encoding=", ".join(["gzip"] * 100))
    assert found.claims_false
    assert found.content == PAGE


@given(st.binary(max_size=400), st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br"]))
def test_noise_under_any_claim_is_no_crash(content: bytes, coding: str) -> None:
    assert len(undo(content, content_encoding=coding, transfer_encoding="chunked").content) < 1 << 21


def test_a_response_is_taken_apart() -> None:
    found = decode.parse_response(
        http(b"body\r\n\r\nmore", headers={"X": "1", "x": "2", "Content-Encoding": "gzip", "content-encoding": "br"})
    )
    assert found is not None
    assert (found.status, found.body) == (200, b"body\r\n\r\nmore")
    assert (found.headers["x"], found.headers["content-encoding"]) == ("1", "gzip, br")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 OK", 200),
        (b"HTTP/2 404", 404),
        (b"HTTP/1.0 200", 200),
        (b"HTTP/1.1 OK", 0),
        (b"HTTP/1.1", 0),
        (b"HTTP/1.1 99999 x", 0),
    ],
)
def test_a_status_line_without_a_number_has_status_0(head: bytes, status: int) -> None:
    found = decode.parse_response(head + b"\r\nA: b\r\n\r\n<p>")
    assert found is not None
    assert found.status == status


def test_folded_and_broken_header_lines_lose_only_themselves() -> None:
    found = decode.parse_response(b"HTTP/1.1 200 OK\nContent-Type: text/html;\n charset=big5\nnonsense\n folded\nB: c\n\n<p>")
    assert found is not None
    assert (dict(found.headers), found.body) == ({"content-type": "text/html; charset=big5", "b": "c"}, b"<p>")


def test_a_header_folded_over_thousands_of_lines_is_cut() -> None:
    found = decode.parse_response(b"HTTP/1.1 200 OK\r\nA: b\r\n" + b" x\r\n" * 50_000 + b"C: d\r\n\r\n<p>")
    assert found is not None
    assert len(found.headers["a"]) <= decode.MAX_FOLDED_CHARS + 2
    assert (found.headers["c"], found.body) == ("d", b"<p>")


@pytest.mark.parametrize("block", [b"", b"<html>", b"20240101 192.0.2.1", b"\xff\xfe"])
def test_what_is_no_http_is_none(block: bytes) -> None:
    assert decode.parse_response(block) is None
