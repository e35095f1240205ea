"""From rewards at tokens to advantages at tokens: generalised advantage estimation, sums to go, process supervision.

Tokens whose ``mask`` is False inside a completion (tool output, templates) are stepped over: no reward is collected there, no discount
is applied, and the value of the next token that the policy wrote stands in for theirs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Estimate(NamedTuple):
    """What a critic's values turn rewards into."""

    advantages: Float[Tensor, "B T"]
    """Zero where masked."""
    returns: Float[Tensor, "B T"]
    """What the critic should have said: advantages + values. Zero where masked."""


def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    *,
    mask: Bool[Tensor, "B T"],
    gamma: float = 1.0,
    lam: float = 1.0,
    bootstrap: Float[Tensor, " B"] | None = None,
) -> Estimate:
    """Return generalised advantage estimates, one sequence per row.

    ``delta_t = r_t + gamma V_{t+1} - V_t``, ``A_t = delta_t + gamma lam A_{t+1}``, where ``t+1`` is the next kept token.

    Args:
        rewards: per token; ignored where masked.
        values: the critic's, before the token; ignored where masked.
        mask: True = the policy wrote the token.
        gamma: discount per kept token; 1 is usual for language.
        lam: 0 = one-step, 1 = Monte Carlo. 0.95 was clearly worse than 1 for reasoning (DeepSeek-R1, appendix A.3).
        bootstrap: value after the last kept token, for sequences that were cut; None = 0, the sequence ended.

    Source:
        Schulman et al. (arXiv:1506.02438), Eq. 16; DeepSeekMath (arXiv:2402.03300), Eq. 1.
    """
    kept = mask.to(values.dtype)
    values = torch.where(mask, values, 0.0)
    end = values.new_zeros(len(values)) if bootstrap is None else bootstrap
    # value_from[t] = value of the first kept token at or after t; where there is none, the value after the end.
    value_from = reverse_scan(torch.cat([values, end[:, None]], 1), torch.cat([1 - kept, torch.zeros_like(end)[:, None]], 1))
    delta = torch.where(mask, rewards + gamma * value_from[:, 1:] - values, 0.0)
    advantages = reverse_scan(delta, torch.where(mask, values.new_tensor(gamma * lam), 1.0))
    return Estimate(advantages * kept, (advantages + values) * kept)


def return_to_go(rewards: Float[Tensor, "B T"], *, mask: Bool[Tensor, "B T"], gamma: float = 1.0) -> Float[Tensor, "B T"]:
    """Return the discounted sum of rewards from each kept token on; zero where masked.

    Source:
        REINFORCE++ (arXiv:2501.03262), with gamma 1.
    """
    collected = reverse_scan(torch.where(mask, rewards, 0.0), torch.where(mask, rewards.new_tensor(gamma), 1.0))
    return torch.where(mask, collected, 0.0)


def reverse_scan(increments: Float[Tensor, "B T"], factors: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return ``y`` with ``y_t = increments_t + factors_t y_{t+1}`` and nothing after the end.

    Doubling: after round ``k`` every entry covers ``2^k`` steps, so 32,768 tokens take 15 vectorised rounds instead of 32,768.
    """
    totals, num_tokens, stride = increments, increments.shape[1], 1
    while stride < num_tokens:
        reached = torch.zeros_like(totals)
        reached[:, :-stride] = totals[:, stride:]
        totals = totals + factors * reached
        ahead = torch.zeros_like(factors)
        ahead[:, :-stride] = factors[:, stride:]
        factors = factors * ahead
        stride *= 2
    return totals


def process_advantages(
    step_rewards: Float[Tensor, " S"],
    step_ends: Int[Tensor, " S"],
    *,
    num_tokens: int,
    counted_from: Literal["end", "start"] = "end",
    reduce: Literal["sum", "mean"] = "sum",
) -> Float[Tensor, " T"]:
    """Return one completion's token advantages: at each token, the normalised rewards of the steps that are still to come.

    Normalise first, over all steps of all completions of the group together: ``group_normalized`` with the group id of each step.
    Tokens after the last step get 0.

    Args:
        step_rewards: normalised, in order of the steps.
        step_ends: index of the last token of each step, increasing.
        num_tokens: length of the completion.
        counted_from: "end" = a step counts for tokens up to its last one, its own included (the paper's ``index(j) >= t``);
            "start" = only for tokens up to its first one, so a step's own tokens after the first do not see its reward.
        reduce: "sum" (the paper; completions of many steps get larger advantages) or "mean" over the steps counted at that token.

    Source:
        DeepSeekMath (arXiv:2402.03300), section 4.1.3.
    """
    if step_ends.numel() and (int(step_ends[-1]) >= num_tokens or int(step_ends[0]) < 0 or bool((step_ends.diff() <= 0).any())):
        raise ValueError(f"step ends {step_ends.tolist()} must increase and lie within the {num_tokens} tokens of the completion")
    if counted_from == "end":
        limits = step_ends
    else:
        limits = torch.cat([step_ends.new_zeros(min(1, len(step_ends))), step_ends[:-1] + 1])
    rewards_at = step_rewards.new_zeros(1, num_tokens).index_add(1, limits, step_rewards[None])
    sums = rewards_at.flip(1).cumsum(1).flip(1)[0]
    if reduce == "sum":
        return sums
    counts = torch.bincount(limits, minlength=num_tokens).flip(0).cumsum(0).flip(0)
    return sums / counts.clamp(min=1)
