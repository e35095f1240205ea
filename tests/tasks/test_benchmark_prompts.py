"""How benchmarks are asked, and that every worked example is right."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem, ProblemKind
from reasonforge.tasks.prompts import JOINED_STOP, render_benchmark_prompt, shot_set
from reasonforge.tasks.shots import Shot, shot_sets
from reasonforge.verify.grade import grade

BLOCK = re.compile(r"```python\n(.*?)```(?:\n```output\n(.*?)```)?", re.DOTALL)
PROGRAM_SETS = ("pot", "pot_zh", "tir", "tir_zh")
ALL = [pytest.param(name, shot, id=f"{name}-{i}") for name, shots in shot_sets().items() for i, shot in enumerate(shots)]
WITH_PROGRAMS = [pytest.param(name, shot, id=f"{name}-{i}") for name in PROGRAM_SETS for i, shot in enumerate(shot_sets()[name])]
IN_WORDS = [case for case in ALL if not str(case.values[0]).startswith("pot")]


def a_problem(
    question: str = "3 + 4?", *, kind: ProblemKind = "math", language: str = "en", system: str = "", meta: dict[str, Any] | None = None
) -> Problem:
    turns = (*([Message("system", system)] if system else []), Message("user", question))
    return Problem(id="p", messages=turns, answer="7", kind=kind, source="test", language=language, meta=meta or {})


def outputs_of(shot: Shot) -> list[str]:
    """Run a shot's programs one after the other, each seeing what those before it defined, and return what each printed."""
    blocks = [code for code, _ in BLOCK.findall(shot.response)]
    script = "".join(f"{block}\nprint('\\x00', end='')\n" for block in blocks)
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.split("\0")[:-1]


@pytest.mark.parametrize(("name", "shot"), IN_WORDS)
def test_the_response_of_every_example_is_graded_correct(name: str, shot: Shot) -> None:
    assert grade(shot.answer, shot.response, kind=shot.kind).status == "correct"


@pytest.mark.parametrize(("name", "shot"), [case for case in WITH_PROGRAMS if str(case.values[0]).startswith("pot")])
def test_the_program_of_every_example_prints_the_answer(name: str, shot: Shot) -> None:
    (printed,) = outputs_of(shot)
    assert grade(shot.answer, f"\\boxed{{{printed.strip()}}}", kind=shot.kind).status == "correct"


@pytest.mark.parametrize(("name", "shot"), [case for case in WITH_PROGRAMS if str(case.values[0]).startswith("tir")])
def test_the_outputs_written_in_examples_are_what_their_programs_print(name: str, shot: Shot) -> None:
    written = [output for _, output in BLOCK.findall(shot.response)]
    assert written
    assert outputs_of(shot) == written


@pytest.mark.parametrize("name", shot_sets())
def test_every_set_has_four_to_eight_examples(name: str) -> None:
    assert 4 <= len(shot_sets()[name]) <= 8


@pytest.mark.parametrize(
    ("language", "style", "line"),
    [
        ("en", "cot", "Please reason step by step, and put your final answer within \\boxed{}."),
        ("zh", "cot", "请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。"),
        ("de", "cot", "Please reason step by step, and put your final answer within \\boxed{}."),
        (
            "en",
            "tir",
            "Please integrate natural language reasoning with programs to solve the problem above, "
            "and put your final answer within \\boxed{}.",
        ),
        ("zh", "tir", "请结合自然语言和Python程序语言来解答问题，并把最终答案放置于\\boxed{}中。"),
    ],
)
def test_the_instruction_stands_on_the_line_below_the_question(language: str, style: Any, line: str) -> None:
    assert render_benchmark_prompt(a_problem(language=language), style) == (Message("user", f"3 + 4?\n{line}"),)


def test_the_style_question_changes_nothing() -> None:
    problem = a_problem(system="Be brief.")
    assert render_benchmark_prompt(problem, "question") == problem.messages


