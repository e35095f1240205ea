"""Where steps end, in characters and in tokens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.text.config import BpeTokenizer, CharacterTokenizer, StepsConfig
from reasonforge.text.steps import step_ends, step_tokens, token_of_each_end
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.text.train import build_tokenizer

NEWLINE, SENTENCE = StepsConfig(), StepsConfig(at="sentence")


@pytest.fixture(scope="module")
def bytes_tokenizer() -> Tokenizer:
    return build_tokenizer(BpeTokenizer(vocab_size=300), texts=["a step.\nand one more\n\n"])


def steps(text: str, config: StepsConfig) -> list[str]:
    ends = step_ends(text, config)
    return [text[start:end] for start, end in zip([0, *ends], ends)]


def test_a_line_is_a_step_and_blank_lines_belong_to_the_one_before() -> None:
    assert steps("\n2+3=5\n \n5*2=10\nSo 10\n", NEWLINE) == ["\n2+3=5\n \n", "5*2=10\n", "So 10\n"]


def test_a_sentence_ends_before_white_space_and_a_decimal_does_not() -> None:
    assert steps("It is 2.5. So (he said.) yes! 是的。好", SENTENCE) == ["It is 2.5. ", "So (he said.) ", "yes! ", "是的。", "好"]


def test_a_pattern_may_look_ahead() -> None:
    config = StepsConfig(at="pattern", pattern=r"(?=Step \d+:)")
    assert steps("Step 1: a Step 2: b", config) == ["Step 1: a ", "Step 2: b"]


def test_what_follows_the_last_match_is_a_step() -> None:
    config = StepsConfig(at="pattern", pattern=r"[a-h][0-9]")
    assert steps("<think>a6b1</think>", config) == ["<think>a6", "b1", "</think>"]


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_white_space_alone_is_at_most_one_step(text: str) -> None:
    assert steps(text, NEWLINE) == [text][: len(text)]


@given(st.text(alphabet="ab.\n 。", max_size=30), st.sampled_from([NEWLINE, SENTENCE]))
def test_steps_are_the_text_in_order(text: str, config: StepsConfig) -> None:
    found = steps(text, config)
    assert "".join(found) == text
    assert len(found) <= 1 or all(step.strip() for step in found)


def test_a_step_ends_with_the_token_that_completes_it(bytes_tokenizer: Tokenizer) -> None:
    text = "a step.\nand one more\nend"
    ids = bytes_tokenizer.encode(text)
    found = step_tokens(ids, text, NEWLINE, bytes_tokenizer.decode)
    pieces = [bytes_tokenizer.decode(ids[start:end]) for start, end in zip([0, *(i + 1 for i in found)], [i + 1 for i in found])]
    assert [piece.count("\n") for piece in pieces] == [1, 1, 0]
    assert "".join(pieces) == text


def test_a_character_of_several_tokens_is_complete_with_the_last_of_them(bytes_tokenizer: Tokenizer) -> None:
    ids = bytes_tokenizer.encode("是。好")
    assert len(ids) == 9
    assert token_of_each_end(ids, [1, 2, 3], bytes_tokenizer.decode) == [2, 5, 8]


def test_a_decoder_that_drops_the_first_space_is_read_from_the_beginning() -> None:
    words = ["one", " two", "\n", " three", "\n", " four"]

    def decode(ids: Sequence[int]) -> str:
        return "".join(words[i] for i in ids).removeprefix(" ")

    assert step_tokens(range(6), decode(range(6)), NEWLINE, decode) == [2, 4, 5]


@given(st.lists(st.integers(0, 255), max_size=40))
def test_ends_are_where_prefixes_first_hold_them(ids: list[int]) -> None:
    """Two roads, over bytes that need not be characters."""

    def decode(tokens: Sequence[int]) -> str:
        return bytes(tokens).decode("utf-8", "replace")

    text = decode(ids)
    ends = list(range(1, len(text) + 1))
    slow = [next(i for i in range(len(ids)) if decode(ids[: i + 1]).startswith(text[:end])) for end in ends]
    assert token_of_each_end(ids, ends, decode) == slow


def test_the_last_step_ends_with_the_token_that_ends_the_turn() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(tags=()), alphabet="ab\n")
    ids = [*tokenizer.encode("a\nb"), *tokenizer.stop_ids]
    assert step_tokens(ids, "a\nb", NEWLINE, tokenizer.decode) == [1, 3]


def test_a_token_that_ends_two_steps_counts_once() -> None:
    tokenizer = build_tokenizer(CharacterTokenizer(tags=("<a>",)), alphabet="b")
    config = StepsConfig(at="pattern", pattern="[<a>]")
    assert step_tokens(tokenizer.encode("<a>b<a>"), "<a>b<a>", config, tokenizer.decode) == [0, 2]


def test_no_tokens_are_no_steps() -> None:
    assert step_tokens([], "", NEWLINE, lambda ids: "") == []


def test_a_pattern_without_its_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="set both or neither"):
        StepsConfig(pattern="x")


def test_a_broken_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        StepsConfig(at="pattern", pattern="(")
