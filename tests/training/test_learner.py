"""Optimizer steps: what moves, what is skipped, what is remembered."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from reasonforge.core.errors import DataError, NonFiniteError
from reasonforge.tensors.batch import LossOutput, TokenBatch, TokenScores
from reasonforge.training.config import AdamW, Constant, Cosine, Muon, Pack, TrainingConfig
from reasonforge.training.learner import Learner, Scorer
from tests.training.build import decoder, learner, likelihood, poisoned, samples, token_mean

MUON = TrainingConfig(optimizer=Muon(lr=1e-2, rest=AdamW(lr=1e-2)), schedule=Cosine(warmup_steps=2))


def weights_of(of: Scorer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in of.weights().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def steps(of: Learner, seeds: range) -> None:
    for seed in seeds:
        batch = samples(seed=seed)
        of.step(batch, likelihood, token_mean(batch))


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(optimizer=AdamW(lr=1e-2)),
        MUON,
        TrainingConfig(optimizer=AdamW(lr=1e-2), dtype="bfloat16"),
        TrainingConfig(optimizer=AdamW(lr=1e-2), batching=Pack(row_tokens=32)),
    ],
    ids=["adamw", "muon", "bfloat16", "packed"],
)
def test_likelihood_is_learned_by_heart(config: TrainingConfig) -> None:
    of, batch = learner(config, total_steps=60), samples(4)
    losses = [of.step(batch, likelihood, token_mean(batch)).metrics["loss"] for _ in range(60)]
    assert losses[0] > 2.2
    assert losses[-1] < 0.3
    assert of.version == 60


@pytest.mark.parametrize("config", [TrainingConfig(schedule=Constant(warmup_steps=5)), MUON], ids=["adamw", "muon"])
def test_a_run_resumed_midway_is_the_same_to_the_bit(config: TrainingConfig) -> None:
    straight = learner(config)
    steps(straight, range(6))
    first = learner(config)
    steps(first, range(3))
    tensors, scalars = first.state()
    second = learner(config, seed=9)
    second.load_state(tensors, json.loads(json.dumps(scalars)))
    steps(second, range(3, 6))
    assert same(weights_of(straight), weights_of(second))
    assert same(straight.state()[0], second.state()[0])
    assert straight.state()[1] == second.state()[1]


def test_the_same_run_twice_is_the_same_to_the_bit() -> None:
    one, two = learner(MUON), learner(MUON)
    steps(one, range(4))
    steps(two, range(4))
    assert same(weights_of(one), weights_of(two))


def test_state_is_a_copy() -> None:
    of = learner()
    steps(of, range(1))
    tensors, _ = of.state()
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    steps(of, range(1, 2))
    assert same(tensors, before)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(value: float) -> None:
    of, batch = learner(MUON), samples()
    steps(of, range(2))
    tensors, _ = of.state()
    result = of.step(batch, poisoned(value), token_mean(batch))
    assert result.skipped
    assert result.weights_version == of.version == 2
    assert result.metrics["skipped_steps"] == 1
    assert all(math.isfinite(value) for value in result.metrics.values())
    assert same(of.state()[0], tensors)
    assert not of.step(batch, likelihood, token_mean(batch)).skipped


def test_a_loss_that_is_not_finite_moves_nothing() -> None:
    of, batch = learner(), samples()
    before = weights_of(of)

    def objective(scores: TokenScores, batch: TokenBatch) -> LossOutput:
        output = likelihood(scores, batch)
        return LossOutput(loss=output.loss + math.inf, metrics=output.metrics)

    result = of.step(batch, objective, token_mean(batch))
    assert result.skipped
    assert "loss" not in result.metrics
    assert same(weights_of(of), before)


def test_too_many_skipped_steps_in_a_row_stop_the_run() -> None:
    of, batch = learner(TrainingConfig(max_skipped_steps=2)), samples()
    for _ in range(2):
        of.step(batch, poisoned(math.nan), token_mean(batch))
    of.step(batch, likelihood, token_mean(batch))
    for _ in range(2):
        assert of.step(batch, poisoned(math.nan), token_mean(batch)).skipped
    with pytest.raises(NonFiniteError, match=r"optimizer step 6: .* after 2 skipped steps in a row"):
        of.step(batch, poisoned(math.nan), token_mean(batch))


def test_no_samples_means_no_update_and_the_schedule_goes_on() -> None:
    of = learner(TrainingConfig(optimizer=AdamW(lr=1.0), schedule=Constant(warmup_steps=4)))
    before = weights_of(of)
    result = of.step([], likelihood, np.empty(0, np.float32))
    assert result.skipped
    assert result.metrics == {"lr": 0.25, "num_samples": 0, "num_tokens": 0, "skipped_steps": 0}
    assert same(weights_of(of), before)
    batch = samples()
    assert of.step(batch, likelihood, token_mean(batch)).metrics["lr"] == 0.5
    assert of.version == 1


def test_the_gradient_is_clipped_to_the_norm() -> None:
    """After one step of AdamW, ``exp_avg`` is a tenth of the gradient it was given."""
    batch = samples()
    for limit in (0.01, 0.0):
        of = learner(TrainingConfig(optimizer=AdamW(betas=(0.9, 0.95)), max_grad_norm=limit))
        norm = of.step(batch, likelihood, token_mean(batch)).metrics["grad_norm"]
        means = torch.cat([tensor.flatten() for name, tensor in of.state()[0].items() if name.endswith(".exp_avg")])
        assert norm > 0.1
        assert means.norm().item() == pytest.approx(0.1 * (limit or norm), rel=1e-4)


def test_tokens_learned_from_are_counted_over_the_run() -> None:
    of = learner()
    steps(of, range(2))
    expected = sum(int(sample.loss_mask.sum()) for seed in range(3) for sample in samples(seed=seed))
    batch = samples(seed=2)
    assert of.step(batch, likelihood, token_mean(batch)).metrics["num_tokens"] == expected


def test_weights_are_shared_and_a_frozen_copy_is_not() -> None:
    model = decoder()
    of = Learner(model, TrainingConfig(), total_steps=5, device="cpu")
    reference = Scorer.frozen_copy(model, TrainingConfig(), device="cpu")
    batch = samples()
    at_start = of.logprobs(batch)
    steps(of, range(3))
    assert of.weights()["norm.weight"].data_ptr() == model.norm.weight.data_ptr()
    for start, frozen, now in zip(at_start, reference.logprobs(batch), of.logprobs(batch)):
        np.testing.assert_array_equal(start, frozen)
        assert not np.array_equal(start, now)
    reference.load(of.weights())
    for frozen, now in zip(reference.logprobs(batch), of.logprobs(batch)):
        np.testing.assert_array_equal(frozen, now)


def test_weights_of_another_model_are_refused_in_one_line() -> None:
    of = learner()
    with pytest.raises(DataError, match="weights do not fit the model") as refused:
        of.load({name: tensor for name, tensor in of.weights().items() if name != "norm.weight"})
    assert "\n" not in str(refused.value)


def test_a_state_without_its_counts_is_refused() -> None:
    of = learner()
    with pytest.raises(DataError, match="learner state"):
        of.load_state(of.state()[0], {"version": 3})


def test_entropy_moves_the_weights_only_if_asked() -> None:
    def more_entropy(scores: TokenScores, batch: TokenBatch) -> LossOutput:
        return LossOutput(loss=-((scores.entropy + 0 * scores.logprobs) * batch.loss_weights).sum(), metrics={})

    of, batch = learner(), samples()
    assert of.step(batch, more_entropy, token_mean(batch)).metrics["grad_norm"] == 0
    assert of.step(batch, more_entropy, token_mean(batch), entropy_grad=True).metrics["grad_norm"] > 0
