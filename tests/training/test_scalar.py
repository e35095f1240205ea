"""Reward models and critics: values aligned with tokens, gradients that no split changes, state that comes back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from reasonforge.core.errors import RecipeError
from reasonforge.core.rollouts import RewardSample
from reasonforge.models.scalar import ScalarModel
from reasonforge.objectives.samples import sample_means, sample_sums
from reasonforge.tensors.batch import LossOutput, RewardBatch, TokenBatch
from reasonforge.training.config import AdamW, Muon, Pack, TrainingConfig
from reasonforge.training.scalar import ScalarLearner, ScalarScorer
from tests.training.build import VOCAB, decoder
from tests.training.build import samples as token_samples

WHOLE = TrainingConfig(max_tokens_per_device=100_000)


def scalar_model(seed: int = 0) -> ScalarModel:
    """Return a scalar model whose values are not all zero."""
    model = ScalarModel.from_decoder(decoder(seed))
    with torch.no_grad():
        model.score.weight.normal_(0, 1, generator=torch.Generator().manual_seed(seed))
    return model


def labelled(num: int, *, seed: int = 0) -> list[RewardSample]:
    """Draw samples labelled at their last token alone: 1 where the first token is in the upper half of the vocabulary."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(num):
        tokens = rng.integers(0, VOCAB, int(rng.integers(4, 20))).astype(np.int32)
        mask = np.arange(len(tokens)) == len(tokens) - 1
        drawn.append(RewardSample(token_ids=tokens, loss_mask=mask, labels=(mask * (tokens[0] > VOCAB // 2)).astype(np.float32)))
    return drawn


def pointwise(values: Float[Tensor, "B T"], batch: TokenBatch) -> LossOutput:
    assert isinstance(batch, RewardBatch)
    loss = F.binary_cross_entropy_with_logits(values, batch.labels, reduction="none")
    return LossOutput(loss=(loss * batch.loss_weights).sum(), metrics={})


def pairwise(values: Float[Tensor, "B T"], batch: TokenBatch) -> LossOutput:
    """Bradley-Terry over consecutive pairs."""
    sides = {"loss_mask": batch.loss_mask, "samples": batch.samples, "num_samples": batch.num_samples}
    scores, weights = sample_sums(values, **sides), sample_means(batch.loss_weights, **sides)
    return LossOutput(loss=(-F.logsigmoid(scores[0::2] - scores[1::2]) * weights[0::2]).sum(), metrics={})


def gradient(config: TrainingConfig, of: list[RewardSample], objective: object, *, unit: int = 1, threads: int = 1) -> Tensor:
    """Return what AdamW was given, times a constant."""
    model = scalar_model()
    learner = ScalarLearner(model, config, total_steps=1, device="cpu", threads=threads)
    learner.step(of, objective, np.full(len(of), 1 / len(of), np.float32), unit=unit)  # pyright: ignore[reportArgumentType]
    means = {name: tensor for name, tensor in learner.state()[0].items() if name.endswith(".exp_avg")}
    return torch.cat([tensor.flatten() for _, tensor in sorted(means.items())])


def config(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"max_grad_norm": 0} | changes)


def test_a_copied_decoder_values_everything_at_zero() -> None:
    scorer = ScalarScorer(ScalarModel.from_decoder(decoder()), WHOLE, device="cpu")
    assert not any(values.any() for values in scorer.values(token_samples()))


def test_the_copy_is_not_the_decoder() -> None:
    source = decoder()
    model = ScalarModel.from_decoder(source)
    with torch.no_grad():
        model.decoder.norm.weight.add_(1)
    assert torch.equal(source.norm.weight, decoder().norm.weight)


def test_values_are_the_score_of_the_hidden_state_before_each_token() -> None:
    model, of = scalar_model(), token_samples(1)
    (found,) = ScalarScorer(model, WHOLE, device="cpu").values(of)
    batch = next(ScalarScorer(model, WHOLE, device="cpu").microbatches(of, np.ones(1, np.float32)))[1]
    with torch.no_grad():
        hidden = model.decoder.hidden_states(batch)[0] @ model.score.weight[0]
    length = len(of[0].token_ids)
    np.testing.assert_allclose(found[1:], hidden[: length - 1].numpy() * of[0].loss_mask[1:], atol=1e-6)
    assert found[0] == 0


def test_the_closing_token_is_never_read() -> None:
    scorer, (sample,) = ScalarScorer(scalar_model(), WHOLE, device="cpu"), labelled(1)
    other = sample.token_ids.copy()
    other[-1] = (other[-1] + 1) % VOCAB
    changed = RewardSample(token_ids=other, loss_mask=sample.loss_mask, labels=sample.labels)
    np.testing.assert_array_equal(scorer.values([sample])[0], scorer.values([changed])[0])


@pytest.mark.parametrize("layout", [config(max_tokens_per_device=25), config(batching=Pack(row_tokens=40).model_dump())])
def test_values_do_not_depend_on_the_neighbours(layout: TrainingConfig) -> None:
    of = token_samples()
    together = ScalarScorer(scalar_model(), layout, device="cpu").values(of)
    for sample, found in zip(of, together, strict=True):
        (alone,) = ScalarScorer(scalar_model(), WHOLE, device="cpu").values([sample])
        np.testing.assert_allclose(found, alone, atol=1e-5, rtol=0)


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), max_tokens=st.sampled_from([20, 64, 150]))
def test_any_split_into_microbatches_gives_the_same_gradient(seed: int, max_tokens: int) -> None:
    of = labelled(9, seed=seed)
    whole = gradient(config(max_tokens_per_device=100_000), of, pointwise)
    split = gradient(config(max_tokens_per_device=max_tokens), of, pointwise)
    assert (whole - split).norm() <= 1e-6 * whole.norm()


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), max_tokens=st.sampled_from([40, 64, 150]))
def test_any_split_of_pairs_gives_the_same_gradient(seed: int, max_tokens: int) -> None:
    of = labelled(10, seed=seed)
    whole = gradient(config(max_tokens_per_device=100_000), of, pairwise, unit=2)
    split = gradient(config(max_tokens_per_device=max_tokens), of, pairwise, unit=2)
    assert (whole - split).norm() <= 1e-6 * whole.norm()


