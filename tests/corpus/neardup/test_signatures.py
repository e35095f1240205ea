from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.hashing import grams
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.signatures import band_keys, jaccard, shingle_sets, signatures


def words(draw: random.Random, count: int) -> list[str]:
    return [f"w{draw.randrange(10_000)}" for _ in range(count)]


def exact(first: str, second: str, shingle: int) -> float:
    """Jaccard similarity by sets of tuples of words: the slow road."""
    sets = []
    for text in (first, second):
        found = grams(text)
        sets.append({tuple(found[at : at + shingle]) for at in range(len(found) - shingle + 1)} or ({tuple(found)} if found else set()))
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1]) if sets[0] | sets[1] else 0.0


@given(st.lists(st.lists(st.sampled_from(["a", "b", "求", "c d e"]), max_size=12).map(" ".join), min_size=2, max_size=4), st.integers(1, 6))
def test_similarity_by_hashes_is_that_of_the_sets_of_shingles(texts: list[str], shingle: int) -> None:
    sets = shingle_sets(texts, shingle=shingle)
    for one in range(len(texts)):
        for other in range(one):
            assert jaccard(sets[one], sets[other]) == exact(texts[one], texts[other], shingle)


@pytest.mark.parametrize("changed", [40, 20, 8])
def test_signatures_agree_as_often_as_the_sets_are_similar(changed: int) -> None:
    draw = random.Random(changed)
    texts = []
    for _ in range(150):
        common = words(draw, 160)
        texts += [" ".join([*common, *words(draw, changed)]), " ".join([*common, *words(draw, changed)])]
    values = signatures(texts, shingle=5, permutations=128).values
    agree = (values[0::2] == values[1::2]).mean(axis=1)
    truth = np.array([exact(first, second, 5) for first, second in zip(texts[0::2], texts[1::2])])
    spread = np.sqrt((truth * (1 - truth) / 128).mean())
    assert abs((agree - truth).mean()) < 4 * spread / np.sqrt(150)
    assert (agree - truth).std() == pytest.approx(spread, rel=0.25)


def test_a_signature_is_the_minimum_over_the_distinct_shingles_however_long_the_text() -> None:
    draw = random.Random(0)
    long = " ".join(words(draw, 1500))
    made = signatures([long, f"{long} {long}"], shingle=5, permutations=64)
    assert made.num_shingles.tolist() == [1496, 2996]
    # The doubled text has four more shingles, where its halves meet: the minimum can only fall, and seldom does.
    assert (made.values[1] <= made.values[0]).all()
    assert (made.values[1] == made.values[0]).mean() > 0.9


def test_the_signature_of_a_text_does_not_depend_on_its_neighbours() -> None:
    draw = random.Random(1)
    texts = [" ".join(words(draw, draw.randrange(30))) for _ in range(40)]
    together = signatures(texts, shingle=5, permutations=32).values
    alone = np.concatenate([signatures([text], shingle=5, permutations=32).values for text in texts])
    assert np.array_equal(together, alone)


def test_a_text_shorter_than_a_shingle_equals_only_itself() -> None:
    texts = ["page not found", "Page NOT found!", "page not", "not found page", "page not found here now"]
    made = signatures(texts, shingle=5, permutations=128)
    assert made.num_shingles.tolist() == [1] * 5
    assert np.array_equal(made.values[0], made.values[1])
    sets = shingle_sets(texts, shingle=5)
    assert [jaccard(sets[0], other) for other in sets[1:]] == [1.0, 0.0, 0.0, 0.0]


def test_a_text_without_words_has_no_shingle_and_resembles_nothing() -> None:
    made = signatures(["", "!?", "word"], shingle=5, permutations=8)
    assert made.num_shingles.tolist() == [0, 0, 1]
    first, second, _ = shingle_sets(["", "!?", "word"], shingle=5)
    assert jaccard(first, second) == 0.0


def test_chinese_is_compared_by_characters() -> None:
    first, second = "小明有三个红苹果和两个梨", "小明有三个红苹果和两个桃"
    assert jaccard(*shingle_sets([first, second], shingle=5)) == 7 / 9


def test_keys_of_bands_are_equal_where_band_and_values_are() -> None:
    values = np.array([[1, 2, 3, 4, 1, 2], [1, 2, 9, 4, 1, 2]], np.uint32)
    keys = band_keys(values, bands=3, rows=2)
    assert (keys[0] == keys[1]).tolist() == [True, False, True]
    assert keys[0, 0] != keys[0, 2]  # the same values in another band


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8])
def test_candidates_follow_the_s_curve(similarity: float) -> None:
    config = NearDupConfig()
    draw = np.random.default_rng(0)
    agree = draw.random((4000, config.bands, config.rows)) < similarity  # what a signature is: positions that agree independently
    assert agree.all(axis=2).max(axis=1).mean() == pytest.approx(config.probability(similarity), abs=0.02)


def test_bands_that_need_more_permutations_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="20 bands of 7 rows need 140 permutations, there are 128"):
        NearDupConfig(bands=20)


def test_signatures_are_those_that_are_stored_on_disks() -> None:
    # Whoever changes them raises the version of the units.
    values = signatures(["one two three four five six"], shingle=5, permutations=3).values
    assert values.tolist() == [[3702183692, 93402025, 2237744386]]
