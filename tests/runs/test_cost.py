"""What a run cost, read from what it has logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.runs.cost import cost_of, cost_table, cost_text
from reasonforge.runs.files import write_json
from reasonforge.runs.info import RunCost, StageCost
from reasonforge.runs.reader import RunReader
from tests.runs.fabricate import new_run

ROW = {"perf/seconds": 2.0, "perf/sample_seconds": 1.0, "perf/train_seconds": 0.5, "cost/sampled_tokens": 40, "cost/prompt_tokens": 8}


def spent(path: Path, *, price: float | None = None, seconds: float = 10.0) -> RunCost:
    """The cost of a run of one stage of three steps."""
    with new_run(path) as run:
        run.plan([("rl", "rl"), ("eval", "eval")])
        log = run.stage("rl", 3, type="rl")
        for step in range(1, 4):
            log.metrics(step, {**ROW, "num_tokens": 30 * step})
        log.done()
        run.update_stage(run.info.stages[0].model_copy(update={"seconds": seconds}))
    settings = {"seed": 0, "run": {"price_per_device_hour": price}}
    write_json(path / "recipe.resolved.json", settings)
    return cost_of(RunReader(path))


def test_seconds_of_the_phases_are_summed_and_the_rest_is_other(tmp_path: Path) -> None:
    stage = spent(tmp_path / "r").stages[0]
    assert stage.phases == {"sample": 3.0, "train": 1.5, "other": 5.5}


def test_tokens_of_steps_are_summed_and_totals_are_taken_as_they_are(tmp_path: Path) -> None:
    assert spent(tmp_path / "r").stages[0].tokens == {"sampled": 120, "prompt": 24, "learned": 90}


def test_a_stage_that_has_not_run_has_cost_nothing(tmp_path: Path) -> None:
    stage = spent(tmp_path / "r").stages[1]
    assert (stage.seconds, stage.tokens, stage.phases) == (0.0, {}, {"evaluate": 0.0})


def test_a_step_without_parts_is_training_and_a_stage_that_evaluates_evaluates(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        for name in ("sft", "eval"):
            log = run.stage(name, 2, type=name)
            for step in (1, 2):
                log.metrics(step, {"loss": 1.0, "perf/seconds": 2.0} if name == "sft" else {"eval/pass@1": 0.5})
            log.done()
        for stage in run.info.stages:
            run.update_stage(stage.model_copy(update={"seconds": 5.0}))
    assert [stage.phases for stage in cost_of(RunReader(tmp_path / "r")).stages] == [{"train": 4.0, "other": 1.0}, {"evaluate": 5.0}]


def test_the_price_is_hours_times_the_price_of_an_hour(tmp_path: Path) -> None:
    cost = spent(tmp_path / "r", price=2.0, seconds=7200.0)
    assert cost.device_hours == pytest.approx(2.0)
    assert cost.price == pytest.approx(4.0)


def test_without_a_price_only_hours_are_counted(tmp_path: Path) -> None:
    cost = spent(tmp_path / "r")
    assert cost.price is None
    assert "price" not in cost_text(cost)
    assert "price" not in cost_table(cost)[0]


def test_r1_zero_costs_what_the_paper_says() -> None:
    # 64 x 8 accelerators for 198 hours at 2 dollars: 101K hours, 202K dollars (DeepSeek-R1, appendix B.4.4).
    cost = RunCost(stages=[StageCost(name="rl", seconds=198 * 3600 * 512)], price_per_device_hour=2.0)
    assert cost.device_hours == pytest.approx(101_376)
    assert cost.price == pytest.approx(202_752)


def test_the_table_has_a_cell_for_every_column(tmp_path: Path) -> None:
    header, rows = cost_table(spent(tmp_path / "r", price=2.0))
    assert header == ["cost", "hours", "price", "sample", "train", "evaluate", "other", "sampled tokens", "prompt tokens", "learned tokens"]
    assert {len(row) for row in rows} == {len(header)}
    assert rows[0][3:] == ["30%", "15%", "0%", "55%", "120", "24", "90"]


def test_a_stage_that_samples_samples_and_what_a_judge_charges_is_said_apart(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        for name in ("sample", "judge"):
            log = run.stage(name, 1, type=name)
            log.metrics(1, {"perf/seconds": 2.0} | ({"judge/cost": 0.5, "judge/completion_tokens": 7.0} if name == "judge" else {}))
            log.done()
    cost = cost_of(RunReader(tmp_path / "r"))
    assert [next(iter(stage.phases)) for stage in cost.stages] == ["sample", "judge"]
    assert [stage.bought for stage in cost.stages] == [0.0, 0.5]
    assert "endpoints 0.5" in cost_text(cost)
    assert cost.stages[1].tokens == {"judge": 7}
