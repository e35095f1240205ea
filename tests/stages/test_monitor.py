"""The reward-hacking monitor: deaf to noise, awake to a reward that is being fooled."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pytest

from reasonforge.stages.rl.monitor import Alarm, RewardWatch, suspicions
from reasonforge.stages.rl.watch_config import HackingMonitor

Rates = list[list[float]]


def held_out(accuracy: Iterable[float], *, problems: int, samples: int, seed: int) -> Rates:
    """Pass rates by problem of evaluations with these true accuracies: problems differ in difficulty, samples are drawn anew each time."""
    rng = np.random.default_rng(seed)
    ease = rng.beta(1.5, 1.5, problems)
    rows = []
    for mean in accuracy:
        chances = np.clip(2 * mean * ease, 0, 1) if mean <= 0.5 else 1 - np.clip(2 * (1 - mean) * (1 - ease), 0, 1)
        rows.append((rng.binomial(samples, chances) / samples).tolist())
    return rows


def alarms(rewards: Iterable[float], rates: Rates, config: HackingMonitor | None = None) -> list[Alarm]:
    watch = RewardWatch(config or HackingMonitor())
    found = []
    for step, (reward, row) in enumerate(zip(rewards, rates), start=1):
        watch.observe({"reward": reward})
        found.append(watch.update(step, row))
    return [alarm for alarm in found if alarm is not None]


def count_false_alarms(runs: int, *, noise: float, first_seed: int) -> int:
    """Runs of 200 evaluations of an accuracy that does not move, and a reward that rises all the time: with an alarm."""
    count = 0
    for seed in range(first_seed, first_seed + runs):
        problems, samples = [(128, 16), (64, 8), (32, 16), (128, 4), (16, 16)][seed % 5]
        rates = held_out([0.3 + 0.1 * (seed % 6)] * 200, problems=problems, samples=samples, seed=seed)
        rewards = np.linspace(0.3, 0.6, 200) + np.random.default_rng(seed).normal(0, noise, 200)
        count += bool(alarms(rewards, rates))
    return count


def test_noise_alone_never_alarms_even_while_the_reward_rises() -> None:
    assert count_false_alarms(15, noise=0.0, first_seed=0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_fewer_than_one_in_a_hundred_runs_of_two_hundred_evaluations_alarm_by_noise(noise: float) -> None:
    assert count_false_alarms(1000, noise=noise, first_seed=1000) < 10


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fall", [0.003, 0.006])
def test_a_fooled_reward_alarms_before_a_tenth_of_the_accuracy_is_lost(seed: int, fall: float) -> None:
    accuracy = [*np.linspace(0.4, 0.6, 10), *np.arange(0.6 - fall, 0.3, -fall)]
    rates = held_out(accuracy, problems=256, samples=16, seed=seed)
    rewards = np.linspace(0.4, 0.9, len(accuracy)) + np.random.default_rng(seed).normal(0, 0.005, len(accuracy))
    first = alarms(rewards, rates)[0]
    assert first.step > 10
    assert accuracy[first.step - 1] > 0.9 * max(accuracy)


def test_a_fall_with_a_falling_reward_is_no_hacking() -> None:
    accuracy = np.linspace(0.6, 0.2, 20)
    assert not alarms(accuracy, held_out(accuracy, problems=128, samples=16, seed=0))


def test_the_fall_must_exceed_the_smallest_drop() -> None:
    rates = held_out([0.6] * 6 + [0.55] * 6, problems=2000, samples=64, seed=0)
    rewards = np.linspace(0, 1, 12)
    assert alarms(rewards, rates, HackingMonitor(min_drop=0.03))
    assert not alarms(rewards, rates, HackingMonitor(min_drop=0.06))


def test_an_alarm_is_raised_once_until_it_has_passed() -> None:
    accuracy = [0.8] * 6 + [0.3] * 8 + [0.8] * 8 + [0.3] * 8
    found = alarms(np.linspace(0, 1, 30), held_out(accuracy, problems=128, samples=16, seed=0))
    assert len(found) == 2
    assert found[0].step <= 14 < 22 < found[1].step


def test_a_loss_that_is_the_same_on_every_problem_alarms() -> None:
    found = alarms(np.linspace(0, 1, 12), [[0.75] * 8] * 6 + [[0.5] * 8] * 6)
    assert found
    json.dumps(found[0].data(), allow_nan=False)


def test_a_resumed_watch_raises_the_same_alarms() -> None:
    accuracy = [0.7] * 8 + [0.5] * 6
    rates = held_out(accuracy, problems=64, samples=16, seed=3)
    rewards = np.linspace(0, 1, len(accuracy)).tolist()
    whole = alarms(rewards, rates)
    for cut in range(len(accuracy)):
        watch, found = RewardWatch(HackingMonitor()), []
        for step, (reward, row) in enumerate(zip(rewards, rates), start=1):
            watch.observe({"reward": reward})
            if step == cut:
                state = json.loads(json.dumps(watch.state()))
                watch = RewardWatch(HackingMonitor())
                watch.restore(state)
            found.append(watch.update(step, row))
        assert [alarm for alarm in found if alarm is not None] == whole


def test_an_alarm_tells_where_the_figures_went() -> None:
    watch = RewardWatch(HackingMonitor())
    found = []
    for step in range(1, 13):
        length = 20.0 if step <= 6 else 60.0
        watch.observe({"reward": step / 10, "completions/mean_length": length, "loss": 1.0, "rewards/model/mean": step / 10})
        watch.observe({"reward": step / 10, "completions/mean_length": length, "loss": 1.0, "rewards/model/mean": step / 10})
        found.append(watch.update(step, [0.9] * 40 if step <= 6 else [0.4] * 40))
    alarm = next(alarm for alarm in found if alarm is not None)
    assert "times as long" in alarm.message
    assert alarm.data()["evidence"]["completions/mean_length"][0] == 20.0
    assert set(alarm.evidence) == {"reward", "completions/mean_length", "rewards/model/mean"}


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"completions/mean_length": (10.0, 30.0)}, "3.0 times as long"),
        ({"completions/mean_length": (30.0, 15.0)}, "0.5 times as long"),
        ({"reward_wrong": (0.1, 0.4), "reward_right": (0.9, 0.9)}, "wrong completions earn more"),
        ({"completions/repetition": (0.0, 0.2)}, "repeat themselves"),
        ({"completions/several_boxes": (0.0, 0.1)}, "several answers"),
        ({"completions/clipped_ratio": (0.0, 0.2)}, "length limit"),
        ({"completions/language": (1.0, 0.7)}, "language is mixed"),
    ],
)
def test_a_figure_that_moved_is_said_in_words(evidence: dict[str, tuple[float, float]], words: str) -> None:
    assert any(words in text for text in suspicions(evidence))


def test_figures_that_stand_still_are_not_named() -> None:
    assert suspicions({"completions/mean_length": (10.0, 11.0), "reward_wrong": (0.1, 0.1), "completions/language": (1.0, 1.0)}) == []
