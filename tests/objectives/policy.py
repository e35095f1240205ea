"""Policy losses put together from the objectives, one choice per axis, for tests that look at the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from reasonforge.objectives import aggregate as agg
from reasonforge.objectives.kl import kl_k3
from reasonforge.objectives.ratio import sequence_ratio, token_ratio
from reasonforge.objectives.surrogate import Surrogate, cispo, clipped, dual_clipped


@dataclass(frozen=True, kw_only=True)
class Choices:
    """An algorithm."""

    ratio: Literal["token", "sequence"] = "token"
    surrogate: Literal["clip", "dual_clip", "cispo"] = "clip"
    eps_low: float | None = 0.2
    eps_high: float = 0.2
    dual_clip: float = 3.0
    aggregation: str = "sequence_mean_token_mean"
    max_tokens: int = 8
    kl_coef: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What was sampled: one sample per row, [B, T]; advantages [B]."""

    logprobs: Tensor
    old_logprobs: Tensor
    ref_logprobs: Tensor
    mask: Tensor
    advantages: Tensor

    def rows(self, start: int, stop: int) -> Tokens:
        return Tokens(**{name: getattr(self, name)[start:stop] for name in self.__dataclass_fields__})

    def fresh(self) -> Tokens:
        """The same tokens with log-probabilities that a gradient can be taken of."""
        return replace(self, logprobs=self.logprobs.detach().clone().requires_grad_())


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came out, [B, T] each."""

    ratio: Tensor
    surrogate: Surrogate
    kl: Tensor
    objective: Tensor


def sample_weights(choices: Choices, mask: Tensor) -> Tensor:
    counts = mask.sum(1)
    if choices.aggregation == "constant_length":
        return agg.constant_length(counts, max_tokens=choices.max_tokens)
    return getattr(agg, choices.aggregation)(counts)


def objective(choices: Choices, tokens: Tokens) -> Result:
    if choices.ratio == "token":
        ratio = token_ratio(tokens.logprobs, tokens.old_logprobs)
    else:
        samples = torch.arange(len(tokens.mask))[:, None].expand(tokens.mask.shape)
        ratio = sequence_ratio(tokens.logprobs, tokens.old_logprobs, loss_mask=tokens.mask, samples=samples, num_samples=len(tokens.mask))
    advantages = tokens.advantages[:, None] * tokens.mask
    if choices.surrogate == "cispo":
        surrogate = cispo(ratio, advantages, tokens.logprobs, eps_low=choices.eps_low, eps_high=choices.eps_high)
    else:
        assert choices.eps_low is not None
        bounds = {"eps_low": choices.eps_low, "eps_high": choices.eps_high}
        if choices.surrogate == "clip":
            surrogate = clipped(ratio, advantages, **bounds)
        else:
            surrogate = dual_clipped(ratio, advantages, **bounds, max_negative_ratio=choices.dual_clip)
    divergence = kl_k3(tokens.logprobs, tokens.ref_logprobs)
    return Result(ratio=ratio, surrogate=surrogate, kl=divergence, objective=surrogate.objective - choices.kl_coef * divergence)


def loss(choices: Choices, tokens: Tokens, weights: Tensor | None = None) -> Tensor:
    """The loss to minimise; weights [B] default to those of these rows as a whole step."""
    weights = sample_weights(choices, tokens.mask) if weights is None else weights
    return agg.aggregate(-objective(choices, tokens).objective, weights[:, None] * tokens.mask)


def gradient(choices: Choices, tokens: Tokens) -> Tensor:
    tokens = tokens.fresh()
    return torch.autograd.grad(loss(choices, tokens), tokens.logprobs)[0]


def random_tokens(num_samples: int = 6, num_tokens: int = 7, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tokens:
    """Off-policy samples of different lengths, no ratio exactly at a clip bound."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(num_tokens) < torch.randint(1, num_tokens + 1, (num_samples, 1), generator=generator)

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(num_samples, num_tokens, dtype=torch.float64, generator=generator)

    logprobs = noise(1.0).abs().neg()
    tokens = Tokens(
        logprobs=torch.where(mask, logprobs, 0.0),
        old_logprobs=torch.where(mask, logprobs + noise(0.3), 0.0),
        ref_logprobs=torch.where(mask, logprobs + noise(0.5), 0.0),
        mask=mask,
        advantages=torch.randn(num_samples, dtype=torch.float64, generator=generator),
    )
    return replace(tokens, **{name: getattr(tokens, name).to(dtype) for name in tokens.__dataclass_fields__ if name != "mask"})
