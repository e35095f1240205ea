"""Which sampled completions are pleasant to read."""

from __future__ import annotations

import pytest

from reasonforge.core.rollouts import RolloutGroup
from reasonforge.stages.sft.config import Readability
from reasonforge.stages.sft.readable import is_repetitive, longest_paragraph, readability_filters
from tests.runs.fabricate import problem, scored

WORDS = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
"""Two hundred different words."""


def kept(name: str, text: str, **settings: object) -> bool:
    of = problem(0)
    member = scored(of, 1, text, reward=1.0)
    return readability_filters(Readability.model_validate(settings))[name](RolloutGroup(problem=of, rollouts=(member,)), member)


def test_twenty_words_that_come_twice_are_no_repetition() -> None:
    twice = [*WORDS[:20], *WORDS[40:60], *WORDS[:20], *WORDS[60:80]]
    assert not is_repetitive(" ".join(twice))


def test_twenty_words_that_come_three_times_are_repetition() -> None:
    thrice = [*WORDS[:20], *WORDS[40:60], *WORDS[:20], *WORDS[60:80], *WORDS[:20]]
    assert is_repetitive(" ".join(thrice))


def test_nineteen_words_that_come_three_times_are_none() -> None:
    thrice = [*WORDS[:19], *WORDS[40:60], *WORDS[:19], *WORDS[60:80], *WORDS[:19]]
    assert not is_repetitive(" ".join(thrice))


def test_a_text_that_compresses_to_nothing_is_repetition() -> None:
    assert is_repetitive("a" * 1000)
    assert not is_repetitive("")


def test_characters_of_chinese_count_one_by_one() -> None:
    line = "".join(chr(0x4E00 + i) for i in range(20))
    other = "".join(chr(0x5000 + i) for i in range(60))
    assert is_repetitive(line + other[:20] + line + other[20:40] + line)
    assert not is_repetitive(line + other[:20] + line + other[20:])


@pytest.mark.parametrize(("foreign", "keeps"), [(1, True), (2, False)])
def test_more_than_a_twentieth_of_foreign_words_is_mixed(foreign: int, keeps: bool) -> None:
    assert kept("language", " ".join(["word"] * (20 - foreign) + ["等"] * foreign)) is keeps


def test_the_longest_paragraph_is_measured_between_blank_lines() -> None:
    assert longest_paragraph("ab\n \ncdef\ng\n\n\nh") == len("cdef\ng")


@pytest.mark.parametrize(("length", "keeps"), [(800, True), (801, False)])
def test_long_paragraphs_are_dropped(length: int, keeps: bool) -> None:
    assert kept("paragraphs", "a" * length + "\n\nb") is keeps


def test_blocks_of_code_are_dropped_unless_wanted() -> None:
    assert not kept("code_blocks", "see\n```python\n1\n```")
    assert kept("code_blocks", "see `1`")
    assert "code_blocks" not in readability_filters(Readability(code_blocks=True))


def test_filters_that_are_off_are_not_there() -> None:
    off = Readability(repetition=False, max_foreign_share=None, max_paragraph_chars=None, code_blocks=True)
    assert readability_filters(off) == {}
