"""What rounds have in common, and when the loop stops."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.loop.overlap import Overlap, converged, overlap, summed
from tests.oracle import case

ROUNDS = st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=4)


def selection(ids: set[int] | list[int]) -> pl.DataFrame:
    """Return a selection; a page's tokens are its number plus one."""
    numbers = sorted(ids)
    return pl.DataFrame(
        {"id": [str(number) for number in numbers], "num_tokens": [number + 1 for number in numbers]}, schema_overrides={"id": pl.String}
    )


def test_the_share_is_of_the_new_selection_and_below_98_percent_goes_on() -> None:
    oracle = case("schedules_and_selection", "overlap_stop")
    found = overlap([selection(oracle.inputs["prev"]), selection(oracle.inputs["new"])])
    assert found.share(2, 1) == pytest.approx(oracle.expected["share_of_new_already_in_prev"], abs=1e-12)
    assert converged(found, threshold=0.98) == oracle.expected["stop_at_0.98"]


@pytest.mark.parametrize(("kept", "stops"), [(97, False), (98, True), (100, True)])
def test_98_of_100_pages_is_enough(kept: int, stops: bool) -> None:
    found = overlap([selection(set(range(kept))), selection(set(range(100)))])
    assert converged(found, threshold=0.98) == stops


def test_one_round_has_nothing_to_be_compared_with() -> None:
    assert not converged(overlap([selection({1, 2})]), threshold=0.0)


def test_an_empty_selection_has_not_converged() -> None:
    assert not converged(overlap([selection({1}), selection(set())]), threshold=0.98)


def test_a_shrinking_selection_has_converged() -> None:
    assert converged(overlap([selection({1, 2, 3}), selection({1})]), threshold=0.98)


def test_only_the_round_before_counts() -> None:
    found = overlap([selection({1, 2}), selection({3}), selection({1, 2})])
    assert found.share(3, 1) == 1.0
    assert not converged(found, threshold=0.98)


@given(ROUNDS)
def test_the_matrix_is_that_of_sets(rounds: list[set[int]]) -> None:
    found = overlap([selection(ids) for ids in rounds])
    assert found.pages == tuple(tuple(len(left & right) for right in rounds) for left in rounds)
    assert found.tokens == tuple(tuple(sum(number + 1 for number in left & right) for right in rounds) for left in rounds)


@given(ROUNDS, st.integers(0, 30))
def test_files_sum_to_the_whole(rounds: list[set[int]], cut: int) -> None:
    low = overlap([selection({number for number in ids if number < cut}) for ids in rounds])
    high = overlap([selection({number for number in ids if number >= cut}) for ids in rounds])
    assert summed([low, high]) == overlap([selection(ids) for ids in rounds])


@given(ROUNDS)
def test_what_is_written_is_read(rounds: list[set[int]]) -> None:
    found = overlap([selection(ids) for ids in rounds])
    assert Overlap.from_dict(found.to_dict()) == found
