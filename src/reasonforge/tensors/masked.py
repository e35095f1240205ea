"""Arithmetic over the entries a mask keeps. What an empty selection is worth is decided here, once: zero.

Masked entries are replaced before any arithmetic, so a NaN or an infinity under a False never reaches a result. Half-precision
values are summed in float32.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def masked_sum(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"], *, dim: int | None = None) -> Float[Tensor, "*reduced"]:
    """Return the sum of the kept entries, over one axis or (``dim=None``) over all."""
    kept = _zero_elsewhere(values, mask)
    return kept.sum() if dim is None else kept.sum(dim)


def masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"], *, dim: int | None = None) -> Float[Tensor, "*reduced"]:
    """Return the mean of the kept entries; 0 where none is kept.

    >>> masked_mean(torch.tensor([[1.0, 3.0], [5.0, 7.0]]), torch.tensor([[True, True], [False, False]]), dim=1)
    tensor([2., 0.])
    """
    count = mask.sum() if dim is None else mask.sum(dim)
    return masked_sum(values, mask, dim=dim) / count.clamp(min=1)


def masked_var(
    values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"], *, dim: int | None = None, correction: int = 0
) -> Float[Tensor, "*reduced"]:
    """Return the variance of the kept entries; 0 where ``correction`` or fewer are kept.

    Args:
        values: the entries; half precision is computed in float32.
        mask: True = keep.
        dim: the axis to reduce; None = all of them.
        correction: subtracted from the count in the denominator; 0 = population, 1 = sample variance.
    """
    kept = _zero_elsewhere(values, mask)  # first of all: a NaN under the mask would come back in the gradient of the square
    mean = masked_mean(kept, mask, dim=dim)
    deviation = kept - (mean if dim is None else mean.unsqueeze(dim))
    count = mask.sum() if dim is None else mask.sum(dim)
    variance = masked_sum(deviation.square(), mask, dim=dim) / (count - correction).clamp(min=1)
    return torch.where(count > correction, variance, torch.zeros_like(variance))


def _zero_elsewhere(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    # `where`, not `values * mask`: zero times an infinity is NaN.
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))
