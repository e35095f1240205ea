"""The one place of verdicts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.sandbox.protocol import Program, RunResult, SandboxUnavailable
from reasonforge.tasks.checks import check_gold, gold_texts
from reasonforge.tasks.judge import Judge
from reasonforge.tasks.registry import get_task
from tests.tasks.plain_sandbox import PlainSandbox

MATH = Problem(id="m", messages=(Message("user", "6 * 7?"),), answer="42", source="file")
CODE = Problem(
    id="c",
    messages=(Message("user", "Double."),),
    answer="print(2 * int(input()))",
    kind="code",
    source="file",
    meta={"tests": {"type": "stdio", "cases": [{"stdin": "3", "stdout": "6"}, {"stdin": "4", "stdout": "8"}]}},
)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[PlainSandbox]:
    """The sandboxes that judges open."""
    sandboxes: list[PlainSandbox] = []

    def open_sandbox(backend: str, **settings: object) -> PlainSandbox:
        sandboxes.append(PlainSandbox())
        return sandboxes[-1]

    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", open_sandbox)
    return sandboxes


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def test_words_are_judged_without_a_sandbox(opened: list[PlainSandbox]) -> None:
    drawn = get_task("countdown").problem(0, 0)
    with Judge() as judge:
        assert judge.grade(MATH, "\\boxed{42}").correct
        assert judge.grade(drawn, drawn.solution or "").correct
    assert opened == []


def test_a_task_is_judged_by_its_own_verifier() -> None:
    drawn = get_task("countdown").problem(0, 0)
    with Judge() as judge:
        assert judge.grade(drawn, f"\\boxed{{{drawn.answer}}}") == get_task("countdown").verify(drawn, f"\\boxed{{{drawn.answer}}}")


def test_programs_share_one_sandbox_that_the_judge_closes(opened: list[PlainSandbox]) -> None:
    with Judge() as judge:
        assert judge.grade(CODE, fenced("print(2 * int(input()))")).correct
        assert judge.grade(CODE, fenced("print(3 * int(input()))")).status == "wrong"
    assert [sandbox.closed for sandbox in opened] == [True]


def test_a_machine_without_a_sandbox_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(backend: str, **settings: object) -> PlainSandbox:
        raise SandboxUnavailable("no safe place here")

    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", refuse)
    with Judge() as judge, pytest.raises(SandboxUnavailable):
        judge.grade(CODE, fenced("x = 1"))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("x = 6 * 7\nprint('steps')\nprint(x)", "correct"),
        ("answer = 42", "correct"),
        ("print('The answer is 42')", "correct"),
        ("print(42.0)", "correct"),
        ("print('42')\nprint('41')", "wrong"),
        ("x = 42", "no_answer"),
        ("print(42)\nraise ValueError", "no_answer"),
        ("print('{' * 3)", "no_answer"),
    ],
)
def test_a_program_answers_with_its_last_line_or_its_variable(opened: list[PlainSandbox], code: str, status: str) -> None:
    with Judge(answer_from="program") as judge:
        assert judge.grade(MATH, f"Let us run it.\n{fenced(code)}").status == status


def test_words_around_a_program_are_no_answer(opened: list[PlainSandbox]) -> None:
    with Judge(answer_from="program") as judge:
        assert judge.grade(MATH, f"\\boxed{{42}}\n{fenced('print(41)')}").status == "wrong"
        assert judge.grade(MATH, "\\boxed{42}").reason == "no Python block"
        assert judge.grade(MATH, "<think>endless").reason == "thinking does not end"


def test_a_failing_sandbox_is_an_error_in_program_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", lambda backend, **settings: PlainSandbox(breaks=lambda run: True))
    with Judge(answer_from="program") as judge:
        assert judge.grade(MATH, fenced("print(42)")).status == "error"


def test_many_are_judged_in_order_and_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=30)

    class Meeting(PlainSandbox):
        def run(self, program: Program) -> RunResult:
            together.wait()  # passes only when three runs are under way at once
            time.sleep(0.05 * (3 - int(program.code[7])))
            return RunResult(status="ok", stdout=program.code[7])

    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", lambda backend, **settings: Meeting())
    with Judge(answer_from="program", workers=3) as judge:
        found = judge.grade_many([(MATH, fenced(f"answer={number}")) for number in (0, 1, 2)])
    assert [verdict.prediction for verdict in found] == ["0", "1", "2"]


@pytest.fixture
def profiles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The profiles by which answers were compared."""
    asked: list[str] = []

    def grade(gold: str, text: str, *, profile: str, **settings: object) -> Verdict:
        asked.append(profile)
        return Verdict(status="correct")

    monkeypatch.setattr("reasonforge.tasks.judge.grade", grade)
    return asked


@pytest.mark.parametrize(("own", "hint", "used"), [("strict", "mcq", "mcq"), ("bbh", "mcq", "bbh"), ("strict", "unheard of", "strict")])
def test_a_problem_may_name_its_profile_unless_the_judge_has_one(profiles: list[str], own: str, hint: str, used: str) -> None:
    problem = Problem(id="m", messages=MATH.messages, answer="A", source="file", meta={"profile": hint})
    with Judge(profile=own) as judge:  # type: ignore[arg-type]
        judge.grade(problem, "A")
    assert profiles == [used]


def test_a_program_is_checked_as_its_own_reference(opened: list[PlainSandbox]) -> None:
    assert gold_texts(CODE) == (fenced("print(2 * int(input()))"),)
    broken = Problem(id="x", messages=CODE.messages, answer="print(1)", kind="code", source="file", meta=CODE.meta)
    report = check_gold([CODE, MATH, broken])
    assert [failure.problem.id for failure in report.failures] == ["x"]
    assert report.without_failures([CODE, MATH, broken]) == [CODE, MATH]


def test_what_has_not_begun_is_given_up_when_the_judge_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(workers=1)
    held = threading.Event()
    wait: Callable[..., bool] = held.wait

    def grade(*arguments: object, **settings: object) -> Verdict:
        wait(30)
        return Verdict(status="correct")

    monkeypatch.setattr("reasonforge.tasks.judge.grade", grade)
    futures = [judge.submit(MATH, "x") for _ in range(3)]
    closing = threading.Thread(target=judge.close)
    closing.start()
    while not futures[2].cancelled() and closing.is_alive():
        time.sleep(0.01)
    held.set()
    closing.join(30)
    assert futures[0].result().correct
    assert futures[2].cancelled()
