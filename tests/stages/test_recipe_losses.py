"""Every recipe of an algorithm on the worked example: loss and gradient, written out again in plain Python, and the printed values.

The plain form knows nothing of tensors and axes: it loops over tokens with the formulas of the papers. Gradients are central differences,
but for what a formula stops: CISPO's weight, and the ratio's sequence part in GSPO-token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from reasonforge.core.rollouts import TrainingSample
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.tensors.batch import PolicyBatch, TokenScores
from tests.oracle import case
from tests.stages.policies import ALGORITHMS, Settings, algorithm, rl_config

EXAMPLE = case("policy_losses", "grpo_eps0.2_beta0.04").inputs
LENGTHS = [sum(map(bool, row)) for row in EXAMPLE["mask"]]
REWARDS = EXAMPLE["rewards"]
MAX_TOKENS = 8
PRINTED = {
    "grpo": "grpo_eps0.2_beta0.04",
    "r1": "grpo_r1_eps10_beta0.001",
    "dapo": "dapo_token_mean_eps0.2_0.28",
    "dapo_as_printed": "dapo_token_mean_eps0.2_0.28",  # one group is the batch
    "dr_grpo": "dr_grpo_const_Lmax8",
    "gspo": "gspo_eps3e-4_4e-4",
    "gspo_token": "gspo_eps3e-4_4e-4",  # one advantage per completion: the same value and the same gradient
}
"""Recipes whose very settings the worked examples have."""

Rows = Sequence[Sequence[float]]


def advantages_of(settings: Settings) -> list[float]:
    """The example's rewards as the recipe compares them; methods whose tokens differ get the group's, at every token."""
    mean, n = sum(REWARDS) / len(REWARDS), len(REWARDS)
    kind = settings["advantage"]["type"]
    if kind == "reward":
        return list(REWARDS)
    if kind == "centred":
        return [reward - mean for reward in REWARDS]
    if kind == "leave_one_out":
        return [reward - (sum(REWARDS) - reward) / (n - 1) for reward in REWARDS]
    deviation = math.sqrt(sum((reward - mean) ** 2 for reward in REWARDS) / n)
    return [(reward - mean) / deviation for reward in REWARDS]


def plain_loss(settings: Settings, new: Rows, stopped: Rows) -> float:
    """The loss by loops; ``stopped`` = the log-probabilities that a formula's stop-gradient sees."""
    total = 0.0
    advantages, surrogate = advantages_of(settings), settings["surrogate"]
    for i, length in enumerate(LENGTHS):
        old, ref = EXAMPLE["logp_old"][i], EXAMPLE["logp_ref"][i]
        share = _share(settings["aggregation"], length)
        for t in range(length):
            ratio = _ratio(settings["ratio"], new[i], stopped[i], old, t, length)
            advantage = advantages[i]
            if surrogate["type"] == "reinforce":
                objective = new[i][t] * advantage
            elif surrogate["type"] == "cispo":
                objective = min(math.exp(stopped[i][t] - old[t]), 1 + surrogate["eps_high"]) * advantage * new[i][t]
            else:
                cut = min(max(ratio, 1 - surrogate["eps_low"]), 1 + surrogate["eps_high"])
                objective = min(ratio * advantage, cut * advantage)
                if surrogate["dual_clip"] is not None and advantage < 0:
                    objective = max(objective, surrogate["dual_clip"] * advantage)
            total -= share * objective
            kl = settings["kl"]
            if kl is not None and kl["place"] == "loss":
                k3 = math.exp(ref[t] - new[i][t]) - (ref[t] - new[i][t]) - 1
                total += share * kl["coef"] * k3 * (ratio if kl["importance_weighted"] else 1.0)
    return total


def _ratio(level: str, new: Sequence[float], stopped: Sequence[float], old: Sequence[float], t: int, length: int) -> float:
    if level == "token":
        return math.exp(new[t] - old[t])
    if level == "sequence":
        return math.exp(sum(new[s] - old[s] for s in range(length)) / length)
    return math.exp(sum(stopped[s] - old[s] for s in range(length)) / length) * math.exp(new[t] - stopped[t])


def _share(aggregation: str, length: int) -> float:
    completions, tokens = len(LENGTHS), sum(LENGTHS)
    return {
        "sequence_mean_token_mean": 1 / completions / length,
        "token_mean": 1 / tokens,
        "group_token_mean": 1 / tokens,
        "sequence_mean_token_sum": 1 / completions,
        "constant_length": 1 / completions / MAX_TOKENS,
    }[aggregation]


def plain_gradient(settings: Settings, width: float = 1e-6) -> list[list[float]]:
    """Central differences of the plain loss."""
    start: list[list[float]] = [list(row) for row in EXAMPLE["logp_new"]]

    def moved(i: int, t: int, by: float) -> float:
        new = [list(row) for row in start]
        new[i][t] += by
        return plain_loss(settings, new, start)

    return [
        [(moved(i, t, width) - moved(i, t, -width)) / (2 * width) if t < length else 0.0 for t in range(len(start[i]))]
        for i, length in enumerate(LENGTHS)
    ]


def of_the_stage(settings: Settings) -> tuple[float, torch.Tensor]:
    """The same by the stage's own loss."""
    config = rl_config(settings, sampling={"max_new_tokens": MAX_TOKENS})
    mask = torch.tensor(EXAMPLE["mask"]).bool()
    rows, length = mask.shape
    samples = [TrainingSample(token_ids=np.zeros(length, np.int32), loss_mask=row.numpy()) for row in mask]
    zeros = torch.zeros(rows, length, dtype=torch.int64)

    def doubles(values: Rows) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64) * mask

    batch = PolicyBatch(
        inputs=zeros,
        targets=zeros,
        loss_mask=mask,
        loss_weights=torch.from_numpy(sample_weights(samples, config)).double()[:, None] * mask,
        positions=torch.arange(length).expand(rows, length),
        segments=mask.long(),
        samples=torch.arange(rows)[:, None] * mask,
        num_samples=rows,
        advantages=torch.tensor(advantages_of(settings), dtype=torch.float64)[:, None] * mask,
        sampler_logprobs=doubles(EXAMPLE["logp_old"]),
        old_logprobs=doubles(EXAMPLE["logp_old"]),
        ref_logprobs=doubles(EXAMPLE["logp_ref"]) if config.kl is not None else None,
    )
    logprobs = doubles(EXAMPLE["logp_new"]).requires_grad_()
    objective = PolicyObjective(config, num_tokens=sum(LENGTHS))
    loss = objective(TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs)), batch).loss
    return loss.item(), torch.autograd.grad(loss, logprobs)[0]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_recipes_loss_and_gradient_are_the_plain_ones(name: str) -> None:
    settings = algorithm(name)
    loss, gradient = of_the_stage(settings)
    # The stage's weights are float32.
    assert loss == pytest.approx(plain_loss(settings, EXAMPLE["logp_new"], EXAMPLE["logp_new"]), abs=1e-7)
    torch.testing.assert_close(gradient, torch.tensor(plain_gradient(settings), dtype=torch.float64), rtol=0, atol=1e-6)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("name", PRINTED)
def test_a_recipes_loss_and_gradient_are_the_printed_ones(name: str) -> None:
    printed = case("policy_losses", PRINTED[name]).expected
    loss, gradient = of_the_stage(algorithm(name))
    assert loss == pytest.approx(printed["loss_to_minimise"], abs=1e-7)
    torch.testing.assert_close(gradient, torch.tensor(printed["grad_loss_wrt_logp_new"], dtype=torch.float64), rtol=0, atol=1e-6)
