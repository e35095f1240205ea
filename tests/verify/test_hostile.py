"""What a model may write to hang, swell, crash or fool the grader, through the pool at its usual deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reasonforge.core.records import Verdict
from reasonforge.verify.grade import grade
from reasonforge.verify.items import GradeItem
from reasonforge.verify.pool import GradePool
from tests.verify.hostile import GOLDS, HANGING, HARD, RIGHT, WRONG_OR_NOTHING, Memory, boxed

DEADLINE = 2.0
SLACK = 0.3
MEMORY_MB = 512
TRIES = 3
"""What is late because the machine is busy is not late every time."""


@pytest.fixture(scope="module")
def pool() -> Iterator[GradePool]:
    with GradePool(1, deadline_seconds=DEADLINE, memory_mb=MEMORY_MB) as pool:
        pool.start()
        yield pool


def judged(item: GradeItem, pool: GradePool) -> Verdict:
    """Return the verdict, having seen that it came in time, within the memory, and that the next item is right."""
    took: list[float] = []
    while True:
        with Memory(pool) as memory:
            start = time.monotonic()
            verdict = pool.grade(item)
            took.append(time.monotonic() - start)
        assert memory.peak_mb < MEMORY_MB
        assert pool.grade(RIGHT).correct
        if took[-1] < DEADLINE + SLACK:
            return verdict
        assert len(took) < TRIES, f"took {took} s"


@pytest.mark.parametrize("name", WRONG_OR_NOTHING)
def test_it_is_judged_in_time_is_not_right_and_harms_no_other(name: str, pool: GradePool) -> None:
    assert judged(GradeItem(gold="7", text=WRONG_OR_NOTHING[name]), pool).status != "correct"


@pytest.mark.parametrize("name", WRONG_OR_NOTHING)
def test_in_the_callers_own_process_it_is_judged_in_time_too(name: str) -> None:
    took: list[float] = []
    while not took or (took[-1] > DEADLINE and len(took) < TRIES):
        start = time.monotonic()
        assert grade("7", WRONG_OR_NOTHING[name]).status != "correct"
        took.append(time.monotonic() - start)
    assert took[-1] <= DEADLINE


@pytest.mark.parametrize("name", WRONG_OR_NOTHING)
def test_a_hostile_reference_is_judged_in_time_too(name: str, pool: GradePool) -> None:
    gold = WRONG_OR_NOTHING[name].removeprefix(r"Therefore \boxed{").removesuffix("}.")
    assert judged(GradeItem(gold=gold, text=boxed("77")), pool).status != "correct"


@pytest.mark.parametrize("name", GOLDS)
def test_a_careless_reference_costs_its_item_only(name: str, pool: GradePool) -> None:
    judged(GradeItem(gold=GOLDS[name], text=boxed("7")), pool)  # type: ignore[arg-type]


def test_what_cannot_be_decided_in_time_is_a_timeout(pool: GradePool) -> None:
    verdict = judged(HANGING, pool)
    assert verdict.status == "timeout"
    assert "2 s" in verdict.reason


@pytest.mark.parametrize("name", HARD)
def test_hard_pairs_are_decided_or_time_out_and_harm_no_other(name: str, pool: GradePool) -> None:
    gold, answer = HARD[name]
    assert judged(GradeItem(gold=gold, text=boxed(answer)), pool).status in ("correct", "wrong", "timeout")


@pytest.mark.parametrize("name", HARD)
def test_hard_pairs_hold_up_the_callers_own_process_no_longer_than_its_worker(name: str) -> None:
    gold, answer = HARD[name]
    start = time.monotonic()
    grade(gold, boxed(answer))
    assert time.monotonic() - start < TRIES * DEADLINE


@pytest.mark.slow
def test_what_outgrows_the_memory_is_an_error() -> None:
    with GradePool(1, deadline_seconds=60.0, memory_mb=128) as pool:
        verdict = pool.grade(HANGING)
        assert (verdict.status, verdict.reason) == ("error", "the worker ran out of memory")
        assert pool.grade(RIGHT).correct


def test_nothing_that_is_written_is_run(pool: GradePool, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for code in (
        f"__import__('pathlib').Path({str(canary)!r}).touch()",
        f"\\write18{{touch {canary}}}",
        f"`touch {canary}`",
        f"$(touch {canary})",
    ):
        for gold, answer in (
            (code, "7"),
            ("7", code),
            (code, code),
            (f"x+{code}", f"{code}+x"),
            (rf"\sqrt{{{code}}}", rf"\sqrt{{8}}+{code}"),
        ):
            pool.grade(GradeItem(gold=gold, text=boxed(answer)))
            pool.grade(GradeItem(gold=gold, text=boxed(answer), profile="qwen-math"))
    assert not canary.exists()


@pytest.mark.parametrize("profile", ["strict", "deepseek-math", "qwen-math", "prm800k", "bbh", "mcq"])
def test_every_profile_survives_the_list(profile: str, pool: GradePool) -> None:
    items = [GradeItem(gold="7", text=text, profile=profile) for text in WRONG_OR_NOTHING.values()]  # type: ignore[arg-type]
    verdicts = pool.grade_many([part for item in items for part in (item, RIGHT)])
    assert all(verdict.correct for verdict in verdicts[1::2])
    assert not any("the worker" in verdict.reason for verdict in verdicts)


@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_burst_with_hanging_items_loses_no_right_answer(count: int) -> None:
    hangs = [index % 20 == 7 for index in range(count)]
    burst = [HANGING if hang else GradeItem(gold=str(index), text=boxed(str(index))) for index, hang in enumerate(hangs)]
    with GradePool(2, deadline_seconds=0.2) as pool:
        verdicts = pool.grade_many(burst)
    assert [verdict.status for verdict in verdicts] == ["timeout" if hang else "correct" for hang in hangs]
