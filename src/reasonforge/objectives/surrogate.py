"""What is maximised at each token, given its advantage: the objective, and which tokens the clip silenced on which side."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Surrogate(NamedTuple):
    """A per-token objective to MAXIMISE (the loss is its negative) and where clipping changed it."""

    objective: Float[Tensor, "B T"]
    clipped_low: Bool[Tensor, "B T"]
    """The ratio was below its bound and the clip changed the objective."""
    clipped_high: Bool[Tensor, "B T"]
    """The ratio was above its bound and the clip changed the objective."""


def clipped(ratio: Float[Tensor, "B T"], advantages: Float[Tensor, "B T"], *, eps_low: float = 0.2, eps_high: float = 0.2) -> Surrogate:
    """Return ``min(ratio A, clip(ratio, 1 - eps_low, 1 + eps_high) A)``.

    Pessimistic: a token stops learning once its ratio has moved past a bound in the direction its advantage wants, never on the way
    back. Unequal bounds are DAPO's clip-higher; ``eps`` 10 (DeepSeek-R1, section 3.2.1) leaves only an upper bound of 11.

    Source:
        PPO (arXiv:1707.06347), Eq. 7; DeepSeekMath (arXiv:2402.03300), Eq. 3; DAPO (arXiv:2503.14476), Eq. 10.
    """
    objective = torch.minimum(ratio * advantages, ratio.clamp(1.0 - eps_low, 1.0 + eps_high) * advantages)
    return Surrogate(
        objective,
        clipped_low=(ratio < 1.0 - eps_low) & (advantages < 0),
        clipped_high=(ratio > 1.0 + eps_high) & (advantages > 0),
    )


def dual_clipped(
    ratio: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    *,
    eps_low: float = 0.2,
    eps_high: float = 0.2,
    max_negative_ratio: float = 3.0,
) -> Surrogate:
    """Return ``clipped``, bounded below by ``max_negative_ratio A`` where A < 0.

    ``clipped`` leaves the ratio of a bad token unbounded above, so one stale token can dominate a step.

    Source:
        Ye et al. (arXiv:1912.09729), their ``c`` = 3.
    """
    if max_negative_ratio <= 1.0:
        raise ValueError(f"max_negative_ratio must be above 1, not {max_negative_ratio}: it would silence on-policy tokens")
    single = clipped(ratio, advantages, eps_low=eps_low, eps_high=eps_high)
    bounded = torch.maximum(single.objective, max_negative_ratio * advantages)
    is_bad = advantages < 0
    return Surrogate(
        torch.where(is_bad, bounded, single.objective),
        clipped_low=single.clipped_low,
        clipped_high=single.clipped_high | (is_bad & (ratio > max_negative_ratio)),
    )


def cispo(
    ratio: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    logprobs: Float[Tensor, "B T"],
    *,
    eps_low: float | None = None,
    eps_high: float,
) -> Surrogate:
    """Return ``stop_gradient(clip(ratio, 1 - eps_low, 1 + eps_high)) A log pi``: the weight is bounded, every token keeps a gradient.

    Args:
        ratio: pi_theta / pi_old; its gradient is not used.
        advantages: per token.
        logprobs: log pi_theta; carries the gradient.
        eps_low: None = no lower bound, as in the paper.
        eps_high: the weight's upper bound minus 1. Some libraries call the bound itself epsilon_high.

    Source:
        MiniMax-M1 (arXiv:2506.13585), Eq. 4-5.
    """
    floor = 0.0 if eps_low is None else 1.0 - eps_low
    weight = ratio.detach().clamp(floor, 1.0 + eps_high)
    return Surrogate(weight * advantages * logprobs, clipped_low=ratio < floor, clipped_high=ratio > 1.0 + eps_high)


def reinforce(logprobs: Float[Tensor, "B T"], advantages: Float[Tensor, "B T"]) -> Surrogate:
    """Return ``A log pi``: the plain policy gradient, right only for samples of the policy itself.

    Source:
        Williams (1992); with a leave-one-out baseline, RLOO (arXiv:2402.14740).
    """
    never = torch.zeros_like(advantages, dtype=torch.bool)
    return Surrogate(advantages * logprobs, clipped_low=never, clipped_high=never)
