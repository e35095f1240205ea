"""The one place of verdicts: a task's problem by the task's own verifier, a program by its tests, a proof by Isabelle, any other answer by
its reference."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Literal, Self, cast, get_args

from reasonforge.core.errors import ReasonforgeError
from reasonforge.core.records import Problem, Verdict
from reasonforge.sandbox.config import SandboxConfig
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Call, Limits, Program, RunResult, Sandbox
from reasonforge.tasks.benchmarks.isabelle import check_proof, is_proof
from reasonforge.tasks.code import CodeReport, last_program, run_tests
from reasonforge.tasks.reasoning_gym import SOURCE_PREFIX, judge_reasoning_gym
from reasonforge.tasks.registry import get_task
from reasonforge.verify.extract import MAX_ANSWER_CHARS, MAX_TEXT_CHARS, answer_section, extract_answer
from reasonforge.verify.grade import Profile, grade

_LOG = logging.getLogger("reasonforge.tasks")
_TASK = "task:"
_SANDBOX = SandboxConfig()
_PROGRAM_LIMITS = Limits(wall_seconds=10.0, cpu_seconds=5.0, memory_mb=1024, output_kb=64)
_ANSWER_OF = "_reasonforge_answer"
_ANSWER_SOURCE = f"\n\n\ndef {_ANSWER_OF}():\n    return str(answer)[:{MAX_ANSWER_CHARS}]\n"


class Judge:
    """Judges completions. Use it as a context: it owns the sandbox that programs run in, opened when the first program comes.

    A verdict ``error`` says that nothing is known about the completion (the sandbox failed, the reference cannot be read); whoever learns
    from verdicts leaves such a sample out. Safe to call from several threads.
    """

    def __init__(
        self,
        *,
        profile: Profile = "strict",
        sandbox: SandboxConfig = _SANDBOX,
        answer_from: Literal["text", "program"] = "text",
        workers: int | None = None,
        weak_tests: bool = True,
    ) -> None:
        """Args:
        profile: how answers are compared; ``strict`` gives way to a profile that a problem names in ``meta["profile"]``.
        sandbox: where programs run.
        answer_from: ``program`` = the answer is what the completion's last Python block prints last, or its variable ``answer``.
        workers: verdicts worked on at once; None = one per core, at least 4: most of them wait for another process.
        weak_tests: also run tests that a program could fool from inside (see tasks/code.py); training leaves them out.
        """
        self._profile: Profile = profile
        self._sandbox_config = sandbox
        self._answer_from = answer_from
        self._weak_tests = weak_tests
        self._workers = workers or max(4, os.cpu_count() or 1)
        self._sandbox: Sandbox | None = None
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give up what has not begun, and end the sandbox if one was opened."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None
        with self._lock:
            sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()

    def grade(self, problem: Problem, text: str) -> Verdict:
        """Judge one completion. A crash of a grader is the verdict ``error``: one text must not end hours of work.

        Raises:
            SandboxUnavailable: a program must be run and this machine has no safe place for it.
            UnavailableError: a proof must be checked and Isabelle is not installed.
        """
        try:
            if is_code(problem):
                return self.run_tests(problem, text).verdict
            return self._grade_program(problem, text) if self._answer_from == "program" else self._grade_text(problem, text)
        except ReasonforgeError:
            raise
        except Exception as crash:
            _LOG.exception("problem %s: a grader crashed", problem.id)
            return Verdict(status="error", reason=f"a grader crashed: {type(crash).__name__}: {' '.join(str(crash).split())[:200]}")

    def run_tests(self, problem: Problem, text: str) -> CodeReport:
        """Run a completion's program on the tests of a code problem: the verdict, and how many it passed."""
        return run_tests(problem, text, self._open(), weak_tests=self._weak_tests)

    def grade_many(self, pairs: Iterable[tuple[Problem, str]]) -> list[Verdict]:
        """Judge completions side by side; verdicts in the order of the pairs."""
        return [future.result() for future in [self.submit(problem, text) for problem, text in pairs]]

    def submit(self, problem: Problem, text: str) -> Future[Verdict]:
        """Begin to judge a completion in another thread."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="judge")
            return self._threads.submit(self.grade, problem, text)

    def _open(self) -> Sandbox:
        with self._lock:
            if self._sandbox is None:
                config = self._sandbox_config
                self._sandbox = open_sandbox(config.backend, workers=config.workers, i_understand=config.i_understand)
            return self._sandbox

    def _grade_text(self, problem: Problem, text: str) -> Verdict:
        if problem.source.startswith(_TASK):
            return get_task(problem.source.removeprefix(_TASK)).verify(problem, text)
        if problem.source.startswith(SOURCE_PREFIX):
            return judge_reasoning_gym(problem, text, self._open)
        if is_proof(problem):
            return check_proof(problem, text)
        profile = profile_for(problem, self._profile)
        return grade(problem.answer, text, profile=profile, question=problem.question, kind=problem.kind, language=problem.language)

    def _grade_program(self, problem: Problem, text: str) -> Verdict:
        """Run the completion's last program and judge what it answers like an answer in words.

        Source:
            Program of Thoughts (arXiv:2211.12588); DeepSeekMath (arXiv:2402.03300), section 2.3: answers by programs.
        """
        if len(text) > MAX_TEXT_CHARS:
            return Verdict(status="error", reason=f"completion of {len(text)} characters; at most {MAX_TEXT_CHARS} are read")
        section = answer_section(text)
        code = None if section is None else last_program(section)
        if code is None:
            return Verdict(status="no_answer", reason="thinking does not end" if section is None else "no Python block")
        program = Program(code=code + _ANSWER_SOURCE, calls=(Call(function=_ANSWER_OF),), limits=_PROGRAM_LIMITS)
        sandbox = self._open()
        result = sandbox.run(program)
        if result.status == "infra":
            result = sandbox.run(program)
        if result.status == "infra":
            return Verdict(status="error", reason=f"sandbox: {result.reason}")
        answer = program_answer(result)
        if answer is None:
            return Verdict(status="no_answer", reason=_no_answer_reason(result))
        return self._grade_text(problem, answer)


def is_code(problem: Problem) -> bool:
    """Tell whether a problem's answer is a program that its tests judge."""
    return problem.kind == "code" and not problem.source.startswith(_TASK)


