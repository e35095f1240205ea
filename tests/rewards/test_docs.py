"""The examples in docs/rewards.md are what the code says."""

from __future__ import annotations

import doctest

from tests.docs.pages import ROOT, Page


def test_the_examples_on_the_page_come_out_as_shown() -> None:
    blocks = Page(ROOT / "docs" / "rewards.md").blocks("pycon")
    example = doctest.DocTestParser().get_doctest("".join(blocks), {}, "docs/rewards.md", None, 0)
    assert len(example.examples) > 10
    assert doctest.DocTestRunner().run(example).failed == 0
