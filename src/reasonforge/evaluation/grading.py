"""Grade finished completions side by side, in processes that can be killed. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from reasonforge.core.records import Problem, Verdict
from reasonforge.evaluation.config import EvaluationConfig
from reasonforge.evaluation.samples import SampledProblem
from reasonforge.sandbox.config import SandboxConfig
from reasonforge.tasks.benchmarks.isabelle import is_proof
from reasonforge.tasks.judge import Judge, profile_for
from reasonforge.tasks.reasoning_gym import SOURCE_PREFIX
from reasonforge.verify.grade import Profile
from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import GradePool

_AT_ONCE = 512
"""Completions handed over together: enough for every worker, few enough to see progress."""


class Graders:
    """A pool for answers in words, and a judge for everything that must be run or has a verifier of its own. Use it as a context."""

    def __init__(self, *, profile: Profile, workers: int | None = None, sandbox: SandboxConfig | None = None) -> None:
        """Args:
        profile: how answers are compared; ``strict`` gives way to a profile that a problem names in ``meta["profile"]``.
        workers: processes; None = one per core.
        sandbox: where programs run; None = in the strongest that this machine allows.
        """
        self._profile: Profile = profile
        self._judge = Judge(profile=profile, sandbox=sandbox or SandboxConfig())
        self._pool = GradePool(workers=workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.close()
        self._judge.close()

    def grade_many(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """Judge completions; verdicts in the order of the pairs. A completion never raises: its verdict is ``timeout`` or ``error``."""
        in_words = [_is_in_words(problem) for problem, _ in pairs]
        pooled = iter(self._pool.grade_many(self._item(*pair) for pair, pooled in zip(pairs, in_words) if pooled))
        judged = iter(self._judge.grade_many(pair for pair, pooled in zip(pairs, in_words) if not pooled))
        return [next(pooled if is_pooled else judged) for is_pooled in in_words]

    def _item(self, problem: Problem, text: str) -> GradeItem:
        profile = profile_for(problem, self._profile)
        return GradeItem(
            gold=problem.answer, text=text, profile=profile, question=problem.question, kind=problem.kind, language=problem.language
        )


def open_judge(config: EvaluationConfig) -> Judge:
    """Return what judges the answers of an evaluation; a context."""
    return Judge(profile=config.profile, sandbox=config.sandbox, answer_from="program" if config.style == "pot" else "text")


def graded(problems: Sequence[SampledProblem], graders: Graders) -> Iterator[SampledProblem]:
    """Yield the problems with verdicts, in order."""
    for chunk in in_chunks(problems, _AT_ONCE):
        verdicts = iter(graders.grade_many([(found.problem, sample) for found in chunk for sample in found.samples]))
        for found in chunk:
            yield replace(found, verdicts=tuple(next(verdicts) for _ in found.samples))


def in_chunks(problems: Sequence[SampledProblem], num_samples: int) -> Iterator[list[SampledProblem]]:
    """Yield the problems in lists of about so many samples."""
    chunk: list[SampledProblem] = []
    count = 0
    for found in problems:
        chunk.append(found)
        count += len(found.samples)
        if count >= num_samples:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def _is_in_words(problem: Problem) -> bool:
    return problem.kind != "code" and not is_proof(problem) and not problem.source.startswith(("task:", SOURCE_PREFIX))
