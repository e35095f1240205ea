"""Sample, grade, summarise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reasonforge.core.records import Problem
from reasonforge.core.rollouts import Reward, Rollout, RolloutGroup, SamplingParams, ScoredRollout
from reasonforge.core.seeds import derive_seed
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.estimators import bootstrap_interval, majority_vote, pass_at_k
from reasonforge.rewards.score import keeps_format
from reasonforge.sampling.protocol import Sampler
from reasonforge.sampling.rollouts import sample_groups
from reasonforge.tasks.registry import grade
from reasonforge.text.layout import Layout
from reasonforge.text.render import render_prompt, stop_token_ids
from reasonforge.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found."""

    metrics: dict[str, float]
    """``pass@1`` (mean over samples), ``pass@k``, ``maj@k``, ``format``, ``length``, ``truncated``, ``step_skill`` where asked for."""
    pass1_interval: tuple[float, float]
    """95 % bootstrap interval of pass@1 over problems."""
    groups: tuple[RolloutGroup, ...]
    """Every completion, graded."""


class Evaluator:
    """Evaluates a sampler on fixed problems. Seeds come from ``seed`` and the problem, so two evaluations differ by the weights alone."""

    def __init__(self, config: EvaluationConfig, problems: Sequence[Problem], *, tokenizer: Tokenizer, layout: Layout, seed: int) -> None:
        self._config = config
        self._problems = [problems[i] for i in range(min(config.num_problems, len(problems)))]
        self._prompts = [tuple(render_prompt(problem.messages, tokenizer, layout)) for problem in self._problems]
        self._tokenizer = tokenizer
        self._stop_token_ids = stop_token_ids(tokenizer, layout)
        self._seed = seed

    @property
    def num_problems(self) -> int:
        """Problems evaluated."""
        return len(self._problems)

    def evaluate(self, sampler: Sampler) -> Evaluation:
        """Draw ``samples`` completions of each problem and judge them."""
        config = self._config
        groups = self._sample(
            sampler, prefix="", count=config.samples, temperature=config.temperature, top_p=config.top_p, purpose="evaluation"
        )
        metrics = summarise(groups, config)
        if config.skill_prefix is not None:
            metrics["step_skill"] = self.step_skill(sampler)
        per_problem = np.array([np.mean([member.verdict.correct for member in group.rollouts]) for group in groups])
        interval = bootstrap_interval(per_problem, seed=derive_seed(self._seed, "bootstrap"))
        return Evaluation(metrics=metrics, pass1_interval=interval, groups=tuple(groups))

    def step_skill(self, sampler: Sampler) -> float:
        """Return greedy accuracy when every completion is made to begin with ``skill_prefix``."""
        assert self._config.skill_prefix is not None
        groups = self._sample(sampler, prefix=self._config.skill_prefix, count=1, temperature=0.0, top_p=1.0, purpose="step_skill")
        return float(np.mean([group.rollouts[0].verdict.correct for group in groups]))

    def _sample(self, sampler: Sampler, *, prefix: str, count: int, temperature: float, top_p: float, purpose: str) -> list[RolloutGroup]:
        params = SamplingParams(
            max_new_tokens=self._config.max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            stop_token_ids=self._stop_token_ids,
        )
        drawn = sample_groups(
            sampler,
            self._problems,
            self._prompts,
            params,
            group_size=count,
            seed_of=lambda _, problem, i: derive_seed(self._seed, purpose, problem.id, i),
            tokenizer=self._tokenizer,
            prefix=prefix,
        )
        return [
            RolloutGroup(problem=problem, rollouts=tuple(_judge(problem, rollout) for rollout in rollouts)) for problem, rollouts in drawn
        ]


def _judge(problem: Problem, rollout: Rollout) -> ScoredRollout:
    verdict = grade(problem, rollout.text)
    accuracy = float(verdict.correct)
    return ScoredRollout(rollout=rollout, reward=Reward(total=accuracy, parts={"accuracy": accuracy}), verdict=verdict)


def summarise(groups: Sequence[RolloutGroup], config: EvaluationConfig) -> dict[str, float]:
    """Return the figures of graded groups; every problem counts the same."""
    k = config.samples
    correct = [sum(member.verdict.correct for member in group.rollouts) for group in groups]
    members = [member for group in groups for member in group.rollouts]
    metrics = {
        "pass@1": float(np.mean([c / len(group.rollouts) for c, group in zip(correct, groups)])),
        "format": float(np.mean([keeps_format(member.rollout.text, config.format) for member in members])),
        "length": float(np.mean([len(member.rollout.completion) for member in members])),
        "truncated": float(np.mean([member.rollout.completion.finish_reason == "length" for member in members])),
    }
    if k > 1:
        metrics[f"pass@{k}"] = float(np.mean([pass_at_k(len(group.rollouts), c, k) for c, group in zip(correct, groups)]))
        metrics[f"maj@{k}"] = float(np.mean([_majority(group, config) for group in groups]))
    return metrics


def _majority(group: RolloutGroup, config: EvaluationConfig) -> float:
    # A right answer votes as one class whatever its spelling; wrong ones by their canonical prediction; no answer does not vote.
    votes = ["\0correct" if m.verdict.correct else m.verdict.prediction for m in group.rollouts]
    return majority_vote(votes, "\0correct", ties=config.ties)
