"""Masked arithmetic is plain arithmetic on what is kept."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reasonforge.tensors.masked import masked_mean, masked_sum, masked_var


def draw(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(4, 7, generator=generator)
    return values, torch.rand(4, 7, generator=generator) < 0.6


@given(st.integers(0, 50))
def test_all_figures_are_those_of_the_kept_entries_alone(seed: int) -> None:
    values, mask = draw(seed)
    kept = values[mask]
    torch.testing.assert_close(masked_sum(values, mask), kept.sum())
    torch.testing.assert_close(masked_mean(values, mask), kept.mean())
    torch.testing.assert_close(masked_var(values, mask), kept.var(correction=0))
    torch.testing.assert_close(masked_var(values, mask, correction=1), kept.var(correction=1))


def test_an_axis_reduces_row_by_row() -> None:
    values, mask = draw(3)
    for figure in (masked_sum, masked_mean, masked_var):
        rows = torch.stack([figure(values[i], mask[i]) for i in range(len(values))])
        torch.testing.assert_close(figure(values, mask, dim=1), rows)


@pytest.mark.parametrize("figure", [masked_sum, masked_mean, masked_var])
def test_nothing_kept_is_worth_zero(figure: type) -> None:
    values = torch.full((2, 3), math.nan)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert figure(values, nothing) == 0
    assert figure(values, nothing, dim=1).tolist() == [0, 0]


def test_one_entry_has_no_sample_variance() -> None:
    assert masked_var(torch.tensor([5.0, 1.0]), torch.tensor([True, False]), correction=1) == 0


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_what_is_masked_reaches_neither_value_nor_gradient(poison: float) -> None:
    values, mask = draw(2)
    poisoned = torch.where(mask, values, poison).requires_grad_()
    masked_var(poisoned, mask, dim=1).mul(torch.arange(4.0)).sum().backward()
    clean = values.clone().requires_grad_()
    masked_var(clean, mask, dim=1).mul(torch.arange(4.0)).sum().backward()
    assert poisoned.grad is not None
    assert torch.equal(poisoned.grad, clean.grad * mask if clean.grad is not None else torch.empty(0))


def test_half_precision_is_summed_in_float32() -> None:
    ones = torch.ones(1, 1000, dtype=torch.bfloat16)
    total = masked_sum(ones, torch.ones_like(ones, dtype=torch.bool))
    assert total.dtype == torch.float32
    assert total == 1000
