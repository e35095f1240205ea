"""Short blocks around the content go; in the content, and with a formula or a long sentence, they stay."""

from __future__ import annotations

import pytest

from reasonforge.corpus.extract.page import extract_html

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"
POST = f'<div class="post"><h1>On heights</h1>{WORDS * 4}</div>'


def text_of(body: str) -> str:
    text = extract_html(f"<body>{body}</body>").text
    assert "On heights" in text
    assert text.count("There are enough words") == body.count("There are enough words")
    return text


@pytest.mark.parametrize(
    "block",
    [
        '<div class="topnav"><span>Planks</span> Sign in to see your planks</div>',
        '<div id="siteNotice">Needed: three more carpenters</div>',
        '<div class="site-info">Sawn in a shed, dust included</div>',
        '<div class="page-bottom">Our aim is a straight cut for everybody. Jobs. Press.</div>',
        '<div class="foot">版权所有，未经许可不得转载。</div>',
        '<div class="x1"><a href="a">Cheap planks</a> | <a href="b">Dear planks</a></div>',
        '<div class="shop-basket">Nothing in it yet</div>',
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_short_block_around_the_content_goes(block: str, place: str) -> None:
    words = extract_html(f"<body>{WORDS}{block.replace('class=', 'data-x=').replace('id=', 'data-y=')}{WORDS}</body>").text.split("\n\n")[1]
    text = text_of(block + POST if place == "before" else POST + block)
    assert words.strip() not in text


@pytest.mark.parametrize(
    "block",
    [
        '<div class="bottom">Note that <span class="math">x^2</span> is never negative</div>',
        r'<div class="bottom">Note that \(x^2\) is never negative, whatever \(x\) is</div>',
        '<div class="bottom">A sentence that goes on and on, with one clause after the other, and another one after that, until at last '
        "even the most patient reader has to admit that nobody writes such a thing into a footer</div>",
        '<div class="remark">Short, and called nothing that says otherwise</div>',
        '<div class="remark">Short, and <a href="x">one link</a> in it</div>',
    ],
)
def test_another_block_around_the_content_stays(block: str) -> None:
    words = "never negative" if "never" in block else "patient reader" if "patient" in block else "Short, and"
    assert words in text_of(POST + block)


@pytest.mark.parametrize("name", ["top", "bar", "links", "recent", "strip"])
def test_within_the_content_a_name_says_nothing(name: str) -> None:
    block = f'<div class="{name}">A remark of few words</div>'
    assert "A remark of few words" in text_of(f'<div class="post"><h1>On heights</h1>{WORDS}{block}{WORDS * 3}</div>')
    assert "A remark of few words" in text_of(f'<div class="post"><h1>On heights</h1>{WORDS * 4}{block}</div>')


def test_references_at_the_end_of_the_content_stay() -> None:
    references = '<ol class="works"><li><a href="a">Euler, Elements</a></li><li><a href="b">Gauss, Inquiries</a></li></ol>'
    assert "Gauss" in text_of(f'<div><div><div class="post"><h1>On heights</h1>{WORDS * 3}{references}</div></div></div>')


def test_a_page_without_a_heading_is_left_alone() -> None:
    text = extract_html(f'<body><div class="bar">A bar of words</div>{WORDS * 3}</body>').text
    assert "A bar of words" in text
