"""From scored groups to samples to learn from, and from a step's samples to those of its updates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reasonforge.core.rollouts import PolicySample, RolloutGroup


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


def minibatches(samples: Sequence[PolicySample], count: int, *, seed: int, whole_groups: bool = False) -> list[list[PolicySample]]:
    """Split a step's samples at random into minibatches whose sizes differ by one at most; a single one keeps their order.

    Args:
        samples: of the step.
        count: minibatches.
        seed: of the split.
        whole_groups: samples of a group stay together; then the numbers of groups differ by one at most.
    """
    if count == 1:
        return [list(samples)]
    units = [[sample] for sample in samples]
    if whole_groups:
        groups: dict[int, list[PolicySample]] = {}
        for sample in samples:
            groups.setdefault(sample.group, []).append(sample)
        units = list(groups.values())
    order = np.random.default_rng(seed).permutation(len(units))
    return [[sample for unit in part for sample in units[unit]] for part in np.array_split(order, count)]
