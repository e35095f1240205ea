from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reasonforge.objectives import aggregate as agg

COUNTS, GROUPS = torch.tensor([4, 2, 3, 1]), torch.tensor([5, 5, 9, 9])

WEIGHTS = {
    "sequence_mean_token_mean": agg.sequence_mean_token_mean,
    "token_mean": agg.token_mean,
    "group_token_mean": lambda counts: agg.group_token_mean(counts, torch.arange(len(counts)) // 2),
    "sequence_mean_token_sum": agg.sequence_mean_token_sum,
    "constant_length": lambda counts: agg.constant_length(counts, max_tokens=8),
    "constant_length_sum": lambda counts: agg.constant_length_sum(counts, max_tokens=8),
}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (agg.sequence_mean_token_mean(COUNTS), [1 / 16, 1 / 8, 1 / 12, 1 / 4]),
        (agg.token_mean(COUNTS), [1 / 10] * 4),
        (agg.group_token_mean(COUNTS, GROUPS), [1 / 12, 1 / 12, 1 / 8, 1 / 8]),
        (agg.sequence_mean_token_sum(COUNTS), [1 / 4] * 4),
        (agg.constant_length(COUNTS, max_tokens=8), [1 / 32] * 4),
        (agg.constant_length_sum(COUNTS, max_tokens=8), [1 / 8] * 4),
    ],
)
def test_weights_are_what_the_papers_divide_by(weights: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("name", ["sequence_mean_token_mean", "token_mean", "group_token_mean"])
def test_a_mean_of_equal_terms_is_that_term(name: str) -> None:
    assert float((WEIGHTS[name](COUNTS) * COUNTS).sum()) == pytest.approx(1.0)


def test_the_group_mean_differs_from_the_batch_mean_when_groups_differ_in_length() -> None:
    assert not torch.allclose(agg.group_token_mean(COUNTS, GROUPS), agg.token_mean(COUNTS))
    equal = torch.tensor([3, 2, 1, 4])
    torch.testing.assert_close(agg.group_token_mean(equal, GROUPS), agg.token_mean(equal))


@pytest.mark.parametrize("name", WEIGHTS)
@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 8), max_size=4),
    seed=st.integers(0, 1000),
)
def test_any_split_into_micro_batches_has_the_whole_loss_and_gradient(name: str, counts: list[int], cuts: list[int], seed: int) -> None:
    token_counts = torch.tensor(counts)
    mask = torch.arange(6) < token_counts[:, None]
    values = torch.randn(len(counts), 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    weights = torch.where(mask, WEIGHTS[name](token_counts)[:, None], 0.0)
    whole = agg.aggregate(values, weights)
    (gradient,) = torch.autograd.grad(whole, values)
    bounds = sorted({0, len(counts), *(cut for cut in cuts if cut < len(counts))})
    split = torch.stack([agg.aggregate(values[a:b, :], weights[a:b, :]) for a, b in pairwise(bounds)]).sum()
    (split_gradient,) = torch.autograd.grad(split, values)
    torch.testing.assert_close(split, whole)
    assert torch.equal(split_gradient, gradient)


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_sample_without_tokens_weighs_nothing_and_nothing_is_infinite(name: str) -> None:
    weights = WEIGHTS[name](torch.tensor([0, 3, 0, 0]))
    assert weights.isfinite().all()
    assert weights[[0, 2, 3]].eq(0).all()
    assert weights[1] > 0
    assert WEIGHTS[name](torch.tensor([0, 0])).eq(0).all()


def test_a_masked_completion_leaves_the_weights_of_the_others_as_they_were() -> None:
    masked = torch.tensor([0, 2, 3, 1])
    torch.testing.assert_close(agg.sequence_mean_token_mean(masked)[1:], agg.sequence_mean_token_mean(COUNTS)[1:])
