"""Chains: the prompt, read again and computed, has the answer; steps are checked by rule."""

from __future__ import annotations

import re

from reasonforge.tasks.draws import Draws
from reasonforge.tasks.modular_chain import ModularChain

from .arithmetic_oracle import exact_value

TASK = ModularChain()


def values_from_prompt(question: str) -> list[int]:
    """Compute the chain from the prompt's text alone."""
    modulus = int(re.findall(r"mod (\d+)", question)[0])
    values: dict[str, int] = {}
    for name, definition in re.findall(r"(x\d+) = ([^,.]+)", question):
        filled = re.sub(r"x\d+", lambda match: str(values[match.group()]), definition)
        values[name] = int(exact_value(filled)) % modulus
    return list(values.values())


def test_answers_equal_the_prompt_computed_again() -> None:
    for index in range(400):
        problem = TASK.problem(1, index)
        values = values_from_prompt(problem.question)
        assert str(values[-1]) == problem.answer
        assert len(values) == (problem.difficulty or 0) + 1
        assert f"Find x{len(values)}." in problem.question


def test_every_line_of_a_solution_is_true() -> None:
    for index in range(200):
        problem = TASK.problem(2, index)
        modulus = problem.meta["modulus"]
        for line in (problem.solution or "").splitlines()[1:-1]:
            _, filled, total, value = line.split(" = ")
            assert exact_value(filled) == int(total)
            assert int(total) % modulus == int(value)


def test_all_steps_of_a_solution_check() -> None:
    for index in range(200):
        problem = TASK.problem(2, index)
        text = problem.solution or ""
        checks = TASK.check_steps(problem, text)
        assert len(checks) == (problem.difficulty or 0) + 1
        assert all(ok for _, ok in checks)
        assert [text[:end].count("\n") for end, _ in checks] == list(range(len(checks)))


def test_noisy_traces_go_on_from_the_wrong_value_and_the_check_finds_it() -> None:
    found = 0
    for index in range(300):
        problem = TASK.problem(4, index, 6)
        truth = values_from_prompt(problem.question)
        text = TASK.completion(problem, Draws(index), habit="think", step_noise=0.2)
        claims = [int(line.rpartition(" = ")[2]) for line in text.splitlines()[:-1]]
        assert text.endswith(f"\\boxed{{{claims[-1]}}}")
        assert [ok for _, ok in TASK.check_steps(problem, text)] == [claim == value for claim, value in zip(claims, truth, strict=True)]
        found += claims != truth
    # Six noisy links: 1 - 0.8^6 = 0.74 of 300.
    assert 180 < found < 265


def test_claims_after_the_first_about_a_variable_are_no_steps() -> None:
    problem = TASK.problem(0, 0, 2)
    values = values_from_prompt(problem.question)
    text = f"x1 = {values[0]}\nx1 = {values[0]}\nx9 = 3\nx2 = {values[1]} (mod 7).\nso x3 is big\nx3 = -{values[2]}\n"
    assert [ok for _, ok in TASK.check_steps(problem, text)] == [True, True]
