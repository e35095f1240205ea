"""DPO as the learner calls it: a batch of pairs in, the step's share of the loss out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from reasonforge.core.rollouts import Float32, ReferenceSample, TrainingSample
from reasonforge.objectives.preference import dpo, mean_token_log_ratios, sequence_log_ratios
from reasonforge.objectives.samples import sample_means, sample_sums
from reasonforge.stages.preference.config import PreferenceConfig
from reasonforge.stages.preference.pairs import SamplePair
from reasonforge.tensors.batch import LossOutput, ReferenceBatch, TokenBatch, TokenScores
from reasonforge.training.learner import Scorer


class PreferenceObjective:
    """The mean over pairs of DPO's loss. Samples 0, 2, 4, ... of a batch are preferred to those right behind them.

    Source:
        DPO (arXiv:2305.18290), Eq. 7; length-normalised as DeepSeekMath (arXiv:2402.03300), Eq. 12.
    """

    def __init__(self, config: PreferenceConfig) -> None:
        self._beta = config.beta
        self._label_smoothing = config.label_smoothing
        self._log_ratios = mean_token_log_ratios if config.length_normalised else sequence_log_ratios

    def __call__(self, scores: TokenScores, batch: TokenBatch) -> LossOutput:
        """Return the batch's share of the loss and of the metrics."""
        assert isinstance(batch, ReferenceBatch)
        where = {"loss_mask": batch.loss_mask, "samples": batch.samples, "num_samples": batch.num_samples}
        ratios = self._log_ratios(scores.logprobs, batch.ref_logprobs, **where)
        found = dpo(ratios[0::2], ratios[1::2], beta=self._beta, label_smoothing=self._label_smoothing)
        # Both samples of a pair carry its weight, the same at each of their tokens.
        weights = sample_means(batch.loss_weights, **where)[0::2]
        logps = sample_sums(scores.logprobs.detach(), **where)
        margins = found.chosen_rewards - found.rejected_rewards
        per_pair = {
            "rewards/chosen": found.chosen_rewards,
            "rewards/rejected": found.rejected_rewards,
            "rewards/margins": margins,
            # A tie is half: where policy and reference are the same, neither side is preferred.
            "rewards/accuracies": (margins.sign() + 1) / 2,
            "logps/chosen": logps[0::2],
            "logps/rejected": logps[1::2],
        }
        return LossOutput(loss=(found.loss * weights).sum(), metrics={name: (value * weights).sum() for name, value in per_pair.items()})


def with_reference(pairs: Sequence[SamplePair], reference: Scorer) -> tuple[list[ReferenceSample], Float32]:
    """Return the pairs' samples, chosen and rejected in turn, with what the reference says of them, and their weights."""
    samples = [sample for pair in pairs for sample in (pair.chosen, pair.rejected)]
    shared = [field.name for field in fields(TrainingSample)]
    scored = [
        ReferenceSample(**{name: getattr(sample, name) for name in shared}, ref_logprobs=row)
        for sample, row in zip(samples, reference.logprobs(samples), strict=True)
    ]
    return scored, np.full(len(samples), 1 / max(len(pairs), 1), np.float32)
