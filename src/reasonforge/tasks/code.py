"""Problems whose answer is a program: what counts as the program, how it is run, and how what it did is judged.

The verdict is computed here, outside the sandbox: expected values never enter it, so a program cannot read, override or print them.
A suite stands in ``Problem.meta["tests"]`` as JSON:

- ``{"type": "stdio", "cases": [{"stdin": .., "stdout": ..}]}``: one run per case, what was printed is compared token by token.
- ``{"type": "calls", "entry_point": .., "cases": [..]}``: one run, one call per case. A case names a ``function`` with ``args`` and
  ``kwargs`` and its ``expected`` JSON value (``expected_type`` ``set`` = in any order), or it holds a Python ``expression`` as
  :func:`asserts_to_calls` writes it, compared as Python compares.

Both may have ``seconds``, ``memory_mb`` and ``tolerance``. Call suites may have ``setup`` (source run after the program), ``prompt``
(source that a bare completion goes on from, as in HumanEval), and ``weak`` (asserts that only the program's own process can check).

Source:
    DeepSeek-R1 (arXiv:2501.12948), section 2.2: rewards from test cases; Codex (arXiv:2107.03374): functional correctness.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.core.ids import content_id
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.sandbox.protocol import Call, CallResult, Limits, Program, RunResult, Sandbox
from reasonforge.tasks.asserts import asserts_to_calls
from reasonforge.tasks.values import HARNESS, decoded, expression_function, same_json, same_python, shown, weak_function
from reasonforge.verify.extract import MAX_TEXT_CHARS, answer_section, strip_end_marker

__all__ = [
    "CodeReport",
    "asserts_to_calls",
    "bug_fix_problem",
    "judge_code",
    "last_program",
    "program_of",
    "run_tests",
    "same_output",
    "suite_fault",
]

_FENCE = re.compile(r"^[ \t]{0,3}```[ \t]*([A-Za-z0-9_+-]*)[^\n`]*$")
_PYTHON = ("python", "python3", "py", "")
_STOPS = re.compile(r"\n(?=class\b|def\b|#|if\b|print\b|@|```)")
"""Where a bare completion of a function ends (Codex, section 2.1), and at a decorator or fence."""
_SECONDS = 10.0
_MEMORY_MB = 1024
_FIRST_BATCH = 4
"""Most wrong programs fail at once: few cases run before the rest is paid for."""
_TOLERANCE = 1e-6
_MODULE = """\
import sys as _sys, types as _types
_module = _types.ModuleType({name!r})
_module.__dict__.update(globals())
_sys.modules[{name!r}] = _module
"""
"""Makes the program importable by the tests that were written for its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReport:
    """How many tests a program passed. After a failure of a stdio suite the later tests may not have run: they count as not passed."""

    verdict: Verdict
    passed: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """Share of tests passed; 0 where there are none."""
        return self.passed / self.total if self.total else 0.0


def last_program(text: str) -> str | None:
    """Return the last fenced Python block of a text, the closing fence may be missing; None = there is none.

    >>> last_program("So\\n```python\\nprint(6*7)\\n```\\n```output\\n42\\n```")
    'print(6*7)'
    """
    found, block, is_python = None, None, False
    for line in text.split("\n"):
        fence = _FENCE.match(line.rstrip("\r"))
        if fence is None:
            if block is not None:
                block.append(line)
        elif block is None:
            block, is_python = [], fence.group(1).lower() in _PYTHON
        else:
            if is_python:
                found = "\n".join(block)
            block = None
    return "\n".join(block) if block is not None and is_python else found


def program_of(text: str, *, prompt: str = "", entry_point: str = "") -> str | None:
    """Return the program that a completion answers with: the last Python block after the thinking; None = there is none.

    Args:
        text: the completion.
        prompt: source that the completion goes on from. A bare completion is cut where its function ends and appended; a block that
            defines the entry point itself only gets what stands before it in the prompt (imports, helpers).
        entry_point: name of the function asked for.
    """
    section = answer_section(text)
    if section is None:
        return None
    block = last_program(section)
    if not prompt:
        return block
    if block is None:
        return prompt + _STOPS.split("\n" + strip_end_marker(section), maxsplit=1)[0].removeprefix("\n") + "\n"
    definition = re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", re.MULTILINE)
    if definition.search(block) is None:
        return prompt + block + "\n"
    starts = [match.start() for match in definition.finditer(prompt)]
    return f"{prompt[: starts[-1]] if starts else ''}\n{block}\n"


