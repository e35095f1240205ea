from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.report.curves import Curve, arrange, curves_of, smoothed, thinned, ticks
from reasonforge.report.svg import curve_svg
from tests.report.hostile import HOSTILE
from tests.runs.fabricate import new_run, write_run

VALUES = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=300)


def curve(values: list[float | None]) -> Curve:
    return Curve(stage="rl", name="reward", steps=tuple(range(len(values))), values=tuple(values))


@given(VALUES, st.integers(20, 100))
@settings(max_examples=100, deadline=None)
def test_a_thinned_curve_keeps_real_points_and_the_extremes(values: list[float | None], max_points: int) -> None:
    whole = curve(values)
    thin = thinned(whole, max_points)
    assert len(thin.steps) <= max_points
    assert all(whole.values[step] == value for step, value in zip(thin.steps, thin.values, strict=True))
    assert list(thin.steps) == sorted(set(thin.steps))
    assert (thin.steps[0], thin.steps[-1]) == (whole.steps[0], whole.steps[-1])
    numbers = [value for value in values if value is not None]
    if numbers:
        kept = [value for value in thin.values if value is not None]
        assert (min(kept), max(kept)) == (min(numbers), max(numbers))


def test_rows_of_one_step_are_one_point_and_the_later_value_counts() -> None:
    rows = [
        {"stage": "rl", "step": 2, "time": 1.0, "reward": 0.5},
        {"stage": "rl", "step": 1, "time": 1.0, "reward": None},
        {"stage": "rl", "step": 2, "time": 1.0, "eval/pass@1": 0.1, "reward": 0.6},
        {"stage": "sft", "step": 1, "loss": 2.0},
    ]
    assert curves_of(rows) == [
        Curve(stage="rl", name="reward", steps=(1, 2), values=(None, 0.6)),
        Curve(stage="rl", name="eval/pass@1", steps=(2,), values=(0.1,)),
        Curve(stage="sft", name="loss", steps=(1,), values=(2.0,)),
    ]


def test_rows_of_a_wrong_type_are_left_out() -> None:
    assert (
        curves_of([{"stage": 1, "step": 1, "a": 1.0}, {"stage": "rl", "step": "1"}, {"stage": "rl", "step": 1, "a": "x", "b": True}]) == []
    )


@given(st.lists(st.sampled_from(["reward", "rewards/a/mean", "loss", "lr", "eval/pass@1", "eval/pass@16", "kl", "odd"]), max_size=12))
def test_every_metric_is_in_exactly_one_panel(names: list[str]) -> None:
    arranged = [name for _, drawn, _ in arrange(names) for name in drawn]
    assert sorted(arranged) == sorted(set(names))


def test_smoothing_keeps_a_constant_and_its_gaps() -> None:
    assert smoothed([3.0, None, 3.0, 3.0], 0.9) == [pytest.approx(3.0), None, pytest.approx(3.0), pytest.approx(3.0)]
    assert smoothed([1.0, 5.0], 0.0) == [1.0, 5.0]
    assert smoothed([0.0, 1.0], 0.5) == [0.0, pytest.approx(2 / 3)]  # (1/2 * 1) / (1/2 + 1/4), by hand


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
@settings(max_examples=100, deadline=None)
def test_ticks_are_few_and_within_the_range(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert 1 <= len(found) <= 8
    slack = 1e-6 * max(abs(low), width)
    assert all(low - slack <= tick <= low + width + slack for tick in found)


def test_the_picture_is_well_formed_and_has_a_panel_per_metric(tmp_path: Path) -> None:
    picture = curve_svg(write_run(tmp_path / "r"), ["reward", "loss", "entropy", "eval/pass@1"])
    root = ElementTree.fromstring(picture)
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text") if node.get("class") == "title"]
    assert titles == ["reward", "loss", "entropy", "eval/pass@1"]
    assert root.get("viewBox") == "0 0 900 380"
    assert "prefers-color-scheme: dark" in picture


def test_a_picture_of_a_missing_metric_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'value_loss'"):
        curve_svg(write_run(tmp_path / "r", steps=2), ["value_loss"])


def test_a_picture_survives_gaps_single_points_and_constants(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        log = run.stage("rl")
        log.metrics(1, {"reward": 1.0, "kl": float("nan"), "entropy": 0.5})
        log.metrics(2, {"reward": 1.0, "kl": 0.1})
        log.metrics(3, {"reward": 1.0, "kl": float("inf")})
    picture = curve_svg(tmp_path / "r", ["reward", "kl", "entropy"], smoothing=0.0)
    ElementTree.fromstring(picture)
    assert "nan" not in picture.lower()


@pytest.mark.parametrize("name", HOSTILE[:8])
def test_a_hostile_metric_name_stays_text_in_the_picture(tmp_path: Path, name: str) -> None:
    write_run(tmp_path / "r", steps=2)
    with pytest.raises(DataError):
        curve_svg(tmp_path / "r", [name])
