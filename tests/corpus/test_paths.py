"""Path patterns: what they match, how they are read, how paths fold into a tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.paths import ANY, Pattern, collapsed, prefixes, read_pattern, segments_of
from reasonforge.corpus.urls.normal import Refused, normalise

SEGMENTS = st.text(alphabet="abcXYZ0129-_.~%数", min_size=1, max_size=40)
PATHS = st.lists(SEGMENTS, max_size=7).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.org/questions", "/questions", True),
        ("a.org/questions", "/questions/17/what", True),
        ("a.org/questions", "/questions-old/17", False),
        ("a.org/questions/*", "/questions", False),
        ("a.org/questions/*", "/questions/17", True),
        ("a.org/*/algebra", "/wiki/algebra/groups", True),
        ("a.org/*/algebra", "/wiki/topology", False),
        ("a.org/", "/", True),
        ("a.org/", "/anything", True),
    ],
)
def test_a_pattern_matches_whole_segments_and_what_lies_below(pattern: str, path: str, matches: bool) -> None:
    assert read_pattern(pattern).matches("a.org", path) == matches


def test_a_pattern_matches_no_other_host() -> None:
    assert not read_pattern("a.org/q").matches("b.org", "/q")
    assert not read_pattern("a.org/q").matches("sub.a.org", "/q")


@pytest.mark.parametrize("text", ["a.org/q/*", "https://a.org/q/*/", "HTTP://WWW.A.org./q//*"])
def test_spellings_of_one_pattern_are_one_pattern(text: str) -> None:
    assert read_pattern(text) == Pattern("a.org", ("q", ANY))


@pytest.mark.parametrize("text", ["", "/questions", "a.org/q?x=1", "a.org/q uestions", "*.org/q", "a.org/q*", "user@a.org/q", "a.org/#x"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="pattern"):
        read_pattern(text)


def test_a_longer_pattern_outranks_and_a_literal_one_before_a_star() -> None:
    order = ["a.org/", "a.org/*", "a.org/q", "a.org/*/x", "a.org/q/*", "a.org/q/x"]
    assert sorted(order, key=lambda text: read_pattern(text).rank) == order


@given(PATHS)
def test_every_page_lies_under_all_nodes_that_it_counts_for(path: str) -> None:
    nodes = list(prefixes("a.org", path))
    assert nodes[0] == Pattern("a.org", ())
    assert all(node.matches("a.org", path) for node in nodes)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.gov.uk/guidance/17",
        "https://www.x.example/q/17",
        "https://www.www.x.org/q",
        "https://www.MathOverflow.net./q",
        "https://bücher.example/q",
        "http://127.0.0.1:8080/q",
        "http://[2001:DB8::1]/q",
        "https://zh.example/数学/1",
        "https://a.org/%7eada/x;jsessionid=1/y",
    ],
)
def test_a_pattern_is_read_as_the_url_of_a_page_is(url: str) -> None:
    page = normalise(url)
    assert not isinstance(page, Refused)
    assert read_pattern(url) == Pattern(page.host, segments_of(page.path))
    assert read_pattern(url.partition("://")[2]).matches(page.host, page.path)


def test_a_host_and_its_www_are_two_where_pages_hold_them_apart() -> None:
    assert read_pattern("www.gov.uk/q") != read_pattern("gov.uk/q")
    assert read_pattern("www.a.org/q") == read_pattern("a.org/q")


@given(PATHS)
def test_a_node_that_is_written_down_is_read_as_itself(path: str) -> None:
    page = normalise(f"https://www.x.example{path}")
    assert not isinstance(page, Refused)
    for node in prefixes(page.host, page.path):
        assert read_pattern(str(node)) == node


@given(PATHS, st.integers(0, 6))
def test_the_tree_goes_down_so_many_segments_and_no_further(path: str, depth: int) -> None:
    assert len(list(prefixes("a.org", path, max_depth=depth))) == 1 + min(depth, len(segments_of(path)))


@given(SEGMENTS)
def test_collapsing_twice_changes_nothing(segment: str) -> None:
    assert collapsed(collapsed(segment)) == collapsed(segment)


@pytest.mark.parametrize(
    "segment", ["17", "2024-05-01", "a1b2c3d4e5", "how-to-solve-this", "thread-1234.html", "x" * 33, "50%20ways%20to", "a*b"]
)
def test_a_segment_that_names_an_item_becomes_a_star(segment: str) -> None:
    assert collapsed(segment) == ANY


@pytest.mark.parametrize("segment", ["questions", "c++", "algebra-2", "@user", "数学", "index.html", "v2"])
def test_a_segment_that_names_a_section_stays(segment: str) -> None:
    assert collapsed(segment) == segment
