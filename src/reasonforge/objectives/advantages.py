"""How much better a completion was than its alternatives: one number per completion, from rewards and group ids.

Every function takes ``rewards[N]`` and ``groups[N]``; groups may differ in size. Leaving samples out of a baseline is leaving them
out of the call. Statistics are float64 (``N`` is small, and a constant added to all rewards must not show); results have the
rewards' dtype.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reasonforge.objectives.groups import group_by
from reasonforge.tensors.masked import masked_mean, masked_var


def group_normalized(
    rewards: Float[Tensor, " N"],
    groups: Int[Tensor, " N"],
    *,
    ddof: Literal[0, 1] = 0,
    eps: float = 0.0,
    std_floor: float = 1e-4,
    singleton: Literal["zero", "raw"] = "zero",
) -> Float[Tensor, " N"]:
    """Return ``(r - mean) / (max(std, std_floor) + eps)`` within each group; exactly 0 where all of a group's rewards are equal.

    The papers leave the standard deviation open; population is the default. ``eps`` scales every advantage down a little;
    ``std_floor`` leaves ordinary groups alone and only keeps float noise in a soft reward from being blown up to +-1.

    Args:
        rewards: one per completion.
        groups: completions with equal ids answer the same prompt.
        ddof: 0 = population, 1 = sample standard deviation. TRL and verl: 1.
        eps: added outside the root. TRL: 1e-4, verl: 1e-6 (both with ``std_floor=0``).
        std_floor: smallest standard deviation divided by, in units of reward.
        singleton: a group of one has no alternatives: "zero" = nothing to learn, "raw" = mean 0 and std 1 are assumed (verl).

    Source:
        DeepSeekMath (arXiv:2402.03300), section 4.1.2; DeepSeek-R1 (arXiv:2501.12948), Eq. 3.

    >>> group_normalized(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4, dtype=torch.int64))
    tensor([ 1.7321, -0.5774, -0.5774, -0.5774])
    """
    grouping, exact = group_by(groups), rewards.double()
    deviation = exact - grouping.means(exact)[grouping.group_of]
    variance = grouping.sums(deviation.square()) / (grouping.sizes - ddof).clamp(min=1)
    scale = variance.sqrt().clamp(min=std_floor) + eps
    normalized = torch.where(grouping.are_constant(exact)[grouping.group_of], 0.0, deviation / scale[grouping.group_of])
    if singleton == "raw":
        normalized = torch.where(grouping.sizes[grouping.group_of] == 1, exact / (1.0 + eps), normalized)
    return normalized.to(rewards.dtype)


def centred(rewards: Float[Tensor, " N"], groups: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return ``r - mean`` of the group: no division, so too easy and too hard prompts are not favoured.

    Source:
        Dr.GRPO (arXiv:2503.20783), section 3.2.
    """
    grouping, exact = group_by(groups), rewards.double()
    deviation = exact - grouping.means(exact)[grouping.group_of]
    return torch.where(grouping.are_constant(exact)[grouping.group_of], 0.0, deviation).to(rewards.dtype)


def leave_one_out(rewards: Float[Tensor, " N"], groups: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Return ``r - mean of the group's others``, which is ``G / (G - 1)`` times ``centred``; the raw reward where there are no others.

    Source:
        RLOO (arXiv:2402.14740).
    """
    grouping = group_by(groups)
    sizes = grouping.sizes[grouping.group_of]
    return torch.where(sizes == 1, rewards, centred(rewards, groups) * sizes / (sizes - 1).clamp(min=1))


def batch_whitened(rewards: Float[Tensor, " N"], *, eps: float = 1e-8) -> Float[Tensor, " N"]:
    """Return rewards at mean 0 and sample variance 1 over the whole batch, whatever the prompt; every completion weighs the same.

    Args:
        rewards: one per completion, or rewards minus a group baseline.
        eps: added to the variance, inside the root.

    Source:
        REINFORCE++ (arXiv:2501.03262); its ``-baseline`` variant is this after ``centred``.
    """
    return whitened(rewards, torch.ones_like(rewards, dtype=torch.bool), eps=eps)


def has_signal(outcomes: Float[Tensor, " N"] | Bool[Tensor, " N"], groups: Int[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Return, per sample, whether its group's outcomes differ; with right/wrong outcomes: ``0 < #correct < G``.

    Ask about correctness, not about the shaped reward: a length penalty makes every group vary.

    Source:
        DAPO (arXiv:2503.14476), Eq. 11.
    """
    grouping = group_by(groups)
    return ~grouping.are_constant(outcomes.double())[grouping.group_of]


def whitened(advantages: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"], *, eps: float = 1e-8) -> Float[Tensor, "*shape"]:
    """Return per-token advantages at mean 0 and sample variance 1 over the kept tokens; 0 elsewhere, and if only one is kept.

    ``eps`` is added to the variance, inside the root. Computed in float64 and returned in the input's dtype.
    """
    exact = advantages.double()
    variance = masked_var(exact, mask, correction=1)
    normalized = (exact - masked_mean(exact, mask)) * (variance + eps).rsqrt()
    return torch.where(mask, normalized, 0.0).to(advantages.dtype)