def judge_code(problem: Problem, text: str, sandbox: Sandbox, *, weak_tests: bool = True) -> Verdict:
    """Judge a completion by the problem's tests. See :func:`run_tests`."""
    return run_tests(problem, text, sandbox, weak_tests=weak_tests).verdict


def run_tests(problem: Problem, text: str, sandbox: Sandbox, *, weak_tests: bool = True) -> CodeReport:
    """Run a completion's program on the problem's tests.

    Args:
        weak_tests: also run the asserts that could not be turned into calls. A program can fool them from inside, so training leaves
            them out; a suite that has no others is then an error.

    Returns:
        ``correct`` = every test passed; ``wrong`` = one did not, a program that crashed or was too slow included; ``no_answer`` = there is
        no program; ``error`` = the sandbox failed or the suite cannot be read: nothing is known about the program.
    """
    suite = problem.meta.get("tests")
    fault = suite_fault(suite)
    if fault or not isinstance(suite, Mapping):
        return _no_report("error", f"problem {problem.id}: its tests cannot be read: {fault}")
    if len(text) > MAX_TEXT_CHARS:
        return _no_report("error", f"completion of {len(text)} characters; at most {MAX_TEXT_CHARS} are read")
    program = program_of(text, prompt=suite.get("prompt", ""), entry_point=suite.get("entry_point", ""))
    if program is None or not program.strip():
        unfinished = answer_section(text) is None
        return _no_report("no_answer", "thinking does not end" if unfinished else "no Python block")
    return _run_stdio(suite, program, sandbox) if suite["type"] == "stdio" else _run_calls(suite, program, sandbox, weak_tests)


def suite_fault(suite: object) -> str:
    """Say what is wrong with a problem's test suite; "" = nothing."""
    if not isinstance(suite, Mapping) or suite.get("type") not in ("stdio", "calls"):
        return "meta.tests is no suite of type stdio or calls"
    cases, weak = suite.get("cases"), suite.get("weak", "")
    if not isinstance(cases, list | tuple) or not all(isinstance(case, Mapping) for case in cases):
        return "cases is no list of objects"
    if not cases and not weak:
        return "there are no tests"
    for name in ("seconds", "memory_mb", "tolerance"):
        value = suite.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            return f"{name} is {value!r:.40}, no number from 0 on"
    for name in ("prompt", "setup", "entry_point", "weak"):
        if not isinstance(suite.get(name, ""), str):
            return f"{name} is no text"
    for number, case in enumerate(cases, start=1):
        if suite["type"] == "stdio":
            if not isinstance(case.get("stdin"), str) or not isinstance(case.get("stdout"), str):
                return f"case {number} has no texts stdin and stdout"
        elif fault := _case_fault(case, suite):
            return f"case {number} {fault}"
    return ""


def _case_fault(case: Mapping[str, Any], suite: Mapping[str, Any]) -> str:
    if "expression" not in case:
        called = isinstance(case.get("function") or suite.get("entry_point"), str)
        right = isinstance(case.get("args", []), list | tuple) and isinstance(case.get("kwargs", {}), Mapping)
        return "" if called and right and "expected" in case else "has no function, args and expected value"
    try:
        for item in case["one_of"] if "one_of" in case else [case["expected"]]:
            decoded(item)
    except (KeyError, TypeError, ValueError):
        return "has no expected value"
    return "" if isinstance(case["expression"], str) else "has no expression"


