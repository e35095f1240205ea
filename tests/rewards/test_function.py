"""A user's reward function can do what it likes; the run goes on or says in one line why not."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reasonforge.core.errors import RecipeError
from reasonforge.rewards.function import FunctionResult, RewardProcess, RewardProcesses

_MODULE = "tests.rewards.reward_functions"


@contextmanager
def _process(name: str, *, deadline: float = 5.0) -> Iterator[RewardProcess]:
    process = RewardProcess(f"{_MODULE}:{name}", deadline_seconds=deadline)
    try:
        yield process
    finally:
        process.close()


def _ask(process: RewardProcess, completion: str) -> FunctionResult:
    return process(question="q", answer="a", completion=completion, meta={})


def _call(name: str, *completions: str, deadline: float = 5.0) -> list[tuple[str, float, str]]:
    with _process(name, deadline=deadline) as process:
        results = [_ask(process, text) for text in completions]
    return [(result.status, result.value, result.reason) for result in results]


def test_the_value_comes_back_for_any_text() -> None:
    texts = ["", "four", "中文", "line\nbreak", "\ud800", "x" * 200_000]
    assert [value for _, value, _ in _call("length", *texts)] == [len(text) for text in texts]


def test_printing_does_not_disturb_the_reply() -> None:
    assert _call("prints", "one", "two") == [("ok", 1.0, ""), ("ok", 1.0, "")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "raised ValueError: cannot judge this"),
        ("returns_nan", "returned nan, not a finite number"),
        ("returns_text", "returned 'good', not a finite number"),
        ("returns_none", "returned None, not a finite number"),
        ("leaves", "ended its process"),
    ],
)
def test_a_broken_function_is_an_error_with_its_reason(name: str, reason: str) -> None:
    ((status, _, said),) = _call(name, "text")
    assert status == "error"
    assert said == f"{_MODULE}:{name} {reason}"


def test_a_call_that_hangs_is_killed_and_the_next_one_is_answered() -> None:
    results = _call("hangs_on_b", "a", "b", "c", deadline=0.5)
    assert [status for status, _, _ in results] == ["ok", "timeout", "ok"]
    assert results[1][2] == f"{_MODULE}:hangs_on_b gave no answer within 0.5 s"


def test_numbers_of_any_kind_are_values() -> None:
    kinds = {"bool": 1.0, "numpy float": 0.5, "numpy int": 3.0, "numpy array of one": 0.25, "fraction": 0.125}
    assert _call("returns_by_name", *kinds) == [("ok", value, "") for value in kinds.values()]


def test_what_is_no_finite_number_is_refused() -> None:
    for status, _, reason in _call("returns_by_name", "numpy nan", "numpy text", "digits", "list", "several", "huge"):
        assert status == "error"
        assert reason.startswith(f"{_MODULE}:returns_by_name returned ")
        assert reason.endswith(", not a finite number")


def test_a_worker_killed_between_two_calls_is_one_error_and_is_replaced() -> None:
    with _process("process") as process:
        first = _ask(process, "")
        os.kill(int(first.value), signal.SIGKILL)
        second, third = _ask(process, "x" * 1_000_000), _ask(process, "")
    assert (second.status, second.reason) == ("error", f"{_MODULE}:process ended its process")
    assert third.status == "ok"
    assert third.value != first.value


def test_a_worker_that_reads_nothing_is_killed_at_the_deadline() -> None:
    with _process("process", deadline=1.0) as process:
        first = _ask(process, "")
        os.kill(int(first.value), signal.SIGSTOP)
        second, third = _ask(process, "x" * 10_000_000), _ask(process, "")
    assert (second.status, second.reason) == ("timeout", f"{_MODULE}:process gave no answer within 1 s")
    assert third.status == "ok"
    assert third.value != first.value


def test_a_key_pressed_at_the_terminal_does_not_reach_the_worker() -> None:
    ((_, group, _),) = _call("process_group", "")
    assert group != os.getpgrp()


def test_what_the_function_started_ends_with_its_worker(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with _process("starts_another") as process:
            assert _ask(process, str(pipe)).status == "ok"
            with pytest.raises(BlockingIOError):  # nothing written, and somebody still holds the other end
                os.read(reader, 1)
        assert select.select([reader], [], [], 10.0)[0], "the other end is still open"
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_a_function_with_verls_parameter_names_is_called_as_verl_does() -> None:
    with _process("compute_score") as process:
        given = {"question": "q", "answer": "4", "meta": {"level": 3}, "source": "gsm8k"}
        assert process(completion="4", **given).value == 1.0
        assert process(completion="5", **given).value == 0.0
        assert process(completion="4", question="q", answer="4", meta={"level": 3}).value == 0.0
    ((_, value, _),) = _call("solution_only", "four")
    assert value == 3.0


def test_a_function_may_be_async() -> None:
    assert _call("asks_somebody", "abc", "a") == [("ok", 3.0, ""), ("ok", 1.0, "")]


def test_a_function_that_takes_any_names_gets_ours() -> None:
    assert _call("any_names", "text") == [("ok", 44.0, "")]


def test_a_call_that_hangs_delays_no_call_of_another_worker() -> None:
    hung = threading.Event()
    processes = RewardProcesses(f"{_MODULE}:hangs_on_b", deadline_seconds=20, workers=2)

    def ask(text: str) -> FunctionResult:
        return processes(question="q", answer="a", completion=text, meta={})

    def hang() -> None:
        ask("b")
        hung.set()

    thread = threading.Thread(target=hang)
    try:
        assert ask("a").status == "ok"
        thread.start()
        assert [ask("a").status for _ in range(5)] == ["ok"] * 5
        assert not hung.is_set()
    finally:
        processes.close()
        thread.join(30)


def test_one_worker_is_enough_for_calls_in_turn() -> None:
    processes = RewardProcesses(f"{_MODULE}:process", deadline_seconds=20, workers=3)
    try:
        values = {processes(question="q", answer="a", completion="", meta={}).value for _ in range(4)}
    finally:
        processes.close()
    assert len(values) == 1


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module:f", "cannot be loaded: ModuleNotFoundError"),
        (f"{_MODULE}:no_such", "cannot be loaded: AttributeError"),
        (f"{_MODULE}:not_callable", "cannot be loaded: TypeError"),
        ("tests.rewards.leaves_on_import:f", "cannot be loaded: its module ended the process"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_refused(path: str, reason: str) -> None:
    process = RewardProcess(path, deadline_seconds=1.0)
    with pytest.raises(RecipeError, match=reason):
        process(question="q", answer="a", completion="", meta={})
