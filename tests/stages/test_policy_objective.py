"""The loss of the RL stage is the worked examples' loss, whatever the recipe picks on each axis."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonforge.core.rollouts import TrainingSample
from reasonforge.objectives import aggregate
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.tensors.batch import LossOutput, PolicyBatch, TokenScores
from tests.oracle import Case, cases
from tests.stages.policies import rl_config

AGGREGATIONS = {
    "seq-mean-token-mean": "sequence_mean_token_mean",
    "token-mean": "token_mean",
    "const": "constant_length",
    "seq-mean-token-sum": "sequence_mean_token_sum",
}
EXAMPLES = pytest.mark.parametrize("example", cases("policy_losses"), ids=lambda example: example.id)


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def config_of(example: Case) -> RLConfig:
    given = example.inputs
    clip = {"type": "clip", "eps_low": given["eps_low"], "eps_high": given["eps_high"], "dual_clip": given["dual_clip_c"]}
    return rl_config(
        {
            "surrogate": {"type": "cispo", "eps_high": given["eps_high"]} if given["loss"] == "cispo" else clip,
            "ratio": given["ratio"],
            "aggregation": AGGREGATIONS[given["aggregation"]],
            "kl": {"coef": given["beta_k3"]} if given["beta_k3"] else None,
            "sampling": {"max_new_tokens": given["L_max"] or 8},
        }
    )


def exact_weights(config: RLConfig, counts: Tensor) -> Tensor:
    """The aggregation in float64; the stage hands its weights to the learner in float32."""
    if config.aggregation == "constant_length":
        return aggregate.constant_length(counts, max_tokens=config.sampling.max_new_tokens).double()
    return getattr(aggregate, config.aggregation)(counts).double()


def evaluate(example: Case, *, dtype: torch.dtype, weights: Tensor) -> tuple[LossOutput, Tensor]:
    """Return the stage's loss on an example's numbers and its gradient with respect to the policy's log-probabilities."""
    given = example.inputs
    mask = torch.tensor(given["mask"]).bool()
    rows, length = mask.shape
    logprobs = (doubles(given["logp_new"]) * mask).to(dtype).requires_grad_()
    zeros = torch.zeros(rows, length, dtype=torch.int64)
    batch = PolicyBatch(
        inputs=zeros,
        targets=zeros,
        loss_mask=mask,
        loss_weights=(weights[:, None] * mask).to(dtype),
        positions=torch.arange(length).expand(rows, length),
        segments=mask.long(),
        samples=torch.arange(rows)[:, None] * mask,
        num_samples=rows,
        advantages=(doubles(given["advantages"])[:, None] * mask).to(dtype),
        sampler_logprobs=(doubles(given["logp_old"]) * mask).to(dtype),
        old_logprobs=(doubles(given["logp_old"]) * mask).to(dtype),
        ref_logprobs=(doubles(given["logp_ref"]) * mask).to(dtype) if given["beta_k3"] else None,
    )
    objective = PolicyObjective(config_of(example), num_tokens=int(mask.sum()))
    output = objective(TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs)), batch)
    return output, torch.autograd.grad(output.loss, logprobs)[0]


@EXAMPLES
def test_loss_and_gradient_are_those_of_the_worked_examples(example: Case) -> None:
    counts = torch.tensor(example.inputs["mask"]).bool().sum(1)
    output, gradient = evaluate(example, dtype=torch.float64, weights=exact_weights(config_of(example), counts))
    # The examples are printed with ten digits.
    assert output.loss.item() == pytest.approx(example.expected["loss_to_minimise"], abs=1e-10)
    torch.testing.assert_close(gradient, doubles(example.expected["grad_loss_wrt_logp_new"]), rtol=0, atol=1e-10)
    clipped = output.metrics["clip_ratio/low_mean"] + output.metrics["clip_ratio/high_mean"]
    assert clipped.item() == pytest.approx(example.expected["clip_fraction"])


@EXAMPLES
def test_the_weights_of_the_stage_are_the_exact_ones_to_float32(example: Case) -> None:
    mask = np.array(example.inputs["mask"], dtype=np.bool_)
    samples = [TrainingSample(token_ids=np.zeros(len(row), np.int32), loss_mask=row) for row in mask]
    config = config_of(example)
    weights = sample_weights(samples, config)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, exact_weights(config, torch.from_numpy(mask.sum(1))).numpy(), rtol=1e-7)
    output, gradient = evaluate(example, dtype=torch.float32, weights=torch.from_numpy(weights))
    assert output.loss.item() == pytest.approx(example.expected["loss_to_minimise"], abs=1e-6)
    torch.testing.assert_close(gradient.double(), doubles(example.expected["grad_loss_wrt_logp_new"]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("example", [example for example in cases("policy_losses") if example.inputs["beta_k3"]], ids=lambda e: e.id)
def test_the_reported_divergence_is_the_mean_over_tokens(example: Case) -> None:
    mask = torch.tensor(example.inputs["mask"]).bool()
    output, _ = evaluate(example, dtype=torch.float64, weights=torch.ones(len(mask)))
    assert output.metrics["kl"].item() == pytest.approx(doubles(example.expected["k3"])[mask].mean().item(), rel=1e-6)


@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_without_old_logprobs_the_policy_is_its_own_old_policy(ratio: str) -> None:
    mask = torch.tensor([[True, True, False], [True, True, True]])
    logprobs = (torch.tensor([[-1.0, -2.0, -9.0], [-0.5, -3.0, -1.0]], dtype=torch.float64) * mask).requires_grad_()
    zeros = torch.zeros(2, 3, dtype=torch.int64)
    batch = PolicyBatch(
        inputs=zeros,
        targets=zeros,
        loss_mask=mask,
        loss_weights=mask.double(),
        positions=zeros,
        segments=mask.long(),
        samples=torch.tensor([[0, 0, 0], [1, 1, 1]]),
        num_samples=2,
        advantages=torch.tensor([[2.0], [-1.0]], dtype=torch.float64) * mask,
        sampler_logprobs=torch.zeros(2, 3, dtype=torch.float64),
    )
    objective = PolicyObjective(rl_config({"ratio": ratio}), num_tokens=5)
    output = objective(TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs)), batch)
    assert output.loss.item() == -(2 * 2.0 - 3 * 1.0)  # every ratio is 1
    (gradient,) = torch.autograd.grad(output.loss, logprobs)
    torch.testing.assert_close(gradient, -batch.advantages)
