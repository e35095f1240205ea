"""One optimizer step of reinforcement learning does not depend on how its samples are laid out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonforge.core.rollouts import PolicySample
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.stages.rl.loss import PolicyObjective, sample_weights
from reasonforge.training.config import Bucket, Pack, TrainingConfig
from reasonforge.training.learner import Learner, Scorer
from tests.stages.policies import ALGORITHMS, Settings, algorithm, rl_config
from tests.tensors.samples import policy_sample

SHAPE = DecoderConfig(vocab_size=11, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=8, intermediate_size=24)
WHOLE = TrainingConfig(max_tokens_per_device=100_000)
LAYOUTS = {
    "small microbatches": TrainingConfig(max_tokens_per_device=40),
    "packed": TrainingConfig(max_tokens_per_device=120, batching=Pack(row_tokens=60)),
    "packed, one row at a time": TrainingConfig(max_tokens_per_device=30, batching=Pack(row_tokens=30)),
}


class GradientsOnly(Learner):
    """A learner that stops where the optimizer would begin."""

    def _apply(self, metrics: dict[str, float], fraction: float) -> bool:
        del metrics, fraction
        return True


def decoder() -> Decoder:
    model = Decoder(SHAPE)
    model.reset_parameters(0)
    return model


def step_samples(config_settings: Settings) -> list[PolicySample]:
    """Two groups of six: different lengths, one advantage per sample, off-policy by a little."""
    rng = np.random.default_rng(0)
    drawn = [replace(policy_sample(rng, int(rng.integers(4, 20))), group=i // 6) for i in range(12)]
    (own,) = [Scorer(decoder(), WHOLE, device="cpu").logprobs(drawn)]
    off_policy = config_settings.get("surrogate", {}).get("type") != "reinforce"
    return [
        replace(
            sample,
            advantages=(sample.loss_mask * rng.standard_normal()).astype(np.float32),
            sampler_logprobs=scores,
            old_logprobs=(scores + sample.loss_mask * rng.normal(0, 0.3, len(scores))).astype(np.float32) if off_policy else None,
            ref_logprobs=(scores + sample.loss_mask * rng.normal(0, 0.3, len(scores))).astype(np.float32),
        )
        for sample, scores in zip(drawn, own)
    ]


def gradient(samples: list[PolicySample], settings: Settings, training: TrainingConfig) -> tuple[Tensor, dict[str, float]]:
    """Return the gradient of the step over all parameters, and the step's metrics."""
    model, config = decoder(), rl_config(settings)
    objective = PolicyObjective(config, num_tokens=sum(int(sample.loss_mask.sum()) for sample in samples))
    learner = GradientsOnly(model, training, total_steps=1, device="cpu")
    metrics = learner.step(samples, objective, sample_weights(samples, config), temperature=0.9).metrics
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]), metrics


AXES: dict[str, Settings] = {
    "sequence_token": {"ratio": "sequence_token"},
    "constant_length_sum": {"aggregation": "constant_length_sum"},
    "importance": {"importance": {"token_cap": 1.1, "sequence_band": [0.8, 1.25]}},
}
"""What no preset chooses."""


@pytest.mark.parametrize("name", [*ALGORITHMS, *AXES])
def test_layout_and_order_of_the_samples_change_nothing(name: str) -> None:
    settings = AXES[name] if name in AXES else algorithm(name)
    samples = step_samples(settings)
    whole, metrics = gradient(samples, settings, WHOLE)
    assert whole.norm() > 1e-3
    order = np.random.default_rng(1).permutation(len(samples))
    others = {layout: gradient(samples, settings, training) for layout, training in LAYOUTS.items()}
    others["another order"] = gradient([samples[i] for i in order], settings, WHOLE)
    for layout, (found, found_metrics) in others.items():
        assert (found - whole).norm() <= 1e-6 * whole.norm(), layout
        for metric in ("loss", "entropy", "kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "sampler_gap/mean"):
            assert found_metrics[metric] == pytest.approx(metrics[metric], rel=1e-4, abs=1e-6), (layout, metric)


def test_bucketing_is_the_default() -> None:
    assert isinstance(WHOLE.batching, Bucket)


def test_samples_that_teach_nothing_can_be_left_out_of_the_pass() -> None:
    """What the stage does with rows of advantage zero: their share of the denominator stays, their gradient is nothing."""
    settings: Settings = {}
    samples = [replace(s, advantages=np.zeros_like(s.advantages)) if i % 3 == 0 else s for i, s in enumerate(step_samples(settings))]
    whole, _ = gradient(samples, settings, WHOLE)
    model, config = decoder(), rl_config(settings)
    keep = [i for i, sample in enumerate(samples) if sample.advantages.any()]
    weights = sample_weights(samples, config)[keep]
    GradientsOnly(model, WHOLE, total_steps=1, device="cpu").step(
        [samples[i] for i in keep], PolicyObjective(config, num_tokens=1), weights, temperature=0.9
    )
    found = torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
    assert (found - whole).norm() <= 1e-6 * whole.norm()
