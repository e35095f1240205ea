"""Public benchmarks as published, where there are copies: every row loads, and every reference passes its own grader.

Copies lie in one folder for each data set (``gsm8k/test.jsonl`` and so on); the file names are those that most projects use.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from reasonforge.core.records import Problem
from reasonforge.tasks.benchmarks.isabelle import proof_of, refused_word, theory_name
from reasonforge.tasks.benchmarks.load import get_benchmark, load_benchmark
from reasonforge.tasks.benchmarks.table import MMLU_STEM_SUBJECTS
from reasonforge.tasks.checks import check_gold, shared_prompts
from reasonforge.tasks.config import BenchmarkSource, FileSource
from reasonforge.tasks.prompts import render_benchmark_prompt, shot_set
from reasonforge.tasks.shots import shot_sets
from reasonforge.tasks.sources import load_problems
from reasonforge.verify.grade import Profile, grade

VARIABLE = "REASONFORGE_DATA"
"""Names a folder with one folder per data set: ``gsm8k/test.jsonl`` and so on."""
DATA = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[3] / "shared" / "data")
GSM8K = DATA / "gsm8k"
SPLITS = {"test.jsonl": 1319, "train.jsonl.gz": 7473}

needs_gsm8k = pytest.mark.skipif(not GSM8K.is_dir(), reason=f"set {VARIABLE} to the folder in which gsm8k/ lies")


class Copy(NamedTuple):
    """A published file or folder."""

    name: str
    path: str
    problems: int
    split: str | None = None
    left_out: str = ""
    """Why there are fewer problems than rows. "" = there are not."""


COPIES = (
    Copy("gsm8k", "gsm8k", 1319),
    Copy("gsm8k", "gsm8k", 7473, "train"),
    Copy("math", "math/test.jsonl.gz", 5000),
    Copy("math500", "math/math500.jsonl", 500),
    Copy("sat", "sat_math", 32),
    Copy("sat", "agieval/sat-math.jsonl", 220),
    Copy("ocw", "ocw", 272),
    Copy("minerva_math", "ocw", 272),
    Copy("mmlu_stem", "mmlu_stem", 3018),
    Copy("mgsm_zh", "mgsm_zh", 250),
    Copy("cmath", "cmath", 1098),
    Copy("cmath", "cmath/dev.jsonl", 600),
    Copy("cmath", "cmath/distractor.jsonl", 360),
    Copy("gaokao_mathcloze", "gaokao_mathcloze", 118),
    Copy("gaokao_mathqa", "gaokao_mathqa", 351),
    Copy("minif2f", "minif2f", 244),
    Copy("minif2f", "minif2f", 244, "valid"),
    Copy("bbh", "bbh", 6511),
    Copy("humaneval", "humaneval", 164),
    Copy("mbpp", "mbpp", 974, "all"),
    Copy("mbpp", "mbpp", 500),
    Copy("aime24", "aime24", 30),
    Copy("aime25", "aime25", 30),
    Copy("amc", "amc23", 40),
    Copy("amc23", "amc23", 40),
    Copy("olympiadbench", "olympiadbench", 675),
    Copy("tal_scq5k_en", "tal_scq5k", 2000),
    Copy("tal_scq5k_en", "tal_scq5k", 3000, "train"),
    Copy("tal_scq5k_zh", "tal_scq5k", 2000),
    Copy("tal_scq5k_zh", "tal_scq5k", 2994, "train", left_out="6 of 3000 rows have lost their options"),
    Copy("pubmedqa", "pubmedqa", 1000),
    Copy("pubmedqa", "pubmedqa", 500, "test"),
    Copy("aqua", "aqua", 254),
    Copy("aqua", "agieval/aqua-rat.jsonl", 254),
    Copy("svamp", "svamp", 1000),
    Copy("mawps", "mawps", 2065),
    Copy("gsm_hard", "gsm_hard", 1319),
    Copy("carp_en", "carp_en", 976),
    Copy("college_math", "college_math", 2818),
    Copy("gaokao2023en", "gaokao2023en", 383, left_out="2 of 385 rows have no answer"),
    Copy("cn_middle_school", "cn_middle_school", 101),
    Copy("theoremqa", "theoremqa", 747, left_out="53 of 800 rows ask about a picture"),
)
copies = pytest.mark.parametrize("copy", COPIES, ids=lambda copy: f"{copy.name}-{copy.split or ''}-{copy.problems}")


@lru_cache(maxsize=2)
def problems_of(copy: Copy) -> list[Problem]:
    path = DATA / copy.path
    if not path.exists():
        pytest.skip(f"{path} is not there: set {VARIABLE} to the folder in which {copy.path} lies")
    return load_benchmark(copy.name, path, split=copy.split)


def of(name: str, split: str | None = None) -> list[Problem]:
    return problems_of(next(copy for copy in COPIES if (copy.name, copy.split) == (name, split)))


@copies
def test_every_row_of_a_benchmark_is_a_problem(copy: Copy) -> None:
    problems = problems_of(copy)
    assert len(problems) == copy.problems
    assert len({problem.id for problem in problems}) == copy.problems
    assert {problem.source for problem in problems} == {copy.name}


@copies
def test_every_reference_of_a_benchmark_passes_the_strict_grader(copy: Copy) -> None:
    problems = [problem for problem in problems_of(copy) if problem.kind not in ("code", "open")]
    failures = [problem.id for problem in problems if not passes(problem)]
    assert failures == []


@copies
def test_every_reference_of_a_benchmark_passes_the_profile_of_its_row_in_the_table(copy: Copy) -> None:
    profile = get_benchmark(copy.name).profile
    problems = [problem for problem in problems_of(copy) if problem.kind not in ("code", "open")]
    assert [problem.id for problem in problems if not passes(problem, profile)] == []


def passes(problem: Problem, profile: Profile = "strict") -> bool:
    # Unpaired braces (dyck_languages) are asked for in tags: no box would hold them.
    tags = problem.meta.get("answer_in") == "tags"
    text = f"<answer>{problem.answer}</answer>" if tags else f"\\boxed{{{problem.answer}}}"
    return grade(problem.answer, text, profile=profile, question=problem.question, kind=problem.kind, language=problem.language).correct


@copies
def test_every_problem_can_be_asked_with_all_examples_of_its_set(copy: Copy) -> None:
    for problem in problems_of(copy)[:50]:
        count = len(shot_sets().get(shot_set(problem, "cot"), ()))
        messages = render_benchmark_prompt(problem, "cot", count)
        assert len(messages) == 2 * count + 1
        assert problem.question.rstrip() in messages[-1].content


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bbh", {"choice": 4071, "logic": 1940, "math": 500}),
        ("theoremqa", {"math": 619, "logic": 112, "choice": 16}),
        ("gaokao_mathqa", {"choice": 351}),
        ("humaneval", {"code": 164}),
        ("minif2f", {"open": 244}),
    ],
)
def test_the_kinds_of_answers_are_told_apart(name: str, kinds: Mapping[str, int]) -> None:
    assert Counter(problem.kind for problem in of(name)) == kinds


def test_every_choice_has_its_answer_among_its_options_and_shows_them_all() -> None:
    seen = 0
    for name in ("sat", "mmlu_stem", "gaokao_mathqa", "tal_scq5k_en", "tal_scq5k_zh", "aqua"):
        for problem in of(name):
            options = problem.meta["options"]
            assert set(problem.answer) <= set("ABCDEFGHIJ"[: len(options)]), problem.id
            (asked,) = render_benchmark_prompt(problem, "cot")
            assert all(f"\n({letter}) {option}" in asked.content for letter, option in zip("ABCDEFGHIJ", options)), problem.id
            seen += 1
    assert seen == 32 + 3018 + 351 + 2000 + 2000 + 254


def test_mmlu_stem_has_the_18_subjects_that_its_authors_count() -> None:
    assert {problem.meta["subject"] for problem in of("mmlu_stem")} == MMLU_STEM_SUBJECTS


def test_bbh_has_27_files() -> None:
    assert len({problem.meta["subject"] for problem in of("bbh")}) == 27


def test_seven_gaokao_questions_have_several_right_options() -> None:
    assert sorted(problem.answer for problem in of("gaokao_mathqa") if len(problem.answer) > 1) == sorted(
        ["AD", "ACD", "ABD", "AC", "BCD", "CD", "AC"]
    )


def test_levels_of_math_are_one_to_five() -> None:
    assert {problem.difficulty for problem in of("math")} == {1, 2, 3, 4, 5}


def test_grades_of_cmath_are_one_to_six() -> None:
    assert {problem.difficulty for problem in of("cmath")} == {1, 2, 3, 4, 5, 6}


def test_few_suites_of_humaneval_and_mbpp_keep_asserts_that_a_program_could_fool() -> None:
    weak = [
        problem.id
        for name, split in (("humaneval", None), ("mbpp", "all"))
        for problem in of(name, split)
        if "weak" in problem.meta["tests"]
    ]
    assert len(weak) <= 8
    only_weak = [problem.id for problem in of("humaneval") if not problem.meta["tests"]["cases"]]
    assert len(only_weak) <= 4


@pytest.mark.parametrize("split", [None, "valid"])
def test_every_statement_of_minif2f_can_be_repeated_before_its_proof(split: str | None) -> None:
    for problem in of("minif2f", split):
        header, statement = problem.meta["header"], problem.meta["statement"]
        assert theory_name(header) is not None, problem.id
        assert proof_of(f"```isabelle\n{header}\n\n{statement}\n  by auto\n\nend\n```", statement) == "by auto", problem.id


def test_the_proof_word_list_does_not_refuse_what_statements_use() -> None:
    # The statements' own words (fixes, assumes, shows, and their mathematics) are what proofs are made of too.
    refused = {refused_word(re.sub(r"\btheorem \w+", "", problem.meta["statement"])) for problem in of("minif2f")}
    assert refused == {None}


@needs_gsm8k
@pytest.mark.parametrize("ending", ["boxed", "hashes"])
@pytest.mark.parametrize("name", SPLITS)
def test_every_row_loads_and_every_reference_passes(name: str, ending: Literal["boxed", "hashes"]) -> None:
    problems = load_problems(FileSource(path=(GSM8K / name,), answer_format="gsm8k", solution_ending=ending), seed=0)
    assert isinstance(problems, list)
    assert len(problems) == SPLITS[name]
    assert check_gold(problems).failures == ()
    assert all(problem.answer.removeprefix("-").isdigit() for problem in problems)
    assert not any("<<" in (problem.solution or "") for problem in problems)


@needs_gsm8k
def test_train_and_test_share_no_prompt() -> None:
    train, test = (load_problems(BenchmarkSource(name="gsm8k", path=GSM8K, split=split), seed=0) for split in ("train", "test"))
    assert isinstance(train, list)
    assert isinstance(test, list)
    assert shared_prompts(train, test) == []
