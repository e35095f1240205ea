from __future__ import annotations

import os
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.decontaminate import find as find_module
from reasonforge.corpus.decontaminate.config import BenchmarkSource, DecontaminateConfig
from reasonforge.corpus.decontaminate.find import find_hits, find_matches
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.decontaminate.sources import texts_of
from reasonforge.corpus.hashing import grams, is_word, segment_bounds
from tests.oracle import case

VARIABLE = "REASONFORGE_DATA"
DATA = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[4] / "shared" / "data")

TEN = "one two three four five six seven eight nine ten"


def index(*texts: str, n: int = 10, min_n: int = 3, short_min_words: int = 0) -> Index:
    made = [BenchmarkText("made", str(number), "question", text) for number, text in enumerate(texts)]
    return Index(made, n=n, min_n=min_n, short_min_words=short_min_words)


def items(page: str, made: Index, **options) -> list[str]:
    return [hit.item for hit in find_hits([page], made, **options)]


def test_the_oracles_segments_are_found() -> None:
    row = case("decontamination", "basic")
    hits = find_hits(row.inputs["segments"], index(*row.inputs["benchmark"]), short_match="substring")
    found = {hit.page for hit in hits}
    assert [number in found for number in range(len(row.inputs["segments"]))] == row.expected["remove"]


def slow_hits(page: str, texts: list[str], n: int, min_n: int, *, substring: bool) -> set[tuple[int, int]]:
    """Return (text, first gram) of all that is shared, by comparing lists of words."""
    found = set()
    words = grams(page)
    segments, at = [], 0
    for start, end in zip(bounds := segment_bounds(page), bounds[1:]):
        segments.append((at, grams(page[start:end])))
        at += len(segments[-1][1])
    for number, text in enumerate(texts):
        wanted = grams(text)
        if len(wanted) >= n:
            runs = {tuple(wanted[at : at + n]) for at in range(len(wanted) - n + 1)}
            found |= {(number, at) for at in range(len(words) - n + 1) if tuple(words[at : at + n]) in runs}
        elif len(wanted) >= min_n and substring:
            found |= {(number, at) for at in range(len(words)) if words[at : at + len(wanted)] == wanted}
        elif len(wanted) >= min_n:
            found |= {(number, at) for at, segment in segments if segment == wanted}
    return found


_PAGE = st.lists(st.sampled_from(["a", "b", "B", "3", "27", "求", "\\frac", " ", "\n", "\n\n", " , ", "\n \n"]), max_size=40).map(
    lambda pieces: " ".join(pieces)
)


@given(st.lists(_PAGE, min_size=1, max_size=3), st.lists(_PAGE, min_size=1, max_size=4), st.booleans())
def test_what_is_found_is_what_comparing_all_words_finds(pages: list[str], texts: list[str], substring: bool) -> None:
    made = index(*texts, n=5, min_n=2)
    matches = find_matches(pages, made, short_match="substring" if substring else "whole_segment")
    for number, page in enumerate(pages):
        found = {(place.text, match.position) for match in matches if match.page == number for place in made.places(match.run)}
        assert found == slow_hits(page, texts, 5, 2, substring=substring)


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (TEN, ["0"]),
        ("One, TWO three: four\n\nfive six; seven (eight) $nine$ ten!", ["0"]),
        ("one two three four five six seven eight nine eleven ten", []),
        ("one two three four five six seven eight nine", []),
        (f"before it {TEN} behind it", ["0"]),
    ],
)
def test_ten_grams_in_a_row_are_found_whatever_stands_between_them(page: str, found: list[str]) -> None:
    assert items(page, index(TEN)) == found


def test_numbers_are_never_folded() -> None:
    text = "a train runs 60 miles in 2 hours how far in 5"
    assert items(text.replace("60", "61"), index(text)) == []
    assert items(text, index(text)) == ["0"]


def test_a_short_text_is_found_as_a_whole_paragraph_and_by_option_anywhere() -> None:
    made = index("what is half of nine", "two words")
    alone, within = "Some text.\n\nWhat is half of nine?\n\nMore text.", "Tell me, what is half of nine, please."
    assert items(alone, made) == items(alone, made, short_match="substring") == ["0"]
    assert items(within, made) == []
    assert items(within, made, short_match="substring") == ["0"]


def test_texts_of_fewer_than_three_grams_are_not_looked_for() -> None:
    made = index("two words", "42", "")
    assert made.num_unchecked == 3
    assert items("two words\n\n42", made, short_match="substring") == []


def test_chinese_is_compared_by_characters() -> None:
    made = index("小明有三个红苹果和两个梨")
    assert items("题目：小明有三个红苹果和两个桃", made) == ["0"]
    assert items("题目：小明有四个红苹果和两个梨", made) == []


def test_long_latex_commands_count_as_one_gram() -> None:
    text = r"Evaluate $\int_0^1 \frac{x^2 + 1}{x} \, dx$ for all real x"
    assert items(text.replace(r"\,", " ").replace("$", "$$"), index(text)) == ["0"]
    assert items(text.replace(r"\frac", r"\dfrac"), index(text)) == []


