"""Which encoding a page is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.ingest import charset

CHINESE = "数学公式与定理的证明，今天我们学习三角函数。" * 20
TRADITIONAL = "數學公式與定理的證明，今天我們學習三角函數。" * 20
JAPANESE = "これは数学の定理です。カタカナとひらがな。" * 20
KOREAN = "이것은 수학 공식이며 오늘 우리는 정리를 배웁니다. " * 20
RUSSIAN = "Докажите теорему о пределе последовательности. " * 20
GREEK = "Ας είναι ένας πραγματικός αριθμός. " * 20
POLISH = "Zażółć gęślą jaźń, więc źródło wzoru. " * 20

WRITTEN = [
    ("big5", TRADITIONAL),
    ("gb2312", CHINESE),
    ("gbk", CHINESE),
    ("gb18030", CHINESE),
    ("euc-jp", JAPANESE),
    ("shift_jis", JAPANESE),
    ("iso-2022-jp", JAPANESE),
    ("euc-kr", KOREAN),
    ("windows-1251", RUSSIAN),
    ("koi8-r", RUSSIAN),
    ("iso-8859-5", RUSSIAN),
    ("iso-8859-7", GREEK),
    ("iso-8859-2", POLISH),
    ("windows-1250", POLISH),
    ("utf-8", RUSSIAN),
]


def read(content: bytes, content_type: str = "text/html") -> charset.Decoded:
    return charset.text(content, {"content-type": content_type})


@pytest.mark.parametrize(("name", "text"), WRITTEN)
def test_the_header_is_believed(name: str, text: str) -> None:
    found = read(f"<p>{text}".encode(name), f"text/html; charset={name}")
    assert (found.text, found.losses) == (f"<p>{text}", 0)


@pytest.mark.parametrize(("name", "text"), WRITTEN)
@pytest.mark.parametrize(
    "form", ['<meta charset="{}">', "<META http-equiv=Content-Type content='text/html; charset={}'>", '<?xml version="1.0" encoding="{}"?>']
)
def test_the_page_is_believed_where_the_header_says_nothing(name: str, text: str, form: str) -> None:
    page = form.format(name) + f"<p>{text}"
    assert read(page.encode(name)).text == page


@pytest.mark.parametrize(("name", "text"), [("windows-1251", RUSSIAN), ("shift_jis", JAPANESE), ("gb18030", CHINESE), ("utf-8", POLISH)])
def test_it_is_found_out_where_nobody_says_it(name: str, text: str) -> None:
    assert read(f"<p>{text}".encode(name)).text == f"<p>{text}"


def test_the_header_goes_before_the_page() -> None:
    page = f"<meta charset=euc-kr><p>{TRADITIONAL}"
    assert read(page.encode("big5"), "text/html; charset=big5").text == page


def test_a_byte_order_mark_goes_before_the_header() -> None:
    assert read(b"\xef\xbb\xbf" + RUSSIAN.encode(), "text/html; charset=windows-1251").text == RUSSIAN
    assert read(b"\xff\xfe" + RUSSIAN.encode("utf-16-le")).text == RUSSIAN
    assert read(b"\xfe\xff" + RUSSIAN.encode("utf-16-be"), "text/html; charset=utf-8").text == RUSSIAN


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_seen_by_its_zeros(name: str) -> None:
    assert read(f"<p>{GREEK}".encode(name)).text == f"<p>{GREEK}"


@pytest.mark.parametrize("claimed", ["iso-8859-1", "windows-1252", "us-ascii"])
def test_the_default_that_servers_claim_is_not_believed_of_utf8(claimed: str) -> None:
    assert read(f"<p>{POLISH}".encode(), f"text/html; charset={claimed}").text == f"<p>{POLISH}"


def test_a_claim_that_loses_much_is_passed_over() -> None:
    assert read(f"<p>{RUSSIAN}".encode("windows-1251"), "text/html; charset=utf-8").text == f"<p>{RUSSIAN}"
    assert read(f"<meta charset=utf-8><p>{RUSSIAN}".encode("windows-1251")).text.endswith(RUSSIAN)


def test_a_claim_that_loses_little_is_kept_and_the_losses_are_counted() -> None:
    found = read(f"<p>{RUSSIAN}".encode() + b"\xff\xfe<p>" + RUSSIAN.encode(), "text/html; charset=utf-8")
    assert (found.charset, found.losses) == ("utf-8", 2)


def test_utf8_cut_in_its_last_character_is_utf8() -> None:
    found = read(RUSSIAN.rstrip().rstrip(".").encode()[:-1])
    assert (found.charset, found.losses) == ("utf-8", 1)


@pytest.mark.parametrize(
    "name", ["utf-7", "idna", "punycode", "unicode_escape", "rot13", "zip", "base64", "undefined", "mbcs", "", "x" * 40, "..", "none"]
)
def test_a_name_that_is_no_encoding_of_the_web_is_not_used(name: str) -> None:
    found = read(f"<p>+ADw- {POLISH}".encode(), f"text/html; charset={name}")
    assert (found.text, found.charset) == (f"<p>+ADw- {POLISH}", "utf-8")


def test_a_declaration_in_a_comment_is_none() -> None:
    page = f"<!-- <meta charset=utf-8> --><meta charset=windows-1251><p>{RUSSIAN}"
    assert read(page.encode("windows-1251")).text == page


@given(
    st.binary(max_size=500),
    st.sampled_from(["", "text/html; charset=utf-8", "text/html; charset=shift_jis", "text/html;charset=utf-16", "charset"]),
)
def test_any_bytes_give_text_without_surrogates(content: bytes, content_type: str) -> None:
    found = read(content, content_type)
    found.text.encode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffd"), max_size=200))
def test_utf8_is_read_as_it_was_written(text: str) -> None:
    assert read(f"<p>{text}".encode(), "text/html; charset=utf-8").text == f"<p>{text}"
