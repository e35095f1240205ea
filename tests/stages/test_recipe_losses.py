"""Every recipe of an algorithm on the worked example: loss and gradient are those of plain Python, and the printed values."""

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
from tests.stages import plain
from tests.stages.plain import Row
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


def plain_rows(settings: Settings) -> list[Row]:
    new, old, ref = ([list(map(float, row[:n])) for row, n in zip(EXAMPLE[f"logp_{of}"], LENGTHS)] for of in ("new", "old", "ref"))
    given = zip(advantages_of(settings), new, old, ref)
    return [Row(group=0, advantages=[advantage] * len(n), new=n, old=o, ref=r) for advantage, n, o, r in given]


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
    assert loss == pytest.approx(plain.loss(settings, plain_rows(settings), max_tokens=MAX_TOKENS), abs=1e-7)
    expected = [
        row + [0.0] * (gradient.shape[1] - len(row)) for row in plain.gradient(settings, plain_rows(settings), max_tokens=MAX_TOKENS)
    ]
    torch.testing.assert_close(gradient, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)
    assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("name", PRINTED)
def test_a_recipes_loss_and_gradient_are_the_printed_ones(name: str) -> None:
    printed = case("policy_losses", PRINTED[name]).expected
    loss, gradient = of_the_stage(algorithm(name))
    assert loss == pytest.approx(printed["loss_to_minimise"], abs=1e-7)
    torch.testing.assert_close(gradient, torch.tensor(printed["grad_loss_wrt_logp_new"], dtype=torch.float64), rtol=0, atol=1e-6)
