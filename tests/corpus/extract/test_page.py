"""Pages as a whole: structure, dollars, limits, flags."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.extract.config import ExtractConfig
from reasonforge.corpus.extract.page import extract_html
from reasonforge.corpus.pages import Flag

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"


def text_of(body: str) -> str:
    return extract_html(f"<html><body><article>{WORDS}{body}{WORDS}</article></body></html>").text


def test_lists_near_the_root_stay_and_menus_go() -> None:
    menu = "<ul><li><a href=a>Home of menus</a><li><a href=b>All of it</a></ul>"
    html = f"<body>{menu}{WORDS}<ul><li>first item<li>second item</ul>{WORDS}</body>"
    text = extract_html(html).text
    assert "• first item\n" in text
    assert "Home of menus" not in text


def test_the_heading_in_a_header_of_the_content_stays_and_the_header_of_the_site_goes() -> None:
    post = f"<div><div><div><header><h1>On heights</h1></header>{WORDS}</div></div></div>"
    text = extract_html(f"<body><header><b>The Blog of Blogs</b></header>{post}</body>").text
    assert ("On heights" in text, "Blog of Blogs" in text) == (True, False)


def test_content_in_a_box_that_is_named_after_its_sidebar_stays() -> None:
    assert (
        "enough words" in extract_html(f'<body><div class="has-sidebar">{WORDS * 9}<div class="sidebar">Most read</div></div></body>').text
    )


def test_cells_of_a_table_are_parted() -> None:
    assert "a | b\n1 | 2" in text_of("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>")


def test_code_keeps_its_lines_dollars_and_backslashes() -> None:
    assert "```\nfor x in $a; do\n    \\(y\n\ndone\n```" in text_of(
        '<pre><code>for x in $a; do\n    \\(y\n\ndone\n</code></pre><p><span class="math">x^2</span></p>'
    )


def test_preformatted_text_keeps_its_lines() -> None:
    assert "roses\n   are\nred" in text_of("<pre>roses\n   are\nred</pre>")


def test_code_lines_made_by_elements_are_lines() -> None:
    assert "```\na\nb\n```" in text_of("<pre><code><div>a</div><div>b</div></code></pre>")
    assert "```\na\nb\n```" in text_of("<pre><code>a<br>b</code></pre>")


def test_money_on_a_page_without_formulas_is_left_alone() -> None:
    extracted = extract_html(f"<article>{WORDS}<p>From $5 to $6.</p></article>")
    assert ("From $5 to $6." in extracted.text, extracted.num_formulas) == (True, 0)


def test_money_on_a_page_with_formulas_is_escaped() -> None:
    assert r"From \$5 to \$6." in text_of('<p>From $5 to $6.</p><script type="math/tex">x^2</script>')


@pytest.mark.parametrize(
    "mark",
    [
        "1st|1<sup>st</sup>",
        "x^{2}|x<sup>2</sup>",
        "a_{ij}|a<sub>ij</sub>",
        "x^{2^{n}}|x<sup>2<sup>n</sup></sup>",
        "so[1]|so<sup><a>[1]</a></sup>",
    ],
)
def test_scripts(mark: str) -> None:
    expected, markup = mark.split("|")
    assert expected in text_of(f"<p>Here {markup} stands.</p>")


def test_text_is_composed_but_never_folded() -> None:
    text = text_of("<p>e\u0301 and x² and ﬁ and ℝ</p>")
    assert "é and x² and ﬁ and ℝ" in text
    assert unicodedata.is_normalized("NFC", text)


def test_what_is_not_seen_goes_and_other_directions_stay() -> None:
    text = text_of("<p>a\0b z\u200bero w\u00adide \ufeffbom and \u05d0\u200f\u05d1 and x² αβ Ã©</p>")
    assert "ab zero wide bom and \u05d0\u200f\u05d1 and x² αβ Ã©" in text


def test_a_long_formula_stays_on_one_line() -> None:
    source = "+\n".join(f"x_{{{number}}}" for number in range(300))
    text = text_of(f'<script type="math/tex; mode=display">{source}</script>')
    formula = next(line for line in text.split("\n") if line.startswith("$$"))
    assert formula.endswith("x_{299}$$")


def test_a_backslash_at_the_end_does_not_reach_the_dollar() -> None:
    assert r"$a\ $" in text_of('<p>so <script type="math/tex">a\\</script> is</p>')


def test_an_overlong_formula_is_dropped() -> None:
    html = f'<article>{WORDS}<script type="math/tex">{"x+" * 100}</script></article>'
    assert extract_html(html, config=ExtractConfig(max_formula_chars=100)).num_formulas == 0


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<script type="math/tex">x</script><script type="math/tex">y</script>', "so $x$ $y$"),
        ("<span class=math>a_1</span><span class=math>b_1</span><span class=math>c_1</span>", "so $a_1$ $b_1$ $c_1$"),
        ("$5<script type=math/tex>x</script>", r"so \$5$x$"),
    ],
)
def test_formulas_side_by_side_are_parted(markup: str, expected: str) -> None:
    assert text_of(f"<p>so {markup}</p>").split("\n\n")[1] == expected


def test_displayed_formulas_side_by_side_in_a_list_are_parted() -> None:
    display = '<script type="math/tex; mode=display">{}</script>'
    assert "• $$x$$ $$y$$\n" in text_of(f"<ul><li>{display.format('x')}{display.format('y')}</li></ul>")


def test_an_empty_formula_is_nothing() -> None:
    assert "$" not in text_of('<script type="math/tex"> </script><math></math><img class="tex" alt="">')


@pytest.mark.parametrize(
    ("html", "reason"), [("", "empty_html"), (" \n\t", "empty_html"), ("\0\0", "empty_html"), ("<script>alert(1)</script>", "no_text")]
)
def test_a_page_without_text_says_so(html: str, reason: str) -> None:
    extracted = extract_html(html)
    assert (extracted.text, extracted.reason, extracted.num_formulas) == ("", reason, 0)


def test_long_html_is_cut_and_flagged() -> None:
    extracted = extract_html(f"<body>{WORDS}{WORDS * 50}END</body>", config=ExtractConfig(max_html_chars=1000))
    assert extracted.flags == Flag.HTML_CUT
    assert "END" not in extracted.text


def test_long_text_is_cut_between_formulas_and_flagged() -> None:
    body = '<p>word <script type="math/tex">x^2</script> word</p>' * 500
    extracted = extract_html(f"<article>{body}</article>", config=ExtractConfig(max_text_chars=1001))
    assert extracted.flags == Flag.TEXT_CUT
    assert len(extracted.text) <= 1001
    assert extracted.text.count("$x^2$") == extracted.num_formulas == extracted.text.count("$") // 2


def test_all_text_is_kept_where_main_content_is_not_asked_for() -> None:
    html = f"<body><nav><a href=/>Way home</a></nav>{WORDS}</body>"
    assert "Way home" in extract_html(html, config=ExtractConfig(main_content=False)).text
    assert "Way home" not in extract_html(html).text


@given(st.text(max_size=200))
def test_any_text_is_a_page(html: str) -> None:
    extracted = extract_html(html)
    extracted.text.encode()
    assert extracted.text or extracted.reason


PIECES = st.sampled_from(
    ["<p>", "</p>", "<div>", "</div>", "$", "\\(", "\\)", "<math>", "</math>", "<mi>x", "<sup>", "2", " word ", "<pre><code>", "</code>",
    "<script type=math/tex>",  "</script>", "<table><tr><td>", "<span class=katex>", "<ul><li>", "&#xFDD0;0&#xFDD1;", "\ufdd0",
    "\ud800", "<!--", "-->", "MathJax", "`", "<img class=tex alt='x^2'>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40))
def test_any_heap_of_tags_is_a_page(pieces: list[str]) -> None:
    extracted = extract_html("".join(pieces))
    extracted.text.encode()
    assert not any("\ufdd0" <= char <= "\ufdef" for char in extracted.text)
    assert extracted.reason in ("", "empty_html", "no_text")