def bug_fix_problem(*, id: str, broken: str, fixed: str, tests: str, source: str = "bug-fix", module: str = "solution") -> Problem:
    """Build the problem of mending a program: its unit tests (pytest or unittest style) judge the whole program that comes back.

    Args:
        module: name by which the unit tests import the program.

    Raises:
        DataError: not one test can be checked from outside, so a program could pass by fooling them.
    """
    cases, weak = asserts_to_calls(tests)
    if not cases:
        raise DataError(f"{source}: problem {id}: none of its unit tests compares a call with a constant. Write such tests.")
    question = (
        "This program fails its unit tests. Return the whole program, mended, in one Python block.\n\n"
        f"```python\n{broken.strip()}\n```\n\nThe unit tests:\n\n```python\n{tests.strip()}\n```"
    )
    suite = {"type": "calls", "cases": cases, "setup": _MODULE.format(name=module)}
    return Problem(
        id=id,
        messages=(Message("user", question),),
        answer=fixed,
        kind="code",
        source=source,
        solution=f"```python\n{fixed.strip()}\n```",
        meta={"tests": {**suite, "weak": weak} if weak else suite, "broken": broken},
    )


def same_output(expected: str, printed: str, *, tolerance: float = _TOLERANCE) -> bool:
    """Tell whether two outputs have the same words, wherever the lines break.

    Where the expected word is a number with a decimal point or exponent, any number within the tolerance (absolute or relative) will do;
    a whole number must be met exactly.

    >>> same_output("YES\\n0.5\\n", "YES 0.5000001"), same_output("100000000", "100000001")
    (True, False)
    """
    left, right = expected.split(), printed.split()
    return len(left) == len(right) and all(a == b or _same_number(a, b, tolerance) for a, b in zip(left, right))


_DECIMAL = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _same_number(expected: str, printed: str, tolerance: float) -> bool:
    if len(expected) > 400 or len(printed) > 400 or not _DECIMAL.fullmatch(expected) or not _NUMBER.fullmatch(printed):
        return False
    return math.isclose(float(expected), float(printed), rel_tol=tolerance, abs_tol=tolerance)


def _run_stdio(suite: Mapping[str, Any], code: str, sandbox: Sandbox) -> CodeReport:
    cases: Sequence[Mapping[str, str]] = suite["cases"]
    limits, tolerance = _limits(suite), suite.get("tolerance", _TOLERANCE)
    passed = 0
    for batch in (cases[:_FIRST_BATCH], cases[_FIRST_BATCH:]):
        if not batch:
            break
        programs = [Program(code=code, stdin=case["stdin"], limits=limits) for case in batch]
        results = _run_again_where_the_sandbox_failed(sandbox, programs)
        failed = next((result for result in results if result.status == "infra"), None)
        if failed is not None:
            return _no_report("error", f"sandbox: {failed.reason}", total=len(cases))
        oks = [_stdio_fault(case["stdout"], result, tolerance) for case, result in zip(batch, results, strict=True)]
        first = next((number for number, fault in enumerate(oks) if fault), None)
        if first is not None:
            reason = f"test {passed + first + 1} of {len(cases)}: {oks[first]}"
            return _report("wrong", code, passed + oks.count(""), len(cases), reason)
        passed += len(batch)
    return _report("correct", code, passed, len(cases))


def _stdio_fault(expected: str, result: RunResult, tolerance: float) -> str:
    """Say what is wrong with a run; "" = nothing."""
    if result.status != "ok":
        return _why(result)
    if not same_output(expected, result.stdout, tolerance=tolerance):
        return f"printed {_short(result.stdout)}, expected {_short(expected)}"
    return ""


