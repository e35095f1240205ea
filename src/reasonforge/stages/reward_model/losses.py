"""Losses of reward models as the learner calls them: scores and labels of a micro-batch in, its share of the step's loss out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reasonforge.core.rollouts import Float32
from reasonforge.objectives.aggregate import aggregate, token_mean
from reasonforge.objectives.reward_model import bradley_terry, pointwise
from reasonforge.objectives.samples import sample_sums
from reasonforge.stages.reward_model.data import Example
from reasonforge.tensors.batch import LossOutput, RewardBatch, TokenBatch


def pointwise_loss(values: Float[Tensor, "B T"], batch: TokenBatch) -> LossOutput:
    """Binary cross-entropy of every labelled score; ``accuracy`` under the same weights."""
    assert isinstance(batch, RewardBatch)
    values = torch.where(batch.loss_mask, values, 0.0)  # padding holds garbage
    right = ((values.detach() > 0) == (batch.labels > 0.5)).float()
    return LossOutput(
        loss=aggregate(pointwise(values, batch.labels), batch.loss_weights),
        metrics={"reward_model/train_accuracy": aggregate(right, batch.loss_weights)},
    )


def pairwise_loss(values: Float[Tensor, "B T"], batch: TokenBatch) -> LossOutput:
    """Bradley-Terry on consecutive samples, the preferred one first; a pair weighs what its first sample does."""
    chosen, rejected = _by_sample(values, batch).unflatten(0, (-1, 2)).unbind(1)
    weights = _by_sample(batch.loss_weights, batch)[0::2]
    right = (chosen > rejected).float() + 0.5 * (chosen == rejected).float()
    return LossOutput(
        loss=(bradley_terry(chosen, rejected) * weights).sum(),
        metrics={"reward_model/train_accuracy": (right.detach() * weights).sum()},
    )


def loss_weights(examples: Sequence[Example]) -> Float32:
    """Return a weight per sample of an update: every label counts the same, and so does every pair."""
    samples = [sample for example in examples for sample in example.samples]
    if len(examples[0].samples) == 2:
        return np.full(len(samples), 1 / len(examples), dtype=np.float32)
    return token_mean(torch.tensor([int(sample.loss_mask.sum()) for sample in samples])).float().numpy()


def _by_sample(values: Float[Tensor, "B T"], batch: TokenBatch) -> Float[Tensor, " N"]:
    return sample_sums(values, loss_mask=batch.loss_mask, samples=batch.samples, num_samples=batch.num_samples)
