"""Settings of the axes along which algorithms of reinforcement learning differ. A paper is a recipe that picks one of each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.training.config import TrainingConfig


class GroupNormalized(Section):
    """(r - mean) / std within the group: GRPO."""

    type: Literal["group_normalized"] = "group_normalized"
    ddof: Literal[0, 1] = 0
    """0 = population standard deviation (the papers), 1 = sample standard deviation (TRL, verl)."""
    eps: float = Field(default=0.0, ge=0)
    """Added to the standard deviation outside the root; TRL 1e-4, verl 1e-6."""
    std_floor: float = Field(default=1e-4, ge=0)
    """Smallest standard deviation divided by, in units of reward: keeps float noise of a soft reward from being blown up."""


class Centred(Section):
    """r - mean of the group: Dr.GRPO."""

    type: Literal["centred"] = "centred"


class LeaveOneOut(Section):
    """r - mean of the others in the group: RLOO."""

    type: Literal["leave_one_out"] = "leave_one_out"


class RawReward(Section):
    """The reward itself: online RFT with a 0/1 reward."""

    type: Literal["reward"] = "reward"


class BatchWhitened(Section):
    """Rewards to come, at mean 0 and variance 1 over the whole step, whatever the prompt: REINFORCE++."""

    type: Literal["batch_whitened"] = "batch_whitened"
    baseline: Literal["none", "group"] = "none"
    """``group``: the group's mean reward is taken off first (REINFORCE++-baseline)."""
    over: Literal["tokens", "completions"] = "tokens"
    """What counts once: every token, so that long completions weigh more (verl), or every completion."""


class GAE(Section):
    """Generalised advantage estimation with a critic: PPO."""

    type: Literal["gae"] = "gae"
    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount per token; 1 is usual for language."""
    lam: float = Field(default=1.0, ge=0, le=1)
    """0 = one step, 1 = what came of it. 0.95, most libraries' default, was clearly worse for reasoning (DeepSeek-R1, appendix A.3)."""
    whiten: bool = True
    """Bring advantages to mean 0 and variance 1 over the tokens of the step."""
    bootstrap_truncated: bool = False
    """Behind a completion that was cut, assume the critic's value; False = nothing comes after it."""


Advantage = Annotated[GroupNormalized | Centred | LeaveOneOut | RawReward | BatchWhitened | GAE, Field(discriminator="type")]


class ProcessSupervision(Section):
    """Steps are paid where they end: their rewards are normalised over all steps of the group, and each token gets those still to come."""

    reduce: Literal["sum", "mean"] = "sum"
    """``sum`` (the paper; completions of many steps get larger advantages) or ``mean`` over the steps to come."""
    counted_from: Literal["end", "start"] = "end"
    """``end``: a step counts for all its own tokens (the paper); ``start``: only for tokens up to its first one."""


class CriticConfig(Section):
    """A second model that says of every token how much reward is still to come; it learns beside the policy."""

    start: str = "policy"
    """What it is copied from: ``policy`` = the stage's start with a fresh head; else a ``reward_model`` stage or a folder of one."""
    training: TrainingConfig = TrainingConfig()
    """Its optimizer, schedule and micro-batches."""
    clip: float | None = Field(default=0.2, gt=0)
    """How far a step may move a value, in units of reward; None = as far as it likes."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps at the beginning in which only the critic learns."""

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.training.checkpoint_every != TrainingConfig().checkpoint_every:
            raise ValueError("training.checkpoint_every has no effect: the critic is saved with the policy, by the stage's training")
        return self


class Clip(Section):
    """min(ratio A, clip(ratio, 1 - eps_low, 1 + eps_high) A): PPO, GRPO; with two sides, DAPO."""

    type: Literal["clip"] = "clip"
    eps_low: float = Field(default=0.2, gt=0)
    eps_high: float = Field(default=0.2, gt=0)
    """0.28 is DAPO's clip-higher; R1's first stage has 10 for both sides."""
    dual_clip: float | None = Field(default=None, gt=1)
    """Lower bound c A of the objective where A < 0; None = none (the papers)."""


