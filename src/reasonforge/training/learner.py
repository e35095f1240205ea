"""The learner: samples and an objective in, new weights out. It knows no algorithm; an objective knows no micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from reasonforge.core.rollouts import Float32, TrainingSample
from reasonforge.models.decoder import Decoder
from reasonforge.tensors.batch import LossOutput, TokenBatch, TokenScores
from reasonforge.tensors.logprobs import token_scores
from reasonforge.training.updates import BatchedModel, StepResult, Updating

Objective = Callable[[TokenScores, TokenBatch], LossOutput]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScores:
    """Per sample, aligned with its ``token_ids``; zero at token 0 and where ``loss_mask`` is False."""

    logprobs: list[Float32]
    entropy: list[Float32]


class Scorer(BatchedModel[Decoder]):
    """A decoder that says how likely samples are. The learner and the frozen reference score through this one path."""

    def scores(self, batch: TokenBatch, *, temperature: float = 1.0, entropy_grad: bool = False) -> TokenScores:
        """Score one micro-batch; carries gradient where the model's parameters do."""
        hidden = self._model.hidden_states(batch, dtype=getattr(torch, self._config.dtype))
        return token_scores(hidden, self._model.head_weight, batch, temperature=temperature, entropy_grad=entropy_grad)

    def score(self, samples: Sequence[TrainingSample], *, temperature: float = 1.0) -> SampleScores:
        """Return log-probabilities and entropies of samples, without gradient."""

        def forward(batch: TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
            scores = self.scores(batch, temperature=temperature)
            return scores.logprobs, scores.entropy

        logprobs, entropy = self._by_sample(samples, forward) or ([], [])
        return SampleScores(logprobs=logprobs, entropy=entropy)

    def logprobs(self, samples: Sequence[TrainingSample], *, temperature: float = 1.0) -> list[Float32]:
        """Return log-probabilities of samples, without gradient; each aligned with its ``token_ids``."""
        return self.score(samples, temperature=temperature).logprobs


class Learner(Scorer, Updating[Decoder]):
    """A decoder with its optimizer."""

    def step(
        self,
        samples: Sequence[TrainingSample],
        objective: Objective,
        weights: Float32,
        *,
        temperature: float = 1.0,
        entropy_grad: bool = False,
        unit: int = 1,
    ) -> StepResult:
        """Take one optimizer step on the objective summed over all samples.

        The schedule moves on by one whether or not the weights change, so a skipped step does not stretch a run.

        Args:
            samples: what to learn from; none = nothing happens but the schedule's move.
            objective: called once per micro-batch.
            weights: one per sample, from ``objectives.aggregate``.
            temperature: the one the samples were drawn at.
            entropy_grad: the objective differentiates the entropy.
            unit: so many consecutive samples share a micro-batch, in order: 2 = pairs.

        Raises:
            NonFiniteError: more steps in a row than allowed had a loss or gradient that is not finite.
        """

        def forward(batch: TokenBatch) -> LossOutput:
            return objective(self.scores(batch, temperature=temperature, entropy_grad=entropy_grad), batch)

        return self._update(samples, forward, weights, unit=unit)
