"""Tokens: the same for training and scoring, for one text and for many."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.classifier import tokenise
from reasonforge.corpus.classifier.tokenise import digest, tokenised, tokens, tokens_of

TEXTS = st.text(st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("aZ09 \\_$\n\u0085\u2028\u3000×²数한Σ\u00ad")))


def slow_tokens(text: str) -> str:
    """The rules once more, character by character."""
    small = [character.lower() for character in text]
    lower = [
        low if len(low) == 1 and ord(low) < 0x800 and (ord(character) < 0x80) == (ord(low) < 0x80) and ord(character) < 0x800 else character
        for character, low in zip(text, small, strict=True)
    ]
    found: list[str] = []
    kind_before = "blank"
    for character in lower:
        code = ord(character)
        if (
            code <= 0x20
            or 0x7F <= code <= 0xA0
            or code in (0xAD, 0x3000, 0xFEFF)
            or 0x2000 <= code <= 0x200F
            or 0x2028 <= code <= 0x202F
            or 0x205F <= code <= 0x206F
        ):
            kind = "blank"
        elif character in "0123456789":
            kind, character = "digit", "0"
        elif character == "\\":
            kind = "backslash"
        elif (
            (code < 0x80 and not character.isalpha())
            or (code <= 0xBF and code >= 0x80)
            or character in "×÷"
            or 0x2000 <= code <= 0x9FFF
            or code >= 0xE000
        ):
            kind = "single"
        else:
            kind = "letter"
        runs_on = (kind == kind_before and kind in ("letter", "digit")) or (kind_before == "backslash" and kind == "letter")
        if kind != "blank":
            if runs_on:
                found[-1] += character
            else:
                found.append(character)
        kind_before = kind
    return " ".join(found)


@given(TEXTS)
def test_the_tables_and_the_rules_agree(text: str) -> None:
    assert tokens(text) == slow_tokens(text)


@given(st.lists(TEXTS, max_size=8))
def test_a_text_has_the_same_tokens_alone_and_among_others(texts: list[str]) -> None:
    assert tokens_of(texts) == [tokens(text) for text in texts]


@given(TEXTS)
def test_tokens_of_tokens_are_the_same(text: str) -> None:
    assert tokens(tokens(text)) == tokens(text)


@given(TEXTS)
def test_every_text_is_one_line_to_the_library(text: str) -> None:
    assert not set(tokens(text)) & set("\n\r\t\v\f\0\x1c\u0085\u2028\u2029")


def test_a_formula_is_not_one_rare_word() -> None:
    assert tokens(r"$x^2+\alpha$") == r"$ x ^ 0 + \alpha $"


def test_chinese_is_parted_by_characters() -> None:
    assert tokens("数学的定理abc") == "数 学 的 定 理 abc"


def test_every_digit_counts_alike() -> None:
    assert tokens("1987 and 3.14") == "0000 and 0 . 00"


def test_a_label_in_a_text_is_no_label() -> None:
    assert "__label__" not in tokens("__label__positive __LABEL__positive")


def test_the_end_of_line_word_in_a_text_is_none() -> None:
    assert "</s>" not in tokens("</s>").split()


@pytest.mark.parametrize("blank", ["\n", "\r\n", "\u0085", "\u2028", "\u2029", "\u00a0", "\u200b", "\u3000", "\ufeff", "\0", "\t\t  "])
def test_white_space_of_every_kind_is_one_blank(blank: str) -> None:
    assert tokens(f"{blank}foo{blank}bar{blank}") == "foo bar"


def test_letters_of_other_scripts_are_lower_case() -> None:
    assert tokens("ÜNÏ МАТЕМАТИКА") == "ünï математика"


def test_half_a_surrogate_pair_costs_one_character() -> None:
    assert tokens("a\ud800b") == "a ? b"


def test_a_missing_text_has_no_tokens() -> None:
    assert tokens_of(pl.Series(["a", None, "b"], dtype=pl.String)) == ["a", "", "b"]


def test_no_texts_have_no_lines() -> None:
    assert tokens_of([]) == []


def test_the_limit_counts_characters() -> None:
    assert tokens_of(["数学的定理", "abcdef"], max_chars=3) == ["数 学 的", "abc"]


def test_a_part_of_a_column_has_the_tokens_of_its_rows() -> None:
    column = pl.Series([f"text {index}" for index in range(100)])
    assert tokens_of(column[40:60]) == tokens_of(column)[40:60]


def test_a_column_in_several_pieces_is_read_whole() -> None:
    column = pl.concat([pl.Series(["a B"]), pl.Series(["数c"]), pl.Series([""])], rechunk=False)
    assert tokens_of(column) == ["a b", "数 c", ""]


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a b " * number + "数" for number in range(50)]
    whole = tokenised(texts)
    monkeypatch.setattr(tokenise, "_BLOCK_BYTES", 16)
    assert tokenised(texts) == whole


def test_the_digest_names_these_very_rules() -> None:
    # It changes only together with VERSION: models that were trained before are refused from then on.
    assert (tokenise.VERSION, digest()) == ("bytes-1", "704cbb604b6d037f8c3fb853ab3f7828")
