"""The critic of PPO: a second model that says of every token how much reward is still to come, and learns beside the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reasonforge.core.rollouts import Bools, Float32, PolicySample, TrainingSample
from reasonforge.objectives import aggregate
from reasonforge.objectives.value import clipped_value_loss
from reasonforge.stages.rl.axes import CriticConfig
from reasonforge.tensors.batch import LossOutput, PolicyBatch, TokenBatch
from reasonforge.training.scalar import ScalarLearner


class Judged(NamedTuple):
    """What a critic says of a step's samples."""

    samples: list[PolicySample]
    """With the critic's values."""
    bootstrap: Float32 | None
    """Value behind each sample that was cut, 0 for the others; None = nobody asked."""


class Critic:
    """A value model with its optimizer."""

    def __init__(self, config: CriticConfig, learner: ScalarLearner) -> None:
        self._config = config
        self._learner = learner

    def is_alone(self, step: int) -> bool:
        """Return whether in this step only the critic learns."""
        return step < self._config.warmup_steps

    def judge(self, samples: Sequence[PolicySample], *, cut: Bools | None = None) -> Judged:
        """Return the samples with the value of each state in which a token was chosen.

        Args:
            samples: of this step.
            cut: samples whose value behind the last token is wanted too; None = none.
        """
        ends = np.zeros(len(samples), np.bool_) if cut is None else cut
        # A value is read where the next token would be predicted: one more token, whose id is never read, asks for the one behind the end.
        asked = [
            TrainingSample(token_ids=np.append(s.token_ids, s.token_ids[-1:]), loss_mask=np.append(s.loss_mask, True)) if end else s
            for s, end in zip(samples, ends)
        ]
        values = self._learner.values(asked)
        judged = [replace(sample, values=row[: len(sample.token_ids)]) for sample, row in zip(samples, values)]
        if cut is None:
            return Judged(judged, None)
        return Judged(judged, np.array([row[-1] if end else 0.0 for row, end in zip(values, ends)], dtype=np.float32))

    def learn(self, samples: Sequence[PolicySample]) -> dict[str, float]:
        """Take one optimizer step towards the samples' returns; every token weighs the same."""
        kept = [sample for sample in samples if sample.loss_mask.any()]
        weights = aggregate.token_mean(torch.tensor([int(sample.loss_mask.sum()) for sample in kept], dtype=torch.int64))
        found = self._learner.step(kept, self._objective, weights.float().numpy()).metrics
        names = {"loss": "value/loss", "value/clipped": "value/clipped", "grad_norm": "value/grad_norm"}
        return {name: found[source] for source, name in names.items() if source in found}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on."""
        return self._learner.state()

    def restore(self, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self._learner.load_state(tensors, scalars)

    def _objective(self, values: Float[Tensor, "B T"], batch: TokenBatch) -> LossOutput:
        assert isinstance(batch, PolicyBatch)
        assert batch.values is not None
        assert batch.returns is not None
        # Padding holds garbage, which must not reach a product with a weight of zero.
        values = torch.where(batch.loss_mask, values, 0.0)
        clip = float("inf") if self._config.clip is None else self._config.clip
        terms = clipped_value_loss(values, old_values=batch.values, returns=batch.returns, clip=clip)
        clipped = aggregate.aggregate(terms.was_clipped.float(), batch.loss_weights)
        return LossOutput(loss=aggregate.aggregate(terms.loss, batch.loss_weights), metrics={"value/clipped": clipped.detach()})


def explained_variance(samples: Sequence[PolicySample]) -> dict[str, float]:
    """Return the share of the returns' variance that the values foretold: 1 = all, 0 = no more than a constant would.

    Nothing without a critic, or where all returns are equal.
    """
    judged = [(s.values[s.loss_mask], s.returns[s.loss_mask]) for s in samples if s.values is not None and s.returns is not None]
    if not judged:
        return {}
    values, returns = (np.concatenate(rows).astype(np.float64) for rows in zip(*judged))
    variance = returns.var() if len(returns) else 0.0
    return {"value/explained_variance": float(1.0 - (returns - values).var() / variance)} if variance > 0 else {}
