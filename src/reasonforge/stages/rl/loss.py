"""The policy loss: one choice per axis of the recipe, over the functions of ``objectives``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reasonforge.core.rollouts import Float32, TrainingSample
from reasonforge.objectives import aggregate, kl, ratio, surrogate
from reasonforge.stages.rl.axes import Cispo, Clip, KLPenalty, Reinforce
from reasonforge.stages.rl.config import RLConfig
from reasonforge.tensors.batch import LossOutput, PolicyBatch, TokenBatch, TokenScores


def sample_weights(samples: Sequence[TrainingSample], config: RLConfig) -> Float32:
    """Return what each sample's token terms are multiplied by: the aggregation, counted once over the optimizer step."""
    if not samples:
        return np.zeros(0, np.float32)
    counts = torch.tensor([int(sample.loss_mask.sum()) for sample in samples])
    match config.aggregation:
        case "sequence_mean_token_mean":
            weights = aggregate.sequence_mean_token_mean(counts)
        case "token_mean":
            weights = aggregate.token_mean(counts)
        case "group_token_mean":
            weights = aggregate.group_token_mean(counts, torch.tensor([sample.group for sample in samples]))
        case "sequence_mean_token_sum":
            weights = aggregate.sequence_mean_token_sum(counts)
        case "constant_length":
            weights = aggregate.constant_length(counts, max_tokens=config.sampling.max_new_tokens)
        case "constant_length_sum":
            weights = aggregate.constant_length_sum(counts, max_tokens=config.sampling.max_new_tokens)
    return weights.to(torch.float32).numpy()


