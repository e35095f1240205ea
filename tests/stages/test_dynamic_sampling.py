"""Dynamic sampling: what is learned from has signal, and drawing ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reasonforge.core.records import VerdictStatus
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.stages.rl.axes import DynamicSampling
from reasonforge.stages.rl.clock import Clock
from reasonforge.stages.rl.dynamic import GroupPool
from tests.oracle import case
from tests.stages.bandit import bandit, new_run
from tests.stages.graded import config, group, member


def groups_of(*statuses: str) -> list[RolloutGroup]:
    """Groups from words: r = right, w = wrong, f = could not be scored."""
    names: dict[str, VerdictStatus] = {"r": "correct", "w": "wrong", "f": "timeout"}
    return [group(*(member(0.0, status=names[letter]) for letter in word)) for word in statuses]


def test_a_group_is_kept_when_some_but_not_all_are_right() -> None:
    example = case("dapo", "dynamic_sampling")
    size = example.inputs["G"]
    pool = GroupPool(DynamicSampling(), wanted=9)
    pool.add(groups_of(*("r" * correct + "w" * (size - correct) for correct in example.inputs["correct_counts"])))
    assert [any(drawn is kept for kept in pool.kept) for drawn in pool.drawn] == example.expected["keep"]


def test_what_could_not_be_scored_is_neither_right_nor_wrong() -> None:
    pool = GroupPool(DynamicSampling(), wanted=9)
    pool.add(groups_of("rrf", "wwf", "fff", "rwf"))
    assert pool.kept == pool.drawn[3:]


def test_drawing_goes_on_until_there_are_enough_and_the_surplus_is_discarded() -> None:
    pool = GroupPool(DynamicSampling(), wanted=2)
    pool.add(groups_of("rw", "rr"))
    assert pool.wants_more
    pool.add(groups_of("rw", "rw"))
    assert not pool.wants_more
    assert pool.kept == [pool.drawn[0], pool.drawn[2]]
    assert pool.shortfall is None
    assert pool.metrics() == {"sampling/batches": 2.0, "sampling/kept_groups": 2.0}


def test_drawing_ends_at_the_cap_and_says_so() -> None:
    pool = GroupPool(DynamicSampling(max_batches=3), wanted=2)
    while pool.wants_more:
        pool.add(groups_of("rr", "ww"))
    assert (pool.num_batches, pool.kept) == (3, [])
    assert pool.shortfall == "0 of 2 groups have right and wrong completions after 3 batches: training on those"


def test_without_dynamic_sampling_one_batch_is_all() -> None:
    pool = GroupPool(None, wanted=2)
    assert pool.wants_more
    pool.add(groups_of("rr", "ww"))
    assert not pool.wants_more
    assert pool.kept == pool.drawn
    assert pool.metrics() == {}
    assert pool.shortfall is None


def test_discarded_rollouts_have_an_advantage_of_zero_in_the_records() -> None:
    pool = GroupPool(DynamicSampling(), wanted=9)
    pool.add(groups_of("rr", "rw", "www", "wr"))
    assert pool.over_all([1, 2, 3, 4], otherwise=0) == [0, 0, 1, 2, 0, 0, 0, 3, 4]


DYNAMIC = {
    "steps": 6,
    "prompts_per_step": 3,
    "group_size": 2,
    "sampling": {"max_new_tokens": 1},
    "dynamic_sampling": {"max_batches": 4},
    "training": {"optimizer": {"type": "adamw", "lr": 1e-2, "weight_decay": 0.0}},
}


def test_no_group_without_signal_reaches_the_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**DYNAMIC), run, seed=0)
        updates: list[list[float]] = []
        update = trainer.update

        def watched(samples, step):  # type: ignore[no-untyped-def]
            updates.append([float(np.abs(sample.advantages).max()) for sample in samples])
            return update(samples, step)

        monkeypatch.setattr(trainer, "update", watched)
        rows = [trainer.train_step(step) for step in range(6)]
    assert [len(update) for update in updates] == [2 * int(row["sampling/kept_groups"]) for row in rows]
    assert all(advantage > 0 for update in updates for advantage in update)
    assert max(row["sampling/batches"] for row in rows) > 1
    assert rows[-1]["num_rollouts"] == sum(6 * row["sampling/batches"] for row in rows)


def test_a_step_whose_every_group_is_discarded_leaves_the_weights_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**DYNAMIC | {"updates_per_step": 2, "kl": {"coef": 0.1, "controller": {"target": 1.0}}}), run, seed=0)
        monkeypatch.setattr("reasonforge.stages.rl.dynamic._with_signal", lambda groups: [False] * len(groups))
        before = {name: tensor.clone() for name, tensor in trainer.learner.weights().items()}
        metrics = trainer.train_step(0)
    assert metrics["sampling/kept_groups"] == 0
    assert metrics["sampling/batches"] == 4
    assert all(np.isfinite(value) for value in metrics.values())
    assert all((tensor == before[name]).all() for name, tensor in trainer.learner.weights().items())


def test_groups_of_one_step_have_names_of_their_own(tmp_path: Path) -> None:
    """The bandit has a single problem: batches of one step draw it again and again."""
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**DYNAMIC), run, seed=0)
        pool = trainer.draw(0, Clock())
    assert pool.num_batches > 1
    names = [drawn.rollouts[0].rollout.group_id for drawn in pool.drawn]
    assert len(set(names)) == len(names)


def test_a_budget_ends_the_stage_and_the_drawing_within_a_step(tmp_path: Path) -> None:
    with new_run(tmp_path / "run") as run:
        trainer = bandit(config(**DYNAMIC | {"rollout_budget": 6}), run, seed=0)
        assert not trainer.is_done(0)
        metrics = trainer.train_step(0)
        assert metrics["sampling/batches"] == 1
        assert metrics["num_rollouts"] == 6
        assert trainer.is_done(1)
