"""Score completions: the verdict, the named parts, their weighted sum. Work begins when a completion is handed in and goes on beside
sampling; results come back in order."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reasonforge.core.errors import ReasonforgeError, RecipeError, UnavailableError
from reasonforge.core.records import Problem, Verdict
from reasonforge.core.rollouts import FinishReason, Reward, Rollout, RolloutGroup, ScoredRollout
from reasonforge.rewards.config import (
    AccuracyReward,
    CodeReward,
    FormatReward,
    FunctionReward,
    GradingConfig,
    JudgeReward,
    LanguageReward,
    LengthReward,
    ModelReward,
    OverlongPenalty,
    RepetitionPenalty,
    RewardPart,
    StepsReward,
)
from reasonforge.rewards.function import RewardProcesses
from reasonforge.rewards.reference import OpenChatModel, ReferenceJudges
from reasonforge.rewards.rules import keeps_format, language_share, length_rewards, overlong_penalty, repeated_share
from reasonforge.tasks.checks import GoldFailure, GoldReport, check_gold
from reasonforge.tasks.judge import Judge, is_code
from reasonforge.tasks.protocol import StepCheck
from reasonforge.tasks.steps import rule_steps
from reasonforge.text.steps import Decode, token_of_each_end

_LOG = logging.getLogger("reasonforge.rewards")
_UNKNOWN = ("timeout", "error")
_GRADING = GradingConfig()

Score = tuple[Reward, Verdict]


@dataclass(frozen=True, slots=True)
class _Sample:
    """What parts look at."""

    problem: Problem
    text: str
    num_tokens: int = 0
    finish_reason: FinishReason = "stop"
    token_ids: tuple[int, ...] = ()
    """Empty = the text came without tokens, so nothing can be paid at one."""
    is_reference: bool = False
    """The text is the reference itself: no judge is asked whether it agrees with itself."""


class RewardScorer:
    """Scores completions by a recipe's reward parts. Use it as a context: it owns the sandbox and the processes of user functions."""

    def __init__(
        self,
        parts: Mapping[str, RewardPart],
        *,
        grading: GradingConfig = _GRADING,
        max_failed_share: float = 0.1,
        max_new_tokens: int | None = None,
        decode: Decode | None = None,
        open_model: OpenChatModel | None = None,
    ) -> None:
        """Args:
            parts: named parts; the reward is their weighted sum.
            grading: how verdicts are found.
            max_failed_share: refuse a batch in which a larger share of completions could not be scored.
            max_new_tokens: the sampler's limit, for penalties that are measured against it.
            decode: of the policy's tokenizer, for parts that pay steps; None = rewards name no tokens.
            open_model: opens the endpoints of judges; None = no part needs one.

        Raises:
            RecipeError: a part cannot mean anything.
        """
        # What models say is added by ModelRewards, many completions at a time.
        self._parts = {name: part for name, part in parts.items() if not isinstance(part, ModelReward)}
        self._max_failed_share = max_failed_share
        self._decode = decode
        self._overlong_limits = {
            name: _overlong_limit(name, part, max_new_tokens) for name, part in self._parts.items() if isinstance(part, OverlongPenalty)
        }
        self._functions = {
            name: RewardProcesses(part.path, deadline_seconds=part.deadline_seconds, workers=part.workers)
            for name, part in self._parts.items()
            if isinstance(part, FunctionReward)
        }
        self._references = ReferenceJudges(self._parts, open_model)
        # A program that its own process could declare right must not earn a reward: training leaves weak tests out.
        self._judge = Judge(profile=grading.profile, sandbox=grading.sandbox, answer_from=grading.answer_from, weak_tests=False)
        self._threads = ThreadPoolExecutor(grading.workers or max(4, os.cpu_count() or 1), thread_name_prefix="reward")
        self._begun: dict[tuple[str, int], Future[Score]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)  # what runs ends at its own deadline
        for processes in self._functions.values():
            processes.close()
        self._judge.close()

    def score(self, problem: Problem, text: str) -> Score:
        """Return the reward and the verdict of one text, as if it had ended by itself; parts about lengths find it short.

        A part that fails makes the verdict ``timeout`` or ``error``.
        """
        return self._score_or_mask(_Sample(problem, text))

    def submit(self, problem: Problem, rollout: Rollout) -> None:
        """Begin to score a rollout in another thread; ``score_groups`` takes the result. A sampler calls it when a completion ends."""
        self._begun[rollout.group_id, rollout.index] = self._submit(problem, rollout)

    def score_groups(self, groups: Sequence[tuple[Problem, Sequence[Rollout]]]) -> list[RolloutGroup]:
        """Score groups of rollouts side by side; results in order. A slow one delays only itself.

        Raises:
            UnavailableError: more than ``max_failed_share`` of the completions could not be scored; the line says why the first failed.
        """
        begun, self._begun = self._begun, {}
        futures = [
            [begun.pop((rollout.group_id, rollout.index), None) or self._submit(problem, rollout) for rollout in rollouts]
            for problem, rollouts in groups
        ]
        try:
            return self._gather(groups, futures)
        finally:
            for future in (*begun.values(), *(future for row in futures for future in row)):
                future.cancel()

    def judge_metrics(self) -> dict[str, float]:
        """Return what asking judges came to since the last call; empty where no part has one."""
        return self._references.metrics()

    def check_gold(self, problems: Sequence[Problem]) -> list[GoldFailure]:
        """Return the problems whose gold texts the recipe's own parts cannot score or do not find correct. Judges are not asked."""
        return list(check_gold(problems, judge=self._verdicts).failures)

    def quarantine(self, problems: Sequence[Problem]) -> GoldReport:
        """Judge the problems' gold texts as rewards do, without calling anybody's function: which must be kept out of training."""
        by_rule = [problem for problem in problems if not any(self._references.about(problem))]
        return check_gold(by_rule, judge=lambda pairs: list(self._threads.map(lambda pair: self._judge.grade(*pair), pairs)))

    def _submit(self, problem: Problem, rollout: Rollout) -> Future[Score]:
        completion = rollout.completion
        token_ids = tuple(completion.token_ids.tolist())
        sample = _Sample(problem, rollout.text, completion.num_written, completion.finish_reason, token_ids)
        return self._threads.submit(self._score_or_mask, sample)

    def _gather(
        self, groups: Sequence[tuple[Problem, Sequence[Rollout]]], futures: Sequence[Sequence[Future[Score]]]
    ) -> list[RolloutGroup]:
        total = sum(len(row) for row in futures)
        scored: list[RolloutGroup] = []
        failures: list[str] = []
        count = 0
        for (problem, rollouts), row in zip(groups, futures, strict=True):
            scores: list[Score] = []
            for future in row:
                reward, verdict = future.result()
                count += 1
                if verdict.status in _UNKNOWN:
                    failures.append(f"problem {problem.id}: {verdict.reason}")
                    # Each timeout costs its deadline: once the batch is lost there is nothing to wait for.
                    if len(failures) > self._max_failed_share * total:
                        raise UnavailableError(
                            f"rewards: {len(failures)} of the first {count} completions could not be scored; first: {failures[0]}"
                        )
                scores.append((reward, verdict))
            rewards = self._with_group_parts(rollouts, scores)
            members = [
                ScoredRollout(rollout=rollout, reward=reward, verdict=verdict)
                for rollout, reward, (_, verdict) in zip(rollouts, rewards, scores, strict=True)
            ]
            scored.append(RolloutGroup(problem=problem, rollouts=tuple(members)))
        return scored

    def _verdicts(self, pairs: Iterable[tuple[Problem, str]]) -> list[Verdict]:
        samples = [_Sample(problem, text, is_reference=True) for problem, text in pairs]
        return [verdict for _, verdict in self._threads.map(self._score_or_mask, samples)]

    def _score_or_mask(self, sample: _Sample) -> Score:
        """Score a sample. A crash on one text must not end a run of days: it masks the sample, and ``max_failed_share`` bounds how many."""
        try:
            return self._score(sample)
        except ReasonforgeError:  # no sandbox here, no such function: every sample would fail alike, and the line says what to do
            raise
        except Exception as crash:
            _LOG.exception("problem %s: a reward crashed", sample.problem.id)
            reason = f"a reward crashed: {type(crash).__name__}: {' '.join(str(crash).split())[:200]}"
            return Reward(total=0.0), Verdict(status="error", reason=reason)

    def _score(self, sample: _Sample) -> Score:
        if sample.finish_reason == "tool_error":
            return Reward(total=0.0), Verdict(status="error", reason="the sandbox failed while the completion was written")
        problem, text = sample.problem, sample.text
        judged = {name: self._compared(name, sample) for name in self._references.about(problem)}
        if failed := next((found for found in judged.values() if found.status in _UNKNOWN), None):
            return Reward(total=0.0), failed
        tests = self._judge.run_tests(problem, text) if is_code(problem) else None
        if judged:
            verdict = next(iter(judged.values()))
        else:
            verdict = self._judge.grade(problem, text) if tests is None else tests.verdict
        if verdict.status in _UNKNOWN:
            if self._needs_verdict(problem):
                return Reward(total=0.0), verdict
            # Nobody is paid for being right, so not knowing it is no reason to leave the sample out.
            verdict = Verdict(status="no_answer", reason=verdict.reason)
        values: dict[str, float] = {}
        steps: list[tuple[int, float]] = []
        for name, part in self._parts.items():
            match part:
                case AccuracyReward():
                    in_form = part.needs_format is None or keeps_format(text, part.needs_format)
                    values[name] = 1.0 if verdict.correct and in_form else part.wrong
                case FormatReward():
                    kept = keeps_format(text, part.style, think_in_prompt=part.think_in_prompt)
                    values[name] = float(kept and sample.finish_reason != "length")
                case LanguageReward():
                    paid = verdict.correct or not part.only_if_correct
                    values[name] = language_share(text, problem.language) if paid else 0.0
                case OverlongPenalty():
                    values[name] = overlong_penalty(
                        sample.num_tokens, max_tokens=self._overlong_limits[name], cache_tokens=part.cache_tokens
                    )
                case RepetitionPenalty():
                    values[name] = 0.0 - repeated_share(text, ngram=part.ngram)
                case CodeReward():
                    if tests is not None:
                        values[name] = tests.share if part.partial else float(verdict.correct)
                case LengthReward():
                    values[name] = 0.0  # known when the whole group is
                case StepsReward():
                    checks = rule_steps(problem, text)
                    if checks is not None:
                        values[name] = sum(check.ok for check in checks) / max(len(checks), 1)
                        tokens = self._step_tokens(sample, checks) if part.weight else []
                        steps += [(token, part.weight * check.ok) for token, check in zip(tokens, checks)]
                case JudgeReward():
                    if name in judged:
                        values[name] = float(judged[name].correct)
                case FunctionReward():
                    result = self._functions[name](
                        question=problem.question, answer=problem.answer, completion=text, meta=problem.meta, source=problem.source
                    )
                    if result.status != "ok":
                        return Reward(total=0.0), Verdict(status=result.status, reason=result.reason)
                    values[name] = result.value
        if self._parts and not values:
            # Zero for right and wrong alike would look like a score.
            return Reward(total=0.0), Verdict(status="error", reason=f"no part of the reward is about problems of kind {problem.kind}")
        return self._reward(values, steps=tuple(steps)), verdict

    def _compared(self, name: str, sample: _Sample) -> Verdict:
        if sample.is_reference:
            return Verdict(status="correct", reason="the reference itself")
        return self._references.verdict(name, sample.problem, sample.text)

    def _needs_verdict(self, problem: Problem) -> bool:
        return any(
            isinstance(part, AccuracyReward | LengthReward)
            or (isinstance(part, CodeReward) and is_code(problem))
            or (isinstance(part, LanguageReward) and part.only_if_correct)
            for part in self._parts.values()
        )

    def _with_group_parts(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> list[Reward]:
        """Fill in the parts that compare a group's completions; those that could not be scored stay out of the comparison."""
        names = [name for name, part in self._parts.items() if isinstance(part, LengthReward)]
        rewards = [reward for reward, _ in scores]
        known = [i for i, (_, verdict) in enumerate(scores) if verdict.status not in _UNKNOWN]
        if names and known:
            values = length_rewards([rollouts[i].completion.num_written for i in known], [scores[i][1].correct for i in known])
            for i, value in zip(known, values, strict=True):
                rewards[i] = self._reward({**rewards[i].parts, **dict.fromkeys(names, value)}, steps=rewards[i].steps)
        return rewards

    def _step_tokens(self, sample: _Sample, checks: Sequence[StepCheck]) -> list[int]:
        if self._decode is None or not sample.token_ids:
            return []
        return token_of_each_end(sample.token_ids, [check.end for check in checks], self._decode)

    def _reward(self, values: Mapping[str, float], *, steps: tuple[tuple[int, float], ...]) -> Reward:
        return Reward(total=sum(self._parts[name].weight * value for name, value in values.items()), parts=dict(values), steps=steps)


def _overlong_limit(name: str, part: OverlongPenalty, max_new_tokens: int | None) -> int:
    limit = part.max_tokens or max_new_tokens
    if limit is None or part.cache_tokens > limit:
        raise RecipeError(f"rewards.{name}: cache_tokens is {part.cache_tokens}, max_tokens {limit}: it must be at least as much")
    return limit
