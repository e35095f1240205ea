"""Reinforcement learning written out in plain Python: loops over completions and tokens with the formulas of the papers, no tensors.

What the stage computes is held against this. Settings are a recipe's ``rl`` stage as a dictionary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.stages.policies import Settings


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A graded completion; lists have one entry per token that the policy wrote."""

    group: int
    outcome: float
    """Reward without what steps are paid."""
    sampler: list[float]
    ref: list[float]
    values: list[float]
    steps: Sequence[tuple[int, float]] = ()
    """(how many tokens the policy had written at the step's end, reward)."""
    is_cut: bool = False
    has_failed: bool = False

    def is_compared(self, settings: Settings) -> bool:
        return not self.has_failed and not (self.is_cut and settings["truncated"] == "mask_drop_from_baseline")

    def is_learned(self, settings: Settings) -> bool:
        return not self.has_failed and not (self.is_cut and settings["truncated"].startswith("mask"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is learned from a completion: one entry per token; none where nothing is."""

    group: int
    advantages: list[float]
    new: list[float]
    old: list[float]
    ref: list[float]


def advantages(settings: Settings, draws: Sequence[Draw]) -> list[list[float]]:
    """Return each completion's advantages."""
    kind, kl = settings["advantage"], settings["kl"]
    paid = kl["coef"] if kl is not None and kl["place"] == "reward" else 0.0
    divergence = [[paid * (s - r) for s, r in zip(draw.sampler, draw.ref)] for draw in draws]
    kept = [draw.is_compared(settings) for draw in draws]
    if kind["type"] in ("gae", "batch_whitened"):
        found = []
        for draw, taken in zip(draws, divergence):
            outcome = draw.outcome
            if kind["type"] == "batch_whitened" and kind["baseline"] == "group":
                outcome -= _mean([other.outcome for other, counts in zip(draws, kept) if counts and other.group == draw.group])
            rewards = [-each for each in taken]
            rewards[-1] += outcome
            if kind["type"] == "gae":
                found.append(_gae(rewards, draw.values, kind["gamma"], kind["lam"]))
            else:
                found.append([sum(rewards[t:]) for t in range(len(rewards))])
        tokens = [value for row, counts in zip(found, kept) if counts for value in row]
        mean = _mean(tokens)
        scale = math.sqrt(sum((value - mean) ** 2 for value in tokens) / (len(tokens) - 1) + 1e-8)
        return [[(value - mean) / scale for value in row] for row in found]
    totals = [draw.outcome - sum(taken) for draw, taken in zip(draws, divergence)]
    found = []
    for i, draw in enumerate(draws):
        own = [j for j, other in enumerate(draws) if kept[j] and other.group == draw.group]
        value = _compared(kind, totals[i], [totals[j] for j in own], [totals[j] for j in own if j != i])
        row = [value] * len(draw.sampler)
        if settings["process"] is not None:
            pool = [reward for j in own for _, reward in draws[j].steps]
            for end, reward in draw.steps:
                for t in range(end):
                    row[t] += _compared(kind, reward, pool, [])
        found.append(row)
    return found


def loss(settings: Settings, rows: Sequence[Row], *, max_tokens: int, stopped: Sequence[Sequence[float]] | None = None) -> float:
    """Return the loss of an update.

    Args:
        stopped: the log-probabilities that a formula's stop-gradient sees; None = the policy's own.
    """
    surrogate, kl, total = settings["surrogate"], settings["kl"], 0.0
    for i, row in enumerate(rows):
        length = len(row.new)
        fixed = row.new if stopped is None else stopped[i]
        for t in range(length):
            ratio, advantage = _ratio(settings["ratio"], row, fixed, t), row.advantages[t]
            if surrogate["type"] == "reinforce":
                objective = row.new[t] * advantage
            elif surrogate["type"] == "cispo":
                objective = min(math.exp(fixed[t] - row.old[t]), 1 + surrogate["eps_high"]) * advantage * row.new[t]
            else:
                cut = min(max(ratio, 1 - surrogate["eps_low"]), 1 + surrogate["eps_high"])
                objective = min(ratio * advantage, cut * advantage)
                if surrogate["dual_clip"] is not None and advantage < 0:
                    objective = max(objective, surrogate["dual_clip"] * advantage)
            if kl is not None and kl["place"] == "loss":
                k3 = math.exp(row.ref[t] - row.new[t]) - (row.ref[t] - row.new[t]) - 1
                objective -= kl["coef"] * k3 * (math.exp(row.new[t] - row.old[t]) if kl["importance_weighted"] else 1.0)
            total -= _share(settings["aggregation"], rows, row, max_tokens) * objective
    return total


def gradient(settings: Settings, rows: Sequence[Row], *, max_tokens: int, width: float = 1e-6) -> list[list[float]]:
    """Return the loss's derivative by each log-probability of the policy: central differences, but for what a formula stops."""
    stopped = [row.new for row in rows]

    def moved(i: int, t: int, by: float) -> float:
        new = [value + by * (s == t) for s, value in enumerate(rows[i].new)]
        changed = [replace(row, new=new) if j == i else row for j, row in enumerate(rows)]
        return loss(settings, changed, max_tokens=max_tokens, stopped=stopped)

    return [[(moved(i, t, width) - moved(i, t, -width)) / (2 * width) for t in range(len(row.new))] for i, row in enumerate(rows)]


def _compared(kind: Settings, value: float, group: Sequence[float], others: Sequence[float]) -> float:
    if kind["type"] == "reward":
        return value
    if kind["type"] == "leave_one_out":
        return value - _mean(others)
    centred = value - _mean(group)
    if kind["type"] == "centred":
        return centred
    deviation = math.sqrt(sum((each - _mean(group)) ** 2 for each in group) / (len(group) - kind["ddof"]))
    return centred / (max(deviation, kind["std_floor"]) + kind["eps"])


def _gae(rewards: Sequence[float], values: Sequence[float], gamma: float, lam: float) -> list[float]:
    """The definition: a sum over all errors still to come."""
    ahead = [*values[1:], 0.0]
    errors = [reward + gamma * after - value for reward, value, after in zip(rewards, values, ahead)]
    return [sum((gamma * lam) ** (s - t) * errors[s] for s in range(t, len(errors))) for t in range(len(errors))]


def _ratio(level: str, row: Row, stopped: Sequence[float], t: int) -> float:
    if level == "token":
        return math.exp(row.new[t] - row.old[t])
    inside = row.new if level == "sequence" else stopped
    whole = math.exp(_mean([now - then for now, then in zip(inside, row.old)]))
    return whole if level == "sequence" else whole * math.exp(row.new[t] - stopped[t])


def _share(aggregation: str, rows: Sequence[Row], row: Row, max_tokens: int) -> float:
    """What a token term of a completion is multiplied by."""
    lengths = [len(other.new) for other in rows]
    of_group = [len(other.new) for other in rows if other.group == row.group]
    return {
        "sequence_mean_token_mean": 1 / len(rows) / len(row.new),
        "token_mean": 1 / sum(lengths),
        "group_token_mean": 1 / len({other.group for other in rows}) / sum(of_group),
        "sequence_mean_token_sum": 1 / len(rows),
        "constant_length": 1 / len(rows) / max_tokens,
    }[aggregation]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
