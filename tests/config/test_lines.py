"""The scanner and tomllib read the same text: every key that one finds, the other finds too."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.config.keys import KeyPath, dotted, parse_dotted
from reasonforge.config.lines import key_lines

EVERYTHING = '''\
# a comment with [brackets] and = signs
title = "a # no comment"
a.b."c.d" = 1
'quoted key' = [1, 2, # one = 1
  "]", [3,
    4],
]
[ table . inner ] # = comment
text = """
fake = 1
[fake]
\\""" still ""the text"""""
raw = \'\'\'
'' fake = 2 \'\'\'
inline = { x = 1, "y z" = { deep = [ { q = 1 }, { q = "}" } ] } }
when = 1979-05-27 07:32:00Z
empty = []
nothing = {}
[[fruit]]
name = "apple"
[fruit.shape]
round = true
[[fruit.kinds]]
name = "red"
[[fruit.kinds]]
name = "green"
[[fruit]]
name = "banana"
[[fruit.kinds]]
name = "plantain"
'''


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return set().union({path} if path else (), *(paths_of(child, (*path, key)) for key, child in children))


def test_the_scanner_finds_exactly_the_keys_that_tomllib_finds() -> None:
    assert set(key_lines(EVERYTHING)) == paths_of(tomllib.loads(EVERYTHING))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("a", "b", "c.d"), 3),
        (("quoted key",), 4),
        (("quoted key", 2), 5),
        (("quoted key", 3, 1), 6),
        (("table", "inner"), 8),
        (("table", "inner", "raw"), 13),
        (("table", "inner", "inline", "y z", "deep", 1, "q"), 15),
        (("fruit", 0, "kinds", 1, "name"), 26),
        (("fruit", 1, "kinds", 0, "name"), 30),
    ],
)
def test_each_key_has_the_line_it_stands_on(path: KeyPath, line: int) -> None:
    assert key_lines(EVERYTHING)[path] == line


def test_windows_line_ends_do_not_move_lines() -> None:
    assert key_lines(EVERYTHING.replace("\n", "\r\n")) == key_lines(EVERYTHING)


def test_an_explicit_header_is_where_a_table_stands_even_if_a_child_came_first() -> None:
    assert key_lines("[a.b]\nx = 1\n[a]\ny = 2")[("a",)] == 3


keys = st.text(min_size=1, max_size=8)
values = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), st.text(max_size=12)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {to_toml(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n ".join(map(to_toml, value)) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    return (
        '"'
        + "".join(f"\\U{ord(character):08x}" if ord(character) < 32 or character in '"\\\x7f' else character for character in text)
        + '"'
    )


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_any_document_is_scanned_as_tomllib_parses_it(document: dict[str, Any]) -> None:
    text = "".join(f"{quoted(key)} = {to_toml(value)}\n" for key, value in document.items())
    assert set(key_lines(text)) == paths_of(tomllib.loads(text))


@settings(max_examples=60, deadline=None)
@given(st.lists(keys, min_size=1, max_size=4))
def test_a_dotted_key_reads_back_as_the_path_it_was_written_from(path: list[str]) -> None:
    assert parse_dotted(dotted(tuple(path))) == tuple(path)


@pytest.mark.parametrize("text", ["", ".a", "a.", "a..b", "a b", "a[0]", 'a."', ".".join("a" * 65)])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|unexpected text"):
        parse_dotted(text)
