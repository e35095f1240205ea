from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from reasonforge.report.collect import collect
from reasonforge.report.curves import Curve
from reasonforge.report.groups import group_curves, group_runs
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import write_json
from reasonforge.runs.info import RunSummary
from tests.runs.fabricate import new_run


def seeded(path: Path, seed: int, rewards: Sequence[float], *, pass1: float | None = None) -> Path:
    with new_run(path, name=path.name, seed=seed) as run:
        log = run.stage("rl", len(rewards), type="rl")
        for step, reward in enumerate(rewards, start=1):
            log.metrics(step, {"reward": reward})
        log.done()
        if pass1 is not None:
            run.write_summary(RunSummary(name=path.name, seed=seed, seconds=1.0, final={"pass@1": pass1, "pass@1_ci": (0.0, 1.0)}))
    return path


def curve(*values: float | None) -> list[Curve]:
    return [Curve(stage="rl", name="reward", steps=tuple(range(1, len(values) + 1)), values=values)]


def test_runs_that_differ_in_the_seed_alone_belong_together(tmp_path: Path) -> None:
    paths = [seeded(tmp_path / f"r{seed}", seed, [0.1]) for seed in (1, 2, 3)]
    write_json(RunDirectory.read(paths[1]).resolved_path, {"seed": 2, "model": "another"})
    groups = group_runs([RunDirectory.read(path) for path in paths])
    assert [group.runs for group in groups] == [(0, 2), (1,)]
    assert groups[0].name == "r1 and 1 more seed"


def test_runs_of_one_seed_are_not_taken_for_several(tmp_path: Path) -> None:
    paths = [seeded(tmp_path / name, 1, [0.1]) for name in ("a", "b")]
    assert [group.runs for group in group_runs([RunDirectory.read(path) for path in paths])] == [(0,), (1,)]


def test_the_mean_and_its_band_are_over_the_steps_that_all_seeds_have() -> None:
    found = group_curves([curve(0.0, 0.2, 0.4, 0.9), curve(0.2, None, 0.8)], 100)
    assert len(found) == 1
    assert found[0].mean.steps == (1, 3)
    assert found[0].mean.values == pytest.approx((0.1, 0.6))
    deviation = 0.4 / 2**0.5
    assert found[0].low is not None
    assert found[0].low[1] == pytest.approx(0.6 - deviation)
    assert found[0].high is not None
    assert found[0].high[1] == pytest.approx(0.6 + deviation)


def test_a_thinned_band_stays_with_its_mean() -> None:
    wave = [((i * 37) % 101) / 101 for i in range(400)]
    found = group_curves([curve(*wave), curve(*(value + 0.5 for value in wave))], 40)[0]
    assert len(found.mean.steps) <= 40
    assert found.low is not None
    for value, low in zip(found.mean.values, found.low, strict=True):
        assert value is not None
        assert value - low == pytest.approx(0.5 / 2**0.5)


def test_a_page_of_seeds_draws_their_mean_once_and_says_mean_and_spread(tmp_path: Path) -> None:
    paths = [seeded(tmp_path / f"r{seed}", seed, [0.1 * seed, 0.2 * seed], pass1=0.2 * seed) for seed in (1, 2, 3)]
    data = collect(paths)
    assert [(one["name"], one["values"]) for one in data["curves"]] == [("reward", pytest.approx([0.2, 0.4]))]
    assert data["curves"][0]["band"]["high"] == pytest.approx([0.3, 0.6])
    assert data["groups"][0]["scores"]["pass@1"] == {"mean": pytest.approx(0.4), "deviation": pytest.approx(0.2)}


def test_a_run_alone_has_no_band_and_no_spread(tmp_path: Path) -> None:
    data = collect([seeded(tmp_path / "a", 1, [0.1, 0.2], pass1=0.5)])
    assert data["curves"][0]["band"] is None
    assert data["groups"][0]["scores"] is None