def test_composed_and_decomposed_letters_of_a_benchmark_are_the_same() -> None:
    decomposed = "cafe\N{COMBINING ACUTE ACCENT} " + TEN
    assert find_hits(["caf\N{LATIN SMALL LETTER E WITH ACUTE} " + TEN], index(decomposed))[0].length == 11


def test_a_hit_says_where_it_stands() -> None:
    page = f"intro\n\nsee: {TEN.upper()} and more\n\nend"
    (hit,) = find_hits([page], index(TEN))
    assert page[hit.start : hit.end] == TEN.upper()
    assert (hit.gram, hit.n, hit.length, hit.segment, hit.last_segment) == (TEN, 10, 10, 1, 1)


def test_what_is_shared_without_a_gap_is_one_hit_of_its_full_length() -> None:
    long = TEN + " eleven twelve"
    hits = find_hits([f"x {long} y {TEN} z"], index(long))
    assert [(hit.length, hit.gram) for hit in hits] == [(12, long), (10, TEN)]


def test_a_run_of_two_items_is_listed_for_both() -> None:
    assert items(TEN, index(f"{TEN} here", f"{TEN} there", "something else that has more than ten words in it all right")) == ["0", "1"]


def test_an_instruction_that_heads_many_items_is_listed_for_sixteen_of_them() -> None:
    made = index(*(f"{TEN} item {number}" for number in range(40)))
    assert items(f"{TEN} and what follows", made) == [str(number) for number in range(16)]


def test_nothing_is_found_across_two_pages() -> None:
    half = TEN.split()
    assert find_hits([" ".join(half[:5]), " ".join(half[5:])], index(TEN)) == []


GENERIC = [
    "1, 2, 3",
    "(p, q, r)",
    r"\frac{1}{2}",
    "x^3 + 3x - 6",
    r"\sin x + \cos x",
    r"\left(3, \frac{\pi}{2}\right)",
]


@pytest.mark.parametrize("text", GENERIC)
def test_short_texts_that_stand_in_clean_pages_are_not_looked_for_and_by_the_papers_letter_are(text: str) -> None:
    page = f"A clean page.\n\n{text}\n\nIt goes on."
    assert items(page, index(text, short_min_words=DecontaminateConfig.model_fields["short_min_words"].default)) == []
    assert items(page, index(text)) == ([] if len(grams(text)) < 3 else ["0"])


def test_a_short_question_with_a_single_word_is_looked_for() -> None:
    asked = index(r"Compute $\sin 60^\circ$.", short_min_words=DecontaminateConfig.model_fields["short_min_words"].default)
    assert items("A clean page.\n\nCompute $\\sin 60^\\circ$.\n\nIt goes on.", asked) == ["0"]


def test_short_texts_of_three_words_are_looked_for() -> None:
    made = index("what is half of nine", "小明有几个梨", "solve x = 3 and y = 4", short_min_words=3)
    assert items("What is half of nine?\n\n小明有几个梨？\n\nSolve: x = 3 and y = 4", made) == ["0", "1"]
    assert made.num_unchecked == 1


@pytest.mark.skipif(not (DATA / "math").is_dir(), reason=f"set {VARIABLE} to the folder in which math/ lies")
def test_answers_of_published_benchmarks_flag_no_generic_paragraph() -> None:
    texts = []
    for name in ("gsm8k", "math", "cmath"):
        texts += texts_of(BenchmarkSource(name=name, path=str(DATA / name)), DATA / name, ["question", "answer"])
    short = [text.text for text in texts if text.field == "answer" and 3 <= len(grams(text.text)) < 10]
    generic = [text for text in short if sum(map(is_word, grams(text))) < 3]
    assert len(generic) > 0.8 * len(short) > 100
    pages = [f"A clean page.\n\n{text}\n\nIt goes on." for text in [*GENERIC, *generic]]
    assert find_hits(pages, Index(texts, n=10, min_n=3, short_min_words=3)) == []
    assert len({hit.page for hit in find_hits(pages, Index(texts, n=10, min_n=3))}) >= len(generic)


@pytest.mark.parametrize("hidden", ["\N{SOFT HYPHEN}", "\N{ZERO WIDTH SPACE}", "\N{WORD JOINER}", "\N{COMBINING GRAPHEME JOINER}"])
def test_characters_that_are_not_seen_hide_no_leak(hidden: str) -> None:
    spelled = " ".join(f"{word[0]}{hidden}{word[1:]}" for word in TEN.split())
    page = f"{hidden}intro\n\n{spelled}{hidden} and more\n\nend"
    (hit,) = find_hits([page], index(TEN))
    assert (hit.gram, page[hit.start : hit.end], hit.segment) == (TEN, spelled, 1)
    assert items(f"intro\n{hidden}\n{hidden.join('half of nine')}\n\nend", index("half of nine")) == ["0"]
    assert items(TEN, index(hidden.join(TEN))) == ["0"]


