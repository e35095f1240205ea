"""Iterative reinforcement learning: between iterations the reward model is trained on with what the policy writes now, and some of before.

Source:
    DeepSeekMath (arXiv:2402.03300), Algorithm 1 and section 4.1.4: 10 % of historical data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.errors import RecipeError
from reasonforge.core.rollouts import RewardSample, RolloutGroup
from reasonforge.core.seeds import derive_seed
from reasonforge.rewards.model import ScoreSpec
from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.reward_model.data import Example, outcome_examples, process_examples
from reasonforge.stages.reward_model.measure import measure_reward_model
from reasonforge.stages.reward_model.training import update
from reasonforge.stages.rl.iterations_config import RewardModelRefresh
from reasonforge.tasks.rollouts import is_graded
from reasonforge.text.steps import Decode
from reasonforge.training.scalar import ScalarLearner


class Reservoir:
    """An even sample of all examples it was offered, however many those were."""

    def __init__(self, capacity: int, *, seed: int) -> None:
        self.examples: list[Example] = []
        self._capacity = capacity
        self._seed = seed
        self._offered = 0

    def offer(self, examples: Sequence[Example]) -> None:
        """Take examples in, each with the chance that all others so far had (Vitter's algorithm R)."""
        for example in examples:
            place = self._offered
            if place >= self._capacity:
                place = derive_seed(self._seed, "place", self._offered) % (self._offered + 1)
            if place < len(self.examples):
                self.examples[place] = example
            elif place < self._capacity:
                self.examples.append(example)
            self._offered += 1

    def clear(self, *, seed: int) -> None:
        """Begin anew."""
        self.examples, self._seed, self._offered = [], seed, 0

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what it holds: (tensors, JSON-able)."""
        samples = [example.samples[0] for example in self.examples]
        tensors = {
            "lengths": torch.tensor([len(sample.token_ids) for sample in samples], dtype=torch.int64),
            "token_ids": _joined([sample.token_ids for sample in samples], np.int32),
            "loss_mask": _joined([sample.loss_mask for sample in samples], np.bool_),
            "labels": _joined([sample.labels for sample in samples], np.float32),
        }
        facts = [[example.problem_id, example.lengths[0], bool(example.is_correct)] for example in self.examples]
        return tensors, {"offered": self._offered, "seed": self._seed, "facts": facts}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        borders = np.cumsum(tensors["lengths"].numpy())[:-1]
        rows = zip(*(np.split(tensors[name].numpy(), borders) for name in ("token_ids", "loss_mask", "labels")), state["facts"])
        self.examples = [
            Example(
                problem_id=problem_id,
                samples=(RewardSample(token_ids=token_ids, loss_mask=loss_mask, labels=labels),),
                lengths=(length,),
                is_correct=is_correct,
            )
            for token_ids, loss_mask, labels, (problem_id, length, is_correct) in rows
        ]
        self._offered, self._seed = state["offered"], state["seed"]


@dataclass(frozen=True, slots=True)
class Mix:
    """How many examples of which sort an update takes."""

    fresh: int
    replayed: int


def mix_of(per_step: int, *, replay_share: float, num_history: int) -> Mix:
    """Return the mix of an update of ``per_step`` examples, at least one of them fresh.

    >>> mix_of(64, replay_share=0.1, num_history=1000)
    Mix(fresh=58, replayed=6)
    """
    replayed = min(round(replay_share * per_step), num_history, per_step - 1)
    return Mix(per_step - replayed, replayed)


class RewardModelUpdates:
    """Keeps the rollouts of the iteration and a sample of earlier ones, and trains the reward model on both at the border."""

    def __init__(
        self, config: RewardModelRefresh, learner: ScalarLearner, spec: ScoreSpec, *, decode: Decode, seed: Callable[..., int]
    ) -> None:
        """Args:
            config: how much of what.
            learner: the reward model, which scores as it stands.
            spec: what its scores mean.
            decode: of the tokenizer.
            seed: (purpose, coordinates) -> a seed of the stage.

        Raises:
            RecipeError: rules cannot label what the model scores.
        """
        if spec.kind not in ("outcome", "process"):
            raise RecipeError(
                f"iterations.reward_model: part {config.part!r} is a model of kind {spec.kind!r}; rules label outcomes and steps only"
            )
        self.learner = learner
        self._config = config
        self._spec = spec
        self._decode = decode
        self._seed = seed
        self._fresh = Reservoir(config.examples, seed=seed("fresh rollouts", 0))
        self._history = Reservoir(config.history, seed=seed("earlier rollouts"))

    def collect(self, groups: Sequence[RolloutGroup]) -> None:
        """Keep rollouts of the iteration, labelled by rule; those that could not be graded say nothing."""
        graded = [RolloutGroup(problem=g.problem, rollouts=tuple(m for m in g.rollouts if is_graded(m))) for g in groups]
        if self._spec.kind == "outcome":
            self._fresh.offer(outcome_examples(graded, self._spec, self._decode))
        else:
            self._fresh.offer(process_examples(graded, self._spec, self._decode, labels="rule"))

    def train(self, iteration: int) -> dict[str, float]:
        """Train on the iteration's rollouts and earlier ones, then count them among the earlier; return figures.

        Those of the held-out kind are of the model before it has seen the iteration's rollouts.
        """
        config, fresh, history = self._config, self._fresh.examples, self._history.examples
        metrics: dict[str, float] = {}
        if fresh:
            metrics = measure_reward_model(self.learner.values, fresh)
            mix = mix_of(config.examples_per_step, replay_share=config.replay_share, num_history=len(history))
            orders = [ShuffledOrder(max(len(of), 1), seed=self._seed("refresh", iteration, i)) for i, of in enumerate((fresh, history))]
            accuracies = []
            for step in range(math.ceil(config.epochs * len(fresh) / mix.fresh)):
                batch = [fresh[orders[0][step * mix.fresh + i]] for i in range(mix.fresh)]
                batch += [history[orders[1][step * mix.replayed + i]] for i in range(mix.replayed)]
                accuracies.append(update(self.learner, batch).metrics.get("reward_model/train_accuracy", math.nan))
            metrics |= {
                "reward_model/train_accuracy": float(np.nanmean(accuracies)) if np.isfinite(accuracies).any() else math.nan,
                "reward_model/replayed": mix.replayed / config.examples_per_step,
            }
        self._history.offer(fresh)
        self._fresh.clear(seed=self._seed("fresh rollouts", iteration + 1))
        return {name: value for name, value in metrics.items() if math.isfinite(value)}

    def state(self) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, Any]]:
        """Return all that the next border depends on: (tensors by file, JSON-able)."""
        model, counts = self.learner.state()
        fresh, fresh_state = self._fresh.state()
        history, history_state = self._history.state()
        files: dict[str, Mapping[str, Tensor]] = {"reward_model": model, "fresh_rollouts": fresh, "earlier_rollouts": history}
        return files, {"reward_model": counts, "fresh_rollouts": fresh_state, "earlier_rollouts": history_state}

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        self.learner.load_state(files["reward_model"], state["reward_model"])
        self._fresh.restore(files["fresh_rollouts"], state["fresh_rollouts"])
        self._history.restore(files["earlier_rollouts"], state["earlier_rollouts"])


def num_refresh_updates(config: RewardModelRefresh, *, num_borders: int) -> int:
    """Return the updates planned over all borders, for the learning rate's schedule."""
    fresh = mix_of(config.examples_per_step, replay_share=config.replay_share, num_history=config.history).fresh
    return max(1, num_borders * math.ceil(config.epochs * config.examples / fresh))


def _joined(arrays: Sequence[np.ndarray], dtype: type[np.generic]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(dtype) if arrays else np.empty(0, dtype=dtype))
