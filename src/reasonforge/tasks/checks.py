"""What to know about problems before training on them: does every reference pass its own grader, and do two sets share prompts?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.benchmarks.isabelle import is_proof
from reasonforge.tasks.judge import Judge, is_code


class GoldFailure(NamedTuple):
    """A problem whose own answer or solution is not graded correct: a reward on it would punish the truth."""

    problem: Problem
    text: str
    """What was graded."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GoldReport:
    """How many problems were checked, and which must be kept out of training (the quarantine)."""

    checked: int
    failures: tuple[GoldFailure, ...]

    @property
    def passed(self) -> bool:
        """True when nothing is to be kept out."""
        return not self.failures

    def without_failures(self, problems: Sequence[Problem]) -> list[Problem]:
        """Return the problems that are not in quarantine, in order."""
        bad = {id(failure.problem) for failure in self.failures}
        return [problem for problem in problems if id(problem) not in bad]

    def __str__(self) -> str:
        if self.passed:
            return f"gold check: {self.checked} of {self.checked} references pass"
        first = self.failures[0]
        return (
            f"gold check: {len(self.failures)} of {self.checked} references fail; first: problem {first.problem.id}, "
            f"answer {first.problem.answer[:60]!r}, {first.verdict.status} {first.verdict.reason}".rstrip()
        )


class SharedPrompt(NamedTuple):
    """A prompt that two sets share, up to case and white space."""

    prompt: str
    left_id: str
    right_id: str


def gold_texts(problem: Problem) -> tuple[str, ...]:
    """Return the completions that must be graded correct: the answer in a box, and the worked solution where there is one.

    The bare answer of a procedural task is none of them: only its own text forms are answers there, and the solution is one. A program is
    no answer in a box: it is the solution, or the answer in a fence. A proof has no reference.
    """
    if is_proof(problem):
        return ()
    if is_code(problem):
        return (f"```python\n{problem.answer}\n```" if problem.solution is None else problem.solution,)
    boxed = () if problem.source.startswith("task:") else (f"\\boxed{{{problem.answer}}}",)
    return boxed if problem.solution is None else (*boxed, problem.solution)


def check_gold(
    problems: Iterable[Problem], *, judge: Callable[[Sequence[tuple[Problem, str]]], Sequence[Verdict]] | None = None
) -> GoldReport:
    """Judge every problem's gold texts; list the problems with one that is not found correct, each with its first such text.

    Args:
        judge: judges (problem, text) pairs, in order; None = a strict judge of its own.

    Raises:
        SandboxUnavailable: there are programs among the answers and this machine has no safe place to run them.
    """
    if judge is None:
        with Judge(weak_tests=False) as strict:
            return check_gold(problems, judge=strict.grade_many)
    problems = list(problems)
    pairs = [(problem, text) for problem in problems for text in gold_texts(problem)]
    failures: dict[int, GoldFailure] = {}
    for (problem, text), verdict in zip(pairs, judge(pairs), strict=True):
        if not verdict.correct:
            failures.setdefault(id(problem), GoldFailure(problem, text, verdict))
    return GoldReport(len(problems), tuple(failures.values()))


def shared_prompts(left: Iterable[Problem], right: Iterable[Problem]) -> list[SharedPrompt]:
    """Return the prompts that occur on both sides, in the order of the right one: what an evaluation must not be told before."""
    ids = {_normal(problem): problem.id for problem in left}
    found = []
    for problem in right:
        key = _normal(problem)
        if key in ids:
            found.append(SharedPrompt(problem.question, ids[key], problem.id))
    return found


def _normal(problem: Problem) -> str:
    return " ".join("\n".join(message.content for message in problem.messages).casefold().split())
