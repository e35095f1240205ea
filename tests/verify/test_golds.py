"""Every reference answer of the public benchmarks, graded against itself. Exceptions are named with their reason."""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.records import ProblemKind
from reasonforge.verify.answers import read_answer
from reasonforge.verify.extract import last_boxed
from reasonforge.verify.grade import grade

VARIABLE = "REASONFORGE_DATA"
DATA = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[3] / "shared" / "data")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"set {VARIABLE} to the folder in which math/, gsm8k/ and so on lie")

Read = Callable[[dict[str, Any]], Any]
BENCHMARKS: dict[str, tuple[Read, ProblemKind, int]] = {
    "math/test.jsonl.gz": (lambda row: last_boxed(row["solution"]), "math", 5000),
    "math/train_8523_prompts.json.gz": (lambda row: row["answer"], "math", 8523),
    "gsm8k/test.jsonl": (lambda row: row["answer"].split("####")[1].strip(), "math", 1319),
    "gsm8k/train.jsonl.gz": (lambda row: row["answer"].split("####")[1].strip(), "math", 7473),
    "cmath/test.jsonl": (lambda row: row["golden"], "math", 1098),
    "mgsm_zh/test.jsonl": (lambda row: row["answer"], "math", 250),
    "gaokao_mathcloze/test.jsonl": (lambda row: row["answer"], "math", 118),
    "gaokao_mathqa/test.jsonl": (lambda row: row["label"], "choice", 351),
    "gaokao_bench/math_I_fill.json": (lambda row: row["answer"], "math", 81),
    "gaokao_bench/math_II_fill.json": (lambda row: row["answer"], "math", 86),
    "gaokao_bench/math_I_mcq.json": (lambda row: "".join(row["answer"]), "choice", 214),
    "gaokao2023en/test.jsonl": (lambda row: row["answer"], "math", 385),
    "gaokao2024/mix.jsonl": (lambda row: row["answer"], "math", 91),
    "olympiadbench/test.jsonl.gz": (lambda row: row["final_answer"][0], "math", 675),
    "college_math/test.jsonl.gz": (lambda row: row["answer"], "math", 2818),
    "ocw/test.jsonl": (lambda row: row["answer"], "math", 272),
    "theoremqa/test.json": (lambda row: row["Answer"], "math", 800),
    "carp_en/test.jsonl.gz": (lambda row: row["answer"], "math", 976),
    "svamp/test.jsonl": (lambda row: row["Answer"], "math", 1000),
    "amc23/test.jsonl": (lambda row: row["answer"], "math", 40),
    "aime24/test.jsonl": (lambda row: row["answer"], "math", 30),
    "aime25/test.jsonl": (lambda row: row["answer"], "math", 30),
    "sat_math/test.jsonl": (lambda row: row["Answer"], "choice", 32),
}
EXCEPTIONS = {
    ("math/train_8523_prompts.json.gz", ""): "the row has no answer (two rows)",
    ("gaokao_bench/math_I_fill.json", "36}\n"): "a closing brace without its opening one: the box ends in front of it",
    ("gaokao2023en/test.jsonl", ""): "the row has no answer (two rows)",
}


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is missing")
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        if ".jsonl" in name:
            return [json.loads(line) for line in file]
        content = json.load(file)
    return content if isinstance(content, list) else content.get("example") or content["examples"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_reference_is_correct_against_itself(name: str) -> None:
    read, kind, count = BENCHMARKS[name]
    golds = [str(read(row)) for row in rows(name)]
    assert len(golds) == count
    wrong = {(name, gold) for gold in golds if not grade(gold, f"so \\boxed{{{gold}}}.", kind=kind).correct}
    assert wrong == {exception for exception in EXCEPTIONS if exception[0] == name}


@pytest.mark.parametrize("profile", ["deepseek-math", "qwen-math", "prm800k"])
def test_every_reference_of_math_is_correct_in_the_other_profiles(profile: Any) -> None:
    golds = {last_boxed(row["solution"]) or "" for row in rows("math/test.jsonl.gz")}
    assert [gold for gold in golds if not grade(gold, f"so \\boxed{{{gold}}}.", profile=profile).correct] == []


def test_nearly_every_reference_of_math_is_read_as_mathematics_or_words() -> None:
    golds = {last_boxed(row["solution"]) or "" for row in rows("math/test.jsonl.gz")}
    unread = {gold for gold in golds if read_answer(gold).node is None and "text" not in gold and "mbox" not in gold}
    assert unread <= {"9\\text{ a.m.}"}


def test_only_solutions_with_several_different_boxes_fail_their_own_last_box() -> None:
    verdicts = [grade(last_boxed(row["solution"]) or "", row["solution"], question=row["problem"]) for row in rows("math/test.jsonl.gz")]
    failures = [verdict for verdict in verdicts if not verdict.correct]
    assert {verdict.reason for verdict in failures} == {"two different answers are declared"}
    assert len(failures) <= 20


ENDINGS = (
    "{solution}\n\\boxed{{{gold}}}",
    "{solution} #### {gold}",
    "{solution}\nThe answer is {gold}.",
    "**Answer: {gold}**",
    "\\boxed{{{gold}}}\n\n{solution}",
)


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_solution_of_gsm8k_takes_its_answer_back(ending: str) -> None:
    for row in rows("gsm8k/test.jsonl"):
        solution, gold = (part.strip() for part in row["answer"].split("####"))
        assert grade(gold, ending.format(solution=solution, gold=gold)).correct, solution


@pytest.mark.slow
def test_at_most_five_solutions_of_math_take_back_an_answer_that_stands_before_them() -> None:
    """The five name an answer that one might think of first."""
    failures = []
    for row in rows("math/test.jsonl.gz"):
        gold = last_boxed(row["solution"]) or ""
        if not grade(gold, f"\\boxed{{{gold}}}\n\n{row['solution'].replace('boxed', '')}").correct:
            failures.append(row["solution"])
    assert len(failures) <= 5


def test_perturbed_references_of_math_are_wrong() -> None:
    golds = sorted({last_boxed(row["solution"]) or "" for row in rows("math/test.jsonl.gz")})
    integers = [gold for gold in golds if gold.lstrip("-").isdigit()]
    fractions = [gold for gold in golds if gold.startswith("\\frac{") and gold.count("{") == 2]
    surds = [gold for gold in golds if "\\sqrt{" in gold and "," not in gold and "=" not in gold]
    assert min(len(integers), len(fractions), len(surds)) > 100
    for gold in integers:
        assert not grade(gold, f"\\boxed{{{int(gold) + 1}}}").correct
        assert gold == "0" or not grade(gold, f"\\boxed{{-({gold})}}").correct
    for gold in (*fractions, *surds):
        assert not grade(gold, f"\\boxed{{{gold}+1}}").correct, gold
        assert not grade(gold, f"\\boxed{{2\\cdot({gold})}}").correct, gold


def test_random_pairs_of_references_are_different() -> None:
    golds = sorted({last_boxed(row["solution"]) or "" for row in rows("math/test.jsonl.gz")})
    generator = random.Random(0)
    accepted = set()
    for _ in range(10_000):
        left, right = generator.sample(golds, 2)
        if grade(left, f"\\boxed{{{right}}}").correct:
            accepted.add((left, right))
    keys = {(read_answer(left).key, read_answer(right).key) for left, right in accepted}
    assert all(left == right for left, right in keys), accepted


def test_a_thousand_references_of_math_take_at_most_a_second() -> None:
    golds = [last_boxed(row["solution"]) or "" for row in rows("math/test.jsonl.gz")][:2_000]
    texts = [f"so \\boxed{{{gold.replace('frac', 'dfrac')} }}" for gold in golds]
    read_answer.cache_clear()
    start = time.process_time()
    for gold, text in zip(golds, texts, strict=True):
        grade(gold, text)
    assert len(golds) / (time.process_time() - start) > 800
