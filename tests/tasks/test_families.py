"""Facts that hold for every procedural task."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import RecipeError
from reasonforge.core.records import Problem, Verdict
from reasonforge.tasks.draws import Draws
from reasonforge.tasks.number_search import make_target
from reasonforge.tasks.protocol import THINK_ANSWER_TAGS
from reasonforge.tasks.registry import get_task, task_names
from reasonforge.tasks.streams import split_of

# Hashes of the first 300 problems of seed 7, all fields. They change only when a family changes, and then every stored
# evaluation of that family is about other problems: say so in the changelog.
SNAPSHOTS = {
    "labelled_arithmetic": "48d951365d0536f4a2bd70cfdb956a41e3356ad22668a978823279bc195968d2",
    "written_arithmetic": "cfe56c7e71f85f7b9b5a5376e4089b1891bbfbe09def5725a97c3e81d6d9384e",
    "digit_shift": "f6f3150b3b52a840fbb4f2c2925ba70e2d479d6319722db7745d41b6ee08750e",
    "bracket_arithmetic": "e5ccc4fc9009c8ab0805161ff09fa95b1140802c8dbb8e07759a4a10b9c77a8e",
    "modular_chain": "1fbb2cbf1717d5e7925752a527d8ad72e7fab407856c45f45ff84334fc8efd86",
    "tool_arithmetic": "0caac56e7560b74b38aabf6348513afaf2d7e523aa3be8430966dc98b04cb804",
    "chain_sum": "cfcecbe1a55d6e33c975acc631517988eba040191e1d96805123c795aaf674d8",
    "gcd_lcm": "9300fe43e0e9b2e58d92f8231a929c0305478eb3d6d8b3708fccfae8220439dc",
    "base_conversion": "d7f6c460850721fb6cf5b87ffe5883e05d0b2ff7d6b0bc27a868f3060f2cfeb7",
    "fractions": "2d1790784a65562bf7dd5ee05f509213831291a6c667021ed6688f14a21368e6",
    "linear_equation": "d2d8524c84b9483eb2e28346f0f3eb10bf96c571f621d4ddbb0bb5123ef16b97",
    "sorting": "d19fa7ef4be4f1fe7dcbeaf9df22538aed8951fe2884458684ac86a7dd29f87b",
    "string_reversal": "689391f940f8fe58176623a66942e41f7ead0dc000025b658d047430c2262e0a",
    "date_arithmetic": "643029104c562850f11f20ccea7444707bb6bb41b1c2acad0b76779745cd55ac",
    "code_output": "f83719e95643ef40eedabc8711849b8c9a4414dc7987d44bb59be23d7cc991ea",
    "code_input": "6f8e526413f3acabe0665176366724ec5860dc458be1562dc5717c37d66b2df5",
    "cipher": "2f9eedd3ac572ec81de2ce41525575331807c721941d11c77bdc1c1e0aab74ed",
    "countdown": "7ae0b739c9da3d0923c31f5bfb9d42b8284314fd698d1ad29dd0b70640d44b92",
    "game24": "b44ca114b1206f81e358157f74b830d9ba6ce3b32e0cdd9edd381c95c2616bbe",
    "word_problems": "c95897c8495dd6432f8b5eaabf72ef5eac07e44b1530d086cb360c101e706dc5",
    "grid_path": "e95cac9d8469afffd9f7b0c1eebba3fe33ebfa7db07009919f4cf2ff4b0ddf92",
    "sudoku4": "32fe85e536d2da3a5a18a0c8fdd9977678ce582101439f4edaf8751fbe043ef0",
    "satisfiability": "026a959ab2c3afe7db218052abeec7edf6330d0c6646c7bfa68e0e45856f8fb5",
    "cryptarithm": "955d323ddebc65157426e3771fa53df02a3902d57f2e52fb6ad8e237848f5259",
    "knights_and_knaves": "986a7968e412148b4956869b2f806dd8822580c2c41d71e72a0d6ad381192dc6",
    "zebra": "8227fd6449dc7c7093857821930569085072b22a29f8096d33657e6dca35e719",
}

ROOT = Path(__file__).resolve().parents[2]

# Families in which each problem is in one of both languages.
WORDED = [name for name in task_names() if get_task(name).languages == ("en", "zh")]
# Families in which several answers to one problem are right: another problem's answer may happen to be.
SEVERAL_ANSWERS = {"countdown", "game24", "grid_path", "satisfiability", "cryptarithm", "code_input"}

families = pytest.mark.parametrize("name", task_names())


def judged(problem: Problem, text: str) -> Verdict:
    return get_task(problem.source.removeprefix("task:")).verify(problem, text)


def sample_problems(name: str, count: int = 200) -> list[Problem]:
    task = get_task(name)
    return [task.problem(7, index) for index in range(count)]


def snapshot(name: str) -> str:
    """Return the hash of a family's first problems."""
    digest = hashlib.sha256()
    for problem in sample_problems(name, 300):
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


