from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from reasonforge.core.rollouts import PolicySample
from reasonforge.objectives import ratio
from reasonforge.tensors.batch import PolicyBatch
from reasonforge.tensors.collate import collate, pack, scatter_to_samples

LENGTHS = [5, 9, 3, 7, 4, 2]


def ragged_samples() -> list[PolicySample]:
    """Samples of different length; ``sampler_logprobs`` and ``old_logprobs`` stand for the two policies that are compared."""
    generator = np.random.default_rng(3)
    samples = []
    for length in LENGTHS:
        mask = np.arange(length) >= 2
        mask[4:5] = False  # tool output inside
        draw = lambda: (-generator.random(length) * mask).astype(np.float32)  # noqa: B023, E731
        samples.append(
            PolicySample(
                token_ids=np.zeros(length, dtype=np.int32),
                loss_mask=mask,
                advantages=np.zeros(length, dtype=np.float32),
                sampler_logprobs=draw(),
                old_logprobs=draw(),
            )
        )
    return samples


def layouts() -> tuple[PolicyBatch, PolicyBatch]:
    samples, weights = ragged_samples(), np.ones(len(LENGTHS), dtype=np.float32)
    padded, packed = collate(samples, weights, pad_to=12), pack(samples, weights, row_tokens=14)
    assert isinstance(padded, PolicyBatch)
    assert isinstance(packed, PolicyBatch)
    assert packed.is_packed
    return padded, packed


def parts(batch: PolicyBatch) -> dict[str, Any]:
    return {"loss_mask": batch.loss_mask, "samples": batch.samples, "num_samples": batch.num_samples}


def of_batch(batch: PolicyBatch, function) -> list[np.ndarray]:
    assert batch.old_logprobs is not None
    values = function(batch.old_logprobs, batch.sampler_logprobs, **parts(batch))
    return scatter_to_samples(values.float(), batch, LENGTHS)


@pytest.mark.parametrize("function", [ratio.sequence_ratio, ratio.sequence_ratio_token_gradient, ratio.sequence_importance_mask])
def test_packed_and_padded_samples_have_the_same_sequence_ratio(function) -> None:
    padded, packed = layouts()
    for by_row, in_one_row in zip(of_batch(padded, function), of_batch(packed, function), strict=True):
        np.testing.assert_allclose(by_row, in_one_row, rtol=0, atol=1e-6)


def test_a_sequence_ratio_is_the_geometric_mean_of_the_token_ratios() -> None:
    batch, _ = layouts()
    assert batch.old_logprobs is not None
    tokens = ratio.token_ratio(batch.old_logprobs, batch.sampler_logprobs)
    sequences = ratio.sequence_ratio(batch.old_logprobs, batch.sampler_logprobs, **parts(batch))
    for i in range(batch.num_samples):
        mask = batch.loss_mask[i]
        if mask.any():
            expected = tokens[i][mask].prod() ** (1 / mask.sum())
            torch.testing.assert_close(sequences[i][mask], expected.expand(int(mask.sum())))


def test_a_sample_without_tokens_to_learn_from_has_a_finite_ratio_and_no_gradient() -> None:
    logprobs = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    mask, samples = torch.tensor([[True, True, False], [False, False, False]]), torch.tensor([[0, 0, 0], [1, 1, 1]])
    values = ratio.sequence_ratio(logprobs, torch.zeros_like(logprobs), loss_mask=mask, samples=samples, num_samples=2)
    values.sum().backward()
    assert values[1].tolist() == [1, 1, 1]
    assert logprobs.grad is not None
    assert logprobs.grad[~mask].eq(0).all()


def test_ratio_gradients_are_finite_differences() -> None:
    batch, _ = layouts()
    old = batch.sampler_logprobs.double()
    logprobs = (old + 0.1 * torch.randn_like(old)).requires_grad_()
    assert gradcheck(lambda x: ratio.token_ratio(x, old), logprobs)
    assert gradcheck(lambda x: ratio.sequence_ratio(x, old, **parts(batch)), logprobs)


def test_the_token_form_has_the_sequences_value_and_with_one_advantage_per_sample_its_gradient() -> None:
    batch, _ = layouts()
    old = batch.sampler_logprobs.double()
    advantages = torch.randn(batch.num_samples, dtype=torch.float64)[batch.samples] * batch.loss_mask
    gradients, values = [], []
    for function in (ratio.sequence_ratio, ratio.sequence_ratio_token_gradient):
        logprobs = (old + 0.1 * torch.sin(torch.arange(old.numel()).reshape(old.shape))).requires_grad_()
        result = function(logprobs, old, **parts(batch))
        (gradient,) = torch.autograd.grad((result * advantages).sum(), logprobs)
        gradients.append(gradient)
        values.append(result.detach())
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_ratio_stays_finite_in_float32_however_far_apart_the_policies_are() -> None:
    far = ratio.token_ratio(torch.tensor([[0.0, -300.0]]), torch.tensor([[-300.0, 0.0]]))
    assert far.isfinite().all()
    assert far.tolist()[0] == pytest.approx([np.exp(20.0), np.exp(-20.0)])


def test_importance_weights_are_capped_above_only_and_carry_no_gradient() -> None:
    learner = torch.tensor([[-1.0, -1.0, -1.0]], requires_grad=True)
    weights = ratio.truncated_importance_weights(learner, torch.tensor([[-1.0, -3.0, 0.0]]), cap=2.0)
    assert weights.tolist()[0] == pytest.approx([1.0, 2.0, np.exp(-1.0)])
    assert not weights.requires_grad


def test_a_sample_is_masked_by_its_mean_drift_not_by_its_length() -> None:
    drift = torch.full((1, 100), 0.012)
    masks = [
        ratio.sequence_importance_mask(
            drift[:, :length],
            torch.zeros(1, length),
            loss_mask=torch.ones(1, length, dtype=torch.bool),
            samples=torch.zeros(1, length, dtype=torch.int64),
            num_samples=1,
            low=0.9,
            high=1.1,
        )
        for length in (5, 100)
    ]
    assert all(mask.all() for mask in masks)  # the product over 100 tokens is 3.3
    far = ratio.sequence_importance_mask(
        torch.tensor([[0.5, 0.0, -2.0]]),
        torch.zeros(1, 3),
        loss_mask=torch.tensor([[True, False, True]]),
        samples=torch.tensor([[0, 0, 1]]),
        num_samples=2,
        high=2.0,
        low=0.5,
    )
    assert far.tolist() == [[True, False, False]]
