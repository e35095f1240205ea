"""The grader reads hostile text too: it runs nothing of it, it hangs on nothing of it, and nothing of it equals everything."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from reasonforge.sandbox.open import open_sandbox
from reasonforge.sandbox.protocol import Limits, Program, RunResult, Sandbox
from reasonforge.verify.grade import grade
from tests.sandbox.victims import ENVIRONMENT_NAME, ENVIRONMENT_SECRET, Scene

LONGEST = 4.0
"""Twice the deadline of the symbolic tier: a busy machine is no hanging grader."""


def graded(gold: str, answer: str) -> tuple[str, float]:
    start = time.monotonic()
    verdict = grade(gold, f"The answer is $\\boxed{{{answer}}}$.")
    return verdict.status, time.monotonic() - start


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    graded("\\sqrt{8} + x", "2\\sqrt{2} + x")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {path}')",
        "().__class__.__base__.__subclasses__()",
        "open('{path}', 'w').write('x')",
        "exec(\"open('{path}', 'w')\")",
        "\\text{{__import__('os').mkdir('{path}')}}",
        "lambda: __import__('pathlib').Path('{path}').touch()",
        "Symbol('x').__class__.__init__.__globals__",
        "\\input{{{path}}}",
        "\\write18{{touch {path}}}",
    ],
)
def test_row_61_an_answer_is_read_and_never_run(text: str) -> None:
    with Scene() as scene:
        path = scene.folder / "made-by-an-answer"
        status, seconds = graded("5", text.format(path=path))
        assert not path.exists()
        assert scene.harm() == []
    assert status != "correct"
    assert seconds < LONGEST
    assert os.environ[ENVIRONMENT_NAME] == ENVIRONMENT_SECRET


def sympified(sandbox: Sandbox, path: Path) -> RunResult:
    code = f"import sympy\nprint(sympy.sympify(\"__import__('os').mkdir('{path}')\"))"
    return sandbox.run(Program(code=code, limits=Limits(wall_seconds=20, cpu_seconds=15)))


def test_row_61_sympify_of_hostile_text_stays_inside(sandbox: Sandbox) -> None:
    with Scene() as scene:
        path = scene.folder / "made-by-sympify"
        assert sympified(sandbox, path).status == "error"
        assert not path.exists()
        assert scene.harm() == []


def test_row_61_sympify_of_hostile_text_does_run_it() -> None:
    with Scene() as scene, open_sandbox("unsafe-subprocess", workers=1, i_understand=True) as unprotected:
        path = scene.folder / "made-by-sympify"
        sympified(unprotected, path)
        assert path.exists()


@pytest.mark.parametrize("answer", ["9**9**9**9", "9^{9^{9^{9}}}", "2^{2^{2^{2^{2^{2}}}}}", "10^{10^{100}}", "1e999999999", "9" * 100_000])
def test_row_62_towers_of_powers_are_not_climbed(answer: str) -> None:
    status, seconds = graded("5", answer)
    assert status != "correct"
    assert seconds < LONGEST
    assert graded("5", "5")[0] == "correct"


@pytest.mark.parametrize(
    "answer", ["1000000000!", "(10^9)!", "factorial(10**9)", "\\binom{10^9}{5 \\cdot 10^8}", "\\prod_{n=1}^{10^9} n", "((100!)!)!"]
)
def test_row_63_factorials_are_not_multiplied_out(answer: str) -> None:
    status, seconds = graded("5", answer)
    assert status != "correct"
    assert seconds < LONGEST
    assert graded("5", "5")[0] == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        "\\frac{1}{" * 10_000 + "2" + "}" * 10_000,
        "\\sqrt{" * 10_000 + "2" + "}" * 10_000,
        "(" * 50_000 + "1" + ")" * 50_000,
        "{" * 50_000,
        "1+" * 50_000 + "1",
        "x^" * 20_000 + "2",
        "-" * 100_000 + "1",
        "\\left(" * 5_000 + "x" + "\\right)" * 5_000,
        "1,2;" * 30_000,
        "\\def\\a{\\a\\a}\\a",
        "\\begin{pmatrix}" + "1&" * 20_000 + "1\\end{pmatrix}",
    ],
    ids=range(11),
)
def test_row_64_nested_and_endless_formulas_end(answer: str) -> None:
    status, seconds = graded("5", answer)
    assert status != "correct"
    assert seconds < LONGEST
    assert graded("5", "5")[0] == "correct"


GOLDS = ["5", "x^2", "\\frac{1}{2}", "\\{1, 2\\}", "(0, 1)", "\\text{yes}", "x = 3"]


@pytest.mark.parametrize("gold", GOLDS)
def test_row_65_each_gold_equals_itself(gold: str) -> None:
    assert graded(gold, gold)[0] == "correct"


@pytest.mark.parametrize("gold", GOLDS)
@pytest.mark.parametrize(
    "answer",
    [
        "nan",
        "NaN",
        "\\text{nan}",
        "oo",
        "\\infty",
        "zoo",
        "\\emptyset",
        "\\mathbb{R}",
        "?",
        "*",
        ".*",
        "x",
        "Symbol",
        "True",
        "answer",
        "_",
        "S",
        "\\ldots",
        "",
    ],
)
def test_row_65_nothing_equals_everything(gold: str, answer: str) -> None:
    assert graded(gold, answer)[0] != "correct"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        ("5", "4 \\text{ or } 5"),
        ("5", "5 \\text{ or } 6"),
        ("5", "\\{4, 5, 6\\}"),
        ("5", "[0, 10]"),
        ("5", "x \\in \\mathbb{R}"),
        ("5", "\\pm 5"),
        ("5", "4 \\leq x \\leq 6"),
        ("5", "x = 4, x = 5"),
        ("5", "5}\\boxed{6"),
        ("\\text{A}", "ABCD"),
        ("\\text{A}", "A, B, C, D"),
        ("\\text{yes}", "\\text{yes or no}"),
    ],
)
def test_row_66_naming_every_option_is_no_answer(gold: str, answer: str) -> None:
    assert graded(gold, answer)[0] != "correct"


@pytest.mark.parametrize(
    "text", ["A B C D", "The answer is A or B or C or D.", "\\boxed{A}\\boxed{B}\\boxed{C}\\boxed{D}", "(A) (B) (C) (D)", "ABCD"]
)
def test_row_66_choosing_every_letter_is_no_choice(text: str) -> None:
    assert grade("A", text, profile="mcq", kind="choice").status != "correct"


def test_row_66_choosing_one_letter_is_a_choice() -> None:
    assert grade("A", "The answer is A.", profile="mcq", kind="choice").status == "correct"
