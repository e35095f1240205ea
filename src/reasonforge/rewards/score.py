"""Score completions: the verdict, the named parts, their weighted sum."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from reasonforge.core.errors import UnavailableError
from reasonforge.core.records import Problem, Verdict
from reasonforge.core.rollouts import Reward, Rollout, RolloutGroup, ScoredRollout
from reasonforge.rewards.config import AccuracyReward, FormatReward, FunctionReward, RewardPart
from reasonforge.rewards.function import FunctionResult, RewardProcess
from reasonforge.tasks.checks import GoldFailure, check_gold
from reasonforge.tasks.registry import grade
from reasonforge.verify.extract import last_boxed

# One think section, then one answer section, nothing around them and no tag inside a section.
_TAG = r"</?(?:think|answer)>"
_THINK_ANSWER = re.compile(rf"\s*<think>(?:(?!{_TAG}).)*</think>\s*<answer>(?:(?!{_TAG}).)*</answer>\s*", re.DOTALL)


def keeps_format(text: str, style: str) -> bool:
    """Tell whether a completion keeps a form: ``think_answer`` (both sections, in order, once) or ``boxed``.

    >>> keeps_format("<think>7+1=8</think><answer>8</answer>", "think_answer")
    True
    >>> keeps_format("<answer>8</answer>", "think_answer")
    False

    Source:
        DeepSeek-R1 (arXiv:2501.12948), section 2.2: format reward.
    """
    return _THINK_ANSWER.fullmatch(text) is not None if style == "think_answer" else last_boxed(text) is not None


class RewardScorer:
    """Scores completions by a recipe's reward parts. Use it as a context: it owns the processes of user functions."""

    def __init__(self, parts: Mapping[str, RewardPart], *, max_failed_share: float = 0.1) -> None:
        """Args:
        parts: named parts; the reward is their weighted sum.
        max_failed_share: refuse a batch in which a larger share of completions could not be scored.
        """
        self._parts = dict(parts)
        self._max_failed_share = max_failed_share
        self._processes = {
            name: RewardProcess(part.path, deadline_seconds=part.deadline_seconds)
            for name, part in self._parts.items()
            if isinstance(part, FunctionReward)
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes.values():
            process.close()

    def score(self, problem: Problem, text: str) -> tuple[Reward, Verdict]:
        """Return the reward and the verdict of one completion. A part that fails makes the verdict ``timeout`` or ``error``."""
        verdict = grade(problem, text)
        values: dict[str, float] = {}
        for name, part in self._parts.items():
            match part:
                case AccuracyReward():
                    values[name] = float(verdict.correct)
                case FormatReward(style=style):
                    values[name] = float(keeps_format(text, style))
                case FunctionReward():
                    result: FunctionResult = self._processes[name](
                        question=problem.question, answer=problem.answer, completion=text, meta=problem.meta
                    )
                    if result.status != "ok":
                        return Reward(total=0.0), Verdict(status=result.status, reason=result.reason)
                    values[name] = result.value
        total = sum(self._parts[name].weight * value for name, value in values.items())
        return Reward(total=total, parts=values), verdict

    def score_groups(self, groups: Sequence[tuple[Problem, Sequence[Rollout]]]) -> list[RolloutGroup]:
        """Score groups of rollouts, in order.

        Raises:
            UnavailableError: more than ``max_failed_share`` of the completions could not be scored; the line says why the first failed.
        """
        scored: list[RolloutGroup] = []
        failures: list[str] = []
        count = 0
        for problem, rollouts in groups:
            members = []
            for rollout in rollouts:
                reward, verdict = self.score(problem, rollout.text)
                count += 1
                if verdict.status in ("timeout", "error"):
                    failures.append(f"problem {problem.id}: {verdict.reason}")
                    # Each timeout costs its deadline: once the batch is lost there is nothing to wait for.
                    if len(failures) > self._max_failed_share * sum(len(members) for _, members in groups):
                        raise UnavailableError(
                            f"rewards: {len(failures)} of the first {count} completions could not be scored; first: {failures[0]}"
                        )
                members.append(ScoredRollout(rollout=rollout, reward=reward, verdict=verdict))
            scored.append(RolloutGroup(problem=problem, rollouts=tuple(members)))
        return scored

    def check_gold(self, problems: Sequence[Problem]) -> list[GoldFailure]:
        """Return the problems whose gold texts the recipe's own parts cannot score or do not find correct."""
        return list(check_gold(problems, judge=lambda problem, text: self.score(problem, text)[1]).failures)
