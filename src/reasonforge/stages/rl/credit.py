"""Who gets how much of the reward: from scored groups to one advantage per token.

Three roads: completions compared as wholes (GRPO and its relatives), steps paid where they end (process supervision), and rewards laid at
tokens and summed up from there (PPO, REINFORCE++). Rows are aligned with the samples' ``token_ids``; only the third road pads them, on the
right. All arithmetic is float64, results are float32.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reasonforge.core.rollouts import Float32, PolicySample, Reward, RolloutGroup, ScoredRollout
from reasonforge.objectives import advantages as adv
from reasonforge.objectives.kl import kl_k1, kl_k2, kl_k3
from reasonforge.objectives.returns import Estimate, gae, process_advantages, return_to_go
from reasonforge.objectives.shaping import apply_truncated_policy, kl_shaped, token_rewards
from reasonforge.stages.rl.axes import GAE, BatchWhitened, Centred, GroupNormalized, LeaveOneOut, ProcessSupervision, RawReward
from reasonforge.stages.rl.config import RLConfig

_ESTIMATORS = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What a step's rollouts teach."""

    samples: list[PolicySample]
    """With their advantages, and returns where there is a critic; tokens that must not be learned from are masked out."""
    advantages: Float32
    """One per rollout: the mean over its tokens."""
    recorded: list[float | Float32]
    """What to write down of each rollout: its advantage, or one per completion token where they differ."""


class _Outcomes(NamedTuple):
    """What is known of whole rollouts."""

    rewards: Float[Tensor, " N"]
    groups: Int[Tensor, " N"]
    in_baseline: Bool[Tensor, " N"]
    is_learned: Bool[Tensor, " N"]


class _Penalty(NamedTuple):
    """A divergence paid for in the reward."""

    divergence: list[Float[Tensor, " T"]]
    """Per sample, aligned with its ``token_ids``; zero where masked."""
    coef: float


def assign_credit(
    groups: Sequence[RolloutGroup],
    samples: Sequence[PolicySample],
    config: RLConfig,
    *,
    kl_coef: float = 0.0,
    step_parts: Set[str] = frozenset(),
    bootstrap: Float32 | None = None,
) -> Credit:
    """Return the samples with an advantage at every token.

    A rollout that could not be scored leaves the baseline and the gradient: it says nothing about the policy.

    Args:
        groups: scored.
        samples: one per rollout, in order; with log-probabilities of the reference and values of the critic where there are such models.
        config: picks the advantage, the place of the divergence, and what becomes of truncated completions.
        kl_coef: weight of the divergence in the reward; not read where it is in the loss.
        step_parts: parts of the reward that pay steps; with process supervision the outcome is what the others pay.
        bootstrap: the critic's value behind each rollout that was cut, 0 for the others; None = 0 for all.
    """
    if not samples:
        return Credit(samples=[], advantages=np.zeros(0, np.float32), recorded=[])
    members = [member for group in groups for member in group.rollouts]
    outcomes = _outcomes(members, samples, config, step_parts if config.process is not None else frozenset())
    penalty = None
    if config.kl is not None and config.kl.place == "reward":
        penalty = _Penalty(_divergence(samples, config.kl.estimator), kl_coef)
    returns: Sequence[Tensor | None] = [None] * len(samples)
    if config.pays_tokens:
        found = _token_level(outcomes, penalty, samples, config, bootstrap)
        rows = [row[: len(sample.token_ids)] for row, sample in zip(found.advantages, samples)]
        if config.critic is not None:
            returns = [row[: len(sample.token_ids)] for row, sample in zip(found.returns, samples)]
    else:
        rows = [value.expand(len(sample.token_ids)) for value, sample in zip(_sequence_level(outcomes, penalty, config), samples)]
        if config.process is not None:
            rows = [row + steps for row, steps in zip(rows, _process_level(outcomes, members, samples, config))]
    taught = [_taught(*each) for each in zip(samples, rows, returns, outcomes.is_learned.tolist())]
    advantages = np.array([sample.advantages.sum(dtype=np.float64) / max(sample.loss_mask.sum(), 1) for sample in taught], np.float32)
    recorded: list[float | Float32] = advantages.tolist()
    if config.pays_tokens or config.process is not None:
        recorded = [sample.advantages[len(member.rollout.prompt_ids) :] for sample, member in zip(taught, members)]
    return Credit(samples=taught, advantages=advantages, recorded=recorded)


