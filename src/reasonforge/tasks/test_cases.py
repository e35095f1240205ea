"""Hidden tests for programming problems that come without: a model writes input generators, known submissions decide what they are worth.

Phase 1 keeps the inputs on which correct submissions agree; what they print is the expected output. Phase 2 keeps the few inputs that tell
the known incorrect submissions apart from them, and the largest one.

Source:
    DeepSeek-R1 (arXiv:2501.12948), appendix B.3 and listing 2: generators of random and adversarial inputs, two-phase filter. How many
    submissions must agree, the choice by greedy cover and the limit on the kill rate are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.core.records import Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.sandbox.protocol import Limits, Program, RunResult, Sandbox
from reasonforge.tasks.code import last_program, same_output
from reasonforge.verify.extract import answer_section

Generate = Callable[[Sequence[str]], Sequence[str]]
"""A model: prompts in, one completion for each out. ``examples/make_code_tests.py`` makes one of any sampler and of a server."""

_MAX_INPUT_CHARS = 1_000_000
_LIMITS = Limits()
_PROMPT = """\
Write a Python program that prints one test input for a programming problem. Here is an example.

Problem: given n and then n whole numbers (1 <= n <= 100000, each up to 10^9 in size), print the largest difference between two of them.
Wanted: one large input of equal numbers.

```python
import random

n = 100000
value = random.randint(-10**9, 10**9)
print(n)
print(*[value] * n)
```

Now the problem to write for:

{question}

Wanted: {wanted}.
Keep to the limits of the problem, make the input big enough that slow programs fail, and let the program print exactly one input and
nothing else. It may use the module random, which is seeded for you. Answer with one Python block.
"""
KINDS = (
    "one small random input, such as a person would check by hand",
    "one large random input, its parts of equal lengths",
    "one large random input, its parts of different lengths",
    "one input with a single case as big as the limits allow",
    "an adversarial input that repeats a single value or character",
    "an adversarial input in which two values or characters alternate",
    "an adversarial input whose values are sequential: sorted, reversed or consecutive",
    "an input at the edges of the limits: the smallest sizes and extreme values",
)
"""What generators are asked for, in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedTests:
    """Tests that were made for a problem, and how good they are."""

    cases: tuple[Mapping[str, str], ...]
    """``{"stdin", "stdout"}`` of a stdio suite."""
    inputs: int
    """Different inputs that were tried."""
    dropped: Mapping[str, int]
    """Inputs left out in phase 1, by reason."""
    incorrect: int
    """Incorrect submissions that were tried."""
    killed: int
    """How many of them fail a test."""
    reason: str = ""
    """Why the tests must not be used; "" = they may."""

    @property
    def kill_rate(self) -> float:
        """Share of incorrect submissions that the tests find out; 0 where none is known."""
        return self.killed / self.incorrect if self.incorrect else 0.0

    def attached_to(self, problem: Problem, *, seconds: float) -> Problem:
        """Return the problem with these tests.

        Raises:
            DataError: they must not be used.
        """
        if self.reason:
            raise DataError(f"{problem.source}: problem {problem.id}: its generated tests are refused: {self.reason}")
        suite: dict[str, Any] = {"type": "stdio", "cases": [dict(case) for case in self.cases], "seconds": seconds}
        return replace(problem, kind="code", meta={**problem.meta, "tests": suite})


def write_generators(problem: Problem, generate: Generate, *, count: int = len(KINDS)) -> list[str]:
    """Ask a model for ``count`` generators, of each kind in turn; completions without a program after their thinking are left out."""
    question = problem.question.strip()
    completions = generate([_PROMPT.format(question=question, wanted=KINDS[number % len(KINDS)]) for number in range(count)])
    programs = [last_program(section) for completion in completions if (section := answer_section(completion)) is not None]
    return [program for program in programs if program is not None and program.strip()]


