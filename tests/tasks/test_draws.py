"""The integer generator: the published sequence, and draws that are what they say."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.tasks.draws import Draws


def test_words_are_the_published_splitmix64_sequence() -> None:
    draws = Draws(1234567)
    assert [draws.word() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(st.integers(0, 2**63), st.integers(1, 50))
def test_below_stays_below(seed: int, limit: int) -> None:
    draws = Draws(seed)
    assert all(0 <= draws.below(limit) < limit for _ in range(20))


def test_below_is_even() -> None:
    draws = Draws(0)
    counts = Counter(draws.below(7) for _ in range(70_000))
    # Standard deviation of one count is 93; five of them.
    assert all(abs(counts[value] - 10_000) < 465 for value in range(7))


def test_between_reaches_both_ends_and_choice_every_item() -> None:
    draws = Draws(3)
    assert {draws.between(-1, 1) for _ in range(100)} == {-1, 0, 1}
    assert {draws.choice("abc") for _ in range(100)} == set("abc")


@given(st.integers(0, 2**63), st.lists(st.integers(), max_size=20))
def test_shuffling_keeps_the_items(seed: int, items: list[int]) -> None:
    assert Counter(Draws(seed).shuffled(items)) == Counter(items)


def test_every_order_of_three_is_equally_likely() -> None:
    draws = Draws(1)
    counts = Counter(tuple(draws.shuffled("abc")) for _ in range(6_000))
    assert len(counts) == 6
    assert all(abs(count - 1_000) < 145 for count in counts.values())


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_chance_has_its_probability(probability: float) -> None:
    draws = Draws(2)
    hits = sum(draws.chance(probability) for _ in range(20_000))
    assert abs(hits - 20_000 * probability) <= 5 * (20_000 * probability * (1 - probability)) ** 0.5
