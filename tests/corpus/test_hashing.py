from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reasonforge.corpus import hashing
from reasonforge.corpus.hashing import fold, grams, hash_texts, is_word, run_hashes, segment_bounds, spans

_TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            [
                "\\",
                "\\frac",
                "\\\\",
                "a",
                "B",
                "x_1",
                "求",
                "和",
                "か゛",
                " ",
                "\n",
                "\n \n",
                "3.14",
                "é",
                "é",
                "İ",
                "ß",
                "K",
                "²",
                "$",
                "\0",
                "e",
                "\N{COMBINING ACUTE ACCENT}",
                "\N{COMBINING CEDILLA}",
                "\N{SOFT HYPHEN}",
                "\N{ZERO WIDTH SPACE}",
                "\N{VARIATION SELECTOR-16}",
                "\N{HANGUL CHOSEONG KIYEOK}",
                "\N{HANGUL JUNGSEONG A}",
            ]
        ),
        max_size=12,
    ).map("".join),
)


def hash_gram(gram: str) -> int:
    """Return the hash of one gram in whole numbers, character by character."""
    base, value = 0x9E3779B97F4A7C15, 0
    for character in reversed(gram):
        value = (value * base + ord(character)) % (1 << 64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ value >> shift) * factor % (1 << 64)
    return value ^ value >> 31


