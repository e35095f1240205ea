"""From scored groups to samples to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reasonforge.core.rollouts import Float32, PolicySample, RolloutGroup
from reasonforge.objectives import advantages as adv
from reasonforge.objectives.kl import kl_k1, kl_k2, kl_k3
from reasonforge.objectives.shaping import apply_truncated_policy
from reasonforge.stages.rl.config import Centred, GroupNormalized, LeaveOneOut, RawReward, RLConfig


def to_policy_samples(groups: Sequence[RolloutGroup]) -> list[PolicySample]:
    """Lay prompt and completion out as one sequence per rollout; advantages are still zero."""
    samples = []
    for number, group in enumerate(groups):
        for member in group.rollouts:
            prompt, completion = member.rollout.prompt_ids, member.rollout.completion
            token_ids = np.concatenate([np.asarray(prompt, dtype=np.int32), completion.token_ids])
            samples.append(
                PolicySample(
                    token_ids=token_ids,
                    loss_mask=np.concatenate([np.zeros(len(prompt), dtype=np.bool_), completion.mask]),
                    group=number,
                    advantages=np.zeros(len(token_ids), dtype=np.float32),
                    sampler_logprobs=np.concatenate([np.zeros(len(prompt), dtype=np.float32), completion.logprobs]),
                )
            )
    return samples


def advantages_of(groups: Sequence[RolloutGroup], samples: Sequence[PolicySample], config: RLConfig) -> tuple[Float32, np.ndarray]:
    """Return one advantage per rollout and which rollouts may be learned from.

    A rollout that could not be scored leaves the baseline and the gradient: it says nothing about the policy.
    """
    members = [member for group in groups for member in group.rollouts]
    rewards = torch.tensor([member.reward.total for member in members], dtype=torch.float64)
    if config.kl is not None and config.kl.place == "reward":
        rewards -= config.kl.coef * _reward_kl(samples, config.kl.estimator)
    is_truncated = torch.tensor([member.rollout.completion.finish_reason == "length" for member in members])
    outcome = apply_truncated_policy(rewards, is_truncated, policy=config.truncated)
    scored = torch.tensor([member.verdict.status not in ("timeout", "error") for member in members])
    in_baseline = outcome.in_baseline & scored
    learned = outcome.is_learned & scored
    group_ids = torch.tensor([sample.group for sample in samples])
    if not isinstance(config.advantage, RawReward):
        # Alone in its baseline, a rollout has nothing to be compared with: its reward would pass for an advantage.
        alone = torch.bincount(group_ids[in_baseline], minlength=int(group_ids.max()) + 1)[group_ids] < 2
        learned = learned & ~(alone & in_baseline)
    result = torch.zeros_like(rewards)
    result[in_baseline] = _advantage(outcome.rewards[in_baseline], group_ids[in_baseline], config)
    return torch.where(learned, result, 0.0).float().numpy(), learned.numpy()


def _advantage(rewards: torch.Tensor, group_ids: torch.Tensor, config: RLConfig) -> torch.Tensor:
    match config.advantage:
        case GroupNormalized(ddof=ddof, eps=eps, std_floor=std_floor):
            return adv.group_normalized(rewards, group_ids, ddof=ddof, eps=eps, std_floor=std_floor)
        case Centred():
            return adv.centred(rewards, group_ids)
        case LeaveOneOut():
            return adv.leave_one_out(rewards, group_ids)
        case RawReward():
            return rewards


def _reward_kl(samples: Sequence[PolicySample], estimator: str) -> torch.Tensor:
    """Sum each rollout's per-token estimates under the sampling policy, which is where the rollout came from."""
    estimate = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}[estimator]
    sums = []
    for sample in samples:
        assert sample.ref_logprobs is not None
        mask = sample.loss_mask
        per_token = estimate(torch.from_numpy(sample.sampler_logprobs[mask]), torch.from_numpy(sample.ref_logprobs[mask]))
        sums.append(per_token.double().sum())
    return torch.stack(sums)