def profile_for(problem: Problem, profile: Profile) -> Profile:
    """Return how a problem's answer is compared: ``strict`` gives way to a profile that the problem names in ``meta["profile"]``."""
    named = problem.meta.get("profile")
    return cast(Profile, named) if profile == "strict" and named in get_args(Profile) else profile


def program_answer(result: RunResult) -> str | None:
    r"""Return what a run answers, as text that a grader reads: the last line it printed, else its variable ``answer``; None = nothing.

    A run that failed after printing answers nothing: what it printed were steps on the way.

    >>> program_answer(RunResult(status="ok", stdout="x = 3\n12\n"))
    '\\boxed{12}'
    """
    if result.status != "ok":
        return None
    lines = result.stdout.rstrip().splitlines()
    if lines:
        said = lines[-1].strip()
    else:
        value = result.values[0] if result.values else None
        said = str(value.value).strip() if value is not None and value.status == "ok" else ""
    if not said or len(said) > MAX_ANSWER_CHARS:
        return None
    return said if extract_answer(said) is not None else f"\\boxed{{{said}}}"


def _no_answer_reason(result: RunResult) -> str:
    if result.status == "ok":
        return "the program prints nothing and sets no variable answer"
    if result.status == "timeout":
        return "the program exceeds its time limit"
    lines = result.stderr.strip().splitlines()
    return f"the program fails: {(lines[-1] if lines else result.reason or result.status)[:120]}"
