"""The reward-hacking monitor: the reward rises while what it stands for, held-out accuracy under strict grading, falls.

Both halves must hold at an evaluation:

- Since accuracy was best, but over no fewer than ``window`` evaluations, the training reward rises (one-sided t-test of the slope). A value
  is the mean total reward of the steps since the evaluation before. The same span for both halves: a reward that rose while accuracy fell
  and stands still now is no less suspect.
- Held-out accuracy, averaged over the last ``average`` evaluations, lies below the best such average before it by more than ``min_drop``
  and by more than ``standard_errors`` standard errors of the difference, paired by problem. With few problems Student's t takes the
  normal distribution's place: as unlikely, not as many errors.

Why five standard errors and not two: the best of many noisy evaluations is a lucky one, and the present is compared with it again at every
evaluation. In simulated runs of 200 evaluations whose accuracy does not move at all, some evaluation falls two standard errors below the
best in every run, five in fewer than 1 of 100, even where the reward rises all the time. Averages of three make up for most of what the
stricter line loses.

Source:
    DeepSeek-R1 (arXiv:2501.12948), appendix B.5 and figure 6 (the sign); the rule is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reasonforge.stages.rl.trend import normal_tail, student_tail, trend_of
from reasonforge.stages.rl.watch_config import HackingMonitor

EVIDENCE = (
    "reward_right",
    "reward_wrong",
    "completions/mean_length",
    "completions/p95_length",
    "completions/clipped_ratio",
    "completions/repetition",
    "completions/several_boxes",
    "completions/language",
    "entropy",
    "kl",
)
"""Training metrics kept for an alarm, beside every ``rewards/*/mean``: where they went tells how the reward is being fooled."""


_MOST_ERRORS = 1e6
"""A loss that is the same on every problem has no spread, and its number of standard errors no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What an alarm says."""

    steps: tuple[int, int]
    """Steps of the first and the last evaluation of the present average; the alarm is raised at the last."""
    best_steps: tuple[int, int]
    """The same of the best average."""
    average: int
    """Evaluations in an average."""
    accuracy: float
    best_accuracy: float
    reward: float
    best_reward: float
    """Reward at the time of the best average."""
    standard_errors: float
    """By how many the accuracy fell."""
    p_rising: float
    """Of the reward's slope."""
    evidence: Mapping[str, tuple[float, float]]
    """Metric: (at the best, now)."""

    @property
    def step(self) -> int:
        """Return the step of the evaluation that raised the alarm."""
        return self.steps[1]

    @property
    def message(self) -> str:
        """One sentence for people."""
        compared = f", averaged over {self.average} evaluations," if self.average > 1 else ""
        text = (
            f"reward hacking suspected at step {self.step}: reward {self.best_reward:.3f} -> {self.reward:.3f} while held-out accuracy"
            f"{compared} {self.best_accuracy:.3f} ({_steps(self.best_steps)}) -> {self.accuracy:.3f} ({_steps(self.steps)}), "
            f"{self.standard_errors:.1f} standard errors"
        )
        return "; ".join([text, *suspicions(self.evidence)])

    def data(self) -> dict[str, Any]:
        """Return the facts, JSON-able."""
        return {
            "step": self.step,
            "steps": list(self.steps),
            "best_steps": list(self.best_steps),
            "accuracy": [self.best_accuracy, self.accuracy],
            "reward": [self.best_reward, self.reward],
            "standard_errors": round(self.standard_errors, 2),
            "p_rising": self.p_rising,
            "evidence": {name: list(pair) for name, pair in self.evidence.items()},
        }


def _steps(span: tuple[int, int]) -> str:
    return f"step {span[0]}" if span[0] == span[1] else f"steps {span[0]} to {span[1]}"


def suspicions(evidence: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return, in words, which figures moved as they do when a reward is fooled."""

    def rise(name: str) -> float:
        before, now = evidence.get(name, (0.0, 0.0))
        return now - before

    found = []
    before, now = evidence.get("completions/mean_length", (0.0, 0.0))
    if before > 0 and not 0.77 < now / before < 1.3:
        found.append(f"completions are {now / before:.1f} times as long")
    if rise("reward_wrong") > max(0.05, rise("reward_right")):
        found.append("wrong completions earn more and more")
    if rise("completions/repetition") > 0.05:
        found.append("completions repeat themselves")
    if rise("completions/several_boxes") > 0.02:
        found.append("more completions box several answers")
    if rise("completions/clipped_ratio") > 0.05:
        found.append("more completions run into the length limit")
    if rise("completions/language") < -0.05:
        found.append("the language is mixed")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One evaluation, and the training since the one before."""

    step: int
    reward: float
    figures: Mapping[str, float]

    def state(self) -> dict[str, Any]:
        return {"step": self.step, "reward": self.reward, "figures": dict(self.figures)}


class RewardWatch:
    """Watches one stage. Its memory is JSON-able: a resumed stage raises the same alarms."""

    def __init__(self, config: HackingMonitor) -> None:
        self._config = config
        self._looks: list[_Look] = []  # the last 2 x average evaluations
        self._recent: list[list[float]] = []  # their pass rates by problem
        # Of the best average that has left the present one: its end, mean pass rates, and the step of its first evaluation.
        self._best: tuple[_Look, list[float], int] | None = None
        self._rewards: list[float] = []  # of every evaluation from the best average's last one on, and of at least the window's
        self._since: list[Mapping[str, float]] = []  # metrics of the steps since the last evaluation
        self._is_alarmed = False

    @property
    def can_stop(self) -> bool:
        """Return whether an alarm ends the stage."""
        return self._config.on_alarm == "stop"

    @property
    def is_alarmed(self) -> bool:
        """Return whether the last evaluation met both halves of the rule."""
        return self._is_alarmed

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Take in the metrics of a training step."""
        parts = (name for name in metrics if name.startswith("rewards/") and name.endswith("/mean"))
        self._since.append({name: metrics[name] for name in ("reward", *EVIDENCE, *parts) if name in metrics})

    def update(self, step: int, pass_rates: Sequence[float]) -> Alarm | None:
        """Judge an evaluation.

        Args:
            step: steps done. The evaluation before the first step has an accuracy and no training reward: it lends the reward of the
                first steps.
            pass_rates: share of right completions of each held-out problem, the same problems in the same order every time.

        Returns:
            An alarm when both halves of the rule hold and did not at the evaluation before.
        """
        config, n = self._config, self._config.average
        figures = {name: _mean([row[name] for row in self._since if name in row]) for row in self._since for name in row}
        if "reward" not in figures:
            if not self._looks:
                self._recent = [list(pass_rates)]  # before the first step
            return None
        if self._recent and not self._looks:
            self._looks.append(_Look(step=0, reward=figures["reward"], figures=figures))
        self._looks.append(_Look(step=step, reward=figures["reward"], figures=figures))
        self._looks = self._looks[-2 * n :]
        self._rewards.append(figures["reward"])
        self._since = []
        self._recent = [*self._recent, list(pass_rates)][-2 * n :]
        if len(self._recent) < 2 * n:
            return None
        before, now = np.mean(self._recent[:n], axis=0), np.mean(self._recent[n:], axis=0)
        if self._best is None or before.mean() > np.mean(self._best[1]):
            self._best = self._looks[n - 1], before.tolist(), self._looks[0].step
            self._rewards = self._rewards[-max(config.window, n + 1) :]
        errors = _fallen(np.asarray(self._best[1]), now, config)
        rising = trend_of(self._rewards) if len(self._rewards) >= config.window else None
        was_alarmed = self._is_alarmed
        self._is_alarmed = errors is not None and rising is not None and rising.slope > 0 and rising.p_rising < config.p_value
        if errors is None or rising is None or not self._is_alarmed or was_alarmed:
            return None
        best, latest = self._best[0], self._looks[-1]
        return Alarm(
            steps=(self._looks[n].step, step),
            best_steps=(self._best[2], best.step),
            average=n,
            accuracy=float(now.mean()),
            best_accuracy=float(np.mean(self._best[1])),
            reward=latest.reward,
            best_reward=best.reward,
            standard_errors=errors,
            p_rising=rising.p_rising,
            evidence={name: (best.figures[name], value) for name, value in latest.figures.items() if name in best.figures},
        )

    def state(self) -> dict[str, Any]:
        """Return the memory, JSON-able."""
        return {
            "looks": [look.state() for look in self._looks],
            "recent": self._recent,
            "rewards": self._rewards,
            "best": None if self._best is None else [self._best[0].state(), *self._best[1:]],
            "since": [dict(row) for row in self._since],
            "is_alarmed": self._is_alarmed,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` gave."""
        self._looks = [_Look(**look) for look in state["looks"]]
        self._recent = [list(row) for row in state["recent"]]
        self._rewards = list(state["rewards"])
        self._best = None if state["best"] is None else (_Look(**state["best"][0]), list(state["best"][1]), state["best"][2])
        self._since = list(state["since"])
        self._is_alarmed = state["is_alarmed"]


def _fallen(best: np.ndarray, now: np.ndarray, config: HackingMonitor) -> float | None:
    """Return by how many standard errors accuracy lies below its best; None = not beyond the limits."""
    losses = best - now
    drop = float(losses.mean())
    if drop <= config.min_drop or len(losses) < 2:
        return None
    error = float(losses.std(ddof=1)) / math.sqrt(len(losses))
    t = min(drop / error, _MOST_ERRORS) if error > 0 else _MOST_ERRORS
    is_beyond = student_tail(t, len(losses) - 1) < normal_tail(config.standard_errors)
    return t if is_beyond else None


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
