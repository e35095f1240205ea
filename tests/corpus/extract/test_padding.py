"""Short texts between elements are kept, whatever their bytes look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract.padding import PAD, pad
from reasonforge.corpus.extract.page import extract_html

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"


def text_of(body: str, *, head: str = "") -> str:
    html = f"<html><head>{head}</head><body><article>{WORDS}{body}{WORDS}</article></body></html>"
    return "\n\n".join(extract_html(html).text.split("\n\n")[1:-1])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p><i>x</i> ≤ <i>y</i> and <i>x</i> ∈ <i>A</i></p>", "x ≤ y and x ∈ A"),
        ("<p>若<b>甲</b>为<b>乙</b>则<b>丙</b>。</p>", "若甲为乙则丙。"),
        ("<p>a <i>b</i>\n —\t<i>c</i></p>", "a b — c"),
        ("<p>a <i>b</i> &le; <i>c</i>&#8230;</p>", "a b ≤ c…"),
        ("<p>a <i>où</i> b <i>n&eacute;</i> c <i>né</i></p>", "a où b né c né"),
        ("<p>a <b>b</b> <b>→</b></p><div>水</div>", "a b →\n\n水"),
        ("<p>if<!-- so -->≠<!-- or not --></p>", "if≠"),
        ("<p>a<sup>∞</sup> and <code>é≤</code></p>", "a^{∞} and é≤"),
        ("<p>Lemma<sup>™</sup> and a<sup>&nbsp;</sup>b</p>", "Lemma™ and ab"),
    ],
)
def test_short_texts_are_kept(body: str, expected: str) -> None:
    assert text_of(body) == expected


def test_text_between_formulas_is_kept() -> None:
    head = "<script>MathJax={tex:{inlineMath:[['$','$']]}}</script>"
    assert text_of("<p>若<span>$a$</span>，<span>$b$</span>和<span>$c$</span></p>", head=head) == "若$a$，$b$和$c$"
    assert text_of(r"<p>so <i>\(x</i>∈<i>A\)</i></p>", head=head) == "so $x∈A$"


def test_icons_and_pilcrows_still_go() -> None:
    assert text_of("<p>a <i>\ue001</i> b <a>¶</a></p>") == "a b"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<math><mi>x</mi><mo>∈</mo><mo>∥</mo></math>", r"$x\in \|$"),
        ('<script type="math/tex">∈</script>', "$∈$"),
        ('<span class="math">é≤</span>', "$é≤$"),
        ('<span class="katex"><span class="katex-html"><span class="strut"></span><span class="mrel">≤</span></span></span>', r"$\leq$"),
    ],
)
def test_formulas_hold_no_pad(markup: str, expected: str) -> None:
    assert text_of(f"<p>{markup}</p>") == expected


def test_a_title_holds_no_pad() -> None:
    assert extract_html(f"<title>水</title>{WORDS}").title == "水"


# Other tests: blanks join, controls and noncharacters go, icons and pilcrows are dropped, marks compose, dollars may delimit formulas.
CHARACTERS = st.characters(
    exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"), exclude_characters="¶<>&$\\`"
)


@given(st.lists(st.text(CHARACTERS, min_size=1, max_size=3), min_size=1, max_size=12), st.sampled_from(["i", "b", "span", "em"]))
def test_no_character_is_lost_between_elements(pieces: list[str], name: str) -> None:
    body = "".join(piece if index % 2 else f"<{name}>{piece}</{name}>" for index, piece in enumerate(pieces))
    plain = extract_html(f"<article>{WORDS}<p>Z{''.join(pieces)}Z</p>{WORDS}</article>").text
    assert extract_html(f"<article>{WORDS}<p>Z{body}Z</p>{WORDS}</article>").text == plain


@given(st.integers(0x80, 0xFFFF).filter(lambda code: not 0xD800 <= code <= 0xF8FF and code != 0xB6), st.sampled_from(["", "a", " "]))
def test_every_text_that_the_extraction_drops_is_padded(code: int, before: str) -> None:
    html = f"<article>{WORDS}<p>Q<i>{before}{chr(code)}</i>Z</p></article>"
    if "QZ" in extract_plain_text(HTMLTree.parse(html), main_content=True):
        assert PAD in pad(html)