def count(pattern: str, text: str) -> int:
    return len(re.findall(pattern, text))


def steps_of(problem: Problem) -> int:
    return len((problem.solution or "").splitlines())


# What a level makes more of: each a quantity that says how much there is to work out.
HARDNESS: dict[str, Callable[[Problem], float]] = {
    "labelled_arithmetic": lambda problem: count(r"[-+*]", problem.question),
    "written_arithmetic": lambda problem: count(r"[-+*]", problem.question),
    "digit_shift": lambda problem: len(problem.answer),
    "bracket_arithmetic": lambda problem: count(r"[-+*]", problem.meta["expression"]),
    "modular_chain": lambda problem: count("=", problem.question),
    "tool_arithmetic": lambda problem: len(problem.answer),
    "chain_sum": lambda problem: count(r"\d", problem.question),
    "gcd_lcm": lambda problem: count(r"\d", problem.question),
    "base_conversion": lambda problem: len(problem.answer),
    "fractions": steps_of,
    "linear_equation": lambda problem: count(r"[-+(x\d]", problem.question.splitlines()[0]) + 2 * count("/", problem.answer),
    "sorting": lambda problem: count(",", problem.answer),
    "string_reversal": lambda problem: len(problem.answer),
    "date_arithmetic": lambda problem: len(problem.solution or ""),
    "code_output": steps_of,
    "code_input": steps_of,
    "cipher": lambda problem: len(problem.answer),
    "countdown": lambda problem: len(problem.meta["numbers"]),
    "game24": lambda problem: make_target(tuple(problem.meta["numbers"]), 24, operators="+-*") is None,
    "word_problems": lambda problem: sum(map(abs, (*problem.meta["first"], *problem.meta["second"]))),
    "grid_path": lambda problem: len(problem.answer),
    "sudoku4": lambda problem: " ".join(problem.question.splitlines()[1:]).count("_"),
    "satisfiability": lambda problem: len(problem.meta["clauses"]),
    "cryptarithm": lambda problem: len(problem.answer),
    "knights_and_knaves": lambda problem: 2 ** len(problem.meta["names"]),
    "zebra": lambda problem: math.factorial(steps_of(problem) - 1) ** (1 + count(";", problem.question) + count("；", problem.question)),
}


@families
def test_every_level_is_harder_than_the_one_before(name: str) -> None:
    task = get_task(name)
    levels = range(task.levels[0], task.levels[1] + 1)
    found = [sum(HARDNESS[name](task.problem(5, index, level)) for index in range(20)) / 20 for level in levels]
    assert all(after > before for before, after in itertools.pairwise(found)), found


@families
def test_every_level_holds_different_problems(name: str) -> None:
    task = get_task(name)
    for level in range(task.levels[0], task.levels[1] + 1):
        assert len({task.problem(3, index, level).id for index in range(30)}) >= 22, level


@families
def test_no_constant_answer_is_often_right(name: str) -> None:
    task = get_task(name)
    for level in range(task.levels[0], task.levels[1] + 1):
        problems = [task.problem(4, index, level) for index in range(40)]
        for guess in {problem.answer for problem in problems[:8]}:
            box = f"<answer>{guess}</answer>" if "answer" in (problems[0].solution or "") else f"\\boxed{{{guess}}}"
            assert sum(judged(problem, box).correct for problem in problems) <= 14, (level, guess)


@pytest.mark.parametrize("name", WORDED)
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


