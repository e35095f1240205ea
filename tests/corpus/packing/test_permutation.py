from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.corpus.packing.permutation import Permutation

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)


@given(size=st.integers(min_value=1, max_value=700), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_every_item_comes_once(size: int, seed: int) -> None:
    order = Permutation(size, seed=seed)
    assert sorted(order[i] for i in range(size)) == list(range(size))


@given(size=st.integers(min_value=10**9, max_value=10**13), seed=SEEDS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_of_billions_no_two_places_hold_the_same_item(size: int, seed: int, data: st.DataObject) -> None:
    order = Permutation(size, seed=seed)
    places = data.draw(st.sets(st.integers(min_value=0, max_value=size - 1), min_size=2, max_size=50))
    items = {order[place] for place in places}
    assert len(items) == len(places)
    assert all(0 <= item < size for item in items)


def test_neighbours_of_a_large_order_are_as_far_apart_as_chance_puts_them() -> None:
    size, count = 10**9, 4000
    order = Permutation(size, seed=3)
    items = [order[place] for place in range(count)]
    distance = sum(abs(one - other) for one, other in pairwise(items)) / (count - 1)
    # Two uniform draws are a third of the range apart; the mean of 4000 such distances strays by about half a hundredth of that.
    assert distance == pytest.approx(size / 3, rel=0.03)
    eighths = Counter(8 * item // size for item in items)
    assert max(abs(eighths[part] - count / 8) for part in range(8)) < 5 * (count / 8) ** 0.5


@pytest.mark.parametrize("size", [7, 64, 100])
def test_each_item_is_as_often_first_as_any_other(size: int) -> None:
    seeds = 200 * size
    firsts = Counter(Permutation(size, seed=seed)[0] for seed in range(seeds))
    statistic = sum((firsts[item] - 200) ** 2 / 200 for item in range(size))
    degrees = size - 1
    assert abs(statistic - degrees) < 5 * (2 * degrees) ** 0.5  # chi square: mean its degrees of freedom, variance twice that


def test_another_seed_is_another_order() -> None:
    orders = {tuple(Permutation(40, seed=seed)[i] for i in range(40)) for seed in range(50)}
    assert len(orders) == 50


@pytest.mark.parametrize("place", [-1, 5, 10**12])
def test_a_place_outside_the_order_is_refused(place: int) -> None:
    with pytest.raises(IndexError, match="of 5"):
        Permutation(5, seed=0)[place]
