"""The tricks are what they say."""

from __future__ import annotations

import gzip
import zlib

import pytest

from reasonforge.corpus.synthetic.hostile import HOSTILE, INJECTION, hostile, hostile_url
from reasonforge.corpus.synthetic.web import MIN_PAGES, plan


def test_a_bomb_is_a_thousand_times_larger_inside() -> None:
    body = hostile("bomb").body
    inside = zlib.decompressobj(wbits=31).decompress(body, 1000 * len(body))
    assert len(inside) == 1000 * len(body)


def test_the_cut_body_ends_inside_its_compressed_data() -> None:
    with pytest.raises(EOFError):
        gzip.decompress(hostile("cut_gzip").body)


@pytest.mark.parametrize("name", ["claims_gzip", "claims_brotli", "claims_chunked"])
def test_a_lying_header_stands_over_plain_html(name: str) -> None:
    response = hostile(name)
    assert response.headers
    assert response.body.startswith(b"<!DOCTYPE html>")


def test_the_wrong_charset_cannot_be_read_as_what_it_claims() -> None:
    response = hostile("wrong_charset")
    assert "utf-8" in response.content_type
    with pytest.raises(UnicodeDecodeError):
        response.body.decode("utf-8")


def test_injected_labels_are_in_the_page() -> None:
    assert INJECTION in hostile("label_injection").body.decode()


def test_every_trick_is_in_the_smallest_web() -> None:
    assert {entry.dialect for entry in plan(pages=MIN_PAGES, seed=0, problems=[]) if entry.kind == "hostile"} == set(HOSTILE)


def test_no_two_hostile_pages_have_one_address() -> None:
    addresses = [hostile_url(name, number) for name in HOSTILE for number in range(5)]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_page_takes_more_than_a_megabyte_of_the_file(name: str) -> None:
    assert len(hostile(name).body) < 1 << 20
