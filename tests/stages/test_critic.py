"""The critic learns what is still to come, and nothing of a batch's layout reaches it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from reasonforge.core.rollouts import PolicySample, TrainingSample
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.scalar import ScalarModel
from reasonforge.stages.rl.axes import CriticConfig
from reasonforge.stages.rl.critic import Critic, explained_variance
from reasonforge.training.config import AdamW, Pack, TrainingConfig
from reasonforge.training.scalar import ScalarLearner
from tests.tensors.samples import policy_sample

SHAPE = DecoderConfig(vocab_size=11, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=8, intermediate_size=24)
LAYOUTS = {
    "small microbatches": TrainingConfig(max_tokens_per_device=40),
    "packed": TrainingConfig(max_tokens_per_device=120, batching=Pack(row_tokens=60)),
}


class GradientsOnly(ScalarLearner):
    """A learner that stops where the optimizer would begin."""

    def _apply(self, metrics: dict[str, float], fraction: float) -> bool:
        del metrics, fraction
        return True


def value_model() -> ScalarModel:
    decoder = Decoder(SHAPE)
    decoder.reset_parameters(0)
    model = ScalarModel.from_decoder(decoder)
    torch.nn.init.normal_(model.score.weight, std=0.5, generator=torch.Generator().manual_seed(1))
    return model


def samples(count: int = 8) -> list[PolicySample]:
    rng = np.random.default_rng(0)
    drawn = [policy_sample(rng, int(rng.integers(4, 20))) for _ in range(count)]
    return [
        replace(
            sample,
            values=(sample.loss_mask * rng.normal(size=len(sample.token_ids))).astype(np.float32),
            returns=(sample.loss_mask * rng.normal(size=len(sample.token_ids))).astype(np.float32),
        )
        for sample in drawn
    ]


def gradient(given: list[PolicySample], training: TrainingConfig) -> tuple[Tensor, dict[str, float]]:
    model = value_model()
    metrics = Critic(CriticConfig(), GradientsOnly(model, training, total_steps=1, device="cpu")).learn(given)
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]), metrics


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_and_order_of_the_samples_change_nothing(layout: str) -> None:
    given = samples()
    whole, metrics = gradient(given, TrainingConfig(max_tokens_per_device=100_000))
    found, found_metrics = gradient(given[::-1], LAYOUTS[layout])
    assert whole.norm() > 1e-3
    assert (found - whole).norm() <= 1e-5 * whole.norm()
    assert found_metrics["value/loss"] == pytest.approx(metrics["value/loss"], rel=1e-5)
    assert found_metrics["value/clipped"] == pytest.approx(metrics["value/clipped"], abs=1e-6)
    assert 0 < metrics["value/clipped"] < 1


def test_the_loss_is_the_mean_over_all_tokens_of_half_the_squared_error() -> None:
    given = samples()
    critic = Critic(CriticConfig(clip=None), ScalarLearner(value_model(), TrainingConfig(), total_steps=1, device="cpu"))
    judged = critic.judge(given).samples
    errors = np.concatenate([(s.values - s.returns)[s.loss_mask] for s in judged if s.values is not None and s.returns is not None])
    assert critic.learn(judged)["value/loss"] == pytest.approx(0.5 * np.square(errors).mean(), rel=1e-5)


def test_a_value_is_of_the_state_before_its_token() -> None:
    """Another token at a place changes the values behind the place, not the place's own."""
    critic = Critic(CriticConfig(), ScalarLearner(value_model(), TrainingConfig(), total_steps=1, device="cpu"))
    (sample,) = samples(1)
    sample = replace(sample, loss_mask=np.arange(len(sample.token_ids)) > 0)
    other_ids = sample.token_ids.copy()
    other_ids[2] = (other_ids[2] + 1) % SHAPE.vocab_size
    (one,), (other,) = (critic.judge([s]).samples for s in (sample, replace(sample, token_ids=other_ids)))
    assert one.values is not None
    assert other.values is not None
    np.testing.assert_array_equal(one.values[:3], other.values[:3])
    assert one.values[3] != other.values[3]


def test_the_value_behind_a_cut_sample_is_the_next_tokens_value() -> None:
    learner = ScalarLearner(value_model(), TrainingConfig(), total_steps=1, device="cpu")
    given = samples(3)
    judged, bootstrap = Critic(CriticConfig(), learner).judge(given, cut=np.array([True, False, True]))
    longer = [TrainingSample(token_ids=np.append(s.token_ids, np.int32(5)), loss_mask=np.arange(len(s.token_ids) + 1) > 0) for s in given]
    expected = learner.values(longer)
    assert bootstrap is not None
    np.testing.assert_allclose(bootstrap, [expected[0][-1], 0.0, expected[2][-1]], rtol=1e-5)
    for sample, values in zip(judged, expected):
        assert sample.values is not None
        np.testing.assert_allclose(sample.values, values[:-1] * sample.loss_mask, rtol=1e-4, atol=1e-6)


def test_a_critic_learns_a_constant_return() -> None:
    given = [replace(sample, returns=sample.loss_mask.astype(np.float32) * 0.7) for sample in samples()]
    training = TrainingConfig(optimizer=AdamW(lr=1e-2, weight_decay=0.0))
    critic = Critic(CriticConfig(clip=None), ScalarLearner(value_model(), training, total_steps=60, device="cpu"))
    losses = [critic.learn(given)["value/loss"] for _ in range(60)]
    assert losses[-1] < 0.01 * losses[0]


def test_rollouts_that_are_not_learned_from_teach_the_critic_nothing() -> None:
    given = samples()
    masked = replace(given[0], loss_mask=np.zeros_like(given[0].loss_mask), returns=given[0].loss_mask * np.float32(1e6))
    whole, _ = gradient([masked, *given[1:]], TrainingConfig())
    without, _ = gradient(given[1:], TrainingConfig())
    assert torch.equal(whole, without)


def test_explained_variance_is_one_for_a_prophet_and_zero_for_a_constant() -> None:
    given = samples()
    prophet = [replace(s, values=s.returns) for s in given]
    constant = [replace(s, values=s.loss_mask.astype(np.float32)) for s in given]
    assert explained_variance(prophet) == {"value/explained_variance": 1.0}
    assert explained_variance(constant)["value/explained_variance"] == pytest.approx(0.0, abs=1e-9)


def test_equal_returns_leave_nothing_to_explain() -> None:
    assert explained_variance([replace(s, returns=s.loss_mask.astype(np.float32)) for s in samples()]) == {}
