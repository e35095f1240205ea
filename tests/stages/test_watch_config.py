"""Settings that mean nothing are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.watch_config import ContextSchedule, Curriculum, Schedules


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        (Schedules, {"kl_coef": ((0, 0.1),)}, "step 1 or later"),
        (Schedules, {"kl_coef": ((5, 0.1), (5, 0.2))}, "growing"),
        (Schedules, {"temperature": ((5, 0.0),)}, "above 0"),
        (ContextSchedule, {"lengths": (16, 16)}, "must grow"),
        (ContextSchedule, {"lengths": (0,)}, "from 1"),
        (ContextSchedule, {"lengths": (16, 32), "at_steps": (5,)}, "one for each"),
        (ContextSchedule, {"lengths": (16, 32), "at_steps": (5, 4)}, "must grow"),
        (ContextSchedule, {"lengths": (16,), "at_steps": (5,), "window": 7}, "window has no effect"),
        (Curriculum, {}, "either num_stages or levels"),
        (Curriculum, {"num_stages": 2, "levels": ((1, 2), (3, 4))}, "either num_stages or levels"),
        (Curriculum, {"levels": ((1, 2),)}, "at least two"),
        (Curriculum, {"levels": ((2, 1), (3, 4))}, "easiest"),
        (Curriculum, {"num_stages": 3, "steps": (5,)}, "2 whole numbers"),
        (Curriculum, {"num_stages": 2, "steps": (0,)}, "above 0"),
        (Curriculum, {"num_stages": 2, "steps": (5,), "accuracy": 0.5}, "accuracy has no effect"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(section: type[Any], values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        section(**values)


def rl(**values: Any) -> RLConfig:
    given = {"data": "d", "steps": 10, "prompts_per_step": 2, "group_size": 4, "sampling": {"max_new_tokens": 32}, **values}
    return RLConfig.model_validate(given)


EVALUATION = {"data": "d", "every": 2}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"schedules": {"kl_coef": [[5, 0.1]]}}, "needs kl"),
        ({"schedules": {"kl_coef": [[5, 0.1]]}, "kl": {"coef": 0.1, "place": "reward", "controller": {"target": 1.0}}}, "needs kl"),
        ({"context": {"lengths": [16, 32]}}, "last limit"),
        (
            {"context": {"lengths": [16]}, "rewards": {"long": {"type": "overlong", "cache_tokens": 4}, "a": {"type": "accuracy"}}},
            "state max",
        ),
        ({"context": {"lengths": [16], "at_steps": [10]}}, "too late"),
        ({"curriculum": {"num_stages": 3, "steps": [5, 5]}}, "too late"),
        ({"early_stop": {}}, "without evaluation"),
        ({"monitor": {"on_alarm": "stop"}}, "without evaluation"),
    ],
)
def test_what_watches_nothing_or_comes_too_late_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        rl(**values)


def test_a_whole_set_of_watchers_fits_together() -> None:
    config = rl(
        kl={"coef": 0.1},
        schedules={"kl_coef": [[5, 0.01]], "temperature": [[9, 0.7]]},
        context={"lengths": [8, 16]},
        curriculum={"levels": [[1, 3], [4, 5]], "old_share": 0.1},
        evaluation=EVALUATION,
        early_stop={"patience": 2},
        monitor={"on_alarm": "stop"},
    )
    assert config == RLConfig.model_validate(config.model_dump())


def test_the_monitor_is_on_by_default() -> None:
    assert rl(evaluation=EVALUATION).monitor is not None
