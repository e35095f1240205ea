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


def two_samples(**fields: object) -> tuple[Tensor, PolicyBatch]:
    """Log-probabilities that carry gradient, and a batch of one sample of two tokens and one of three."""
    mask = torch.tensor([[True, True, False], [True, True, True]])
    logprobs = (torch.tensor([[-1.0, -2.0, 0.0], [-0.5, -3.0, -1.0]], dtype=torch.float64)).requires_grad_()
    zeros = torch.zeros(2, 3, dtype=torch.int64)
    given: dict[str, object] = {
        "inputs": zeros,
        "targets": zeros,
        "loss_mask": mask,
        "loss_weights": mask.double(),
        "positions": zeros,
        "segments": mask.long(),
        "samples": torch.tensor([[0, 0, 0], [1, 1, 1]]),
        "num_samples": 2,
        "advantages": torch.tensor([[2.0], [-1.0]], dtype=torch.float64) * mask,
        "sampler_logprobs": logprobs.detach(),
    }
    return logprobs, PolicyBatch(**(given | fields))  # type: ignore[arg-type]


def loss_of(settings: dict[str, object], logprobs: Tensor, batch: PolicyBatch) -> tuple[LossOutput, Tensor]:
    objective = PolicyObjective(rl_config(settings), num_tokens=5)
    output = objective(TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs)), batch)
    return output, torch.autograd.grad(output.loss, logprobs)[0]


def test_gspo_token_with_one_advantage_per_sample_learns_what_gspo_does() -> None:
    old = torch.tensor([[-1.1, -1.8, 0.0], [-0.6, -2.5, -1.3]], dtype=torch.float64)
    clip = {"type": "clip", "eps_low": 10.0, "eps_high": 10.0}
    logprobs, batch = two_samples(old_logprobs=old)
    (by_sequence, expected), (by_token, found) = (
        loss_of({"ratio": ratio, "surrogate": clip}, logprobs, batch) for ratio in ("sequence", "sequence_token")
    )
    assert by_token.loss.item() == pytest.approx(by_sequence.loss.item(), abs=1e-12)
    torch.testing.assert_close(found, expected)


def test_a_token_that_the_sampler_made_too_rare_weighs_at_most_the_cap() -> None:
    sampler = torch.tensor([[-1.0, -4.0, 0.0], [-0.5, -3.0, -0.5]], dtype=torch.float64)
    logprobs, batch = two_samples(sampler_logprobs=sampler)
    output, gradient = loss_of({"importance": {"token_cap": 2.0}}, logprobs, batch)
    weights = torch.tensor([[1.0, 2.0, 0.0], [1.0, 1.0, float(np.exp(-0.5))]], dtype=torch.float64)  # e^2 is cut
    torch.testing.assert_close(gradient, -batch.advantages * weights)
    assert output.metrics["importance/capped"].item() == pytest.approx(1 / 5)
    assert output.metrics["importance/mean"].item() == pytest.approx(weights.sum().item() / 5)


def test_a_sample_that_the_sampler_saw_otherwise_is_not_learned_from() -> None:
    sampler = torch.tensor([[-1.0, -2.0, 0.0], [-2.5, -5.0, -3.0]], dtype=torch.float64)  # two nats per token apart
    reference = torch.full((2, 3), -1.5, dtype=torch.float64)
    logprobs, batch = two_samples(sampler_logprobs=sampler, ref_logprobs=reference)
    settings = {"importance": {"token_cap": None, "sequence_band": [0.5, 2.0]}, "kl": {"coef": 0.1}}
    output, gradient = loss_of(settings, logprobs, batch)
    assert output.metrics["importance/masked"].item() == pytest.approx(3 / 5)
    assert torch.equal(gradient[1], torch.zeros(3, dtype=torch.float64))
    _, whole = loss_of({"kl": {"coef": 0.1}}, logprobs, batch)
    assert torch.equal(gradient[0], whole[0])


def test_where_sampler_and_learner_agree_a_correction_changes_nothing() -> None:
    logprobs, batch = two_samples()
    _, corrected = loss_of({"importance": {"sequence_band": [0.5, 2.0]}}, logprobs, batch)
    _, plain = loss_of({}, logprobs, batch)
    assert torch.equal(corrected, plain)


def test_the_coefficient_that_a_controller_has_moved_is_the_one_in_the_loss() -> None:
    logprobs, batch = two_samples(ref_logprobs=torch.full((2, 3), -1.5, dtype=torch.float64))
    moved = PolicyObjective(rl_config({"kl": {"coef": 0.1}}), num_tokens=5, kl_coef=0.3)
    fixed = PolicyObjective(rl_config({"kl": {"coef": 0.3}}), num_tokens=5)
    scores = TokenScores(logprobs=logprobs, entropy=torch.zeros_like(logprobs))
    assert moved(scores, batch).loss.item() == fixed(scores, batch).loss.item()


def test_a_constant_length_without_the_mean_over_samples_grows_with_them() -> None:
    samples = [TrainingSample(token_ids=np.zeros(4, np.int32), loss_mask=np.array([False, True, True, True]))] * 3
    summed, meant = (sample_weights(samples, rl_config({"aggregation": name})) for name in ("constant_length_sum", "constant_length"))
    np.testing.assert_allclose(summed, [1 / 8] * 3)
    np.testing.assert_allclose(summed, 3 * meant)
