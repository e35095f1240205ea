"""Problems whose own reference fails its grader are left out of training, or stop it."""

from __future__ import annotations

from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem
from reasonforge.rewards.config import FunctionReward
from reasonforge.sampling.config import SamplingConfig
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.scoring import stage_scorer, without_quarantine


def problem(number: int, solution: str | None = None) -> Problem:
    return Problem(id=f"p{number}", messages=(Message("user", str(number)),), answer=str(number), source="file", solution=solution)


class Log:
    """Takes events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def event(self, kind: str, message: str, level: str = "info", **data: Any) -> None:
        self.events.append((kind, level, data))


GOOD = [problem(number) for number in range(9)]
BAD = problem(9, solution="so \\boxed{10}")


def kept(problems: list[Problem], log: Log, **settings: Any) -> list[Problem]:
    sampling = SamplingConfig(max_new_tokens=8)
    config = RLConfig(data="train", steps=1, prompts_per_step=1, group_size=2, sampling=sampling, **settings)
    with stage_scorer(config) as scorer:
        return without_quarantine(problems, scorer, config, log)  # type: ignore[arg-type]


def test_good_references_are_all_kept_and_nothing_is_said() -> None:
    log = Log()
    assert kept(GOOD, log) == GOOD
    assert log.events == []


def test_a_bad_reference_is_left_out_and_named() -> None:
    log = Log()
    assert kept([BAD, *GOOD], log, max_quarantined_share=0.2) == GOOD
    ((kind, level, data),) = log.events
    assert (kind, level, data["count"], data["problems"][0]["id"]) == ("quarantine", "warning", 1, "p9")


def test_too_many_bad_references_stop_the_stage() -> None:
    with pytest.raises(DataError, match=r"data 'train': gold check: 1 of 10 references fail; first: problem p9.*max_quarantined_share"):
        kept([BAD, *GOOD], Log())


def test_a_users_function_is_not_called_for_the_check() -> None:
    rewards = {"mine": FunctionReward(path="no.such:function")}
    assert kept(GOOD, Log(), rewards=rewards) == GOOD
