"""What happens to rewards before they become advantages: divergence penalties, length penalties, truncated completions."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TruncatedPolicy = Literal["keep", "zero_reward", "mask_keep_in_baseline", "mask_drop_from_baseline"]


def token_rewards(rewards: Float[Tensor, " B"], *, mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Place each sequence's reward on its last kept token; zero elsewhere. A sequence without kept tokens gets none.

    Source:
        DeepSeekMath (arXiv:2402.03300), section 4.1.1.
    """
    kept = mask.int()
    is_last = mask & (kept.flip(1).cumsum(1).flip(1) == 1)
    return torch.where(is_last, rewards[:, None], 0.0)


def kl_shaped(
    rewards: Float[Tensor, "B T"], divergence: Float[Tensor, "B T"], *, mask: Bool[Tensor, "B T"], kl_coef: float
) -> Float[Tensor, "B T"]:
    """Return ``r_t - kl_coef * divergence_t`` at kept tokens, zero elsewhere. A reward is data: it carries no gradient.

    Summed over a completion this penalises length as well as divergence; placing the divergence in the loss does not.

    Args:
        rewards: per token.
        divergence: estimated at each token under the policy that drew it (``kl_k1(sampler, reference)`` in the paper).
        mask: True = the policy wrote the token.
        kl_coef: the penalty's weight.

    Source:
        DeepSeekMath (arXiv:2402.03300), Eq. 2.
    """
    return torch.where(mask, rewards - kl_coef * divergence.detach(), 0.0)


def adapted_kl_coef(kl_coef: float, *, observed_kl: float, target_kl: float, num_samples: int, horizon: int) -> float:
    """Return the coefficient for the next step: it moves towards holding the divergence at its target.

    ``kl_coef (1 + clip(observed / target - 1, -0.2, 0.2) num_samples / horizon)``.

    Args:
        kl_coef: the coefficient now.
        observed_kl: the step's mean divergence per sequence, in nats.
        target_kl: what it should be, in nats.
        num_samples: completions in the step.
        horizon: completions over which the coefficient may change by 20 %.

    Source:
        Ziegler et al. (arXiv:1909.08593), section 2.2.
    """
    error = min(max(observed_kl / target_kl - 1.0, -0.2), 0.2)
    return kl_coef * (1.0 + error * num_samples / horizon)


class TruncatedOutcome(NamedTuple):
    """What a policy for truncated completions decides."""

    rewards: Float[Tensor, " N"]
    in_baseline: Bool[Tensor, " N"]
    """False = compute the advantages of the others without it."""
    is_learned: Bool[Tensor, " N"]
    """False = its tokens are masked out of the loss."""


def apply_truncated_policy(rewards: Float[Tensor, " N"], is_truncated: Bool[Tensor, " N"], *, policy: TruncatedPolicy) -> TruncatedOutcome:
    """Decide what becomes of completions that hit the token limit; the others are untouched.

    ``keep``: nothing special. ``zero_reward``: reward 0, learned from. ``mask_keep_in_baseline``: not learned from, but its reward still
    counts in the group's statistics (overlong filtering as usually implemented). ``mask_drop_from_baseline``: not in these either; where
    the loss is a mean over samples, it still is one of them.

    Source:
        DAPO (arXiv:2503.14476), section 3.4 (overlong filtering).
    """
    all_true = torch.ones_like(is_truncated)
    if policy == "keep":
        return TruncatedOutcome(rewards, all_true, all_true)
    if policy == "zero_reward":
        return TruncatedOutcome(torch.where(is_truncated, 0.0, rewards), all_true, all_true)
    if policy == "mask_keep_in_baseline":
        return TruncatedOutcome(rewards, all_true, ~is_truncated)
    return TruncatedOutcome(rewards, ~is_truncated, ~is_truncated)
