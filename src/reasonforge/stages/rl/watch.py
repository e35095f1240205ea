"""What to look at while a policy trains: figures of a step's rollouts, under the names of the metric registry."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from reasonforge.core.rollouts import Float32, Rollout, RolloutGroup, ScoredRollout
from reasonforge.rewards.rules import language_share, repeated_share

_REFLECTION = re.compile(r"\b(?:wait|mistake|however|but|retry|error|verify|wrong|evaluate|check)\b", re.IGNORECASE)
"""The words that DeepSeek-R1 (appendix C.2) counts."""

_MOST_TEXTS = 256
"""Completions of a step whose text is looked at; evenly spread where there are more. Reading thousands of long ones would take seconds."""


def rollout_metrics(groups: Sequence[RolloutGroup], advantages: Float32) -> dict[str, float]:
    """Return reward, signal, length and text figures of all groups that a step has drawn, and what they cost in tokens.

    Args:
        groups: graded.
        advantages: one per rollout, in order; 0 for those that were not learned from.
    """
    members = [member for group in groups for member in group.rollouts]
    right = np.array([member.verdict.correct for member in members])
    spread = np.array([np.std([member.reward.total for member in group.rollouts]) for group in groups])
    metrics = {
        "reward_std": spread.mean(),
        "frac_reward_zero_std": (spread == 0).mean(),
        "frac_mixed_groups": np.mean([_is_mixed(group) for group in groups]),
        "accuracy": right.mean(),
        "rewards/failed": np.mean([member.verdict.status in ("timeout", "error") for member in members]),
        "frac_learned": (advantages != 0).mean(),
    }
    metrics |= token_costs([[member.rollout for member in group.rollouts] for group in groups])
    figures = metrics | _reward_figures(members, right) | _length_figures(members, right) | _text_figures(groups)
    return {name: float(value) for name, value in figures.items()}


def token_costs(drawn: Sequence[Sequence[Rollout]]) -> dict[str, float]:
    """Return what groups of completions cost in tokens; a prompt counts once per group."""
    return {
        "cost/sampled_tokens": float(sum(len(rollout.completion) for rollouts in drawn for rollout in rollouts)),
        "cost/prompt_tokens": float(sum(len(rollouts[0].prompt_ids) for rollouts in drawn)),
    }


def num_tokens(groups: Sequence[RolloutGroup]) -> float:
    """Return the number of tokens of all completions."""
    return float(sum(len(member.rollout.completion) for group in groups for member in group.rollouts))


def _is_mixed(group: RolloutGroup) -> bool:
    correct = sum(member.verdict.correct for member in group.rollouts)
    return 0 < correct < len(group.rollouts)


def _reward_figures(members: Sequence[ScoredRollout], right: np.ndarray) -> dict[str, float]:
    totals = np.array([member.reward.total for member in members])
    figures = {"reward": totals.mean()}
    if right.any():
        figures["reward_right"] = totals[right].mean()
    if not right.all():
        figures["reward_wrong"] = totals[~right].mean()
    for name in sorted({name for member in members for name in member.reward.parts}):
        values = np.array([member.reward.parts[name] for member in members if name in member.reward.parts])
        figures[f"rewards/{name}/mean"] = values.mean()
        figures[f"rewards/{name}/std"] = values.std()
    return figures


def _length_figures(members: Sequence[ScoredRollout], right: np.ndarray) -> dict[str, float]:
    lengths = np.array([len(member.rollout.completion) for member in members])
    figures = {
        "completions/mean_length": lengths.mean(),
        "completions/p95_length": np.quantile(lengths, 0.95),
        "completions/max_length": lengths.max(),
        "completions/clipped_ratio": np.mean([member.rollout.completion.finish_reason == "length" for member in members]),
    }
    if right.any():
        figures["completions/mean_length_right"] = lengths[right].mean()
    if not right.all():
        figures["completions/mean_length_wrong"] = lengths[~right].mean()
    return figures


def _text_figures(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    pairs = [(member.rollout.text, group.problem.language) for group in groups for member in group.rollouts]
    if len(pairs) > _MOST_TEXTS:
        pairs = [pairs[i * len(pairs) // _MOST_TEXTS] for i in range(_MOST_TEXTS)]
    figures = {
        "completions/reflection_words": [len(_REFLECTION.findall(text)) for text, _ in pairs],
        "completions/repetition": [repeated_share(text, ngram=4) for text, _ in pairs],
        "completions/language": [language_share(text, language) for text, language in pairs],
        # Thinking may box what it tries; the answer must not.
        "completions/several_boxes": [text.rpartition("</think>")[2].count("\\boxed{") > 1 for text, _ in pairs],
    }
    return {name: float(np.mean(values)) for name, values in figures.items()}
