"""Facts that hold for every procedural task."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Problem
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import THINK_ANSWER_TAGS
from reasonforge.tasks.registry import get_task, grade, task_names

# Hashes of the first 1,000 problems of seed 7, all fields. They change only when a family changes, and then every stored
# evaluation of that family is about other problems: say so in the changelog.
SNAPSHOTS = {
    "labelled_arithmetic": "044c65e1d764927af56d9ecccab4196f61b30843c38346f4c08415dc14234398",
    "bracket_arithmetic": "4b1206cfd466a53972f7e456a17c1cb1111f15707013dc33df383c642620fd9b",
    "modular_chain": "91a3103165bb5899e05f357b6637b64da466451b9b0d7e0439ff8ee2fa9800d6",
    "countdown": "8bfcc1268b38207d79206a598148e1f55ac158917bb31583c7f7a24a0885d4ea",
    "game24": "233bd1a02e518d6b8752e22c001133739dc93be48f1072ce0fa78d88aa026c20",
    "word_problems": "bc8937b11cd574cbb3f33f4202db97b1d262f968a371b68a4064648bd3e5c35c",
}

ROOT = Path(__file__).resolve().parents[2]

families = pytest.mark.parametrize("name", task_names())


def sample_problems(name: str, count: int = 200) -> list[Problem]:
    task = get_task(name)
    return [task.problem(7, index) for index in range(count)]


def snapshot(name: str) -> str:
    """Return the hash of a family's first thousand problems."""
    digest = hashlib.sha256()
    for problem in sample_problems(name, 1_000):
        digest.update(json.dumps(dataclasses.asdict(problem), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


@families
def test_the_same_seed_gives_the_same_bytes_for_ever(name: str) -> None:
    assert snapshot(name) == SNAPSHOTS[name]


def test_bytes_do_not_depend_on_the_process() -> None:
    code = "from tests.tasks.test_families import snapshot; print(snapshot('word_problems'))"
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=_environment(hash_seed), cwd=ROOT, check=True
        )
        assert done.stdout.strip() == SNAPSHOTS["word_problems"]


@families
def test_a_problem_depends_on_seed_index_and_level_alone(name: str) -> None:
    task = get_task(name)
    forwards = [task.problem(3, index) for index in range(5)]
    backwards = [task.problem(3, index) for index in reversed(range(5))]
    assert forwards == backwards[::-1]
    assert len({task.problem(seed, 0).question for seed in range(20)}) > 1
    assert len({task.problem(0, index).question for index in range(20)}) > 1


@families
def test_the_worked_solution_is_graded_correct(name: str) -> None:
    for problem in sample_problems(name):
        assert problem.solution is not None
        verdict = grade(problem, problem.solution)
        assert verdict.correct, (problem.question, problem.solution, verdict)


@families
def test_written_completions_without_noise_are_graded_correct(name: str) -> None:
    task = get_task(name)
    for index, problem in enumerate(sample_problems(name, 50)):
        for habit in ("direct", "think"):
            assert grade(problem, task.completion(problem, Draws(index), habit=habit)).correct


@families
def test_another_problem_s_solution_is_graded_wrong(name: str) -> None:
    problems = sample_problems(name)
    for problem, other in itertools.pairwise(problems):
        if other.answer != problem.answer:
            assert other.solution is not None
            assert not grade(problem, other.solution).correct


@families
def test_a_changed_answer_is_graded_wrong(name: str) -> None:
    for problem in sample_problems(name):
        assert problem.solution is not None
        head, _, tail = problem.solution.rpartition(problem.answer)
        for changed in (problem.answer + "0", "1" + problem.answer, problem.answer + " + 1", "", "x", "-" + problem.answer):
            if changed not in ("00", "-0"):  # still zero
                assert not grade(problem, head + changed + tail).correct, (problem.question, changed)


@families
def test_levels_are_kept_and_all_drawn(name: str) -> None:
    task = get_task(name)
    low, high = task.levels
    assert {problem.difficulty for problem in sample_problems(name)} == set(range(low, high + 1))
    for level in range(low, high + 1):
        assert task.problem(0, 0, level).difficulty == level
    with pytest.raises(AssertionError):
        task.problem(0, 0, high + 1)


@families
def test_ids_stand_for_prompts(name: str) -> None:
    problems = sample_problems(name, 500)
    assert len({problem.id for problem in problems}) == len({problem.question for problem in problems})
    assert all(problem.source == f"task:{name}" for problem in problems)


@families
def test_alphabet_and_special_tokens_spell_every_text(name: str) -> None:
    task = get_task(name)
    alphabet = set(task.alphabet())
    assert list(task.alphabet()) == sorted(alphabet)
    for index, problem in enumerate(sample_problems(name, 500)):
        text = problem.question + task.joint + task.completion(problem, Draws(index), habit="think")
        # Tags are tokens of every character tokenizer; a task's other special tokens may be spelled out.
        for token in THINK_ANSWER_TAGS:
            text = text.replace(token, "")
        assert set(text) <= alphabet, set(text) - alphabet


@families
@settings(max_examples=60, deadline=1000)
@given(st.text(max_size=300), st.integers(0, 200))
def test_any_text_gets_a_verdict(name: str, text: str, index: int) -> None:
    problem = get_task(name).problem(0, index)
    for wrapped in (text, f"\\boxed{{{text}}}", f"<answer>{text}</answer>", f"<think>{text}</think><answer>1</answer>"):
        verdict = grade(problem, wrapped)
        assert verdict.status in ("correct", "wrong", "no_answer", "error")
        assert (verdict.prediction is not None) == (verdict.status in ("correct", "wrong"))


HOSTILE = [
    "", "\x00", "\ud800", "(" * 50_000, "<answer>" * 30_000, "</answer>" * 30_000, "\\boxed{" * 20_000, "9" * 400_000, " " * 400_000,
    "<answer>" + "(" * 10_000 + "</answer>", "<answer>" + "9" * 290 + "</answer>", "<answer>" + "-" * 290 + "1</answer>",
    "<answer>" + "9*" * 140 + "9</answer>", "<answer>9**9**9**9</answer>", "<answer>__import__('os')</answer>", "<answer>1/0</answer>",
    "<answer>" + "\\frac{1}{" * 30 + "</answer>", "<answer>((((1))))</answer>", "a1b2" * 100_000, "x1 = 1\n" * 80_000, "x" * 2_000_000,
    "<answer>" + "1," * 400 + "</answer>",
]  # fmt: skip


@families
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:24]))
def test_hostile_texts_are_judged_quickly_and_not_correct(name: str, text: str) -> None:
    problem = get_task(name).problem(0, 0)
    start = time.process_time()
    assert not grade(problem, text).correct
    assert time.process_time() - start < 1.0


@families
def test_a_verdict_takes_less_than_a_millisecond(name: str) -> None:
    problems = sample_problems(name, 100)
    start = time.process_time()
    for problem in problems:
        grade(problem, problem.solution or "")
    assert time.process_time() - start < 0.1


@families
def test_tasks_describe_themselves_in_a_sentence(name: str) -> None:
    assert get_task(name).describe().endswith(".")


def test_an_unknown_task_is_refused_with_a_hint() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'countdown'"):
        get_task("countdwn")
    with pytest.raises(RecipeError, match="There are: labelled_arithmetic, "):
        get_task("poetry")


def _environment(hash_seed: str) -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(["src", ".", os.environ.get("PYTHONPATH", "")])}
