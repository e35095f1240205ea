"""Form NFC that costs what the text's size allows."""

from __future__ import annotations

import unicodedata
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.extract import nfc as module
from reasonforge.corpus.extract.nfc import MOST_MARKS, nfc
from reasonforge.corpus.extract.page import extract_html
from reasonforge.corpus.pages import Flag

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"
MARKS = "\u0301\u0323\u0345\u05b0\u0e38\u093c\u0f71\u0f73\u3099\U0001d165"
LETTERS = "aeé가\u1100\u1161क水𝔽 ."
TEXTS = st.lists(st.tuples(st.text(LETTERS, max_size=3), st.text(MARKS, max_size=90))).map(lambda parts: "".join(a + b for a, b in parts))


def longest_run(text: str) -> int:
    runs = [len(list(group)) for is_mark, group in groupby(text, lambda character: unicodedata.combining(character) > 0) if is_mark]
    return max(runs, default=0)


@given(TEXTS)
def test_no_letter_keeps_more_marks_than_it_may(text: str) -> None:
    assert longest_run(nfc(text).text) <= MOST_MARKS


@given(TEXTS)
def test_a_text_in_this_form_stays_as_it_is(text: str) -> None:
    assert nfc(nfc(text).text) == (nfc(text).text, False)


@given(TEXTS)
def test_a_text_with_few_marks_gets_the_form_of_the_standard(text: str) -> None:
    composed = nfc(text)
    assert composed.is_cut == (longest_run(unicodedata.normalize("NFD", text)) > MOST_MARKS)
    if not composed.is_cut:
        assert composed.text == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f71\u0f72", "\u0f73", "\u0345\u0301\u0323\u0334"])
def test_what_is_composed_has_few_marks_in_a_row_however_many_there_were(marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Sorting the marks of one letter takes the square of their number: it is bounded by what is handed on.
    handed: list[str] = []
    for name in ("normalize", "is_normalized"):
        real = getattr(unicodedata, name)
        monkeypatch.setattr(module, name, lambda form, text, real=real: (handed.append(text), real(form, text))[1])
    assert nfc("a" + marks * 100_000).is_cut
    assert handed
    assert max(longest_run(unicodedata.normalize("NFD", text)) for text in handed) <= MOST_MARKS


@pytest.mark.parametrize("place", range(10))
def test_no_place_hides_a_run_of_marks(place: int) -> None:
    assert nfc("x" * place + "\u0301" * (MOST_MARKS + 1) + "y" * 50).is_cut
    assert not nfc("x" * place + "\u0323" * MOST_MARKS + "y" * 50).is_cut


def test_a_page_of_a_million_marks_and_more_is_read_and_says_that_it_was_cut() -> None:
    title, body = "e" + "\u0301\u0300" * 9_000, "a" + "\u0323\u0301" * 900_000
    extracted = extract_html(f"<title>{title}</title><article>{WORDS}<p>{body} end</p></article>")
    assert extracted.flags == Flag.MARKS_CUT
    assert extracted.text.endswith(" end")
    assert len(extracted.title) <= MOST_MARKS + 1
    assert extract_html(f"<article>{WORDS}<p>Lần này</p></article>").flags == 0


def test_a_title_has_an_end() -> None:
    assert len(extract_html(f"<title>{'word ' * 5_000}</title><article>{WORDS}</article>").title) <= 1_000