class PolicyObjective:
    """Called by the learner on every micro-batch: token scores in, loss and metrics out."""

    def __init__(self, config: RLConfig, *, num_tokens: int, kl_coef: float | None = None) -> None:
        """Args:
        config: picks ratio, surrogate, importance correction and KL penalty.
        num_tokens: learned-from tokens of the optimizer step, over which the metrics are means.
        kl_coef: weight of a KL term in the loss, now; None = the recipe's.
        """
        self._config = config
        self._num_tokens = max(num_tokens, 1)
        self._gaps: list[Tensor] = []
        own = 0.0 if config.kl is None else config.kl.coef
        self._kl_coef = own if kl_coef is None else kl_coef

    def __call__(self, scores: TokenScores, batch: TokenBatch) -> LossOutput:
        """Return the micro-batch's share of the step's loss and of its metrics."""
        assert isinstance(batch, PolicyBatch)
        logprobs = scores.logprobs
        old_logprobs = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        weight = self._ratio(logprobs, old_logprobs, batch)
        objective = self._surrogate(weight, logprobs, batch)
        trust, metrics = self._trust(old_logprobs, batch)
        terms = -objective.objective * trust
        gaps = (old_logprobs - batch.sampler_logprobs).abs().detach()
        # No selection by mask here: it would make a GPU wait for the number of tokens.
        self._gaps.append(torch.where(batch.loss_mask, gaps, -1.0).flatten())
        metrics |= {
            "entropy": self._mean(scores.entropy),
            "clip_ratio/low_mean": self._mean(objective.clipped_low & batch.loss_mask),
            "clip_ratio/high_mean": self._mean(objective.clipped_high & batch.loss_mask),
            "sampler_gap/mean": self._mean(gaps * batch.loss_mask),
        }
        if batch.ref_logprobs is not None:
            metrics["kl"] = self._mean(kl.kl_k3(logprobs.detach(), batch.ref_logprobs) * batch.loss_mask)
        if self._config.kl is not None and self._config.kl.place == "loss":
            assert batch.ref_logprobs is not None
            divergence = _kl_term(self._config.kl, logprobs, batch.ref_logprobs, old_logprobs)
            terms = terms + self._kl_coef * (trust > 0) * divergence
        return LossOutput(loss=aggregate.aggregate(terms, batch.loss_weights), metrics=metrics)

    def gap_metrics(self) -> dict[str, float]:
        """Return the far end of how sampler and learner disagree, over the tokens seen so far: what a mean does not show."""
        gaps = torch.cat(self._gaps).float().cpu() if self._gaps else torch.zeros(0)
        gaps = gaps[~(gaps < 0)]  # a gap that is not a number stays
        if not len(gaps):
            return {}
        return {"sampler_gap/p99": float(np.quantile(gaps.numpy(), 0.99)), "sampler_gap/max": float(gaps.max())}

    def _ratio(self, logprobs: Float[Tensor, "B T"], old_logprobs: Float[Tensor, "B T"], batch: PolicyBatch) -> Float[Tensor, "B T"]:
        if self._config.ratio == "token":
            return ratio.token_ratio(logprobs, old_logprobs)
        by_sequence = ratio.sequence_ratio if self._config.ratio == "sequence" else ratio.sequence_ratio_token_gradient
        return by_sequence(logprobs, old_logprobs, loss_mask=batch.loss_mask, samples=batch.samples, num_samples=batch.num_samples)

    def _surrogate(self, weight: Float[Tensor, "B T"], logprobs: Float[Tensor, "B T"], batch: PolicyBatch) -> surrogate.Surrogate:
        match self._config.surrogate:
            case Clip(eps_low=low, eps_high=high, dual_clip=None):
                return surrogate.clipped(weight, batch.advantages, eps_low=low, eps_high=high)
            case Clip(eps_low=low, eps_high=high, dual_clip=float(bound)):
                return surrogate.dual_clipped(weight, batch.advantages, eps_low=low, eps_high=high, max_negative_ratio=bound)
            case Cispo(eps_low=low, eps_high=high):
                return surrogate.cispo(weight, batch.advantages, logprobs, eps_low=low, eps_high=high)
            case Reinforce():
                return surrogate.reinforce(logprobs, batch.advantages)
        raise AssertionError(self._config.surrogate)

    def _trust(self, old_logprobs: Float[Tensor, "B T"], batch: PolicyBatch) -> tuple[Float[Tensor, "B T"], dict[str, Tensor]]:
        """Return what each token's surrogate is multiplied by because the sampler is not the learner, and what was corrected."""
        correction, trust, metrics = self._config.importance, torch.ones_like(old_logprobs), {}
        if correction is not None and correction.token_cap is not None:
            trust = ratio.truncated_importance_weights(old_logprobs, batch.sampler_logprobs, cap=correction.token_cap)
            metrics["importance/mean"] = self._mean(trust * batch.loss_mask)
            metrics["importance/capped"] = self._mean((trust >= correction.token_cap) & batch.loss_mask)
        if correction is not None and correction.sequence_band is not None:
            low, high = correction.sequence_band
            layout = {"loss_mask": batch.loss_mask, "samples": batch.samples, "num_samples": batch.num_samples}
            trusted = ratio.sequence_importance_mask(old_logprobs, batch.sampler_logprobs, **layout, low=low, high=high)
            metrics["importance/masked"] = self._mean(batch.loss_mask & ~trusted)
            trust = trust * trusted
        return trust, metrics

    def _mean(self, values: Tensor) -> Float[Tensor, ""]:
        return values.detach().float().sum() / self._num_tokens


def _kl_term(
    penalty: KLPenalty, logprobs: Float[Tensor, "B T"], ref_logprobs: Float[Tensor, "B T"], old_logprobs: Float[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    if penalty.importance_weighted:
        # The token's own ratio, whatever the surrogate's: a sequence's mean would not make the estimate unbiased.
        return kl.kl_k3_weighted(logprobs, ref_logprobs, ratio=ratio.token_ratio(logprobs, old_logprobs))
    estimators = {"k2": kl.kl_k2, "k3": kl.kl_k3, "k3+": kl.kl_k3_plus}
    return estimators[penalty.estimator](logprobs, ref_logprobs)
