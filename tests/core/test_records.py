"""The records that flow between stages."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from reasonforge.core import errors, records, rollouts
from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Completion


def problem(*messages: Message) -> Problem:
    return Problem(id="p", messages=messages, answer="2", source="test")


def test_the_question_is_the_last_thing_the_user_said() -> None:
    assert problem(Message("system", "s"), Message("user", "1?"), Message("assistant", "1"), Message("user", "2?")).question == "2?"
    assert problem(Message("system", "s")).question == ""


@pytest.mark.parametrize("status", ["correct", "wrong", "no_answer", "timeout", "error"])
def test_only_a_correct_verdict_is_correct(status: records.VerdictStatus) -> None:
    assert Verdict(status=status, prediction="2").correct == (status == "correct")


def test_a_completion_is_as_long_as_its_tokens() -> None:
    three = np.zeros(3)
    completion = Completion(
        token_ids=three.astype(np.int32), logprobs=three.astype(np.float32), mask=three == 0, finish_reason="stop", weights_version=0
    )
    assert len(completion) == 3


@pytest.mark.parametrize("module", [records, rollouts])
def test_records_are_frozen_and_take_no_surprises(module: object) -> None:
    classes = [value for value in vars(module).values() if dataclasses.is_dataclass(value) and isinstance(value, type)]
    assert classes
    for record in classes:
        assert record.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert "__slots__" in vars(record)


def test_every_error_for_users_has_its_exit_code() -> None:
    codes = {errors.RecipeError: 2, errors.DataError: 65, errors.UnavailableError: 69, errors.NonFiniteError: 70, errors.StorageError: 74}
    for kind, code in codes.items():
        assert kind("message").exit_code == code
        assert issubclass(kind, errors.ReasonforgeError)
    assert errors.InterruptedRun("stopped", signal_number=15).exit_code == 143


def test_the_ground_floor_loads_without_torch() -> None:
    modules = "records, reasonforge.core.rollouts, reasonforge.core.ids, reasonforge.core.seeds, reasonforge.core.files"
    program = f"import sys, reasonforge.core.{modules}; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
