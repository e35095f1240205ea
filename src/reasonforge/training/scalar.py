"""Reward models and critics in training: the learner's way of updating, with a number per position instead of log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from reasonforge.core.rollouts import Float32, TrainingSample
from reasonforge.models.scalar import ScalarModel
from reasonforge.tensors.batch import LossOutput, TokenBatch
from reasonforge.training.updates import BatchedModel, StepResult, Updating

ScalarObjective = Callable[[Float[Tensor, "B T"], TokenBatch], LossOutput]


class ScalarScorer(BatchedModel[ScalarModel]):
    """A scalar model that reads samples."""

    def batch_values(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Return the values of one micro-batch; carries gradient where the model's parameters do. Padding holds garbage."""
        return self._model.values(batch, dtype=getattr(torch, self._config.dtype))

    def values(self, samples: Sequence[TrainingSample]) -> list[Float32]:
        """Return one array per sample, aligned with its ``token_ids``, without gradient.

        Entry ``t`` is read after token ``t - 1``, before token ``t`` is known. Zero at token 0 and where ``loss_mask`` is False.
        """
        (values,) = self._by_sample(samples, lambda batch: (self.batch_values(batch),)) or ([],)
        return values


class ScalarLearner(ScalarScorer, Updating[ScalarModel]):
    """A scalar model with its optimizer."""

    def step(self, samples: Sequence[TrainingSample], objective: ScalarObjective, weights: Float32, *, unit: int = 1) -> StepResult:
        """Take one optimizer step on the objective summed over all samples.

        Args:
            samples: what to learn from; none = nothing happens but the schedule's move.
            objective: called once per micro-batch with the values of every position; it reads them where ``loss_mask`` is True.
            weights: one per sample, from ``objectives.aggregate``.
            unit: so many consecutive samples share a micro-batch, in order: 2 = pairs.

        Raises:
            NonFiniteError: more steps in a row than allowed had a loss or gradient that is not finite.
        """
        return self._update(samples, lambda batch: objective(self.batch_values(batch), batch), weights, unit=unit)
