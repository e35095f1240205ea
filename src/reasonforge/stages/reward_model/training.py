"""The training of a reward model, as the driver drives it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from reasonforge.stages.order import ShuffledOrder
from reasonforge.stages.reward_model.data import Example
from reasonforge.stages.reward_model.losses import loss_weights, pairwise_loss, pointwise_loss
from reasonforge.stages.reward_model.measure import measure_reward_model
from reasonforge.training.scalar import ScalarLearner
from reasonforge.training.updates import StepResult


def num_updates(num_examples: int, *, epochs: float, examples_per_step: int) -> int:
    """Return the updates that so many passes take."""
    return max(1, math.ceil(epochs * num_examples / examples_per_step))


def update(learner: ScalarLearner, examples: Sequence[Example]) -> StepResult:
    """Take one optimizer step on examples: pairs by Bradley-Terry, labels by cross-entropy."""
    samples = [sample for example in examples for sample in example.samples]
    unit = len(examples[0].samples)
    return learner.step(samples, pairwise_loss if unit == 2 else pointwise_loss, loss_weights(examples), unit=unit)


class RewardModelTraining:
    """Shuffled passes over the examples; measured on held-out ones at the end of each."""

    def __init__(
        self, learner: ScalarLearner, examples: Sequence[Example], held_out: Sequence[Example], *, num_steps: int, per_step: int, seed: int
    ) -> None:
        """Args:
        learner: whose model is trained.
        examples: to train on; all pairs or none.
        held_out: to measure on.
        num_steps: updates in all.
        per_step: examples of an update.
        seed: of their order.
        """
        self.learner = learner
        self._examples = examples
        self._held_out = held_out
        self._num_steps = num_steps
        self._per_step = per_step
        self._order = ShuffledOrder(len(examples), seed=seed)

    @property
    def num_steps(self) -> int:
        """Updates planned."""
        return self._num_steps

    def is_done(self, step: int) -> bool:
        """Stop after the planned updates."""
        return step >= self._num_steps

    def train_step(self, step: int) -> dict[str, float]:
        """Take one update."""
        first = step * self._per_step
        metrics = update(self.learner, [self._examples[self._order[first + i]] for i in range(self._per_step)]).metrics
        ends_a_pass = first // len(self._examples) != (first + self._per_step) // len(self._examples)
        if ends_a_pass or step + 1 == self._num_steps:
            metrics |= measure_reward_model(self.learner.values, self._held_out)
        return metrics

    def extra_state(self) -> tuple[Mapping[str, Mapping[str, Tensor]], Mapping[str, Any]]:
        """Nothing beyond the learner: the data is a function of the step."""
        return {}, {}

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Nothing to take back."""