class Cispo(Section):
    """Gradient-stopped clipped ratio times A log pi: every token keeps a gradient."""

    type: Literal["cispo"] = "cispo"
    eps_low: float | None = Field(default=None, gt=0, lt=1)
    """The weight's lower bound is 1 - eps_low; None = no lower bound, as in the paper."""
    eps_high: float = Field(default=0.28, gt=0)
    """The weight is cut at 1 + eps_high."""


class Reinforce(Section):
    """A log pi, no ratio: the plain policy gradient. Needs one update per step."""

    type: Literal["reinforce"] = "reinforce"


Surrogate = Annotated[Clip | Cispo | Reinforce, Field(discriminator="type")]

Ratio = Literal["token", "sequence", "sequence_token"]

Aggregation = Literal[
    "sequence_mean_token_mean",
    "token_mean",
    "group_token_mean",
    "sequence_mean_token_sum",
    "constant_length",
    "constant_length_sum",
]


class ImportanceCorrection(Section):
    """Corrects for a sampler whose probabilities are not the learner's (rounding, another engine): weights pi_learner / pi_sampler."""

    token_cap: float | None = Field(default=2.0, gt=0)
    """Each token's surrogate is multiplied by its weight, at most this; None = no weights."""
    sequence_band: tuple[float, float] | None = None
    """Completions whose weights have a geometric mean outside ``[low, high]`` are not learned from; None = all are."""

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.token_cap is None and self.sequence_band is None:
            raise ValueError("neither token_cap nor sequence_band: nothing would be corrected")
        if self.sequence_band is not None and not 0 < self.sequence_band[0] <= 1 <= self.sequence_band[1]:
            raise ValueError(f"sequence_band {list(self.sequence_band)} must be [low, high] with 0 < low <= 1 <= high")
        return self


class KLController(Section):
    """Moves the coefficient so that the divergence is held at a target (Ziegler et al., arXiv:1909.08593)."""

    target: float = Field(default=..., gt=0)
    """Divergence per completion, in nats."""
    horizon: int = Field(default=10_000, gt=0)
    """Completions over which the coefficient may change by a fifth."""


class KLPenalty(Section):
    """A pull towards the reference model."""

    coef: float = Field(default=..., gt=0)
    """Weight; DeepSeekMath 0.04, R1-Zero 0.001. With a controller, where it begins."""
    estimator: Literal["k1", "k2", "k3", "k3+"] = "k3"
    """Per-token estimator of KL(policy || reference). In the loss k1 teaches nothing: its expected gradient is zero."""
    place: Literal["loss", "reward"] = "loss"
    """In the reward it is paid token by token where advantages are (``gae``, ``batch_whitened`` over tokens), else per completion."""
    importance_weighted: bool = False
    """Multiply k3 by the ratio to the sampling policy: unbiased in value and gradient off-policy too."""
    controller: KLController | None = None
    """None = the coefficient is fixed."""

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.place == "loss" and self.estimator == "k1":
            raise ValueError("estimator k1 in the loss has zero expected gradient: use k2 or k3, or place it in the reward")
        if self.importance_weighted and self.estimator != "k3":
            raise ValueError(f"importance_weighted is defined for estimator k3, not {self.estimator}")
        if self.place == "reward" and (self.estimator == "k3+" or self.importance_weighted):
            raise ValueError("place reward carries no gradient: k3+ and importance_weighted have no effect there")
        return self


class DynamicSampling(Section):
    """Draw more prompts until enough groups hold right and wrong completions; only those are learned from (DAPO)."""

    max_batches: int = Field(default=10, gt=0)
    """Batches of ``prompts_per_step`` prompts drawn at most; then the step trains on what there is."""