def test_a_page_in_decomposed_form_hides_no_leak() -> None:
    composed = f"caf\N{LATIN SMALL LETTER E WITH ACUTE} {TEN}"
    page = f"x {unicodedata.normalize('NFD', composed)} y"
    (hit,) = find_hits([page], index(composed))
    assert page[hit.start : hit.end] == page[2:-2]


def test_a_run_of_thousands_of_items_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = index(*(f"{TEN} item {number}" for number in range(3000)))
    compared = 0
    real = Index._grams_at

    def counting(self, place, length):
        nonlocal compared
        compared += 1
        return real(self, place, length)

    monkeypatch.setattr(Index, "_grams_at", counting)
    page = "\n\n".join(f"{TEN} {word}" for word in "abcdefghijklmnopqrstuvwxyz" * 10)
    assert len(find_hits([page], made)) == 260 * 16
    assert compared < 2 * 260 + 100  # one look-up of sixteen texts, and each match confirmed


def test_a_page_that_is_not_begun_is_not_looked_at() -> None:
    asked: list[int] = []

    def begin(page: int) -> bool:
        asked.append(page)
        return page != 2

    matches = find_matches([TEN, "clean", TEN, TEN], index(TEN), begin=begin)
    assert (asked, [match.page for match in matches]) == ([0, 2, 3], [0, 3])


def test_a_hash_that_collides_is_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    made = index(TEN, "three short words")
    real = find_module.hash_texts

    def colliding(texts, *, segments=False):
        hashed = real([TEN if text == "clean" else text for text in texts], segments=segments)
        assert made.long.find(hashed.runs(10))[0].size == 1  # the hashes are the benchmark's
        return hashed

    monkeypatch.setattr(find_module, "hash_texts", colliding)
    assert find_hits(["clean"], made) == []


def test_an_index_of_short_texts_alone_finds_them_and_one_of_nothing_finds_nothing() -> None:
    assert items("three short words", index("three short words")) == ["0"]
    assert items(TEN, index()) == []
    assert find_hits([], index(TEN)) == []
    assert find_hits(["", " \n\n "], index(TEN)) == []


def test_every_planted_leak_is_found_and_no_clean_page_is() -> None:
    draw = random.Random(0)
    vocabulary = [f"word{number}" for number in range(3000)]
    texts = [" ".join(draw.choices(vocabulary, k=draw.randrange(10, 60))) for _ in range(400)]
    pages = ["\n\n".join(" ".join(draw.choices(vocabulary, k=40)) for _ in range(5)) for _ in range(1500)]
    leaks = {}
    for number in draw.sample(range(1500), 60):
        words = texts[item := draw.randrange(400)].split()
        at = draw.randrange(len(words) - 9)
        pages[number] += f" {' '.join(words[at : at + draw.randrange(10, 30)])} end"
        leaks[number] = str(item)
    hits = find_hits(pages, index(*texts))
    assert {hit.page: hit.item for hit in hits} == leaks


@given(st.integers(0, 2**64 - 1))
def test_every_hash_in_a_table_is_found_and_any_other_is_not(value: int) -> None:
    table = index(*(f"{number} {TEN}" for number in range(50))).long
    wanted = np.append(table.hashes, np.uint64(value))
    at, runs = table.find(wanted)
    assert at[: len(table.hashes)].tolist() == runs[: len(table.hashes)].tolist() == list(range(len(table.hashes)))
    assert (len(at) > len(table.hashes)) == (value in table.hashes.tolist())


@pytest.mark.skipif(not (DATA / "gsm8k").is_dir(), reason=f"set {VARIABLE} to the folder in which gsm8k/ lies")
@pytest.mark.parametrize(("name", "folder"), [("gsm8k", "gsm8k"), ("cmath", "cmath"), ("mgsm_zh", "mgsm_zh")])
def test_a_question_of_a_published_benchmark_is_found_in_a_page_that_quotes_it(name: str, folder: str) -> None:
    texts = texts_of(BenchmarkSource(name=name, path=str(DATA / folder)), DATA / folder, ["question"])
    made = Index(texts, n=10, min_n=3)
    texts = texts[::4]
    pages = [f"Somebody asked:\n\n{text.text}\n\nand nobody knew." for text in texts]
    found = {(hit.page, hit.item) for hit in find_hits(pages, made)}
    assert {(number, text.item) for number, text in enumerate(texts) if len(grams(text.text)) >= 3} <= found


@pytest.mark.skipif(not (DATA / "gsm8k").is_dir(), reason=f"set {VARIABLE} to the folder in which gsm8k/ lies")
def test_the_training_questions_of_gsm8k_share_ten_words_with_few_test_questions() -> None:
    test = texts_of(BenchmarkSource(name="gsm8k", path=str(DATA / "gsm8k")), DATA / "gsm8k", ["question"])
    train = texts_of(BenchmarkSource(name="gsm8k", path=str(DATA / "gsm8k"), split="train"), DATA / "gsm8k", ["question"])
    hits = find_hits([text.text for text in train], Index(test, n=10, min_n=3))
    assert 0 < len({hit.page for hit in hits}) < 0.05 * len(train)
