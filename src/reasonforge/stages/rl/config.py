"""Settings of reinforcement learning. An algorithm is a recipe: one choice for each of the axes below."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.rewards.config import AccuracyReward, GradingConfig, OverlongPenalty, RewardPart
from reasonforge.sampling.config import SamplingConfig
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


Advantage = Annotated[GroupNormalized | Centred | LeaveOneOut | RawReward, Field(discriminator="type")]


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


class KLPenalty(Section):
    """A pull towards the reference model."""

    coef: float = Field(default=..., gt=0)
    """Weight; DeepSeekMath 0.04, R1-Zero 0.001."""
    estimator: Literal["k1", "k2", "k3", "k3+"] = "k3"
    """Per-token estimator of KL(policy || reference). In the loss k1 teaches nothing: its expected gradient is zero."""
    place: Literal["loss", "reward"] = "loss"
    importance_weighted: bool = False
    """Multiply k3 by the ratio to the sampling policy: unbiased in value and gradient off-policy too."""

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.place == "loss" and self.estimator == "k1":
            raise ValueError("estimator k1 in the loss has zero expected gradient: use k2 or k3, or place it in the reward")
        if self.importance_weighted and self.estimator != "k3":
            raise ValueError(f"importance_weighted is defined for estimator k3, not {self.estimator}")
        if self.place == "reward" and (self.estimator == "k3+" or self.importance_weighted):
            raise ValueError("place reward carries no gradient: k3+ and importance_weighted have no effect there")
        return self


class InLoopEvaluation(EvaluationConfig):
    """An evaluation while training, drawn by the stage's own sampler (``sampling.dtype``)."""

    every: int = Field(default=25, gt=0)
    """Steps between evaluations."""


class RLConfig(Section):
    """Sample groups, score, compute advantages, update; refresh the reference now and then."""

    type: Literal["rl"] = "rl"
    data: str
    """Name of a table under ``data``."""
    steps: int = Field(default=..., gt=0)
    """Rollout steps."""
    prompts_per_step: int = Field(default=..., gt=0)
    group_size: int = Field(default=..., gt=0)
    """Completions per prompt, G."""
    updates_per_step: int = Field(default=1, gt=0)
    """Minibatches a step's rollouts are split into, one update each (R1: 8,192 rollouts, 16 updates)."""
    sampling: SamplingConfig
    rewards: dict[str, RewardPart] = Field(default={"accuracy": AccuracyReward()})
    """Named parts; the reward is their weighted sum."""
    grading: GradingConfig = GradingConfig()
    max_quarantined_share: float = Field(default=0.05, ge=0, lt=1)
    """Problems whose own reference is not graded correct are left out; stop when they are a larger share."""
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    """Stop when a larger share of a step's completions could not be scored."""
    advantage: Advantage = GroupNormalized()
    ratio: Literal["token", "sequence"] = "token"
    """Level of the importance ratio; ``sequence`` = GSPO's geometric mean."""
    surrogate: Surrogate = Clip()
    aggregation: Literal["sequence_mean_token_mean", "token_mean", "group_token_mean", "sequence_mean_token_sum", "constant_length"] = (
        "sequence_mean_token_mean"
    )
    """How token terms become one loss: GRPO, DAPO, DAPO eq. 8, RLOO, Dr.GRPO (divides by ``sampling.max_new_tokens``)."""
    kl: KLPenalty | None = None
    """None = no reference model."""
    reference_refresh_every: int | None = Field(default=None, gt=0)
    """Steps between copies of the policy into the reference (R1: 400); None = never."""
    truncated: Literal["keep", "zero_reward", "mask_keep_in_baseline", "mask_drop_from_baseline"] = "keep"
    """What becomes of completions cut at the token limit."""
    training: TrainingConfig = TrainingConfig()
    evaluation: InLoopEvaluation | None = None
    """None = do not evaluate while training."""

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        rollouts = self.prompts_per_step * self.group_size
        if rollouts % self.updates_per_step:
            raise ValueError(f"updates_per_step ({self.updates_per_step}) must divide prompts_per_step x group_size ({rollouts})")
        if self.group_size == 1 and not isinstance(self.advantage, RawReward):
            raise ValueError(f"group_size 1 gives every completion the same {self.advantage.type} advantage: use at least 2")
        if self.reference_refresh_every is not None and self.kl is None:
            raise ValueError("reference_refresh_every has no effect without kl")
        if isinstance(self.surrogate, Reinforce) and (self.updates_per_step > 1 or self.ratio == "sequence"):
            raise ValueError("surrogate reinforce has no ratio: it needs updates_per_step 1 and ratio token")
        if self.sampling.top_p < 1 or self.sampling.top_k > 0 or self.sampling.temperature == 0:
            raise ValueError("sampling: the learner scores all tokens at a temperature: use top_p 1, top_k 0 and temperature above 0")
        if not self.rewards or all(part.weight == 0 for part in self.rewards.values()):
            raise ValueError("rewards: no part has a weight, so every completion would earn the same")
        for name, part in self.rewards.items():
            if isinstance(part, OverlongPenalty) and part.cache_tokens > (limit := part.max_tokens or self.sampling.max_new_tokens):
                raise ValueError(f"rewards.{name}: cache_tokens ({part.cache_tokens}) must be at most max_tokens ({limit})")
        wrong = next((name for name in self.rewards if not re.fullmatch(r"[^/\s]+", name)), None)
        if wrong is not None:
            raise ValueError(f"rewards: {wrong!r} cannot name a part: metrics are called after it, so no slash and no space")
        return self