def _taught(sample: PolicySample, advantages: Tensor, returns: Tensor | None, is_learned: bool) -> PolicySample:
    """Return the sample with its advantages (and returns) at the tokens that may be learned from, zero elsewhere."""
    mask = sample.loss_mask & is_learned

    def placed(row: Tensor) -> Float32:
        return np.where(mask, row.numpy(), 0.0).astype(np.float32)

    return replace(sample, loss_mask=mask, advantages=placed(advantages), returns=None if returns is None else placed(returns))


def _outcomes(members: Sequence[ScoredRollout], samples: Sequence[PolicySample], config: RLConfig, step_parts: Set[str]) -> _Outcomes:
    """Return each rollout's reward, without what steps are paid, and what it may be used for."""
    rewards = [_outcome(member.reward, config, step_parts) for member in members]
    is_truncated = torch.tensor([member.rollout.completion.finish_reason == "length" for member in members])
    outcome = apply_truncated_policy(torch.tensor(rewards, dtype=torch.float64), is_truncated, policy=config.truncated)
    scored = torch.tensor([member.verdict.status not in ("timeout", "error") for member in members])
    groups = torch.tensor([sample.group for sample in samples])
    in_baseline, is_learned = outcome.in_baseline & scored, outcome.is_learned & scored
    if config.compares_groups:
        # Alone in its baseline, a rollout has nothing to be compared with: its reward would pass for an advantage.
        alone = torch.bincount(groups[in_baseline], minlength=int(groups.max()) + 1)[groups] < 2
        is_learned = is_learned & ~(alone & in_baseline)
    return _Outcomes(outcome.rewards, groups, in_baseline, is_learned)


def _outcome(reward: Reward, config: RLConfig, step_parts: Set[str]) -> float:
    """Return what a reward is without what its steps are paid."""
    if not step_parts & reward.parts.keys():
        return reward.total
    # Summed again, not subtracted: rounding would make equal outcomes differ.
    return sum(config.rewards[name].weight * value for name, value in reward.parts.items() if name not in step_parts)


def _sequence_level(outcomes: _Outcomes, penalty: _Penalty | None, config: RLConfig) -> Float[Tensor, " N"]:
    """Return one advantage per rollout; 0 for those out of the baseline."""
    kept = outcomes.in_baseline
    rewards = outcomes.rewards
    if penalty is not None:
        rewards = rewards - penalty.coef * torch.stack([row.sum() for row in penalty.divergence])
    result = torch.zeros_like(rewards)
    result[kept] = _compare(rewards[kept], outcomes.groups[kept], config)
    return result


def _compare(rewards: Float[Tensor, " N"], groups: Int[Tensor, " N"], config: RLConfig) -> Float[Tensor, " N"]:
    match config.advantage:
        case GroupNormalized(ddof=ddof, eps=eps, std_floor=std_floor):
            return adv.group_normalized(rewards, groups, ddof=ddof, eps=eps, std_floor=std_floor)
        case Centred():
            return adv.centred(rewards, groups)
        case LeaveOneOut():
            return adv.leave_one_out(rewards, groups)
        case RawReward():
            return rewards
        case BatchWhitened(baseline=baseline):
            return adv.batch_whitened(adv.centred(rewards, groups) if baseline == "group" else rewards)
        case GAE():
            raise AssertionError("a critic judges tokens")


