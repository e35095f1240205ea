"""Graded samples made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.evaluation.samples import SampledProblem


def problem(name: str = "a", gold: str = "7", **meta: object) -> Problem:
    return Problem(id=name, messages=(Message("user", f"question {name}?"),), answer=gold, source="made", meta=meta)


def verdict(answer: str | None, gold: str) -> Verdict:
    """``answer`` as a grader would judge it; ``!`` = timeout, None = no answer."""
    if answer is None:
        return Verdict(status="no_answer", reason="no box")
    if answer == "!":
        return Verdict(status="timeout", reason="late")
    return Verdict(status="correct" if answer == gold else "wrong", prediction=answer)


def sampled(
    answers: Sequence[str | None], *, name: str = "a", gold: str = "7", scores: tuple[float, ...] | None = None, **meta: object
) -> SampledProblem:
    return SampledProblem(
        problem=problem(name, gold, **meta),
        samples=tuple(f"text {answer}" for answer in answers),
        scores=scores,
        lengths=tuple(range(10, 10 + len(answers))),
        truncated=tuple(answer is None for answer in answers),
        verdicts=tuple(verdict(answer, gold) for answer in answers),
    )
