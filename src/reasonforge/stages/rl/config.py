"""Settings of reinforcement learning. An algorithm is a recipe: one choice for each of the axes below."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.rewards.config import AccuracyReward, GradingConfig, ModelReward, OverlongPenalty, RewardPart, StepsReward
from reasonforge.sampling.config import SamplingConfig
from reasonforge.stages.rl.axes import (
    GAE,
    Advantage,
    Aggregation,
    BatchWhitened,
    Clip,
    CriticConfig,
    DynamicSampling,
    GroupNormalized,
    ImportanceCorrection,
    KLPenalty,
    LeaveOneOut,
    ProcessSupervision,
    Ratio,
    RawReward,
    Reinforce,
    Surrogate,
)
from reasonforge.stages.rl.iterations_config import Iterations
from reasonforge.stages.rl.watch_config import ContextSchedule, Curriculum, EarlyStop, HackingMonitor, Schedules
from reasonforge.training.config import TrainingConfig


class InLoopEvaluation(EvaluationConfig):
    """An evaluation while training, drawn by the stage's own sampler (``sampling.dtype``)."""

    every: int = Field(default=25, gt=0)
    """Steps between evaluations."""


class RLConfig(Section):
    """Sample groups, score, compute advantages, update; refresh the reference now and then."""

    type: Literal["rl"] = "rl"
    data: str
    """Name of a table under ``data``."""
    start: str | None = None
    """Earlier stage whose model is trained on; ``start`` = the run's first model. None = the model as it stands."""
    steps: int = Field(default=..., gt=0)
    """Rollout steps."""
    prompts_per_step: int = Field(default=..., gt=0)
    group_size: int = Field(default=..., gt=0)
    """Completions per prompt, G."""
    updates_per_step: int = Field(default=1, gt=0)
    """Minibatches a step's rollouts are split into at random, one update each (R1: 8,192 rollouts, 16 updates)."""
    sampling: SamplingConfig
    rewards: dict[str, RewardPart] = Field(default={"accuracy": AccuracyReward()})
    """Named parts; the reward is their weighted sum."""
    grading: GradingConfig = GradingConfig()
    max_quarantined_share: float = Field(default=0.05, ge=0, lt=1)
    """Problems whose own reference is not graded correct are left out; stop when they are a larger share."""
    max_failed_share: float = Field(default=0.1, ge=0, le=1)
    """Stop when a larger share of a step's completions could not be scored."""
    advantage: Advantage = GroupNormalized()
    process: ProcessSupervision | None = None
    """Pay steps where they end; what the other parts say of the whole is added at every token. None = pay completions as a whole."""
    critic: CriticConfig | None = None
    """The value model that ``gae`` needs; None = no critic."""
    ratio: Ratio = "token"
    """Level of the importance ratio; ``sequence`` = GSPO's geometric mean, ``sequence_token`` = its value, each token's own gradient."""
    surrogate: Surrogate = Clip()
    aggregation: Aggregation = "sequence_mean_token_mean"
    """How token terms become one loss: GRPO, DAPO, DAPO eq. 8, RLOO, Dr.GRPO (divides by ``sampling.max_new_tokens``), verl's form."""
    importance: ImportanceCorrection | None = None
    """None = the sampler's probabilities are taken for the learner's."""
    kl: KLPenalty | None = None
    """None = no reference model."""
    reference_refresh_every: int | None = Field(default=None, gt=0)
    """Steps between copies of the policy into the reference (R1: 400); None = never."""
    truncated: Literal["keep", "zero_reward", "mask_keep_in_baseline", "mask_drop_from_baseline"] = "keep"
    """What becomes of completions cut at the token limit."""
    dynamic_sampling: DynamicSampling | None = None
    """None = learn from what the first draw gives."""
    rollout_budget: int | None = Field(default=None, gt=0)
    """Stop once so many completions have been drawn, evaluations not counted; None = stop after ``steps``."""
    iterations: Iterations | None = None
    """None = one long iteration."""
    schedules: Schedules = Schedules()
    """Values that change over the steps."""
    context: ContextSchedule | None = None
    """Shorter limits before ``sampling.max_new_tokens``; None = that limit from the start."""
    curriculum: Curriculum | None = None
    """Easy problems first; None = all from the start."""
    training: TrainingConfig = TrainingConfig()
    evaluation: InLoopEvaluation | None = None
    """None = do not evaluate while training."""
    early_stop: EarlyStop | None = None
    """None = train to the end."""
    monitor: HackingMonitor | None = HackingMonitor()
    """Watches for reward hacking where there is an evaluation; None = do not."""

    @property
    def compares_groups(self) -> bool:
        """Whether a completion's advantage depends on the others of its group."""
        if isinstance(self.advantage, BatchWhitened):
            return self.advantage.baseline == "group"
        return not isinstance(self.advantage, RawReward | GAE)

    @property
    def pays_tokens(self) -> bool:
        """Whether rewards are placed at tokens and summed up from there, so that a divergence can be paid where it happens."""
        return isinstance(self.advantage, GAE) or (isinstance(self.advantage, BatchWhitened) and self.advantage.over == "tokens")

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        rollouts = self.prompts_per_step * self.group_size
        if rollouts % self.updates_per_step:
            raise ValueError(f"updates_per_step ({self.updates_per_step}) must divide prompts_per_step x group_size ({rollouts})")
        if self.aggregation == "group_token_mean" and self.prompts_per_step % self.updates_per_step:
            raise ValueError(
                f"aggregation group_token_mean needs whole groups in a minibatch: updates_per_step ({self.updates_per_step}) must divide "
                f"prompts_per_step ({self.prompts_per_step})"
            )
        if self.group_size == 1 and self.compares_groups:
            raise ValueError(f"group_size 1 gives every completion the same {self.advantage.type} advantage: use at least 2")
        if self.group_size == 1 and self.dynamic_sampling is not None:
            raise ValueError("dynamic_sampling: a group of 1 never holds both right and wrong completions")
        if self.rollout_budget is not None:
            most = self.steps * rollouts * (self.dynamic_sampling.max_batches if self.dynamic_sampling is not None else 1)
            if self.rollout_budget > most:
                raise ValueError(
                    f"rollout_budget ({self.rollout_budget}) is never reached: {self.steps} steps draw at most {most}; raise steps"
                )
        self._refuse_mixed_credit()
        if self.reference_refresh_every is not None and self.kl is None:
            raise ValueError("reference_refresh_every has no effect without kl")
        self._refuse_odd_iterations()
        if isinstance(self.surrogate, Reinforce) and (self.updates_per_step > 1 or self.ratio != "token"):
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

    @model_validator(mode="after")
    def _watchers_have_effect(self) -> Self:
        if self.schedules.kl_coef and (self.kl is None or self.kl.controller is not None):
            raise ValueError("schedules.kl_coef needs kl without a controller: it says where kl.coef goes")
        if self.context is not None:
            if self.context.lengths[-1] >= self.sampling.max_new_tokens:
                raise ValueError(
                    f"context.lengths end at {self.context.lengths[-1]}: they come before sampling.max_new_tokens "
                    f"({self.sampling.max_new_tokens}), which is the last limit"
                )
            for name, part in self.rewards.items():
                if isinstance(part, OverlongPenalty) and part.max_tokens is None:
                    raise ValueError(f"rewards.{name}: with context the limit changes, so state max_tokens")
        for where, changes in (
            ("context.at_steps", self.context.at_steps if self.context else None),
            ("curriculum.steps", tuple(accumulate(self.curriculum.steps or ())) if self.curriculum else None),
        ):
            if changes and changes[-1] >= self.steps:
                raise ValueError(f"{where}: the last change, after step {changes[-1]}, comes too late for {self.steps} steps")
        if self.evaluation is None and self.early_stop is not None:
            raise ValueError("early_stop has no effect without evaluation")
        if self.evaluation is None and self.monitor not in (None, HackingMonitor()):
            raise ValueError("monitor has no effect without evaluation")
        return self

    def _refuse_odd_iterations(self) -> None:
        """Refuse iterations that change nothing, or whose reward model is none."""
        iterations = self.iterations
        if iterations is None:
            return
        if self.reference_refresh_every is not None:
            raise ValueError("reference_refresh_every and iterations both say when the reference is copied: leave one out")
        if iterations.reward_model is None and self.kl is None:
            raise ValueError("iterations has no effect without kl or a reward_model to refresh")
        if iterations.steps >= self.steps:
            raise ValueError(f"iterations.steps ({iterations.steps}) leaves one iteration of {self.steps} steps: make it smaller")
        if iterations.reward_model is not None and not isinstance(self.rewards.get(iterations.reward_model.part), ModelReward):
            raise ValueError(f"iterations.reward_model.part: rewards has no part {iterations.reward_model.part!r} of type reward_model")

    def _refuse_mixed_credit(self) -> None:
        """Refuse choices of who gets the reward that do not fit each other."""
        advantage = self.advantage
        if isinstance(advantage, GAE) != (self.critic is not None):
            raise ValueError("advantage gae needs a critic, and nothing else uses one: set both or neither")
        if self.critic is not None and self.critic.warmup_steps >= self.steps:
            raise ValueError(f"critic.warmup_steps ({self.critic.warmup_steps}) leaves none of {self.steps} steps for the policy")
        if isinstance(advantage, GAE) and advantage.bootstrap_truncated and self.truncated.startswith("mask"):
            raise ValueError(f"advantage.bootstrap_truncated has no effect with truncated {self.truncated}: they are not learned from")
        if self.process is not None:
            if isinstance(advantage, GAE | BatchWhitened | LeaveOneOut):
                raise ValueError(f"process normalises steps within a group: use group_normalized, centred or reward, not {advantage.type}")
            if not any(isinstance(part, StepsReward | ModelReward) and part.weight for part in self.rewards.values()):
                raise ValueError("process: no part of rewards pays steps (types steps and reward_model do)")
        has_token_kl = self.pays_tokens and self.kl is not None and self.kl.place == "reward"
        if self.ratio == "sequence" and (isinstance(advantage, GAE) or self.process is not None or has_token_kl):
            raise ValueError("ratio sequence has one value and one advantage per completion; where tokens differ, use sequence_token")
