"""Checks before training: references against their own grader, prompts that two sets share."""

from __future__ import annotations

from reasonforge.core.records import Message, Problem
from reasonforge.tasks.checks import check_gold, gold_texts, shared_prompts
from reasonforge.tasks.registry import get_task, task_names


def problem(question: str, answer: str = "1", solution: str | None = None, kind: str = "math") -> Problem:
    messages = (Message("user", question),)
    return Problem(id=question, messages=messages, answer=answer, source="file", solution=solution, kind=kind)  # type: ignore[arg-type]


def test_references_that_fail_their_own_grader_are_listed() -> None:
    report = check_gold(
        [
            problem("good"),
            problem("good text", "no solution"),
            problem("bad solution", "5", "so \\boxed{6}"),
            problem("no box", "5", "so it is 5"),
            problem("no rule", "5", kind="open"),
        ]
    )
    assert report.checked == 5
    assert [failure.problem.id for failure in report.failures] == ["bad solution", "no box", "no rule"]
    assert [failure.verdict.status for failure in report.failures] == ["wrong", "no_answer", "error"]
    assert not report.passed
    assert str(report).startswith("gold check: 3 of 5 references fail; first: problem bad solution, answer '5', wrong")


def test_a_file_problem_is_judged_by_its_answer_and_its_solution_and_a_task_problem_by_its_solution() -> None:
    assert gold_texts(problem("bare", "5")) == ("\\boxed{5}",)
    assert gold_texts(problem("worked", "5", "so \\boxed{5}")) == ("\\boxed{5}", "so \\boxed{5}")
    for name in task_names():
        drawn = get_task(name).problem(0, 0)
        assert gold_texts(drawn) == (drawn.solution,)


def test_every_task_passes_its_own_grader() -> None:
    for name in task_names():
        report = check_gold(get_task(name).problem(0, index) for index in range(50))
        assert report.passed
        assert str(report) == "gold check: 50 of 50 references pass"


def test_shared_prompts_are_found_whatever_their_spacing() -> None:
    train = [problem("What is 1+1?"), problem("Other")]
    test = [problem("what is  1+1?\n"), problem("New")]
    (shared,) = shared_prompts(train, test)
    assert (shared.left_id, shared.right_id) == ("What is 1+1?", "what is  1+1?\n")
    assert shared_prompts(train, [problem("New")]) == []
