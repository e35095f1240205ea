"""What to look at while a policy trains: figures of a step's rollouts, under the names of the metric registry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reasonforge.core.rollouts import Float32, RolloutGroup


def rollout_metrics(groups: Sequence[RolloutGroup], advantages: Float32) -> dict[str, float]:
    """Return reward, signal and length figures of one step's groups."""
    members = [member for group in groups for member in group.rollouts]
    totals = np.array([member.reward.total for member in members])
    lengths = np.array([len(member.rollout.completion) for member in members])
    cut = np.array([member.rollout.completion.finish_reason == "length" for member in members])
    spread = np.array([np.std([member.reward.total for member in group.rollouts]) for group in groups])
    right = np.array([member.verdict.correct for member in members])
    metrics = {
        "reward": totals.mean(),
        "reward_std": spread.mean(),
        "frac_reward_zero_std": (spread == 0).mean(),
        "accuracy": right.mean(),
        "completions/mean_length": lengths.mean(),
        "completions/max_length": lengths.max(),
        "completions/clipped_ratio": cut.mean(),
        "rewards/failed": np.mean([member.verdict.status in ("timeout", "error") for member in members]),
        "frac_learned": (advantages != 0).mean(),
    }
    for name in sorted({name for member in members for name in member.reward.parts}):
        values = np.array([member.reward.parts[name] for member in members if name in member.reward.parts])
        metrics[f"rewards/{name}/mean"] = values.mean()
        metrics[f"rewards/{name}/std"] = values.std()
    if right.any():
        metrics["completions/mean_length_right"] = lengths[right].mean()
    if not right.all():
        metrics["completions/mean_length_wrong"] = lengths[~right].mean()
    return {name: float(value) for name, value in metrics.items()}