DRESSED = [
    "<answer> {} </answer>", "<answer>\n{}\n</answer>", "<answer>**{}**</answer>", "<answer>`{}`</answer>", "<answer>${}$</answer>",
    "<answer>{}.</answer>", "<answer>{}。</answer>", "<answer>\\boxed{{{}}}</answer>", "\\boxed{{{}}}", "\\boxed{{\\text{{{}}}}}",
    "The answer is {}", "答案是 {}", "<think>Is it 5?</think>\n<answer>{}</answer><|im_end|>", "<answer>{0}</answer> So \\boxed{{{0}}}.",
]  # fmt: skip
HEDGED = [
    "\\boxed{{{0}}}. Wait, actually it is {1}.", "<answer>{1}</answer> <answer>{0}</answer>",
    "<answer>{0}</answer> <answer>{1}</answer>",
    "<think><answer>{0}</answer></think>", "<think>{0}", "<answer>{0} or {1}</answer>", "<answer>not {0}</answer>",
    "<answer>{0}, {1}</answer>", "<answer>{0} = {1}</answer>", "<answer>{0}?</answer>", "\\boxed{{{1}}} \\boxed{{{0}}}",
    "The answer is not {0}",
]  # fmt: skip


@pytest.mark.parametrize("name", WORDED)
def test_usual_dressing_around_an_answer_changes_nothing(name: str) -> None:
    for problem in sample_problems(name, 8):
        refused = [form for form in DRESSED if not judged(problem, form.format(problem.answer)).correct]
        assert refused == [], (problem.question, problem.answer)


@families
def test_an_answer_that_is_hedged_or_taken_back_is_not_right(name: str) -> None:
    for problem in sample_problems(name, 8):
        other = "123457" if problem.answer.endswith("6") else "123456"
        accepted = [form for form in HEDGED if judged(problem, form.format(problem.answer, other)).correct]
        assert accepted == [], (problem.question, problem.answer)


@pytest.mark.parametrize("name", sorted(set(WORDED) - {"word_problems"}))
def test_quotation_marks_around_an_answer_change_nothing(name: str) -> None:
    for problem in sample_problems(name, 8):
        for marks in ('""', "''", "“”"):
            assert judged(problem, f"<answer>{marks[0]}{problem.answer}{marks[1]}</answer>").correct


@families
def test_one_prompt_has_one_id_and_one_id_one_prompt_in_each_language(name: str) -> None:
    ids: dict[tuple[str, str], set[str]] = {}
    prompts: dict[tuple[str, str], set[str]] = {}
    for problem in sample_problems(name, 300):
        ids.setdefault((problem.language, problem.question), set()).add(problem.id)
        prompts.setdefault((problem.language, problem.id), set()).add(" ".join(sorted(problem.question)))
        assert problem.source == f"task:{name}"
    assert {len(found) for found in (*ids.values(), *prompts.values())} == {1}


# The stories of word problems are not translations of each other.
@pytest.mark.parametrize("name", sorted(set(WORDED) - {"word_problems"}))
def test_a_problem_and_its_translation_stand_on_one_side_of_the_split(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = get_task(name)
    told: dict[str, list[Problem]] = {}
    for language in ("en", "zh"):
        # The drawing goes on as before: only the choice of the language is taken from it.
        monkeypatch.setattr(type(task), "languages", (language,))
        told[language] = sample_problems(name, 50)
        assert {problem.language for problem in told[language]} == {language}
    for english, chinese in zip(told["en"], told["zh"], strict=True):
        assert english.question != chinese.question
        assert english.id == chinese.id
        assert split_of(english) == split_of(chinese)


@families
def test_alphabet_and_special_tokens_spell_every_text(name: str) -> None:
    task = get_task(name)
    alphabet = set(task.alphabet())
    assert list(task.alphabet()) == sorted(alphabet)
    for index, problem in enumerate(sample_problems(name, 150)):
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


CROWDS = [
    "<answer>" + "1," * 990 + "</answer>", "<answer>" + "(" * 140 + "1" + ")" * 140 + "</answer>", "<answer>{0}</answer>",
    "\\boxed{{" * 20 + "{0}" + "}}" * 20, "<answer>" + "[" * 900 + "{0}" + "]" * 900 + "</answer>",
]  # fmt: skip
TRAINS = [" wait, actually it is" * 50_000, " or " * 200_000, "9" * 200_000, " " * 500_000 + "x", ""]


@families
def test_a_right_answer_in_a_crowd_is_judged_quickly(name: str) -> None:
    problem = get_task(name).problem(0, 0)
    start = time.process_time()
    for crowd in CROWDS:
        for train in TRAINS:
            judged(problem, crowd.format(problem.answer) * 100 + f"<answer>{problem.answer}</answer>" + train)
    assert time.process_time() - start < 2.0


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
