"""A sketch names whatever the tree may be asked for: carriers do not look where it names nothing."""

from __future__ import annotations

from html import unescape

from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract.sketch import sketch
from reasonforge.corpus.extract.tree import select
from tests.corpus.extract.truth import load_fixtures

PIECES = st.lists(
    st.sampled_from(
        [
            "<DIV CLASS=Katex>", "<p class='a b'>", '<img src="x.png" class = "tex">', "<image src=y.png>", "<m:math>", "</p>", "<!--",
            "-->", "<script>", "</script>", "text é", "<SPAN Class='ltx x'>", '<a role="navigation" id=top>', "<mjx-container>",
            "<i data-tex='x'>", '<img data-src="z">', "<td><sub>", "'", '"', ">", "<",
            "<p class='[&>p]:top katex'>", "<script>x='<i class='+y</script>",
        ]
    ),
    max_size=20,
)  # fmt: skip


def check(html: str) -> None:
    seen = sketch(html)
    document = HTMLTree.parse(html).document
    for element in select(document, "*"):
        name = (element.tag or "").lower()
        if name not in ("html", "head", "body", "tbody", "tr", "colgroup", "p"):  # what the parser adds by itself
            assert any(name.startswith(tag) for tag in seen.tags) or (name == "img" and "image" in seen.tags)
        for attribute in ("class", "id", "role"):
            value = element.getattr(attribute) or ""
            assert {word.lower() for word in value.split() if word.isalpha()} <= seen.tokens
        for attribute in ("data-tex", "data-src"):
            assert element.getattr(attribute) is None or attribute.removeprefix("data-") in seen.data
        if name == "img" and (address := element.getattr("src")):
            assert address.lower() in unescape(seen.addresses).lower()


def test_all_elements_of_the_fixture_pages_are_named() -> None:
    for fixture in load_fixtures():
        check(fixture.html)


@given(PIECES)
def test_all_elements_of_broken_pages_are_named(pieces: list[str]) -> None:
    check("".join(pieces))


def test_a_page_without_tags_names_nothing() -> None:
    seen = sketch("a < b and class of 4")
    assert (seen.tags, seen.tokens, seen.data, seen.addresses) == (frozenset(), frozenset(), frozenset(), "")
