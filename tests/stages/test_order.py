"""Data in a new order every epoch, each draw a function of its number alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.stages.order import ShuffledOrder


@settings(max_examples=30)
@given(size=st.integers(1, 30), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 5))
def test_every_epoch_holds_each_item_once(size: int, seed: int, epoch: int) -> None:
    order = ShuffledOrder(size, seed=seed)
    assert sorted(order[epoch * size + i] for i in range(size)) == list(range(size))


def test_epochs_and_seeds_differ() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        order = ShuffledOrder(20, seed=seed)
        return [order[number * 20 + i] for i in range(20)]

    assert len({tuple(epoch(seed, number)) for seed in range(3) for number in range(3)}) == 9


@settings(max_examples=30)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=20))
def test_a_draw_does_not_depend_on_the_draws_before_it(draws: list[int]) -> None:
    order = ShuffledOrder(7, seed=1)
    assert [order[draw] for draw in draws] == [ShuffledOrder(7, seed=1)[draw] for draw in draws]
