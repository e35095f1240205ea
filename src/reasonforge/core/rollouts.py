"""What is sampled, scored and learned from. Ragged and torch-free: numpy rows of one completion each, no padding anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reasonforge.core.records import Problem, Verdict

FinishReason = Literal["stop", "length", "tool_error"]
"""``length`` = a limit was met (tokens, context, tool calls); ``tool_error`` = the sandbox failed, which says nothing about the model."""

Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to draw tokens. The learner scores under the same temperature; truncation (top-p, top-k) is for evaluation."""

    max_new_tokens: int
    temperature: float = 1.0
    """0 = greedy."""
    top_p: float = 1.0
    """1 = off."""
    top_k: int = 0
    """0 = off."""
    stop_token_ids: tuple[int, ...] = ()
    """Drawing one of these ends the completion; the token itself belongs to it (and is learned from)."""
    stop_strings: tuple[str, ...] = ()
    """The completion ends at the token that completes one of these; needs a sampler that was given a tokenizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """One prompt and one seed per completion wanted. A completion depends on its prompt, its seed, the weights, and nothing else."""

    prompt_ids: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model wrote after a prompt; arrays have one entry per completion token."""

    token_ids: Int32
    logprobs: Float32
    """Natural log-probability of each token under the warp it was drawn from (temperature, top-p, top-k)."""
    mask: Bools
    """True = the policy wrote it; False = tool or template text."""
    finish_reason: FinishReason
    weights_version: int

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def num_written(self) -> int:
        """Tokens that the policy wrote, without those of a tool."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A completion in its place: which problem, which group, which member of it."""

    problem_id: str
    group_id: str
    index: int
    prompt_ids: tuple[int, ...]
    completion: Completion
    text: str
    """The completion decoded, special tokens kept: what graders and people read. Never encoded again."""
    sampling: SamplingParams
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """A number to learn from and where it came from."""

    total: float
    parts: Mapping[str, float] = field(default_factory=dict)
    """Unweighted value of each named part."""
    steps: tuple[tuple[int, float], ...] = ()
    """Process rewards: (index of the last completion token of the step, reward)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRollout:
    """A rollout with its reward and the grader's verdict."""

    rollout: Rollout
    reward: Reward
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGroup:
    """All completions of one prompt."""

    problem: Problem
    rollouts: tuple[ScoredRollout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSample:
    """One sequence to learn from: what every stage hands to the learner. All arrays have one entry per token of ``token_ids``.

    Entry ``t`` is about token ``t`` itself (as the thing predicted); ``collate`` alone shifts by one. ``loss_mask[0]`` must be
    False: nothing predicts the first token.
    """

    token_ids: Int32
    loss_mask: Bools
    """True where the token is learned from."""
    group: int = 0
    """Which group of the step the sample belongs to; only group-scoped denominators read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySample(TrainingSample):
    """A training sample with what a policy objective needs. Arrays align with ``token_ids``; zero where ``loss_mask`` is False."""

    advantages: Float32
    sampler_logprobs: Float32
    old_logprobs: Float32 | None = None
    """Learner's log-probabilities before the first update of the step; None = they equal the policy's (one update per step)."""
    ref_logprobs: Float32 | None = None
    """None = no reference model."""
    values: Float32 | None = None
    """Critic's values before the first update; None = no critic."""
    returns: Float32 | None = None
    """None = no critic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSample(TrainingSample):
    """What a reward model learns from: scores are read where ``loss_mask`` is True.

    The score after token ``t`` belongs to entry ``t + 1``, so a sample that is scored at its end carries one closing token more, whose id
    is never read.
    """

    labels: Float32
    """1 = good, 0 = bad, or a probability in between; read where ``loss_mask`` is True."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSample(TrainingSample):
    """A sequence with what the reference model says of it: one side of a pair in preference learning."""

    ref_logprobs: Float32
    """Zero where ``loss_mask`` is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedSample(TrainingSample):
    """A sequence of a mixture, with where in the mixture it comes from."""

    sources: Float32
    """Number of the source, at every token the same."""
