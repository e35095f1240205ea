"""The adapter of reasoning-gym: what it refuses, which problems it makes, and who sees the answer."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import CallResult, Limits, Program, RunResult, Sandbox, SandboxUnavailable
from reasonforge.tasks.checks import check_gold
from reasonforge.tasks.config import DataSource, ReasoningGymSource
from reasonforge.tasks.judge import Judge
from reasonforge.tasks.reasoning_gym import judge_reasoning_gym, load_reasoning_gym
from reasonforge.tasks.reasoning_gym_defects import REFUSED, SAFE_ANSWERS
from reasonforge.tasks.sources import load_demonstrations, load_documents, load_problems
from reasonforge.tasks.streams import split_of
from reasonforge.verify.extract import MAX_TEXT_CHARS
from tests.tasks.plain_sandbox import PlainSandbox

HOSTILE_CODE = (
    "__import__('os').system('true')",
    "().__class__",
    "open('x')",
    "exec('1')",
    "[].append(1)",
    "lambda: 1",
    "f'{1}'",
    "a.b",
    "sin.x",
)


def gym_problems(task: str, count: int = 3, *, seed: int = 0, **settings: Any) -> list[Problem]:
    pytest.importorskip("reasoning_gym")
    return load_reasoning_gym(ReasoningGymSource(task=task, count=count, **settings), seed=seed)


def refuse_to_open() -> Sandbox:
    raise AssertionError("no sandbox is needed here")


class StatedSandbox(PlainSandbox):
    """Answers every run with a stated result and keeps the program."""

    def __init__(self, result: RunResult) -> None:
        super().__init__()
        self._result = result
        self.programs: list[Program] = []

    def run(self, program: Program) -> RunResult:
        self.programs.append(program)
        return self._result


def scored(value: Any) -> RunResult:
    return RunResult(status="ok", values=(CallResult(status="ok", value=value),))


@pytest.fixture
def countdown() -> Problem:
    """A problem with a scorer of its own, as it is stored; the package is not needed for it."""
    meta = {
        "task": "countdown", "module": "reasoning_gym.games.countdown", "dataset": "CountdownDataset", "config": "CountdownConfig",
        "settings": {"seed": 1, "size": 40}, "index": 0, "own_scorer": True, "version": "0.1.25",
    }  # fmt: skip
    question = (Message("user", "Make 24 from 8 and 3.\nGive the answer inside <answer> </answer>."),)
    return Problem(id="1", messages=question, answer="8 * 3", source="reasoning_gym:countdown", meta=meta)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    pytest.importorskip("reasoning_gym")
    try:
        opened = open_sandbox("auto", workers=1)
    except SandboxUnavailable as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    with opened:
        yield opened


@pytest.mark.parametrize("task", sorted(REFUSED))
def test_tasks_that_cannot_be_trusted_are_refused_with_the_reason(task: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(REFUSED[task])):
        ReasoningGymSource(task=task)


def test_the_page_lists_the_refused_tasks() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
    for task, why in REFUSED.items():
        assert f"| `{task}` | {why} |\n" in page


def test_seed_and_size_are_settings_of_the_source() -> None:
    for name in ("seed", "size"):
        with pytest.raises(ValidationError, match="set seed and count of the source"):
            ReasoningGymSource(task="gcd", config={name: 1})


def test_a_recipe_names_it_by_type() -> None:
    source = TypeAdapter(DataSource).validate_python({"type": "reasoning_gym", "task": "gcd", "count": 5})
    assert isinstance(source, ReasoningGymSource)


def test_problems_are_the_same_for_the_same_seed_and_different() -> None:
    first, again, other = (gym_problems("gcd", 20, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert len({problem.id for problem in first}) == 20
    # In the package itself, neighbouring seeds share all problems but one.
    assert len({problem.id for problem in first} & {problem.id for problem in other}) <= 2
    assert gym_problems("gcd", 20, seed=9) == load_problems(ReasoningGymSource(task="gcd", count=20, seed=9), seed=1)


def test_train_and_test_problems_are_told_apart_by_their_prompts() -> None:
    for split in ("train", "test"):
        assert {split_of(problem) for problem in gym_problems("gcd", 15, split=split)} == {split}


def test_settings_reach_the_task() -> None:
    (problem,) = gym_problems("chain_sum", 1, config={"min_terms": 7, "max_terms": 7})
    assert len(re.findall(r" [+-] ", problem.question)) == 6


def test_a_problem_is_plain_data() -> None:
    for problem in gym_problems("gcd"):
        assert json.loads(json.dumps(dict(problem.meta))) == dict(problem.meta)
        assert problem.question.endswith("\nGive the answer inside <answer> </answer>.")


def test_an_unknown_task_or_setting_is_a_fault_of_the_recipe() -> None:
    with pytest.raises(RecipeError, match="'no_such_task'"):
        gym_problems("no_such_task")
    with pytest.raises(RecipeError, match=r"'gcd'.*min_nmubers"):
        gym_problems("gcd", config={"min_nmubers": 3})
    with pytest.raises(RecipeError, match="'gcd'"):
        gym_problems("gcd", config={"min_numbers": -3})


def test_a_task_with_too_few_problems_is_refused() -> None:
    with pytest.raises(DataError, match=r"holds about [0-9]+ different problems"):
        gym_problems("gcd", 50, config={"min_numbers": 2, "max_numbers": 2, "min_value": 1, "max_value": 3})


def test_its_problems_are_neither_documents_nor_demonstrations() -> None:
    pytest.importorskip("reasoning_gym")
    with pytest.raises(RecipeError, match="holds no documents"):
        load_documents(ReasoningGymSource(task="gcd", count=1), seed=0)
    with pytest.raises(DataError, match="no solution to imitate"):
        load_demonstrations(ReasoningGymSource(task="gcd", count=1), seed=0)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "reasoning_gym", None)
    with pytest.raises(UnavailableError, match=re.escape("reasonforge[reasoning-gym]")):
        load_reasoning_gym(ReasoningGymSource(task="gcd"), seed=0)


def test_the_reference_answer_is_right_without_a_run(countdown: Problem) -> None:
    assert judge_reasoning_gym(countdown, "<answer>8 * 3</answer>", refuse_to_open).correct
    for task in ("gcd", "countdown", "spiral_matrix", "zebra_puzzles", "simple_integration", "n_queens"):
        for problem in gym_problems(task):
            assert judge_reasoning_gym(problem, f"<think>x</think><answer>{problem.answer}</answer>", refuse_to_open).correct


def test_where_the_package_compares_texts_no_run_is_needed() -> None:
    for problem in gym_problems("gcd"):
        assert not problem.meta["own_scorer"]
        # Its own scorer would pay a part of the score for an answer that contains the right one.
        for answer in ("0", problem.answer + " or 1", "1 2 3 4 5 6 7 8 9", "x"):
            assert judge_reasoning_gym(problem, f"<answer>{answer}</answer>", refuse_to_open).status == "wrong"


def test_without_an_answer_nothing_runs(countdown: Problem) -> None:
    for text in ("", "8 + 3", "<think><answer>8*3</answer>", "<answer></answer>", "<answer>" + "1" * 20_001 + "</answer>"):
        assert judge_reasoning_gym(countdown, text, refuse_to_open).status == "no_answer"
    assert judge_reasoning_gym(countdown, "x" * (MAX_TEXT_CHARS + 1), refuse_to_open).status == "error"


@pytest.mark.parametrize("task", sorted(SAFE_ANSWERS))
def test_an_answer_that_is_code_never_reaches_a_scorer_that_executes_it(task: str, countdown: Problem) -> None:
    problem = dataclasses.replace(countdown, source=f"reasoning_gym:{task}", meta={**countdown.meta, "task": task})
    for answer in HOSTILE_CODE:
        assert judge_reasoning_gym(problem, f"<answer>{answer}</answer>", refuse_to_open).status == "no_answer", answer


@pytest.mark.parametrize("task", sorted(SAFE_ANSWERS))
def test_the_form_of_safe_answers_costs_one_pass(task: str) -> None:
    start = time.process_time()
    for text in ("1" * 20_000 + "!", "(" * 20_000 + "!", "x1" * 10_000 + "!", "1." * 10_000 + "!", " " * 20_000 + "!", "exp" * 6_000 + "!"):
        assert SAFE_ANSWERS[task].fullmatch(text) is None
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("task", sorted(SAFE_ANSWERS))
def test_the_form_of_safe_answers_takes_the_references(task: str) -> None:
    for problem in gym_problems(task, 20):
        assert SAFE_ANSWERS[task].fullmatch(problem.answer), problem.answer


def test_two_different_answers_are_wrong_and_one_scorer_runs_at_most(countdown: Problem) -> None:
    sandbox = StatedSandbox(scored(1.0))
    for text in ("<answer>8 * 3</answer> <answer>3 * 8</answer>", "<answer>9</answer> <answer>3 * 8</answer>"):
        verdict = judge_reasoning_gym(countdown, text, lambda: sandbox)
        assert (verdict.status, verdict.reason) == ("wrong", "two different answers are declared")
    assert len(sandbox.programs) == 2
    assert judge_reasoning_gym(countdown, "<answer>3 * 8</answer> <answer>3 * 8</answer>", lambda: sandbox).correct


def test_a_score_below_one_is_wrong(countdown: Problem) -> None:
    for value in (1.0, 1, 0.99, 0.05, 0, float("nan"), 2.0):
        verdict = judge_reasoning_gym(countdown, "<answer>3 * 8</answer>", lambda value=value: StatedSandbox(scored(value)))
        assert verdict.status == ("correct" if value == 1 else "wrong"), value
        assert verdict.prediction == "3 * 8"


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (RunResult(status="timeout"), "timeout"),
        (RunResult(status="infra", reason="the worker is gone"), "error"),
        (RunResult(status="error", stderr="ModuleNotFoundError: reasoning_gym"), "error"),
        (RunResult(status="memory"), "error"),
        (RunResult(status="ok"), "error"),
        (RunResult(status="ok", values=(CallResult(status="timeout"),)), "timeout"),
        (RunResult(status="ok", values=(CallResult(status="error", error="ValueError: garbage"),)), "wrong"),
        (scored("another problem"), "error"),
        (scored(True), "error"),
        (scored(None), "error"),
        (scored([1.0]), "error"),
    ],
)  # fmt: skip
def test_what_a_run_comes_to_is_a_state_of_its_own(result: RunResult, status: str, countdown: Problem) -> None:
    verdict = judge_reasoning_gym(countdown, "<answer>3 * 8</answer>", lambda: StatedSandbox(result))
    assert verdict.status == status
    assert verdict.reason or status == "correct"


def test_the_answer_travels_as_an_argument_and_never_as_code(countdown: Problem) -> None:
    sandbox = StatedSandbox(scored(0.0))
    judge_reasoning_gym(countdown, "<answer>3 * (8)</answer>", lambda: sandbox)
    (program,) = sandbox.programs
    assert "3 * (8)" not in program.code
    assert program.calls[0].args[:2] == ("Make 24 from 8 and 3.", "3 * (8)")


def test_its_own_scorer_decides_about_other_ways_to_say_the_answer(sandbox: Sandbox) -> None:
    (problem,) = gym_problems("prime_factorization", 1)
    factors = problem.answer.split(" × ")
    assert len(factors) > 1
    verdicts = [
        judge_reasoning_gym(problem, f"<answer>{answer}</answer>", lambda: sandbox)
        for answer in ("  × ".join(reversed(factors)), " × ".join(factors[:-1]), "garbage")
    ]
    assert [verdict.status for verdict in verdicts] == ["correct", "wrong", "wrong"]
    assert "cannot read it: ValueError" in verdicts[2].reason


# One task of every category, of every kind of import, and those whose answers hold tuples.
@pytest.mark.parametrize(
    "task", ["arc_agi", "countdown", "rearc", "gsm_symbolic", "knights_knaves", "simple_integration", "sudoku", "game_of_life"]
)
def test_scorers_give_their_own_references_full_marks_in_the_sandbox(task: str, sandbox: Sandbox) -> None:
    (problem,) = gym_problems(task, 1)
    # The stored reference is changed, so that only the scorer can know the right one.
    changed = dataclasses.replace(problem, answer="another text")
    assert judge_reasoning_gym(changed, f"<answer>{problem.answer}</answer>", lambda: sandbox).status == "correct"


def test_the_judge_asks_the_adapter_and_opens_its_sandbox_for_scorers_only(countdown: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[StatedSandbox] = []

    def open_stated(backend: str, **settings: object) -> Sandbox:
        opened.append(StatedSandbox(scored(1.0)))
        return opened[-1]

    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", open_stated)
    with Judge() as judge:
        assert judge.grade(countdown, "<answer>8 * 3</answer>").correct
        assert judge.grade(countdown, "<answer>__import__('os')</answer>").status == "no_answer"
        assert not opened
        assert judge.grade(countdown, "<answer>3 * 8</answer>").correct
        assert judge.grade(countdown, "<answer>4 * 6</answer>").correct
    (sandbox,) = opened
    assert len(sandbox.programs) == 2
    assert sandbox.closed


def test_the_judge_scores_in_the_real_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.tasks.judge.open_sandbox", lambda backend, **settings: sandbox)
    (problem,) = gym_problems("prime_factorization", 1)
    backwards = " × ".join(reversed(problem.answer.split(" × ")))
    assert backwards != problem.answer
    judge = Judge()  # never closed: the sandbox is the other tests' too
    assert [verdict.status for verdict in judge.grade_many([(problem, f"<answer>{backwards}</answer>"), (problem, "\\boxed{1}")])] == [
        "correct", "wrong",
    ]  # fmt: skip


@pytest.mark.parametrize("task", ["gcd", "spiral_matrix", "sudoku", "zebra_puzzles", "game_of_life"])
def test_references_of_the_package_pass_the_check_before_training(task: str) -> None:
    assert check_gold(gym_problems(task)).passed


def test_a_scorer_that_does_not_end_is_a_timeout(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonforge.tasks.reasoning_gym._LIMITS", Limits(wall_seconds=2.0, cpu_seconds=1.0, memory_mb=1024))
    (problem,) = gym_problems("simple_integration", 1)
    assert judge_reasoning_gym(problem, "<answer>9**9**9**9</answer>", lambda: sandbox).status == "timeout"


def test_a_scorer_that_would_score_another_problem_is_found_out(sandbox: Sandbox) -> None:
    (problem,) = gym_problems("prime_factorization", 1)
    moved = dataclasses.replace(problem, meta={**problem.meta, "index": problem.meta["index"] + 1})
    verdict = judge_reasoning_gym(moved, "<answer>1 × 1</answer>", lambda: sandbox)
    assert verdict.status == "error"
    assert "another version" in verdict.reason


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_scorer_pays_in_full_for_an_answer_that_says_nothing() -> None:
    """Here the scorers run in this process, on harmless texts only."""
    gym = pytest.importorskip("reasoning_gym")
    paid = []
    for task in sorted(set(gym.factory.DATASETS) - set(REFUSED)):
        dataset = gym.create_dataset(task, size=8, seed=5)
        for entry in (dataset[index] for index in range(8)):
            for answer in ("x", "nan", "inf", "None", "[]", "{}", "()", "-", "N/A", "\n", "1e999", "[[0,0],[0,0]]"):
                if SAFE_ANSWERS.get(task, re.compile(".*", re.DOTALL)).fullmatch(answer):
                    with contextlib.suppress(Exception):
                        if dataset.score_answer(answer, entry) == 1.0:
                            paid.append((task, answer, entry["answer"]))
    assert paid == []
