"""Sums over the tokens of a sample, in a padded batch (a row per sample) and in a packed one (several) alike."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def sample_sums(
    values: Float[Tensor, "B T"], *, loss_mask: Bool[Tensor, "B T"], samples: Int[Tensor, "B T"], num_samples: int
) -> Float[Tensor, " N"]:
    """Return each sample's sum over the tokens it learns from; 0 for a sample without any."""
    # Masked tokens are added as zeros rather than left out: selecting them would make a GPU wait for their number.
    kept = torch.where(loss_mask, values, 0.0)
    return values.new_zeros(num_samples).index_add(0, samples.flatten(), kept.flatten())


def sample_means(
    values: Float[Tensor, "B T"], *, loss_mask: Bool[Tensor, "B T"], samples: Int[Tensor, "B T"], num_samples: int
) -> Float[Tensor, " N"]:
    """Return each sample's mean over the tokens it learns from (scope: sequence); 0 for a sample without any."""
    sums = sample_sums(values, loss_mask=loss_mask, samples=samples, num_samples=num_samples)
    counts = sample_sums(torch.ones_like(values), loss_mask=loss_mask, samples=samples, num_samples=num_samples)
    return sums / counts.clamp(min=1.0)