def test_threads_give_the_same_gradient_to_the_bit() -> None:
    of = labelled(12)
    one, two = (gradient(config(max_tokens_per_device=64), of, pairwise, unit=2, threads=threads) for threads in (1, 2))
    assert torch.equal(one, two)


def test_pairs_stay_together_in_order() -> None:
    scorer = ScalarScorer(scalar_model(), config(max_tokens_per_device=60), device="cpu")
    of = labelled(14)
    split = [indices for indices, _ in scorer.microbatches(of, np.ones(14, np.float32), unit=2)]
    assert len(split) > 1
    assert sorted(index for indices in split for index in indices) == list(range(14))
    assert all(even % 2 == 0 and odd == even + 1 for indices in split for even, odd in zip(indices[0::2], indices[1::2], strict=True))


def test_pairs_cannot_be_packed() -> None:
    learner = ScalarLearner(scalar_model(), TrainingConfig(batching=Pack(row_tokens=40)), total_steps=1, device="cpu")
    with pytest.raises(RecipeError, match=r"batching\.type: pack cannot keep 2 samples together"):
        learner.step(labelled(2), pairwise, np.ones(2, np.float32), unit=2)


def test_a_pair_that_does_not_fit_a_microbatch_is_refused_in_words() -> None:
    learner = ScalarLearner(scalar_model(), config(max_tokens_per_device=8), total_steps=1, device="cpu")
    with pytest.raises(RecipeError, match=r"a sample of \d+ tokens does not fit 4 \(max_tokens_per_device / 2: 2 samples stay together\)"):
        learner.step(labelled(2), pairwise, np.ones(2, np.float32), unit=2)


def test_half_a_pair_is_a_mistake() -> None:
    learner = ScalarLearner(scalar_model(), WHOLE, total_steps=1, device="cpu")
    with pytest.raises(ValueError, match="3 samples are not whole units of 2"):
        learner.step(labelled(3), pairwise, np.ones(3, np.float32), unit=2)


@pytest.mark.parametrize("optimizer", [AdamW(lr=1e-2), Muon(lr=1e-2, rest=AdamW(lr=1e-2))], ids=["adamw", "muon"])
def test_labels_are_learned(optimizer: AdamW | Muon) -> None:
    learner = ScalarLearner(ScalarModel.from_decoder(decoder()), TrainingConfig(optimizer=optimizer), total_steps=40, device="cpu")
    of = labelled(16)
    losses = [learner.step(of, pointwise, np.full(16, 1 / 16, np.float32)).metrics["loss"] for _ in range(40)]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-4)
    assert losses[-1] < 0.1


def test_muon_orthogonalises_the_layers_of_a_scalar_model() -> None:
    learner = ScalarLearner(scalar_model(), TrainingConfig(optimizer=Muon()), total_steps=1, device="cpu")
    names = {name for name in learner.state()[0] if name.startswith("muon.")}
    assert "muon.decoder.layers.0.mlp.down_proj.weight.momentum" in names
    assert not any("embed_tokens" in name or "score" in name for name in names)


def test_a_resumed_scalar_learner_is_the_same_to_the_bit() -> None:
    def trained(learner: ScalarLearner, seeds: range) -> None:
        for seed in seeds:
            learner.step(labelled(6, seed=seed), pointwise, np.full(6, 1 / 6, np.float32))

    straight, first, second = (ScalarLearner(scalar_model(seed), WHOLE, total_steps=9, device="cpu") for seed in (0, 0, 5))
    trained(straight, range(4))
    trained(first, range(2))
    tensors, scalars = first.state()
    second.load_state(tensors, json.loads(json.dumps(scalars)))
    trained(second, range(2, 4))
    expected, found = straight.state(), second.state()
    assert expected[1] == found[1]
    assert all(torch.equal(expected[0][name], found[0][name]) for name in expected[0])


def test_a_frozen_copy_does_not_move() -> None:
    model = scalar_model()
    frozen = ScalarScorer.frozen_copy(model, WHOLE, device="cpu")
    before = frozen.values(token_samples())
    ScalarLearner(model, WHOLE, total_steps=1, device="cpu").step(labelled(4), pointwise, np.ones(4, np.float32))
    for one, other in zip(before, frozen.values(token_samples()), strict=True):
        np.testing.assert_array_equal(one, other)
