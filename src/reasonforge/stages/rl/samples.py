"""From scored groups to samples to learn from."""

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