def _run_calls(suite: Mapping[str, Any], code: str, sandbox: Sandbox, weak_tests: bool) -> CodeReport:
    cases: Sequence[Mapping[str, Any]] = suite["cases"]
    weak = suite.get("weak", "") if weak_tests else ""
    if not cases and not weak:
        return _no_report("error", "all tests are weak: a program could fool them")
    total = len(cases) + bool(weak)
    calls, parts = [], [code, suite.get("setup", "")]
    if weak or any("expression" in case for case in cases):
        parts.append(HARNESS)
    entry_point = suite.get("entry_point", "")
    for number, case in enumerate(cases):
        if "expression" in case:
            name, source = expression_function(number, case, entry_point=entry_point)
            parts.append(source)
            calls.append(Call(function=name))
        else:
            function = case.get("function") or entry_point
            method = bool(case.get("method", suite.get("method", False)))
            calls.append(Call(function=function, args=tuple(case.get("args", ())), kwargs=case.get("kwargs", {}), method=method))
    # A program that ended early or printed a marker cannot know the number that the last line of its weak tests returns.
    nonce = secrets.token_hex(8)
    if weak:
        name, source = weak_function(weak, entry_point=entry_point)
        parts.append(source)
        calls.append(Call(function=name, args=(nonce,)))
    program = Program(code="\n\n".join(part for part in parts if part), calls=tuple(calls), limits=_limits(suite))
    (result,) = _run_again_where_the_sandbox_failed(sandbox, [program])
    if result.status == "infra":
        return _no_report("error", f"sandbox: {result.reason}", total=total)
    values = [*result.values, *[None] * (total - len(result.values))][:total]
    faults = [_call_fault(case, value, suite, result) for case, value in zip(cases, values)]
    if weak:
        ok = values[-1] is not None and values[-1].status == "ok" and values[-1].value == nonce
        faults.append("" if ok else f"weak tests: {values[-1].error or 'failed' if values[-1] is not None else _why(result)}")
    passed = faults.count("")
    if passed == total:
        return _report("correct", code, passed, total, "its last tests were weak" if weak else "")
    first = next(number for number, fault in enumerate(faults) if fault)
    return _report("wrong", code, passed, total, f"test {first + 1} of {total}: {faults[first]}")


def _call_fault(case: Mapping[str, Any], value: CallResult | None, suite: Mapping[str, Any], result: RunResult) -> str:
    """Say what is wrong with a call; "" = nothing."""
    if value is None:
        return _why(result)
    if value.status != "ok":
        return value.error or value.status
    if "expression" in case:
        try:
            found = decoded(value.value)
        except (ValueError, TypeError, OverflowError) as fault:
            return f"returned what is no plain value: {_short(str(fault))}"
        wanted = [decoded(item) for item in case.get("one_of", ())] or [decoded(case["expected"])]
        tolerances = {"rel": case.get("rel_tolerance", 0.0), "abs": case.get("abs_tolerance", 0.0)}
        if any(same_python(item, found, **tolerances) for item in wanted):
            return ""
        return f"returned {_short(shown(found))}, expected {_short(shown(wanted[0]))}"
    in_any_order = case.get("expected_type") in ("set", "frozenset")
    if in_any_order and value.type_name not in ("set", "frozenset"):
        return f"returned a {value.type_name}, expected a {case['expected_type']}"
    tolerance = case.get("tolerance", suite.get("tolerance", _TOLERANCE))
    if same_json(case["expected"], value.value, tolerance=tolerance, in_any_order=in_any_order):
        return ""
    return f"returned {_short(shown(value.value))}, expected {_short(shown(case['expected']))}"


def _run_again_where_the_sandbox_failed(sandbox: Sandbox, programs: Sequence[Program]) -> list[RunResult]:
    """Run programs; those whose run says nothing about them get one more."""
    results = sandbox.run_many(programs)
    return [sandbox.run(program) if result.status == "infra" else result for program, result in zip(programs, results, strict=True)]


def _limits(suite: Mapping[str, Any]) -> Limits:
    seconds = float(suite.get("seconds", _SECONDS))
    memory_mb = int(suite.get("memory_mb", _MEMORY_MB))
    return Limits(wall_seconds=2 * seconds, cpu_seconds=seconds, memory_mb=memory_mb, output_kb=1024)


def _why(result: RunResult) -> str:
    match result.status:
        case "timeout":
            return "time limit exceeded"
        case "memory":
            return "memory limit exceeded"
        case "output_limit":
            return "output limit exceeded"
        case "signal":
            return f"killed by signal {result.signal}"
        case _:
            lines = result.stderr.strip().splitlines()
            return _short(lines[-1] if lines else result.reason or "the program ended early")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _no_report(status: str, reason: str, *, total: int = 0) -> CodeReport:
    return CodeReport(verdict=Verdict(status=status, reason=reason), total=total)  # type: ignore[arg-type]


def _report(status: str, code: str, passed: int, total: int, reason: str = "") -> CodeReport:
    verdict = Verdict(status=status, prediction=content_id([code.strip()]), reason=reason)  # type: ignore[arg-type]
    return CodeReport(verdict=verdict, passed=passed, total=total)
