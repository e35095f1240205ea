"""Between iterations: which rollouts the reward model is trained on, and that a resumed run trains on the same."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Verdict
from reasonforge.core.rollouts import RewardSample
from reasonforge.core.seeds import derive_seed
from reasonforge.rewards.model import ScoreSpec
from reasonforge.stages.reward_model.data import Example
from reasonforge.stages.rl import iterations
from reasonforge.stages.rl.iterations import Mix, Reservoir, RewardModelUpdates, mix_of, num_refresh_updates
from reasonforge.stages.rl.iterations_config import RewardModelRefresh
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.train import build_tokenizer
from reasonforge.training.config import AdamW, TrainingConfig
from reasonforge.training.scalar import ScalarLearner
from tests.rewards.test_model import groups_of
from tests.stages.test_reward_model import SHAPE, scalar_model

TOKENIZER = build_tokenizer(CharacterTokenizer(tags=()), alphabet="abq?")


def example(number: int) -> Example:
    """An example that can be told from all others: its number is in its tokens."""
    ids = np.array([1 + number // 10 % 10, 1 + number % 10, 3, 0], dtype=np.int32)
    mask = np.array([False, False, False, True])
    sample = RewardSample(token_ids=ids, loss_mask=mask, labels=mask * np.float32(number % 2))
    return Example(problem_id=f"p{number}", samples=(sample,), lengths=(3,), is_correct=number % 2 == 1)


def names(reservoir: Reservoir) -> list[str]:
    return [kept.problem_id for kept in reservoir.examples]


def test_a_reservoir_keeps_everything_until_it_is_full() -> None:
    reservoir = Reservoir(5, seed=0)
    reservoir.offer([example(i) for i in range(5)])
    assert names(reservoir) == [f"p{i}" for i in range(5)]


def test_every_example_is_as_likely_to_stay() -> None:
    counts: Counter[str] = Counter()
    for seed in range(600):
        reservoir = Reservoir(3, seed=seed)
        for start in range(0, 12, 4):
            reservoir.offer([example(i) for i in range(start, start + 4)])
        counts.update(names(reservoir))
    assert sum(counts.values()) == 1800
    # 150 expected of each, standard deviation 10.6
    assert all(abs(counts[f"p{i}"] - 150) < 45 for i in range(12))


def test_a_reservoir_comes_back_from_its_state_and_goes_on_alike() -> None:
    first, second = Reservoir(4, seed=1), Reservoir(4, seed=9)
    first.offer([example(i) for i in range(9)])
    tensors, state = first.state()
    second.restore(tensors, json.loads(json.dumps(state)))
    for reservoir in (first, second):
        reservoir.offer([example(i) for i in range(9, 30)])
    assert names(first) == names(second)
    assert all(np.array_equal(a.samples[0].labels, b.samples[0].labels) for a, b in zip(first.examples, second.examples))


def test_an_empty_reservoir_comes_back_empty() -> None:
    reservoir = Reservoir(4, seed=1)
    other = Reservoir(4, seed=2)
    other.restore(*reservoir.state())
    assert other.examples == []


@pytest.mark.parametrize(
    ("per_step", "share", "history", "mix"),
    [
        (100, 0.1, 1000, Mix(90, 10)),
        (100, 0.1, 0, Mix(100, 0)),
        (10, 0.99, 50, Mix(1, 9)),
        (8, 0.0, 50, Mix(8, 0)),
        (50, 0.2, 3, Mix(47, 3)),
    ],
)
def test_an_update_takes_its_share_of_earlier_examples(per_step: int, share: float, history: int, mix: Mix) -> None:
    assert mix_of(per_step, replay_share=share, num_history=history) == mix


def updates_of(**settings: object) -> RewardModelUpdates:
    config = RewardModelRefresh.model_validate(
        {"part": "model", "examples": 20, "history": 20, "examples_per_step": 10, "training": TrainingConfig(optimizer=AdamW(lr=1e-2))}
        | settings
    )
    model = scalar_model(shape=SHAPE.model_copy(update={"vocab_size": 16}))
    learner = ScalarLearner(model, config.training, total_steps=20, device="cpu")
    seed = lambda purpose, *where: derive_seed(0, purpose, *where)  # noqa: E731
    return RewardModelUpdates(config, learner, ScoreSpec(kind="outcome"), decode=TOKENIZER.decode, seed=seed)


def offer(updates: RewardModelUpdates, numbers: range) -> None:
    updates._fresh.offer([example(i) for i in numbers])


def test_a_tenth_of_every_later_batch_is_of_earlier_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[str]] = []
    learn = iterations.update
    monkeypatch.setattr(iterations, "update", lambda learner, batch: batches.append([e.problem_id for e in batch]) or learn(learner, batch))
    updates = updates_of()
    offer(updates, range(20))
    first = updates.train(0)
    assert [len(batch) for batch in batches] == [10, 10]
    assert first["reward_model/replayed"] == 0
    batches.clear()
    offer(updates, range(20, 40))
    second = updates.train(1)
    assert second["reward_model/replayed"] == pytest.approx(0.1)
    old = {f"p{i}" for i in range(20)}
    assert [sum(name in old for name in batch) for batch in batches] == [1, 1, 1]  # 18 of 20 in two batches: a third holds the rest
    assert {f"p{i}" for i in range(20, 40)} <= {name for batch in batches for name in batch}


def test_figures_at_a_border_are_of_the_model_before_it_saw_the_rollouts() -> None:
    updates = updates_of(epochs=20.0)
    offer(updates, range(20))
    first = updates.train(0)
    offer(updates, range(20))
    again = updates.train(1)
    assert first["reward_model/auc"] < 0.9 < again["reward_model/auc"]


def test_rollouts_are_labelled_with_their_verdicts_and_ungraded_ones_left_out() -> None:
    updates = updates_of()
    (group,) = groups_of("ab", "b", "a")
    verdicts = ("correct", "timeout", "wrong")
    members = tuple(replace(m, verdict=Verdict(status=status)) for m, status in zip(group.rollouts, verdicts))
    updates.collect([replace(group, rollouts=members)])
    assert [float(kept.samples[0].labels[-1]) for kept in updates._fresh.examples] == [1.0, 0.0]


def test_a_border_without_rollouts_changes_nothing() -> None:
    updates = updates_of()
    before = {name: tensor.clone() for name, tensor in updates.learner.weights().items()}
    assert updates.train(0) == {}
    assert all(torch.equal(before[name], tensor) for name, tensor in updates.learner.weights().items())


def test_training_goes_on_to_the_bit_from_a_state() -> None:
    first, second = updates_of(), updates_of()
    offer(first, range(20))
    first.train(0)
    offer(first, range(20, 33))
    files, state = first.state()
    second.restore(files, json.loads(json.dumps(state)))
    for updates in (first, second):
        offer(updates, range(33, 60))
    assert first.train(1) == second.train(1)
    assert all(torch.equal(a, b) for a, b in zip(first.learner.weights().values(), second.learner.weights().values()))


@pytest.mark.parametrize("kind", ["pairwise", "safety"])
def test_a_model_that_rules_cannot_label_for_is_refused(kind: Any) -> None:
    model = scalar_model()
    learner = ScalarLearner(model, TrainingConfig(), total_steps=1, device="cpu")
    with pytest.raises(RecipeError, match="rules label outcomes and steps only"):
        RewardModelUpdates(
            RewardModelRefresh(part="model"),
            learner,
            ScoreSpec(kind=kind),
            decode=TOKENIZER.decode,
            seed=lambda *where: 0,
        )


def test_updates_are_planned_over_all_borders() -> None:
    config = RewardModelRefresh(part="model", examples=900, examples_per_step=100, epochs=2.0)
    assert num_refresh_updates(config, num_borders=3) == 60
