"""What a page would cost, told before it is parsed."""

from __future__ import annotations

import pytest

from reasonforge.corpus.extract.bounds import beyond_bounds

DRESSED = "".join(f"<b id={number}>" for number in range(1500))


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<div>" * 5000, "too deep"),
        ("<div><!-- </div> -->" * 5000, "too deep"),
        ('<div title="</div>">' * 5000, "too deep"),
        ("<div title='</div>'>" * 5000, "too deep"),
        ("<DIV></p>" * 5000, "too deep"),
        ("<div><script>'</div>'</script>" * 5000, "too deep"),
        ("<table><tr><td>" * 1000, "too deep"),
        ("<!-->" + "<div>" * 5000, "too deep"),
        ("<!-- --!>" + "<div>" * 5000, "too deep"),
        ("<div><!x </div>" * 5000, "too deep"),
        ("<div><?x </div>" * 5000, "too deep"),
        ("<svg>" + "<g><![CDATA[</g>]]>" * 5000, "too deep"),
        ("<![CDATA[>" + "<div>" * 5000, "too deep"),
        ("<svg><title>" + "<div>" * 5000, "too deep"),
        ("<svg><style>" + "<g>" * 5000, "too deep"),
        ("<div><textarea></div></textarea>" * 5000, "too deep"),
        ('<p =">' + "<div>" * 5000 + '">', "too deep"),
        ('<p a=="x>' + "<div>" * 5000 + '">', "too deep"),
        ('<p a=b="x>' + "<div>" * 5000 + '">', "too deep"),
        (DRESSED + "<p>x" * 1500, "too much formatting left open"),
        ("<p " + " ".join(f"a{number}" for number in range(20_000)) + ">", "too many attributes"),
        (
            "<p " + " ".join(f'a{number}="\'>"' if number % 300 == 0 else f"a{number}" for number in range(20_000)) + ">",
            "too many attributes",
        ),
        ("<p " + " ".join(f'a{number}=">"' for number in range(20_000)) + ">", "too many attributes"),
    ],
)
def test_costly(html: str, why: str) -> None:
    assert beyond_bounds(html, max_depth=3000) == why


@pytest.mark.parametrize(
    "html",
    [
        "<p>never closed" * 20_000,
        "<ul>" + "<li>item" * 20_000 + "</ul>",
        "<div>x</div>" * 20_000,
        "<br>" * 20_000,
        '<a href="x">link</a> ' * 20_000,
        '<font color="red">red</font>' * 20_000,
        "<b>x<p>" * 3000,
        "<script>" + "'<div>'+" * 20_000 + "</script>",
        "<!-- " + "<div>" * 20_000 + " -->",
        '<img src="data:image/png;base64,' + "A" * 500_000 + '">',
        "<" * 20_000,
        "<svg><title>a drawing</title></svg>" * 4000,
        "<!--" * 20_000,
        "<![CDATA[" * 20_000,
        "",
    ],
)
def test_cheap(html: str) -> None:
    assert beyond_bounds(html, max_depth=3000) == ""


def test_the_limit_is_the_given_one() -> None:
    html = "<div>" * 400
    assert (beyond_bounds(html, max_depth=399), beyond_bounds(html, max_depth=400)) == ("too deep", "")


def test_a_longer_page_may_be_less_deep() -> None:
    html = "<div class=cookie>" * 500 + "x"
    assert beyond_bounds(html, max_depth=3000) == ""
    assert beyond_bounds(html + "y" * 4_000_000, max_depth=3000) == "too deep"


@pytest.mark.parametrize("offset", [0, 1, 700, 998, 999, 1000, 1001, 1999, 2000, 2001, 12_345])
def test_a_long_tag_is_seen_wherever_it_begins(offset: int) -> None:
    tag = "<p " + " ".join(f"a{number}" for number in range(1_100))
    for html in ("x" * offset + tag + ">", ">" * offset + tag, "<i>" + "x" * offset + "</i>" + tag + "><p>" + "y" * 3_000):
        assert beyond_bounds(html, max_depth=3000) == "too many attributes"
