"""Comments of TeX go while their line ends are there; nothing else goes with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.extract.comments import without_comments
from reasonforge.corpus.extract.page import extract_html

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"
HEAD = "<head><script src=MathJax.js></script></head>"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("\\[a = % left\n b\\]", "\\[a = \n b\\]"),
        ("\\(a % x\n\\)", "\\(a \n\\)"),
        ("$$a % x\n$$", "$$a \n$$"),
        ("\\begin{align}a % x\n b\\end{align}", "\\begin{align}a \n b\\end{align}"),
        ("\\[5\\% of\n b\\]", "\\[5\\% of\n b\\]"),
        ("\\[a % x <br>\n b\\]", "\\[a % x <br>\n b\\]"),
        ("50% of\n \\[a\\]", "50% of\n \\[a\\]"),
        ("<pre>\\[a % x\n\\]</pre>", "<pre>\\[a % x\n\\]</pre>"),
        ("\\[a % never closed\n b", "\\[a % never closed\n b"),
    ],
)
def test_comments(html: str, expected: str) -> None:
    assert without_comments(html) == expected


def test_what_stands_behind_a_comment_is_kept() -> None:
    text = extract_html(f"<html>{HEAD}<article>{WORDS}\\[x = % the left side\n y + z\\]{WORDS}</article></html>").text
    assert "$$x = y + z$$" in text


def test_a_comment_whose_end_is_gone_takes_nothing_with_it() -> None:
    text = extract_html(f"<html>{HEAD}<article>{WORDS}<p>\\(x = 5 % y + z\\)</p>{WORDS}</article></html>").text
    assert r"$x = 5 \% y + z$" in text


@given(
    st.lists(
        st.sampled_from(["\\[", "\\]", "$$", "%", "\n", "a", "\\", "<", "<pre>", "\\begin{align}", "\\end{align}", "\\("]), max_size=30
    )
)
def test_only_comments_go(pieces: list[str]) -> None:
    html = "".join(pieces)
    left = without_comments(html)
    assert left.count("\n") == html.count("\n")
    assert left.count("<") == html.count("<")
    assert without_comments(left) == left


@pytest.mark.parametrize("unit", ["\\[%", "$$%", "\\begin{align}%", "\\(%\n", "\\[\\]%\n"])
def test_many_openers_end(unit: str) -> None:
    assert len(without_comments(unit * 50_000)) <= len(unit) * 50_000
