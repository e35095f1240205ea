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
from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.protocol import THINK_ANSWER_TAGS
from reasonforge.tasks.registry import get_task, task_names

# Hashes of the first 1,000 problems of seed 7, all fields. They change only when a family changes, and then every stored
# evaluation of that family is about other problems: say so in the changelog.
SNAPSHOTS = {
    "labelled_arithmetic": "044c65e1d764927af56d9ecccab4196f61b30843c38346f4c08415dc14234398",
    "bracket_arithmetic": "4b1206cfd466a53972f7e456a17c1cb1111f15707013dc33df383c642620fd9b",
    "modular_chain": "91a3103165bb5899e05f357b6637b64da466451b9b0d7e0439ff8ee2fa9800d6",
    "tool_arithmetic": "f9ba0adc469dc45aeddbfab78c1b97c9a143c4231e3232dae720e1432bbde43d",
    "chain_sum": "f79640b149efbdbf9556276517c7466a19f94c1b761a12554f275b510538c75e",
    "gcd_lcm": "e3663530f76701a224d7d38b2e17c7a637676dca9548fd4a94da73126f804822",
    "base_conversion": "cb26646aa5cecb7eb82f30f8227b927d3932c612c2101741af7933061e294309",
    "fractions": "bfe8ae4849e8303398a2e44e05998c593b8ec6992a05799bb8e6cf0b443fc753",
    "linear_equation": "93f57c0de28fb0c8e85186ccced838aa67e8eeffb54a60e0be8374d46f8f5d99",
    "sorting": "43bebe6fee984dca371ad65c1253af4ac1d3352c8dc9bb88655189c4e8616f3e",
    "string_reversal": "dcbc5c25f2406017ce3c1531f1c0d2b70113c3c3602a6916f8a4a46255d60fe2",
    "date_arithmetic": "06e1d25bba48238437471d413a5b1c0d6c81474de399b24591646bd1bac8d1c5",
    "code_output": "276e2e079bf31d7caee07186f252b9c099dd0e39155b8220b9e2a8572c30034e",
    "cipher": "e0e7e356c45892257bc40932558b108650ef2ab46b3c8852b0a7d6c2f99d23f5",
    "countdown": "8bfcc1268b38207d79206a598148e1f55ac158917bb31583c7f7a24a0885d4ea",
    "game24": "233bd1a02e518d6b8752e22c001133739dc93be48f1072ce0fa78d88aa026c20",
    "word_problems": "bc8937b11cd574cbb3f33f4202db97b1d262f968a371b68a4064648bd3e5c35c",
    "grid_path": "08f47fda0dc8c5df9e85a41540d1235fee9b7ada2dc74b99cdfcf6018a07cf36",
    "sudoku4": "b15d32a6561184b9891c8be48b0918b4a4efeed79b0f6225e7cae18a8281e907",
    "satisfiability": "334f20e738e71a0dc22712a2aa171c4a3726682f1f9a2eeae358419ea9fdc762",
    "cryptarithm": "9eb95c80e21cfaf3ebe2dda529e539c0dac983a2cf9d3317d32e8c37fde06e29",
    "knights_and_knaves": "af1732a0392ebb53e116945b6a8cbd2694ee22a6de5804d84e9566c302593140",
    "zebra": "94743ac73f9f4bf5145d05e25bc5df9ae5eb2ae88fbd643d170aa0aa58cf8cdd",
}

ROOT = Path(__file__).resolve().parents[2]

# Families in which each problem is in one of both languages.
WORDED = set(task_names()) - {"labelled_arithmetic", "bracket_arithmetic", "modular_chain", "tool_arithmetic", "countdown", "game24"}
# Families in which several answers to one problem are right: another problem's answer may happen to be.
SEVERAL_ANSWERS = {"countdown", "game24", "grid_path", "satisfiability", "cryptarithm"}

families = pytest.mark.parametrize("name", task_names())


