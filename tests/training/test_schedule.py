"""The learning rate at each step, against the papers' numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reasonforge.training.config import Constant, Cosine, Drop, Multistep
from reasonforge.training.schedule import lr_fraction
from tests.oracle import case


def test_the_multistep_schedule_of_deepseekmath() -> None:
    oracle = case("schedules_and_selection", "multistep")
    schedule = Multistep(warmup_steps=oracle.inputs["warmup"])
    total = oracle.inputs["total"]
    found = [oracle.inputs["peak"] * lr_fraction(schedule, step, total_steps=total) for step in oracle.inputs["steps"]]
    assert found == pytest.approx(oracle.expected["lr"], abs=oracle.tolerance)


def test_the_cosine_schedule_of_deepseek_r1() -> None:
    oracle = case("schedules_and_selection", "cosine_r1_sft")
    start, total = oracle.inputs["start"], oracle.inputs["total"]
    schedule = Cosine(final_fraction=oracle.inputs["end"] / start)
    found = [start * lr_fraction(schedule, step, total_steps=total) for step in oracle.inputs["steps"]]
    assert found == pytest.approx(oracle.expected["lr"], abs=oracle.tolerance)


def test_a_constant_rate_is_reached_linearly_and_kept() -> None:
    schedule = Constant(warmup_steps=4)
    assert [lr_fraction(schedule, step, total_steps=8) for step in range(7)] == [0, 0.25, 0.5, 0.75, 1, 1, 1]


def test_the_cosine_starts_where_warm_up_ends() -> None:
    schedule = Cosine(warmup_steps=10, final_fraction=0.1)
    assert lr_fraction(schedule, 5, total_steps=110) == 0.5
    assert lr_fraction(schedule, 10, total_steps=110) == 1
    assert lr_fraction(schedule, 60, total_steps=110) == pytest.approx(0.55)
    assert lr_fraction(schedule, 110, total_steps=110) == pytest.approx(0.1)
    assert lr_fraction(schedule, 500, total_steps=110) == pytest.approx(0.1)


@given(
    st.sampled_from([Constant(warmup_steps=7), Cosine(warmup_steps=7), Multistep(warmup_steps=7)]),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_no_update_has_a_zero_rate_or_one_over_the_peak(schedule: Constant | Cosine | Multistep, step: int, total_steps: int) -> None:
    assert 0 < lr_fraction(schedule, step, total_steps=total_steps) <= 1


def test_drops_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="increasing order"):
        Multistep(drops=(Drop(after=0.9, fraction=0.1), Drop(after=0.8, fraction=0.3)))
