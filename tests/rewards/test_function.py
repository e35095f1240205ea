"""A user's reward function can do what it likes; the run goes on or says in one line why not."""

from __future__ import annotations

import pytest

from reasonforge.core.errors import RecipeError
from reasonforge.rewards.function import RewardProcess

_MODULE = "tests.rewards.reward_functions"


def _call(name: str, *completions: str, deadline: float = 5.0) -> list[tuple[str, float, str]]:
    process = RewardProcess(f"{_MODULE}:{name}", deadline_seconds=deadline)
    try:
        results = [process(question="q", answer="a", completion=text, meta={}) for text in completions]
    finally:
        process.close()
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


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module:f", "cannot be loaded: ModuleNotFoundError"),
        (f"{_MODULE}:no_such", "cannot be loaded: AttributeError"),
        (f"{_MODULE}:not_callable", "cannot be loaded: TypeError"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_refused(path: str, reason: str) -> None:
    process = RewardProcess(path, deadline_seconds=1.0)
    with pytest.raises(RecipeError, match=reason):
        process(question="q", answer="a", completion="", meta={})