def hash_run(run: list[str]) -> int:
    """Return the hash of grams in a row."""
    return sum(hash_gram(gram) * pow(0xD6E8FEB86659FD93, place, 1 << 64) for place, gram in enumerate(run)) % (1 << 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Let $x_1 = 3.14$, y=27: find \\frac{12}{5}!", ["let", "x", "1", "3", "14", "y", "27", "find", "\\frac", "12", "5"]),
        ("小明有3个苹果。", ["小", "明", "有", "3", "个", "苹", "果"]),
        ("Привет, мир", ["привет", "мир"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        (r"\alpha\Beta1\\x \\\gamma \, \(", ["\\alpha", "\\beta", "1", "x", "gamma"]),
        ("x² x2", ["x²", "x2"]),
        ("don't re-use", ["don", "t", "re", "use"]),
        (" \n!?", []),
    ],
)
def test_grams_are_words_single_chinese_characters_and_latex_commands(text: str, expected: list[str]) -> None:
    assert grams(text) == expected


@given(st.lists(_TEXTS, max_size=5))
@example(["\\", "a"])
@example(["a\\b\\", "\\c", ""])
@example(["x" * 10, ""] * 3)
def test_hashing_all_texts_at_once_gives_the_hash_of_each_gram(texts: list[str]) -> None:
    hashed = hash_texts(texts)
    for number, text in enumerate(texts):
        found = hashed.hashes[hashed.offsets[number] : hashed.offsets[number + 1]]
        assert found.tolist() == [hash_gram(gram) for gram in grams(text)]
    assert hashed.offsets[-1] == len(hashed.hashes)


@given(st.lists(_TEXTS, min_size=1, max_size=5))
def test_segments_begin_where_the_text_has_blank_lines(texts: list[str]) -> None:
    expected = [0]
    for text in texts:
        bounds = segment_bounds(text)
        for start, end in pairwise(bounds):
            expected.append(expected[-1] + len(grams(text[start:end])))
    assert hash_texts(texts, segments=True).segments.tolist() == sorted(set(expected))


@given(_TEXTS)
def test_a_gram_stands_where_it_says(text: str) -> None:
    found = spans(text)
    assert [gram.text for gram in found] == grams(text)
    for gram in found:
        assert gram.text in fold(text[gram.start : gram.end])
    assert all(before.start < after.start or before.end <= after.end for before, after in pairwise(found))


@pytest.mark.parametrize(
    "hidden",
    [
        "\N{SOFT HYPHEN}",
        "\N{ZERO WIDTH SPACE}",
        "\N{ZERO WIDTH JOINER}",
        "\N{WORD JOINER}",
        "\N{ZERO WIDTH NO-BREAK SPACE}",
        "\N{RIGHT-TO-LEFT MARK}",
        "\N{COMBINING GRAPHEME JOINER}",
        "\N{VARIATION SELECTOR-16}",
        "\N{HANGUL FILLER}",
        "\U000e0061",
        "\0",
        "\x7f",
    ],
)
def test_what_is_not_seen_hides_no_word(hidden: str) -> None:
    text = hidden.join("Half of 17 求\\frac")
    assert grams(text) == ["half", "of", "17", "求", "\\frac"]
    assert spans(f"a {hidden}b{hidden}c{hidden}")[1] == ("bc", 3, 6)
    assert hash_texts([text]).hashes.tolist() == [hash_gram(gram) for gram in grams(text)]


def test_blank_lines_with_nothing_to_be_seen_part_paragraphs() -> None:
    text = "a\n\N{ZERO WIDTH SPACE}\nb"
    assert segment_bounds(text) == [0, 4, 5]
    assert hash_texts([text], segments=True).segments.tolist() == [0, 1, 2]


def test_a_letter_and_its_marks_are_compared_composed_and_stand_where_they_are() -> None:
    text = "x cafe\N{COMBINING ACUTE ACCENT} y"
    assert [gram[:] for gram in spans(text)] == [("x", 0, 1), ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", 2, 7), ("y", 8, 9)]
    assert hash_texts([text]).hashes.tolist() == hash_texts([unicodedata.normalize("NFC", text)]).hashes.tolist()


def test_both_roads_agree_on_every_character_that_is_folded_composed_or_left_out() -> None:
    every = map(chr, range(0x110000))
    special = [one for one in every if fold(one) != one or unicodedata.category(one)[0] == "M" or not unicodedata.is_normalized("NFC", one)]
    texts = [f"{one}b \N{GREEK SMALL LETTER ALPHA}{one}\N{COMBINING GREEK YPOGEGRAMMENI}" for one in special]
    wrong = [text for text in texts if hash_texts([text]).hashes.tolist() != [hash_gram(gram) for gram in grams(text)]]
    assert wrong == []
    assert [text for text in texts[::40] if [gram.text for gram in spans(text)] != grams(text)] == []


def test_a_letter_with_thousands_of_marks_is_one_gram() -> None:
    text = "x a" + "\N{COMBINING ACUTE ACCENT}\N{COMBINING CEDILLA}" * 5000 + " y"
    found = spans(text)
    assert [(gram.start, gram.end) for gram in found] == [(0, 1), (2, 10_003), (10_004, 10_005)]
    assert [gram.text for gram in found] == grams(text)
    assert hash_texts([text]).hashes.tolist() == [hash_gram(gram) for gram in grams(text)]


def test_all_that_unicode_says_is_drawn_as_nothing_and_is_no_digit_is_left_out() -> None:
    drawn = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}  # signs around numbers
    formats = {code for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"} - drawn
    assert {code for code in formats if fold(chr(code))} == set()


@pytest.mark.parametrize(
    ("gram", "expected"), [("of", True), ("x", False), ("12", False), ("x1", False), ("\\frac", False), ("和", True), ("か", True)]
)
def test_a_word_has_two_letters_or_is_a_chinese_character(gram: str, expected: bool) -> None:
    assert is_word(gram) is expected


def test_case_folding_turns_no_word_character_into_another_kind() -> None:
    kinds = hashing._kinds().tolist()
    folding = ((code, chr(code).casefold()) for code in range(0x110000))
    changed = [
        code for code, folded in folding if folded != chr(code) and any((kinds[ord(one)] != 0) != (kinds[code] != 0) for one in folded)
    ]
    assert changed == []


def test_a_text_longer_than_a_chunk_is_hashed_like_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["eins zwei drei 四五 \\sechs " * 200, "kurz", "", "eins zwei " * 300]
    whole = hash_texts(texts)
    monkeypatch.setattr(hashing, "_CHUNK_CHARS", 64)
    monkeypatch.setattr(hashing, "_power_tables", [])
    parts = hash_texts(texts)
    assert np.array_equal(whole.hashes, parts.hashes)
    assert np.array_equal(whole.offsets, parts.offsets)
    assert whole.hashes[:3].tolist() == [hash_gram("eins"), hash_gram("zwei"), hash_gram("drei")]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=12), st.integers(1, 6))
def test_a_run_has_the_hash_of_its_grams(words: list[str], length: int) -> None:
    hashed = hash_texts([" ".join(words)])
    expected = [hash_run(words[at : at + length]) for at in range(len(words) - length + 1)]
    assert run_hashes(hashed.hashes, length).tolist() == expected


def test_runs_that_reach_into_the_next_text_are_told_apart() -> None:
    hashed = hash_texts(["a b c", "d", "", "e f"])
    at = np.arange(len(hashed.runs(2)))
    assert hashed.whole(at, 2).tolist() == [True, True, False, False, True]
    assert hashed.text_of(at).tolist() == [0, 0, 0, 1, 3]


def test_hashes_are_those_that_are_stored_on_disks() -> None:
    # Whoever changes these raises the version of every unit that writes or compares them.
    assert hash_gram("x") == 0x178631649EA56D8A
    assert hash_run(["let", "x"]) == 0xDF721A65623AEBA3
