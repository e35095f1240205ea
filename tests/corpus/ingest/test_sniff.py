"""What counts as a page."""

from __future__ import annotations

import pytest

from reasonforge.corpus.ingest.sniff import is_html

PAGE = b"<!DOCTYPE html>\n<html><head><title>t</title></head><body><p>x</body></html>"


def judge(content: bytes, content_type: str | None = "text/html; charset=utf-8") -> bool:
    return is_html(content, {} if content_type is None else {"content-type": content_type})


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "TEXT/HTML;charset=x", "application/xhtml+xml", None, "", "application/octet-stream", "text/xml", "text/html, text/html"],
)
def test_a_page_is_one_under_every_type_that_pages_come_with(content_type: str | None) -> None:
    assert judge(PAGE, content_type)


@pytest.mark.parametrize(
    "content_type", ["application/pdf", "image/png", "text/plain", "application/json", "application/rss+xml", "text/css"]
)
def test_another_type_is_believed(content_type: str) -> None:
    assert not judge(PAGE, content_type)


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n1 0 obj",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"PK\x03\x04word/document.xml",
        b"\x1f\x8b\x08\0",
        b"<?xml version='1.0'?>\n<rss version='2.0'><channel>",
        b"<!-- made by x -->\n<feed xmlns='http://www.w3.org/2005/Atom'>",
        b"<?xml version='1.0'?><urlset>",
        b"<rdf:RDF>",
        b'{"error": "no such page"}',
        b"[1, 2]",
        bytes(range(256)) * 4,
        b"\0" * 200,
    ],
)
def test_content_that_is_no_page_is_none_whatever_its_header_says(content: bytes) -> None:
    assert not judge(content)


@pytest.mark.parametrize(
    "content",
    [
        b"Plain words, without a tag.",
        b"  \n\xef\xbb\xbf<html>",
        b"<p>fragment",
        b"{{ template }} <p>x",
        b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        b"\x1b$B$3$l\x1b(B<p>",
        b"<?xml version='1.0'?><!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'>",
    ],
)
def test_a_page_need_not_look_like_one_if_its_type_says_so(content: bytes) -> None:
    assert judge(content)


@pytest.mark.parametrize("piece", [b"<??>", b"<!---->", b"<!doctype[]>", b"<!doctype", b" "])
def test_a_start_made_to_be_slow_is_judged_at_once(piece: bytes) -> None:
    assert judge(piece * 2_000 + b"<")


@pytest.mark.parametrize("content", [b"just text", b"<config><a/></config>", b"", b"a < b and b > c"])
def test_without_a_type_the_content_must_look_like_a_page(content: bytes) -> None:
    assert not judge(content, None)
