"""The chunked head is log-softmax and gather, to rounding: values, gradients, entropy, temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonforge.tensors import logprobs
from reasonforge.tensors.batch import TokenBatch
from reasonforge.tensors.collate import collate
from reasonforge.tensors.logprobs import token_scores
from tests.tensors.samples import token_sample

VOCAB, WIDTH = 11, 6
ONE_ROW = VOCAB * 8
"""Bytes of one position's logits in float64: a budget of this size computes position by position."""


def problem(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, TokenBatch]:
    rng = np.random.default_rng(0)
    batch = collate([token_sample(rng, n, prompt=p) for n, p in ((9, 3), (5, 1), (7, 7))], np.ones(3, np.float32))
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(*batch.inputs.shape, WIDTH, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    weight = torch.randn(VOCAB, WIDTH, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    return hidden, weight, batch


def direct(hidden: Tensor, weight: Tensor, batch: TokenBatch, temperature: float) -> tuple[Tensor, Tensor]:
    """The textbook way, holding all logits."""
    log_probs = torch.log_softmax(hidden @ weight.T / temperature, dim=-1)
    logprobs = log_probs.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    return logprobs * batch.loss_mask, entropy * batch.loss_mask


@pytest.mark.parametrize("chunk_bytes", [1, 3 * ONE_ROW, 1 << 20])
@pytest.mark.parametrize("tile_bytes", [2 * ONE_ROW, 1 << 20])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_values_and_gradients_are_those_of_the_full_logits(
    chunk_bytes: int, tile_bytes: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logprobs, "_TILE_BYTES", tile_bytes)
    hidden, weight, batch = problem()
    by_logprob, by_entropy = torch.randn(2, *batch.inputs.shape, dtype=torch.float64)
    expected = direct(hidden, weight, batch, temperature)
    (expected[0] * by_logprob + expected[1] * by_entropy).sum().backward()
    expected_grads = [x.grad.clone() for x in (hidden, weight) if x.grad is not None]
    hidden.grad = weight.grad = None
    scores = token_scores(hidden, weight, batch, temperature=temperature, entropy_grad=True, chunk_bytes=chunk_bytes)
    (scores.logprobs * by_logprob + scores.entropy * by_entropy).sum().backward()
    torch.testing.assert_close((scores.logprobs, scores.entropy), expected)
    torch.testing.assert_close([hidden.grad, weight.grad], expected_grads)


@pytest.mark.parametrize("chunk_bytes", [2 * ONE_ROW, 1 << 20])
def test_gradients_agree_with_finite_differences(chunk_bytes: int) -> None:
    hidden, weight, batch = problem()

    def scores(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        found = token_scores(hidden, weight, batch, temperature=0.7, entropy_grad=True, chunk_bytes=chunk_bytes)
        return found.logprobs, found.entropy

    assert torch.autograd.gradcheck(scores, (hidden, weight))


def test_the_chunk_size_changes_nothing_but_rounding() -> None:
    hidden, weight, batch = problem(torch.float32)
    whole = token_scores(hidden, weight, batch)
    chunked = token_scores(hidden, weight, batch, chunk_bytes=1)
    torch.testing.assert_close(chunked.logprobs, whole.logprobs, rtol=0, atol=1e-6)


def test_positions_that_do_not_count_are_zero_and_carry_no_gradient() -> None:
    hidden, weight, batch = problem()
    with torch.no_grad():
        hidden[~batch.loss_mask] = torch.nan
    scores = token_scores(hidden, weight, batch, entropy_grad=True)
    (scores.logprobs + scores.entropy).sum().backward()
    assert hidden.grad is not None
    assert weight.grad is not None
    for values in (scores.logprobs, scores.entropy, hidden.grad):
        assert not values[~batch.loss_mask].any()
        assert values.isfinite().all()
    assert weight.grad.isfinite().all()


def test_entropy_carries_gradient_only_on_request() -> None:
    hidden, weight, batch = problem()
    assert not token_scores(hidden, weight, batch).entropy.requires_grad
    assert token_scores(hidden, weight, batch, entropy_grad=True).entropy.requires_grad


def test_a_certain_token_has_no_entropy_and_a_finite_gradient() -> None:
    hidden, weight, batch = problem(torch.float32)
    scores = token_scores(hidden * 1e4, weight, batch, entropy_grad=True, chunk_bytes=1)
    assert scores.entropy.abs().max() < 1e-6
    scores.entropy.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


def test_a_batch_that_learns_nothing_scores_zero() -> None:
    hidden, weight, _ = problem()
    nothing = collate([token_sample(np.random.default_rng(0), 9, prompt=9)] * 3, np.ones(3, np.float32))
    scores = token_scores(hidden, weight, nothing)
    scores.logprobs.sum().backward()
    assert not scores.logprobs.any()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_half_precision_states_are_scored_in_float32() -> None:
    hidden, weight, batch = problem(torch.float32)
    half = hidden.detach().bfloat16().requires_grad_()
    scores = token_scores(half, weight, batch)
    assert scores.logprobs.dtype == torch.float32
    expected, _ = direct(half.float(), weight, batch, 1.0)
    torch.testing.assert_close(scores.logprobs, expected)
    scores.logprobs.sum().backward()
    assert half.grad is not None
    assert half.grad.dtype == torch.bfloat16
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_the_logits_of_the_batch_never_exist_at_once() -> None:
    """Watched through autograd's own allocations: nothing as large as the logits is kept for the backward pass."""
    hidden, weight, batch = problem()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
        token_scores(hidden, weight, batch, chunk_bytes=2 * ONE_ROW)
    assert max(kept) < int(batch.loss_mask.sum()) * VOCAB


def test_greedy_temperature_is_refused() -> None:
    hidden, weight, batch = problem()
    with pytest.raises(ValueError, match="temperature must be > 0"):
        token_scores(hidden, weight, batch, temperature=0.0)
