"""The table of bad inputs names tests that are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import Page

HERE = Path(__file__).resolve().parent
ROWS = Page(HERE / "README.md").rows("Bad inputs")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_bad_input_has_tests_that_are_there(row: list[str]) -> None:
    _, outcome, tests = row
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", tests)
    assert outcome
    assert named
    assert len(named) == tests.count("`") // 2, "each is a file and a test"
    assert [f"{file}::{name}" for file, name in named if name not in names_in(HERE / file)] == []


def test_the_table_is_the_whole_one() -> None:
    assert len({row[0] for row in ROWS}) == len(ROWS) >= 20