def make_inputs(generators: Sequence[str], sandbox: Sandbox, *, seed: int, per_generator: int = 4, limits: Limits = _LIMITS) -> list[str]:
    """Run every generator with several seeds; return the different inputs, in order. A generator that fails gives none.

    Raises:
        UnavailableError: the sandbox failed twice on one program.
    """
    room = replace(limits, output_kb=_MAX_INPUT_CHARS // 1024)
    programs = [
        Program(code=generator, limits=room, seed=derive_seed(seed, "test input", number, draw) % 2**32)
        for number, generator in enumerate(generators)
        for draw in range(per_generator)
    ]
    results = _run(sandbox, programs)
    texts = (result.stdout for result in results if result.status == "ok" and result.stdout.strip() and not result.truncated)
    return list(dict.fromkeys(text if text.endswith("\n") else text + "\n" for text in texts if len(text) <= _MAX_INPUT_CHARS))


def filter_tests(
    inputs: Sequence[str],
    sandbox: Sandbox,
    *,
    correct: Sequence[str],
    incorrect: Sequence[str],
    min_agree: int = 2,
    min_kill_rate: float = 0.5,
    max_cases: int = 32,
    limits: Limits = _LIMITS,
) -> GeneratedTests:
    """Keep the inputs that are valid and tell wrong programs apart; every valid one where no wrong program is known.

    Args:
        inputs: what generators printed.
        sandbox: where the submissions run.
        correct: sources of accepted submissions.
        incorrect: sources of rejected ones.
        min_agree: accepted submissions there must be, and all of them must agree on an input's output; 1 = trust a single one.
        min_kill_rate: refuse tests that find out a smaller share of the incorrect submissions.
        max_cases: tests kept at most.
        limits: what a submission may use on one input.

    Raises:
        UnavailableError: the sandbox failed twice on one program.
    """
    inputs = list(dict.fromkeys(inputs))
    dropped: Counter[str] = Counter()
    if len(correct) < min_agree:
        reason = f"{len(correct)} correct submissions, {min_agree} must agree"
        return GeneratedTests(cases=(), inputs=len(inputs), dropped=dropped, incorrect=len(incorrect), killed=0, reason=reason)
    valid: list[tuple[str, str, float]] = []
    for text, runs in zip(inputs, _run_all(sandbox, correct, inputs, limits), strict=True):
        fault = _disagreement(runs)
        if fault:
            dropped[fault] += 1
        else:
            valid.append((text, runs[0].stdout, max(run.cpu_ms for run in runs)))
    kills = [
        frozenset(number for number, run in enumerate(runs) if run.status != "ok" or not same_output(expected, run.stdout))
        for (_, expected, _), runs in zip(valid, _run_all(sandbox, incorrect, [text for text, _, _ in valid], limits), strict=True)
    ]
    # Without incorrect submissions nothing tells good inputs from others: all that are valid may be worth something.
    chosen = _cover(kills, [cost for _, _, cost in valid], max_cases=max_cases) if incorrect else list(range(len(valid)))[: max_cases - 1]
    if valid and len(chosen) < max_cases:
        largest = max(range(len(valid)), key=lambda number: len(valid[number][0]))
        chosen = list(dict.fromkeys([*chosen, largest]))
    killed = len(frozenset().union(*(kills[number] for number in chosen)))
    found = GeneratedTests(
        cases=tuple({"stdin": valid[number][0], "stdout": valid[number][1]} for number in chosen),
        inputs=len(inputs),
        dropped=dropped,
        incorrect=len(incorrect),
        killed=killed,
    )
    return replace(found, reason=_refusal(found, min_kill_rate))


def make_tests(
    problem: Problem,
    generators: Sequence[str],
    sandbox: Sandbox,
    *,
    correct: Sequence[str],
    incorrect: Sequence[str],
    seed: int = 0,
    per_generator: int = 4,
    min_agree: int = 2,
    min_kill_rate: float = 0.5,
    limits: Limits = _LIMITS,
) -> GeneratedTests:
    """Run generators (of ``write_generators``, or anybody's) and filter what they print. See the functions above for the settings."""
    inputs = make_inputs(generators, sandbox, seed=derive_seed(seed, problem.id), per_generator=per_generator, limits=limits)
    return filter_tests(
        inputs, sandbox, correct=correct, incorrect=incorrect, min_agree=min_agree, min_kill_rate=min_kill_rate, limits=limits
    )


def _refusal(found: GeneratedTests, min_kill_rate: float) -> str:
    if not found.cases:
        left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(found.dropped.items()))
        return f"no valid input of {found.inputs} ({left_out or 'no generator printed one'})"
    if found.incorrect and found.kill_rate < min_kill_rate:
        return f"{found.killed} of {found.incorrect} incorrect submissions fail them, at least {min_kill_rate:.0%} must"
    return ""


def _disagreement(runs: Sequence[RunResult]) -> str:
    """Say why an input is not valid; "" = it is."""
    if any(run.status == "timeout" for run in runs):
        return "too slow for a correct submission"
    if any(run.status != "ok" for run in runs):
        return "a correct submission fails"
    if not runs[0].stdout.strip():
        return "no output"
    if not all(same_output(runs[0].stdout, run.stdout) for run in runs[1:]):
        return "correct submissions disagree"
    return ""


def _cover(kills: Sequence[frozenset[int]], costs: Sequence[float], *, max_cases: int) -> list[int]:
    """Choose inputs greedily: most programs newly found out per second of run time; the first one where several are as good."""
    chosen: list[int] = []
    open_kills = [set(found) for found in kills]
    while len(chosen) < max_cases:
        best = max(range(len(kills)), key=lambda number: len(open_kills[number]) / max(costs[number], 1.0), default=None)
        if best is None or not open_kills[best]:
            break
        chosen.append(best)
        found = set(open_kills[best])
        for rest in open_kills:
            rest -= found
    return chosen


def _run_all(sandbox: Sandbox, sources: Sequence[str], inputs: Sequence[str], limits: Limits) -> list[list[RunResult]]:
    """Run every source on every input: one row per input."""
    results = iter(_run(sandbox, [Program(code=source, stdin=text, limits=limits) for text in inputs for source in sources]))
    return [list(islice(results, len(sources))) for _ in inputs]


def _run(sandbox: Sandbox, programs: Sequence[Program]) -> list[RunResult]:
    results = sandbox.run_many(programs)
    again = [sandbox.run(program) if result.status == "infra" else result for program, result in zip(programs, results, strict=True)]
    failed = next((result for result in again if result.status == "infra"), None)
    if failed is not None:
        raise UnavailableError(f"sandbox: failed twice on one program: {failed.reason}. Tests cannot be made; see reasonforge doctor")
    return again
