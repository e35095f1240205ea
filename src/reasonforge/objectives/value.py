"""What a critic learns from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class ValueLoss(NamedTuple):
    """A per-token loss to minimise and where clipping changed it."""

    loss: Float[Tensor, "B T"]
    was_clipped: Bool[Tensor, "B T"]


def clipped_value_loss(
    values: Float[Tensor, "B T"],
    *,
    old_values: Float[Tensor, "B T"],
    returns: Float[Tensor, "B T"],
    clip: float = 0.2,
) -> ValueLoss:
    """Return ``0.5 max((V - R)^2, (clip(V, V_old - clip, V_old + clip) - R)^2)`` at each token.

    Args:
        values: the critic's, now; carries gradient.
        old_values: the critic's when the step began.
        returns: what it should have said.
        clip: how far a step may move a value, in units of reward; infinity = no clipping.

    Source:
        PPO as in Baselines and Ziegler et al. (arXiv:1909.08593); the paper itself does not clip values.
    """
    free = (values - returns).square()
    bounded = (torch.minimum(torch.maximum(values, old_values - clip), old_values + clip) - returns).square()
    return ValueLoss(0.5 * torch.maximum(free, bounded), was_clipped=bounded > free)