def _process_level(
    outcomes: _Outcomes, members: Sequence[ScoredRollout], samples: Sequence[PolicySample], config: RLConfig
) -> list[Float[Tensor, " T"]]:
    """Return what the steps still to come are worth at each token: normalised over all steps of the group, then summed up."""
    assert isinstance(config.process, ProcessSupervision)
    steps = [_merged(member.reward.steps) if kept else {} for member, kept in zip(members, outcomes.in_baseline.tolist())]
    counts = torch.tensor([len(row) for row in steps])
    rewards = torch.tensor([value for row in steps for value in row.values()], dtype=torch.float64)
    normalized = _compare(rewards, outcomes.groups.repeat_interleave(counts), config) if len(rewards) else rewards
    found = []
    for row, values, sample, member in zip(steps, normalized.split(counts.tolist()), samples, members):
        start = len(member.rollout.prompt_ids)
        to_come = process_advantages(
            values,
            torch.tensor(list(row), dtype=torch.int64),
            num_tokens=len(sample.token_ids) - start,
            counted_from=config.process.counted_from,
            reduce=config.process.reduce,
        )
        found.append(torch.cat([to_come.new_zeros(start), to_come]))
    return found


def _merged(steps: Sequence[tuple[int, float]]) -> dict[int, float]:
    """Return token -> reward, in order; what several parts pay at one token is one step's reward."""
    merged: dict[int, float] = {}
    for token, value in sorted(steps):
        merged[token] = merged.get(token, 0.0) + value
    return merged


def _token_level(
    outcomes: _Outcomes,
    penalty: _Penalty | None,
    samples: Sequence[PolicySample],
    config: RLConfig,
    bootstrap: Float32 | None,
) -> Estimate:
    """Lay rewards at tokens, the outcome at the last one, and return what is still to come at each token."""
    mask = _padded([torch.from_numpy(sample.loss_mask) for sample in samples])
    kept = mask & outcomes.in_baseline[:, None]
    match config.advantage:
        case GAE(gamma=gamma, lam=lam, whiten=whiten):
            rewards = _at_tokens(outcomes.rewards, mask, penalty)
            values = _padded([torch.from_numpy(_present(sample.values)).double() for sample in samples])
            after = None if bootstrap is None else torch.from_numpy(bootstrap).double()
            found = gae(rewards, values, mask=mask, gamma=gamma, lam=lam, bootstrap=after)
            return found._replace(advantages=adv.whitened(found.advantages, kept)) if whiten else found
        case BatchWhitened(baseline=baseline):
            totals, inside = outcomes.rewards.clone(), outcomes.in_baseline
            if baseline == "group":
                totals[inside] = adv.centred(totals[inside], outcomes.groups[inside])
            collected = return_to_go(_at_tokens(totals, mask, penalty), mask=mask)
            return Estimate(adv.whitened(collected, kept), collected)
    raise AssertionError(config.advantage)


def _at_tokens(rewards: Float[Tensor, " N"], mask: Bool[Tensor, "N T"], penalty: _Penalty | None) -> Float[Tensor, "N T"]:
    placed = token_rewards(rewards, mask=mask)
    return placed if penalty is None else kl_shaped(placed, _padded(penalty.divergence), mask=mask, kl_coef=penalty.coef)


def _divergence(samples: Sequence[PolicySample], estimator: str) -> list[Float[Tensor, " T"]]:
    """Estimate the divergence at each token under the sampling policy, which is where the rollout came from; 0 where masked."""
    rows = []
    for sample in samples:
        sampled, reference = torch.from_numpy(sample.sampler_logprobs).double(), torch.from_numpy(_present(sample.ref_logprobs)).double()
        rows.append(torch.where(torch.from_numpy(sample.loss_mask), _ESTIMATORS[estimator](sampled, reference), 0.0))
    return rows


def mean_divergence(samples: Sequence[PolicySample]) -> float:
    """Return the step's mean divergence per completion, in nats, by k1: what a controller holds at its target."""
    return float(torch.stack([row.sum() for row in _divergence(samples, "k1")]).mean())


def _present(array: Float32 | None) -> Float32:
    assert array is not None
    return array


def _padded(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True)