def test_examples_are_earlier_turns_with_the_same_instruction_after_the_system_turn() -> None:
    messages = render_benchmark_prompt(a_problem(system="Be brief."), "cot", 2)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert {message.content.rpartition("\n")[2] for message in messages if message.role == "user"} == {
        "Please reason step by step, and put your final answer within \\boxed{}."
    }
    assert messages[2].content == shot_sets()["math"][0].response


def test_joined_examples_are_one_text_that_ends_where_the_solution_begins() -> None:
    system, message = render_benchmark_prompt(a_problem(system="Be brief."), "cot", 2, joined=True)
    assert (system.role, message.role) == ("system", "user")
    first, second, asked = message.content.split(JOINED_STOP)
    assert first.endswith(shot_sets()["math"][0].response)
    assert second.endswith(shot_sets()["math"][1].response)
    assert asked == " 3 + 4?\nPlease reason step by step, and put your final answer within \\boxed{}.\nSolution:"


@pytest.mark.parametrize(
    ("problem", "style", "name"),
    [
        (a_problem(), "cot", "math"),
        (a_problem(meta={"shots": "gsm8k"}), "cot", "gsm8k"),
        (a_problem(language="zh"), "cot", "cmath"),
        (a_problem(kind="choice"), "cot", "mcq"),
        (a_problem(kind="choice", language="zh"), "cot", "mcq_zh"),
        (a_problem(kind="logic"), "cot", "bbh"),
        (a_problem(kind="choice", language="zh"), "pot", "pot_zh"),
        (a_problem(language="fr"), "tir", "tir"),
        (a_problem(kind="code"), "cot", ""),
    ],
)
def test_the_set_of_examples_fits_the_problem(problem: Problem, style: Any, name: str) -> None:
    assert shot_set(problem, style) == name


def test_a_choice_is_asked_for_its_letter() -> None:
    (message,) = render_benchmark_prompt(a_problem(kind="choice"), "cot")
    assert message.content.endswith("put the letter of the right option within \\boxed{}.")


def test_the_words_that_may_answer_are_named() -> None:
    (message,) = render_benchmark_prompt(a_problem(kind="logic", meta={"answers": ["yes", "no", "maybe"]}), "cot")
    assert "one of the words yes, no, maybe within" in message.content


def test_answers_that_no_box_would_hold_are_asked_for_in_tags() -> None:
    problem = a_problem("[ {", kind="logic", meta={"shots": "bbh", "answer_in": "tags"})
    messages = render_benchmark_prompt(problem, "cot", 5)
    assert messages[-1].content.endswith("put your final answer between <answer> and </answer>.")
    replies = [message.content for message in messages if message.role == "assistant"]
    assert len(replies) == 5
    for shot, reply in zip(shot_sets()["bbh"], replies):
        assert "boxed" not in reply
        assert grade(shot.answer, reply, kind=shot.kind).status == "correct"


def test_a_function_to_complete_stands_in_a_python_block() -> None:
    problem = a_problem("def f(x):\n    '''Double it.'''\n", kind="code", meta={"tests": {"type": "calls", "prompt": "def f(x):"}})
    (message,) = render_benchmark_prompt(problem, "cot")
    assert message.content.endswith("```python\ndef f(x):\n    '''Double it.'''\n```")


def test_a_proof_is_asked_for_in_an_isabelle_block() -> None:
    (message,) = render_benchmark_prompt(a_problem(kind="open", meta={"checker": "isabelle"}), "cot")
    assert "one ```isabelle block" in message.content


@pytest.mark.parametrize("style", ["pot", "tir"])
def test_a_program_about_a_program_is_refused(style: Any) -> None:
    with pytest.raises(DataError, match="does not fit, take 'cot'"):
        render_benchmark_prompt(a_problem(kind="code"), style)


def test_more_examples_than_there_are_is_one_clear_line() -> None:
    with pytest.raises(DataError, match="9 worked examples are wanted, set 'gsm8k' has 8"):
        render_benchmark_prompt(a_problem(meta={"shots": "gsm8k"}), "cot", 9)
    with pytest.raises(DataError, match="there are none for it"):
        render_benchmark_prompt(a_problem(kind="code"), "cot", 1)
