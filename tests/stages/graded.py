"""Graded groups made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reasonforge.core.records import Message, Problem, Verdict, VerdictStatus
from reasonforge.core.rollouts import Completion, FinishReason, Reward, Rollout, RolloutGroup, SamplingParams, ScoredRollout
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.credit import Credit

PROMPT = (1, 2, 3)


def member(
    reward: float,
    *,
    length: int = 4,
    mask: Sequence[bool] | None = None,
    finish: FinishReason = "stop",
    status: VerdictStatus = "wrong",
    parts: dict[str, float] | None = None,
    steps: Sequence[tuple[int, float]] = (),
    index: int = 0,
) -> ScoredRollout:
    """Return one graded completion; every token's log-probability is -1."""
    completion = Completion(
        token_ids=np.arange(length, dtype=np.int32) + 10,
        logprobs=-np.ones(length, np.float32),
        mask=np.ones(length, np.bool_) if mask is None else np.array(mask, np.bool_),
        finish_reason=finish,
        weights_version=0,
    )
    rollout = Rollout(
        problem_id="p",
        group_id="p/0",
        index=index,
        prompt_ids=PROMPT,
        completion=completion,
        text="",
        sampling=SamplingParams(max_new_tokens=8),
        seed=index,
    )
    return ScoredRollout(
        rollout=rollout, reward=Reward(total=reward, parts=parts or {}, steps=tuple(steps)), verdict=Verdict(status=status)
    )


def group(*members: ScoredRollout) -> RolloutGroup:
    problem = Problem(id="p", messages=(Message("user", "q"),), answer="1", source="test")
    return RolloutGroup(problem=problem, rollouts=members)


def learned(credit: Credit) -> list[bool]:
    """Return, per rollout, whether anything of it is learned from."""
    return [bool(sample.loss_mask.any()) for sample in credit.samples]


def config(**settings: object) -> RLConfig:
    """Return a stage's settings; sizes are small unless given."""
    base = {"data": "d", "steps": 1, "prompts_per_step": 1, "group_size": 4, "sampling": {"max_new_tokens": 8}}
    return RLConfig.model_validate(base | settings)
