from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import RecipeError
from reasonforge.corpus.mixing.interleave import MAX_PERIOD, Interleaver

PAPER = {"math": 56, "algebra": 4, "arxiv": 10, "code": 20, "language": 10}
WEIGHTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 40), min_size=1, max_size=6)


@given(weights=WEIGHTS)
@settings(max_examples=80, deadline=None)
def test_after_any_number_of_entries_every_source_is_within_one_of_its_share(weights: dict[str, int]) -> None:
    order = Interleaver(weights)
    total = sum(weights.values())
    had = Counter[int]()
    for entry in range(2 * order.period + 3):
        had[order[entry][0]] += 1
        for source, weight in enumerate(weights.values()):
            assert abs(had[source] - Fraction((entry + 1) * weight, total)) < 1


@given(weights=WEIGHTS, first=st.integers(0, 10**15))
@settings(max_examples=40, deadline=None)
def test_any_ten_thousand_entries_hold_every_source_in_its_share_to_half_a_per_cent(weights: dict[str, int], first: int) -> None:
    order = Interleaver(weights)
    for source, weight in enumerate(weights.values()):
        had = order.count(source, first + 10_000) - order.count(source, first)
        assert abs(had / 10_000 - weight / sum(weights.values())) <= 2 / 10_000 < 0.005


@given(weights=WEIGHTS, first=st.integers(0, 10**15))
@settings(max_examples=40, deadline=None)
def test_an_entry_computed_alone_is_the_entry_counted_up_to(weights: dict[str, int], first: int) -> None:
    order = Interleaver(weights)
    had = {source: order.count(source, first) for source in range(len(weights))}
    for entry in range(first, first + 60):
        source, before = order[entry]
        assert before == had[source]
        had[source] += 1
    assert had == {source: order.count(source, first + 60) for source in range(len(weights))}


def test_the_papers_shares_come_out_even_every_fifty_entries() -> None:
    order = Interleaver(PAPER)
    assert order.period == 50
    assert Counter(order.names[order[entry][0]] for entry in range(50)) == {
        "math": 28,
        "algebra": 2,
        "arxiv": 5,
        "code": 10,
        "language": 5,
    }


@pytest.mark.parametrize(("weights", "period"), [((0.1, 0.2, 0.7), 10), ((56.0, 44.0), 25), ((1 / 4, 3), 13), ((1e-3, 0.999), 1000)])
def test_weights_are_read_as_they_are_written(weights: tuple[float, ...], period: int) -> None:
    assert Interleaver({str(i): weight for i, weight in enumerate(weights)}).period == period


def test_equal_weights_take_turns() -> None:
    order = Interleaver({"a": 1, "b": 1, "c": 1})
    turns = [order[entry][0] for entry in range(9)]
    assert all(sorted(turns[at : at + 3]) == [0, 1, 2] for at in (0, 3, 6))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(weight: float) -> None:
    with pytest.raises(RecipeError, match="weight of source 'b'"):
        Interleaver({"a": 1.0, "b": weight})


def test_weights_of_too_many_digits_are_refused() -> None:
    with pytest.raises(RecipeError, match=f"the limit is {MAX_PERIOD}: give fewer digits"):
        Interleaver({"a": 0.3333333, "b": 0.6666668})
    with pytest.raises(RecipeError, match="needs a source"):
        Interleaver({})
