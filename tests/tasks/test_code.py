"""Programs as answers: what is run, and how what it did is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Sandbox, SandboxUnavailable
from reasonforge.tasks.code import asserts_to_calls, bug_fix_problem, judge_code, last_program, program_of, run_tests, same_output
from reasonforge.tasks.values import decoded, encoded, same_json
from tests.tasks.plain_sandbox import PlainSandbox


def problem(suite: dict[str, Any]) -> Problem:
    return Problem(id="p", messages=(Message("user", "Write it."),), answer="", kind="code", source="file", meta={"tests": suite})


def calls(*cases: dict[str, Any], **more: Any) -> Problem:
    return problem({"type": "calls", "entry_point": "f", "cases": list(cases), **more})


def asserts(source: str, **more: Any) -> Problem:
    cases, weak = asserts_to_calls(source)
    suite = {"type": "calls", "entry_point": "f", "cases": cases, "weak": weak, **more}
    return problem(json.loads(json.dumps(suite)))  # a suite is JSON


def fenced(code: str) -> str:
    return f"Here:\n```python\n{code}\n```\n"


@pytest.fixture
def sandbox() -> PlainSandbox:
    return PlainSandbox()


@pytest.fixture(scope="module")
def real() -> Iterator[Sandbox | None]:
    """The strongest sandbox of this machine; None = there is none."""
    try:
        opened = open_sandbox("auto", workers=1)
    except SandboxUnavailable:
        yield None
    else:
        with opened:
            yield opened


@pytest.fixture(params=["plain", "real"])
def any_sandbox(request: pytest.FixtureRequest, real: Sandbox | None) -> Sandbox:
    if request.param == "plain":
        return PlainSandbox()
    if real is None:
        pytest.skip("no sandbox on this machine: see reasonforge doctor")
    return real


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\na\n```", "a"),
        ("```py\na\n```\n```python\nb\nc\n```", "b\nc"),
        ("```python\na\n```\n```output\nb\n```", "a"),
        ("```\na\n```", "a"),
        ("```python\na\n```\n```python\nunfinished", "unfinished"),
        ("```json\n{}\n```", None),
        ("no block", None),
        ("", None),
    ],
)
def test_the_program_is_the_last_python_block(text: str, program: str | None) -> None:
    assert last_program(text) == program


def test_a_draft_in_the_thinking_is_no_answer() -> None:
    draft = "<think>```python\na\n```"
    assert program_of(f"{draft}</think>```python\nb\n```") == "b"
    assert program_of(f"{draft}</think>done") is None
    assert program_of(draft) is None


PROMPT = 'import math\n\ndef helper():\n    return 1\n\ndef f(x):\n    """Doc."""\n'


def test_a_bare_completion_goes_on_from_the_prompt_and_ends_where_its_function_ends() -> None:
    completion = "    return x\n\ndef g():\n    pass\n"
    assert program_of(completion, prompt=PROMPT, entry_point="f") == f"{PROMPT}    return x\n\n"
    assert program_of("    return x\nprint(f(1))", prompt=PROMPT, entry_point="f") == f"{PROMPT}    return x\n"


def test_a_block_that_defines_the_function_gets_what_stands_before_it_in_the_prompt() -> None:
    block = "def f(x):\n    return math.floor(x) + helper()"
    program = program_of(fenced(block), prompt=PROMPT, entry_point="f")
    assert program is not None
    assert program.split() == (PROMPT[: PROMPT.index("def f")] + block).split()


def test_a_block_without_the_function_goes_on_from_the_prompt() -> None:
    assert program_of(fenced("    return x"), prompt=PROMPT, entry_point="f") == f"{PROMPT}    return x\n"


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("1 2\n3", "1\n2 3\n\n", True),
        ("YES", "yes", False),
        ("1", "1.0", False),
        ("0.3333333", "0.33333334", True),
        ("0.5", ".5", True),
        ("1e3", "1000.0000001", True),
        ("1000000", "1000001", False),
        ("1.0", "nan", False),
        ("a b", "a b c", False),
        ("0.5", "1" * 500, False),
    ],
)
def test_outputs_are_compared_word_by_word(expected: str, printed: str, same: bool) -> None:
    assert same_output(expected, printed) is same


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (True, 1, False),
        (1, True, False),
        (2, 2.0, True),
        (0.3, 0.1 + 0.2, True),
        (1, 1.1, False),
        (10**20, 10**20 + 1, False),
        (10**400, 1.5, False),
        ("1", 1, False),
        ([1, [2]], [1, [2.0]], True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (None, None, True),
        (None, 0, False),
    ],
)
def test_values_are_compared_by_type_and_number(expected: Any, found: Any, same: bool) -> None:
    assert same_json(expected, found, tolerance=1e-6) is same


@pytest.mark.parametrize("value", [(1, [2.5]), {1: {"x": {2, 3}}}, "text", None, float("inf"), 3 + 4j, b"\xff", range(3), True])
def test_tagged_values_come_back_as_they_were(value: Any) -> None:
    back = decoded(json.loads(json.dumps(encoded(value))))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [{"tuple": 3}, {"set": [[1]]}, {"a": 1, "b": 2}, {"no tag": 1}, {"float": "1.5"}, {"dict": [1]}])
def test_what_is_no_tagged_value_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        decoded(value)


def test_a_value_nested_without_end_is_refused() -> None:
    value: Any = []
    for _ in range(1000):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        decoded(value)


@pytest.mark.parametrize(
    ("source", "expression", "case"),
    [
        ("assert f(1) == 2", "f(1)", {"expected": 2}),
        ("assert 2 == f(1)", "f(1)", {"expected": 2}),
        ("assert f(1) == -2.0 / 4", "f(1)", {"expected": -0.5}),
        ("assert f(1) == (1, 'a')", "f(1)", {"expected": {"tuple": [1, "a"]}}),
        ("assert set(f(1)) == {2, 1}", "set(f(1))", {"expected": {"set": [1, 2]}}),
        ("assert f(1) is None", "f(1)", {"expected": None}),
        ("assert f(1)", "bool(f(1))", {"expected": True}),
        ("assert not f(1)", "bool(f(1))", {"expected": False}),
        ("assert abs(f(1) - 0.5) < 1e-6", "f(1)", {"expected": 0.5, "abs_tolerance": 1e-6}),
        ("assert math.isclose(f(1), 0.5, rel_tol=0.001)", "f(1)", {"expected": 0.5, "rel_tolerance": 0.001, "abs_tolerance": 0.0}),
        ("assert f(1) == pytest.approx(0.5)", "f(1)", {"expected": 0.5, "rel_tolerance": 1e-6, "abs_tolerance": 1e-12}),
        ("assert f(1) in (1, 2)", "f(1)", {"one_of": [1, 2]}),
        ("def check(candidate):\n    assert candidate(1) == 2", "candidate(1)", {"expected": 2}),
        ("def test_one():\n    assert f(1) == 2, 'message'", "f(1)", {"expected": 2}),
        ("class T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(f(1), 2)", "f(1)", {"expected": 2}),
        ("def test_one():\n    with pytest.raises(ValueError):\n        f(1)", "f(1)", {"expected": {"raised": "ValueError"}}),
    ],
)
def test_an_assert_becomes_an_expression_and_the_value_it_is_compared_with(source: str, expression: str, case: dict[str, Any]) -> None:
    (found,), rest = asserts_to_calls(source)
    assert rest == ""
    assert found.pop("expression") == expression
    found.pop("catches", None)
    assert found == case


@pytest.mark.parametrize(
    "source",
    ["assert f(1) == g(1)", "assert f(1) != 2", "assert f(1) < 2", "for i in range(3):\n    assert f(i) == 2", "assert f(1) == 9**9**9"],
)
def test_an_assert_that_only_the_program_can_check_is_the_rest(source: str) -> None:
    cases, rest = asserts_to_calls(source)
    assert cases == []
    assert "assert" in rest


COMPARED_INSIDE = [
    "assert all(f(x) == y for x, y in [(1, 2), (3, 4)])",
    "assert sum(f(x) == y for x, y in [(1, 2), (3, 4)]) == 2",
    "assert f(1) == 2 or f(1) == 3",
    "assert (f(1) == 2) == True",
    "assert (f(1) == 2) is True",
    "assert not f(1) == 3",
    "assert (f(1) if f(1) == 2 else 3) == 2",
    "assert close(f(1), 2)",
    "assert close(f(1), 2) == True",
    "assert f(1).equals(2)",
    "assert f(1) - 2 == 0",
    "assert round(f(1) - 2.5) == 0",
    "assert (lambda found: found == 2)(f(1))",
    "assert list(map(lambda found: found == 2, [f(1), f(3)])) == [True, True]",
    "assert isinstance(f(1), int)",
    "class T(unittest.TestCase):\n    def test_one(self):\n        self.assertFalse(f(1) == 3)",
    "class T(unittest.TestCase):\n    def test_one(self):\n        self.assertTrue(close(f(1), 2))",
    "class T(unittest.TestCase):\n    def test_one(self):\n        self.assertIsNone(fault(f(1), 2))",
]


@pytest.mark.parametrize("source", COMPARED_INSIDE)
def test_an_assert_that_compares_inside_the_programs_process_is_weak(source: str) -> None:
    cases, rest = asserts_to_calls(source)
    assert cases == []
    assert rest


@pytest.mark.parametrize(
    "source",
    [
        "assert f('abba')",
        "assert f([1, 2], key=lambda x: x == 1) is False",
        "assert bool(f(set([1]))) == True",
        "assert sorted(f(1)) == []",
        "assert f(1)[0] == 0",
        "assert [f(1), f(2)] == [0, 1]",
        "assert f(1) + f(2) == 12",
        "def check(candidate):\n    assert candidate(Node(1)) == True",
    ],
)
def test_an_assert_on_what_the_program_returned_is_checked_from_outside(source: str) -> None:
    cases, rest = asserts_to_calls(source)
    assert (len(cases), rest) == (1, "")


def test_an_object_with_operators_of_its_own_earns_nothing(any_sandbox: Sandbox) -> None:
    yes = "lambda self, other=None: True"
    names = ("__eq__", "__ne__", "__lt__", "__gt__", "__le__", "__ge__", "__bool__", "equals")
    lines = [f"    {name} = {yes}" for name in names] + ["    __sub__ = __rsub__ = __round__ = lambda self, other=None: 0"]
    program = "\n".join(["class Any:", *lines, "    __hash__ = object.__hash__", "def f(x):", "    return Any()"])
    helper = "def close(a, b):\n    return a == b"
    for source in (*COMPARED_INSIDE, "assert f(1) == 2"):
        found = run_tests(asserts(source, setup=helper), fenced(program), any_sandbox, weak_tests=False)
        assert not found.verdict.correct, source


def test_an_assert_that_holds_of_everything_is_no_test() -> None:
    assert asserts_to_calls("def check(candidate):\n    assert True, 'fine'\n") == ([], "")


def test_statements_before_an_assert_go_along_with_it() -> None:
    (found,), rest = asserts_to_calls("def test_one():\n    x = [3, 1]\n    x.sort()\n    assert f(x) == 1")
    assert (found["before"], rest) == ("x = [3, 1]\nx.sort()", "")


def test_a_windows_source_is_read_like_any_other() -> None:
    assert len(asserts_to_calls("x = 1\r\nassert f(x) == 1\r\n").cases) == 1


def test_a_program_that_passes_every_call_is_correct(any_sandbox: Sandbox) -> None:
    asked = calls({"args": [2], "expected": 4}, {"args": [], "kwargs": {"x": 3}, "expected": 6.0})
    report = run_tests(asked, fenced("def f(x):\n    return 2 * x"), any_sandbox)
    assert (report.verdict.status, report.passed, report.total) == ("correct", 2, 2)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(x):\n    return x", "test 2 of 2: returned 3, expected 6"),
        ("def f(x):\n    raise ValueError('no')", "test 1 of 2: ValueError: no"),
        ("def g(x):\n    return x", "test 1 of 2: KeyError: 'f'"),
        ("def f(x:", "test 1 of 2: SyntaxError: '(' was never closed"),
        ("import sys\nsys.exit(0)", "test 1 of 2: the program ended early"),
    ],
)
def test_a_program_that_fails_a_call_is_wrong_and_says_where(sandbox: PlainSandbox, code: str, reason: str) -> None:
    verdict = judge_code(calls({"args": [0], "expected": 0}, {"args": [3], "expected": 6}), fenced(code), sandbox)
    assert (verdict.status, verdict.reason) == ("wrong", reason)


def test_a_set_may_come_in_any_order_but_must_be_a_set(any_sandbox: Sandbox) -> None:
    asked = calls({"args": [], "expected": [10, 9, 8], "expected_type": "set"})
    assert judge_code(asked, fenced("def f():\n    return {8, 9, 10}"), any_sandbox).correct
    assert judge_code(asked, fenced("def f():\n    return [10, 9, 8]"), any_sandbox).reason.endswith("returned a list, expected a set")


def test_a_method_is_called_on_a_new_object(any_sandbox: Sandbox) -> None:
    asked = calls({"function": "Solution.f", "method": True, "args": [2], "expected": 3})
    assert judge_code(asked, fenced("class Solution:\n    def f(self, x):\n        return x + 1"), any_sandbox).correct


def test_asserts_compare_as_python_does(any_sandbox: Sandbox) -> None:
    asked = asserts("assert f(1) == (1, {'a': {2, 3}})")
    assert judge_code(asked, fenced("def f(x):\n    return (x, {'a': {3, 2}})"), any_sandbox).correct
    assert not judge_code(asked, fenced("def f(x):\n    return [x, {'a': {3, 2}}]"), any_sandbox).correct


@pytest.mark.parametrize(
    "code",
    [
        "class Yes:\n    def __eq__(self, other):\n        return True\n\ndef f(x):\n    return Yes()",
        "class Yes(int):\n    def __eq__(self, other):\n        return True\n\ndef f(x):\n    return Yes(7)",
        "class Yes(list):\n    def __eq__(self, other):\n        return True\n\ndef f(x):\n    return Yes()",
        "def f(x):\n    return float('nan')",
        "def f(x):\n    return 10 ** 9000",
        "def f(x):\n    return {(1 << 61) - 1 + n * ((1 << 61) - 1) for n in range(11_000)}",
        "def f(x):\n    y = []\n    y.append(y)\n    return y",
        "_reasonforge_plain = lambda value: 9\n\ndef f(x):\n    return 0",
        "def f(x):\n    global _reasonforge_plain\n    _reasonforge_plain = lambda value: {'complex': [10**400, 0]}\n    return 0",
        "import builtins\nbuiltins.bool = lambda x: True\n\ndef f(x):\n    return 0",
        "import sys\n\ndef f(x):\n    print('9')\n    sys.exit(0)",
    ],
)
def test_a_value_that_claims_to_equal_everything_equals_nothing(any_sandbox: Sandbox, code: str) -> None:
    assert judge_code(asserts("assert f(3) == 9"), fenced(code), any_sandbox).status == "wrong"


def test_the_expected_value_never_enters_the_sandbox() -> None:
    seen: list[str] = []

    class Recording(PlainSandbox):
        def run_many(self, programs):  # type: ignore[no-untyped-def]
            seen.extend(repr(program) for program in programs)
            return super().run_many(programs)

    asked = asserts("assert f(3) == 918273\nassert abs(f(4) - 564738.5) < 1e-6")
    judge_code(asked, fenced("def f(x):\n    return x"), Recording())
    judge_code(problem({"type": "stdio", "cases": [{"stdin": "3", "stdout": "918273"}]}), fenced("print(input())"), Recording())
    assert len(seen) == 2
    assert not any("918273" in text or "564738" in text for text in seen)


def test_an_expected_exception_must_be_raised(any_sandbox: Sandbox) -> None:
    asked = asserts("def test_one():\n    with pytest.raises(ValueError):\n        f(1)")
    assert judge_code(asked, fenced("def f(x):\n    raise ValueError('no')"), any_sandbox).correct
    assert not judge_code(asked, fenced("def f(x):\n    raise TypeError('no')"), any_sandbox).correct
    assert not judge_code(asked, fenced("def f(x):\n    return 1"), any_sandbox).correct


WEAK = "def check(candidate):\n    assert candidate(1) == 1\n    for i in range(3):\n        assert candidate(i) == i\n"


def test_weak_tests_count_only_where_they_are_asked_for(any_sandbox: Sandbox) -> None:
    asked = asserts(WEAK)
    half = fenced("def f(x):\n    return 1")
    assert not judge_code(asked, half, any_sandbox).correct
    assert judge_code(asked, half, any_sandbox, weak_tests=False).correct
    assert judge_code(asked, fenced("def f(x):\n    return x"), any_sandbox).reason == "its last tests were weak"


def test_a_suite_of_weak_tests_alone_judges_nothing_in_training(sandbox: PlainSandbox) -> None:
    asked = asserts("for i in range(3):\n    assert f(i) == i")
    assert judge_code(asked, fenced("def f(x):\n    return x"), sandbox).correct
    assert judge_code(asked, fenced("def f(x):\n    return x"), sandbox, weak_tests=False).status == "error"


def test_setup_runs_after_the_program_and_before_the_calls(any_sandbox: Sandbox) -> None:
    asked = asserts("assert f(root) == 5", setup="root = Node(5)")
    code = "class Node:\n    def __init__(self, x):\n        self.x = x\n\ndef f(node):\n    return node.x"
    assert judge_code(asked, fenced(code), any_sandbox).correct


STDIO = problem({"type": "stdio", "cases": [{"stdin": f"{n}\n", "stdout": f"{2 * n}\n"} for n in range(6)]})


def test_a_program_that_prints_what_is_expected_is_correct(any_sandbox: Sandbox) -> None:
    report = run_tests(STDIO, fenced("print(2 * int(input()))"), any_sandbox)
    assert (report.verdict.status, report.share) == ("correct", 1.0)


def test_a_program_that_fails_an_early_input_is_not_run_on_the_later_ones(sandbox: PlainSandbox) -> None:
    report = run_tests(STDIO, fenced("print(int(input()) ** 2)"), sandbox)
    assert report.verdict.reason == "test 2 of 6: printed 1, expected 2"
    assert (report.passed, report.total, sandbox.runs) == (2, 6, 4)


def test_a_program_that_is_too_slow_is_wrong(any_sandbox: Sandbox) -> None:
    slow = problem({"type": "stdio", "cases": [{"stdin": "", "stdout": "1"}], "seconds": 0.1})
    verdict = judge_code(slow, fenced("while True:\n    pass"), any_sandbox)
    assert (verdict.status, verdict.reason) == ("wrong", "test 1 of 1: time limit exceeded")


def test_a_sandbox_that_fails_once_is_asked_again() -> None:
    sandbox = PlainSandbox(breaks=lambda run: run == 0)
    assert judge_code(STDIO, fenced("print(2 * int(input()))"), sandbox).correct


@pytest.mark.parametrize("asked", [STDIO, calls({"args": [1], "expected": 1})])
def test_a_sandbox_that_goes_on_failing_is_an_error_and_never_a_wrong_answer(asked: Problem) -> None:
    verdict = judge_code(asked, fenced("x = 1"), PlainSandbox(breaks=lambda run: True))
    assert (verdict.status, verdict.reason) == ("error", "sandbox: the worker is gone")


@pytest.mark.parametrize(
    "suite",
    [
        {},
        {"type": "other"},
        {"type": "stdio", "cases": []},
        {"type": "stdio", "cases": [{"stdin": 3, "stdout": ""}]},
        {"type": "calls", "cases": [{"args": []}]},
        {"type": "calls", "cases": [{"function": "f", "args": 3, "expected": 1}]},
        {"type": "calls", "cases": [{"expression": "f()", "expected": {"set": 1}}]},
        {"type": "calls", "cases": [{"function": "f", "expected": 1}], "seconds": "long"},
    ],
)
def test_a_suite_that_cannot_be_read_is_an_error(sandbox: PlainSandbox, suite: dict[str, Any]) -> None:
    verdict = judge_code(problem(suite), fenced("x = 1"), sandbox)
    assert verdict.status == "error"
    assert verdict.reason.startswith("problem p: its tests cannot be read: ")


def test_a_completion_without_a_program_is_no_answer(sandbox: PlainSandbox) -> None:
    assert judge_code(STDIO, "I cannot.", sandbox).reason == "no Python block"
    assert judge_code(STDIO, "<think>endless", sandbox).reason == "thinking does not end"


TESTS = "import pytest\nfrom solution import f\n\ndef test_one():\n    assert f(2) == 4\n\ndef test_two():\n    assert f(3) == 9\n"


def test_a_bug_fix_is_judged_by_its_unit_tests(any_sandbox: Sandbox) -> None:
    broken, fixed = "def f(x):\n    return x + x", "def f(x):\n    return x * x"
    asked = bug_fix_problem(id="b", broken=broken, fixed=fixed, tests=TESTS)
    assert broken in asked.question
    assert judge_code(asked, asked.solution or "", any_sandbox).correct
    assert judge_code(asked, fenced(broken), any_sandbox).reason == "test 2 of 2: returned 6, expected 9"


def test_a_bug_fix_that_only_its_own_process_could_check_is_refused() -> None:
    with pytest.raises(DataError, match="none of its unit tests compares a call with a constant"):
        bug_fix_problem(id="b", broken="x", fixed="y", tests="def test_one():\n    assert f(1) == g(1)\n")
