"""The gradient of one optimizer step does not depend on how its samples are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reasonforge.core.rollouts import Float32, PolicySample, TrainingSample
from reasonforge.models.decoder import Decoder
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.tensors.collate import collate
from reasonforge.training.config import Bucket, Pack, TrainingConfig
from reasonforge.training.learner import Learner, Objective, Scorer
from tests.stages.policies import rl_config
from tests.tensors.samples import policy_sample
from tests.training.build import VOCAB, decoder, likelihood, samples, token_mean


class GradientsOnly(Learner):
    """A learner that stops where the optimizer would begin."""

    def _apply(self, metrics: dict[str, float], fraction: float) -> bool:
        del metrics, fraction
        return True


def gradient(of: Sequence[TrainingSample], weights: Float32, config: TrainingConfig, objective: Objective = likelihood) -> Tensor:
    """Return the gradient of the step over all parameters, in one vector."""
    model = decoder()
    GradientsOnly(model, config, total_steps=1, device="cpu").step(of, objective, weights)
    return gradient_of(model)


def gradient_of(model: Decoder) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


def assert_same(one: Tensor, other: Tensor) -> None:
    assert other.norm() > 0.1
    assert (one - other).norm() <= 1e-6 * other.norm()


WHOLE = TrainingConfig(max_tokens_per_device=100_000)


def one_by_one(of: Sequence[TrainingSample], weights: Float32, objective: Objective = likelihood) -> Tensor:
    """The gradient by definition: a sum over samples, each alone and unpadded, added up in float64."""
    alone = [gradient([sample], weight, WHOLE, objective).double() for sample, weight in zip(of, weights[:, None], strict=True)]
    return torch.stack(alone).sum(0).float()


POLICIES: dict[str, dict[str, Any]] = {
    "sequence ratio": {"ratio": "sequence", "surrogate": {"type": "clip", "eps_low": 0.2, "eps_high": 0.28}},
    "token ratio, k3": {"kl": {"coef": 0.5, "estimator": "k3"}, "aggregation": "token_mean"},
    "sequence ratio, k3, group mean": {"ratio": "sequence", "kl": {"coef": 0.5, "estimator": "k3"}, "aggregation": "group_token_mean"},
}


def policy_samples(num: int, *, seed: int) -> list[PolicySample]:
    """Draw groups of three, sampled by a policy that is one update away and kept near a reference two updates away."""
    rng = np.random.default_rng(seed)
    drawn = [replace(policy_sample(rng, int(rng.integers(4, 20)), vocab_size=VOCAB), group=i // 3) for i in range(num)]
    own = Scorer(decoder(), WHOLE, device="cpu").logprobs(drawn)

    def away(scores: Float32, sample: PolicySample) -> Float32:
        return (scores + sample.loss_mask * rng.normal(0, 0.3, len(scores))).astype(np.float32)

    return [
        replace(
            sample,
            advantages=(sample.loss_mask * rng.standard_normal()).astype(np.float32),
            old_logprobs=(old := away(scores, sample)),
            ref_logprobs=away(old, sample),
        )
        for sample, scores in zip(drawn, own, strict=True)
    ]


def policy_objective(config: RLConfig, of: Sequence[PolicySample]) -> PolicyObjective:
    return PolicyObjective(config, num_tokens=sum(int(sample.loss_mask.sum()) for sample in of))


@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000),
    max_tokens=st.sampled_from([20, 64, 150]),
    batching=st.sampled_from([Bucket(), Pack(row_tokens=20)]),
)
def test_any_split_into_microbatches_gives_the_sum_over_samples(seed: int, max_tokens: int, batching: Bucket | Pack) -> None:
    of = samples(9, seed=seed)
    weights = np.random.default_rng(seed).random(9).astype(np.float32)
    found = gradient(of, weights, TrainingConfig(max_tokens_per_device=max_tokens, batching=batching))
    assert_same(found, one_by_one(of, weights))


@pytest.mark.parametrize("batching", [Bucket(), Pack(row_tokens=30)])
def test_the_order_of_samples_does_not_matter(batching: Bucket | Pack) -> None:
    of = samples()
    weights = np.linspace(0.1, 1, len(of), dtype=np.float32)
    config = TrainingConfig(max_tokens_per_device=60, batching=batching)
    order = np.random.default_rng(1).permutation(len(of))
    assert_same(gradient([of[i] for i in order], weights[order], config), gradient(of, weights, config))


def test_padding_carries_no_gradient() -> None:
    of, model = samples(5), decoder()
    scorer = Scorer(model, WHOLE, device="cpu")
    found = []
    for pad_to in (None, 60):
        model.zero_grad()
        batch = collate(of, token_mean(of), pad_to=pad_to)
        likelihood(scorer.scores(batch), batch).loss.backward()
        found.append(gradient_of(model))
    assert_same(*found)


@pytest.mark.parametrize("settings_of_policy", POLICIES.values(), ids=POLICIES)
@settings(max_examples=4)
@given(
    seed=st.integers(0, 1000),
    max_tokens=st.sampled_from([20, 64, 150]),
    batching=st.sampled_from([Bucket(), Pack(row_tokens=20)]),
)
def test_any_split_of_a_policys_update_gives_the_sum_over_samples(
    settings_of_policy: dict[str, Any], seed: int, max_tokens: int, batching: Bucket | Pack
) -> None:
    of, config = policy_samples(9, seed=seed), rl_config(settings_of_policy)
    objective, weights = policy_objective(config, of), sample_weights(of, config)
    found = gradient(of, weights, TrainingConfig(max_tokens_per_device=max_tokens, batching=batching), objective)
    assert_same(found, one_by_one(of, weights, objective))


@pytest.mark.parametrize("settings_of_policy", POLICIES.values(), ids=POLICIES)
def test_a_policys_update_is_the_same_padded_packed_and_in_any_order(settings_of_policy: dict[str, Any]) -> None:
    of, config = policy_samples(12, seed=0), rl_config(settings_of_policy)
    objective, weights = policy_objective(config, of), sample_weights(of, config)
    padded = TrainingConfig(max_tokens_per_device=100_000)
    packed = TrainingConfig(max_tokens_per_device=120, batching=Pack(row_tokens=40))
    whole = gradient(of, weights, padded, objective)
    order = np.random.default_rng(1).permutation(len(of))
    shuffled = [of[i] for i in order]
    assert_same(gradient(of, weights, packed, objective), whole)
    for config_of_layout in (padded, packed):
        assert_same(gradient(shuffled, weights[order], config_of_layout, objective), whole)


@pytest.mark.parametrize("settings_of_policy", POLICIES.values(), ids=POLICIES)
def test_padding_carries_no_gradient_of_a_policy(settings_of_policy: dict[str, Any]) -> None:
    of, model, config = policy_samples(5, seed=2), decoder(), rl_config(settings_of_policy)
    scorer, objective = Scorer(model, WHOLE, device="cpu"), policy_objective(config, of)
    found = []
    for pad_to in (None, 60):
        model.zero_grad()
        batch = collate(of, sample_weights(of, config), pad_to=pad_to)
        objective(scorer.scores(batch), batch).loss.backward()
        found.append(gradient_of(model))
    assert_same(*found)


def test_loss_and_metrics_are_sums_over_microbatches() -> None:
    of = samples()
    whole, split = (
        Learner(decoder(), TrainingConfig(max_tokens_per_device=size), total_steps=1, device="cpu").step(of, likelihood, token_mean(of))
        for size in (100_000, 25)
    )
    for name in ("loss", "entropy", "grad_norm", "num_tokens", "num_samples"):
        assert split.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-6), name
    assert split.metrics["padding"] < whole.metrics["padding"]


@pytest.mark.parametrize("config", [TrainingConfig(max_tokens_per_device=25), TrainingConfig(batching=Pack(row_tokens=40))])
def test_a_samples_logprobs_do_not_depend_on_its_neighbours(config: TrainingConfig) -> None:
    of = samples()
    together = Scorer(decoder(), config, device="cpu").logprobs(of, temperature=0.8)
    for sample, found in zip(of, together, strict=True):
        (alone,) = Scorer(decoder(), WHOLE, device="cpu").logprobs([sample], temperature=0.8)
        assert found.shape == sample.token_ids.shape
        assert not found[~sample.loss_mask].any()
        np.testing.assert_allclose(found, alone, atol=2e-6, rtol=0)


def test_logprobs_are_the_log_softmax_of_the_logits() -> None:
    (sample,) = of = samples(1)
    model = decoder()
    batch = collate(of, np.ones(1, np.float32))
    with torch.no_grad():
        log_probs = torch.log_softmax(model.logits(batch)[0] / 0.7, dim=-1)
    found = Scorer(model, WHOLE, device="cpu").score(of, temperature=0.7)
    expected = log_probs[torch.arange(len(log_probs)), torch.from_numpy(sample.token_ids[1:]).long()].numpy() * sample.loss_mask[1:]
    entropy = -(log_probs.exp() * log_probs).sum(-1).numpy() * sample.loss_mask[1:]
    np.testing.assert_allclose(found.logprobs[0][1:], expected, atol=2e-6, rtol=0)
    np.testing.assert_allclose(found.entropy[0][1:], entropy, atol=2e-6, rtol=0)
