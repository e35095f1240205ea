"""Likelihood training: pre-training and fine-tuning are one loop over token sequences that differ in what they show and what they mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.errors import DataError
from reasonforge.core.rollouts import Float32, Int32, SourcedSample, TrainingSample
from reasonforge.objectives.aggregate import aggregate, sequence_mean_token_mean, token_mean
from reasonforge.objectives.likelihood import nll
from reasonforge.tensors.batch import LossOutput, SourcedBatch, TokenBatch, TokenScores
from reasonforge.training.learner import Learner, Objective

SamplesOfStep = Callable[[int], Sequence[TrainingSample]]
"""The samples a step trains on, as a function of the step alone."""


class LikelihoodTraining:
    """Maximise the log-probability of the samples' learned-from tokens."""

    def __init__(
        self,
        learner: Learner,
        samples_of_step: SamplesOfStep,
        *,
        num_steps: int,
        weighting: str = "token",
        is_finished: Callable[[int], bool] | None = None,
        metrics_after: Callable[[int], Mapping[str, float]] | None = None,
        data_id: str | None = None,
        source_names: Sequence[str] = (),
    ) -> None:
        """Args:
        learner: whose model is trained.
        samples_of_step: the data.
        num_steps: steps planned.
        weighting: ``token`` = every token counts the same, ``example`` = every sample does.
        is_finished: asked before each step; None = finished after ``num_steps``.
        metrics_after: what the data has to say after so many steps; None = nothing.
        data_id: changes when the data does, and must not while a run is under way; None = the recipe says all.
        source_names: of the sources that samples name, all of them ``SourcedSample``s: the loss of each is reported. Empty = no mixture.
        """
        self.learner = learner
        self._samples_of_step = samples_of_step
        self._num_steps = num_steps
        self._weights = token_mean if weighting == "token" else sequence_mean_token_mean
        self._is_finished = is_finished
        self._metrics_after = metrics_after
        self._data_id = data_id
        self._source_names = source_names

    @property
    def num_steps(self) -> int:
        """Steps planned."""
        return self._num_steps

    def is_done(self, step: int) -> bool:
        """Stop after the planned steps, or when the gate says so."""
        return step >= self._num_steps if self._is_finished is None else self._is_finished(step)

    def train_step(self, step: int) -> dict[str, float]:
        """Take one optimizer step on the step's samples."""
        samples = self._samples_of_step(step)
        weights: Float32 = self._weights(torch.tensor([int(s.loss_mask.sum()) for s in samples])).float().numpy()
        objective = loss_by_source(samples, self._source_names) if self._source_names else negative_log_likelihood
        metrics = self.learner.step(samples, objective, weights).metrics
        return metrics if self._metrics_after is None else {**metrics, **self._metrics_after(step + 1)}

    def extra_state(self) -> tuple[Mapping[str, Mapping[str, Tensor]], Mapping[str, Any]]:
        """Which data it was: what of it a step reads is a function of the step."""
        return {}, {} if self._data_id is None else {"data_id": self._data_id}

    def restore(self, files: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Refuse to go on with other data.

        Raises:
            DataError: it is not what the checkpoint was trained on.
        """
        if state.get("data_id") != self._data_id:
            raise DataError("the packed data is not what this run has trained on so far: put it back, or begin a new run")


def negative_log_likelihood(scores: TokenScores, batch: TokenBatch) -> LossOutput:
    """Return the weighted negative log-likelihood of the targets; ``entropy`` is reported under the same weights."""
    loss = aggregate(nll(scores.logprobs), batch.loss_weights)
    return LossOutput(loss=loss, metrics={"entropy": aggregate(scores.entropy.detach(), batch.loss_weights)})


def loss_by_source(samples: Sequence[TrainingSample], names: Sequence[str]) -> Objective:
    """Return :func:`negative_log_likelihood` with the mean loss per token of every source beside it, out of the same forward pass.

    Args:
        samples: all of the step, ``SourcedSample``s: the means are over the step's tokens, however it is cut into micro-batches.
        names: of the sources, by number. One that has no token in the step is not reported.
    """
    counts = [0] * len(names)
    for sample in samples:
        assert isinstance(sample, SourcedSample)
        counts[int(sample.sources[0])] += int(sample.loss_mask.sum())

    def objective(scores: TokenScores, batch: TokenBatch) -> LossOutput:
        assert isinstance(batch, SourcedBatch)
        output, losses = negative_log_likelihood(scores, batch), nll(scores.logprobs).detach()
        own = {
            f"sources/{name}/loss": aggregate(losses, (batch.loss_mask & (batch.sources == number)) / counts[number])
            for number, name in enumerate(names)
            if counts[number]
        }
        return replace(output, metrics={**output.metrics, **own})

    return objective


def whole_sequence(token_ids: Sequence[int] | Int32) -> TrainingSample:
    """Return a sample that learns from every token it can: all but the first."""
    mask = np.ones(len(token_ids), dtype=np.bool_)
    mask[:1] = False
    return TrainingSample(token_ids=np.asarray(token_ids, dtype=np.int32), loss_mask=mask)


def of_source(sample: TrainingSample, source: int) -> SourcedSample:
    """Return a sample with the number of its source."""
    sources = np.full(len(sample.token_ids), source, np.float32)
    return SourcedSample(token_ids=sample.token_ids, loss_mask=sample.loss_mask, group=sample.group, sources=sources)