def judged(problem: Problem, text: str) -> Verdict:
    return get_task(problem.source.removeprefix("task:")).verify(problem, text)


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
        verdict = judged(problem, problem.solution)
        assert verdict.correct, (problem.question, problem.solution, verdict)


@families
def test_written_completions_without_noise_are_graded_correct(name: str) -> None:
    task = get_task(name)
    for index, problem in enumerate(sample_problems(name, 50)):
        for habit in ("direct", "think"):
            assert judged(problem, task.completion(problem, Draws(index), habit=habit)).correct


@pytest.mark.parametrize("name", sorted(set(task_names()) - SEVERAL_ANSWERS))
def test_another_problem_s_solution_is_graded_wrong(name: str) -> None:
    problems = sample_problems(name)
    for problem, other in itertools.pairwise(problems):
        if other.answer != problem.answer:
            assert other.solution is not None
            assert not judged(problem, other.solution).correct


@families
def test_a_changed_answer_is_graded_wrong(name: str) -> None:
    for problem in sample_problems(name):
        assert problem.solution is not None
        head, _, tail = problem.solution.rpartition(problem.answer)
        for changed in (problem.answer + "0", "1" + problem.answer, problem.answer + " + 1", "", "x", "-" + problem.answer):
            if changed not in ("00", "-0"):  # still zero
                assert not judged(problem, head + changed + tail).correct, (problem.question, changed)


@pytest.mark.parametrize("name", sorted(set(task_names()) - SEVERAL_ANSWERS))
def test_one_other_letter_or_digit_makes_an_answer_wrong(name: str) -> None:
    for problem in sample_problems(name, 40):
        gold = problem.answer
        for place, character in enumerate(gold):
            for other in "017a人":
                changed = gold[:place] + other + gold[place + 1 :]
                if character.isalnum() and character.lower() != other:
                    assert not judged(problem, f"<answer>{changed}</answer>").correct, (problem.question, changed)


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
def test_the_hardest_level_is_longer_than_the_easiest(name: str) -> None:
    task = get_task(name)
    easy, hard = (
        sum(len(problem.question + (problem.solution or "")) for problem in (task.problem(5, index, level) for index in range(60)))
        for level in task.levels
    )
    # In game24 a level says which operations are needed, not how many.
    assert hard > easy * (0.9 if name == "game24" else 1.05), (easy, hard)


@families
def test_every_level_holds_different_problems(name: str) -> None:
    task = get_task(name)
    for level in range(task.levels[0], task.levels[1] + 1):
        assert len({task.problem(3, index, level).id for index in range(60)}) >= 20


@pytest.mark.parametrize("name", sorted(WORDED))
def test_worded_families_speak_english_and_chinese(name: str) -> None:
    for problem in sample_problems(name, 100):
        assert problem.language in ("en", "zh")
        assert any("\u4e00" <= character <= "\u9fff" for character in problem.question) == (problem.language == "zh")
    assert {problem.language for problem in sample_problems(name, 30)} == {"en", "zh"}


@families
def test_problems_survive_json(name: str) -> None:
    for problem in sample_problems(name, 30):
        stored = json.loads(json.dumps(dataclasses.asdict(problem)))
        assert stored["meta"] == dict(problem.meta)
        assert judged(dataclasses.replace(problem, meta=stored["meta"]), problem.solution or "").correct


@families
def test_an_answer_of_more_than_two_thousand_characters_is_refused(name: str) -> None:
    for problem in sample_problems(name, 5):
        padded = problem.answer + " " * 2_000 + problem.answer
        assert judged(problem, f"<answer>{padded}</answer>").status in ("no_answer", "wrong")


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
        verdict = judged(problem, wrapped)
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
    assert not judged(problem, text).correct
    assert time.process_time() - start < 1.0


@families
def test_a_verdict_takes_less_than_a_millisecond(name: str) -> None:
    problems = sample_problems(name, 100)
    start = time.process_time()
    for problem in problems:
        judged(problem, problem.solution or "")
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
