"""Metric rows as curves: one per run, stage and metric, thinned for drawing, arranged in panels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

ROW_KEYS = frozenset({"schema", "stage", "step", "time"})
"""What a row of metrics.jsonl holds beside metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of one stage over its steps."""

    stage: str
    name: str
    steps: tuple[int, ...]
    values: tuple[float | None, ...]
    """None = the value was not finite."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Metrics that are drawn together because they share a unit and a question."""

    title: str
    patterns: tuple[str, ...]
    """Names, ``*`` = anything; drawn in this order."""


PANELS = (
    Panel("Reward", ("reward", "rewards/*/mean")),
    Panel("Accuracy", ("eval/pass@1", "accuracy")),
    Panel("Of k samples", ("eval/pass@*", "eval/maj@*")),
    Panel("The reward model's choice of k", ("eval/best@*",)),
    Panel("Votes weighed by the reward model", ("eval/weighted@*",)),
    Panel("Reward model: area under the curve", ("reward_model/auc",)),
    Panel("Reward model: accuracy", ("reward_model/accuracy",)),
    Panel("Reward model: pairs told apart (share)", ("reward_model/pair_accuracy",)),
    Panel("Reward model: pairs of one length told apart (share)", ("reward_model/pair_accuracy_matched",)),
    Panel("Reward model: calibration error", ("reward_model/calibration_error",)),
    Panel("Judge: comparisons kept (share)", ("judge/kept",)),
    Panel("Judge: unanimous (share)", ("judge/unanimous",)),
    Panel("Judge: mean score of place A", ("judge/first_place",)),
    Panel("Margin of the pairs (nats)", ("rewards/margins",)),
    Panel("Pairs the right way round (share)", ("rewards/accuracies",)),
    Panel("Pairs of the round", ("preference/pairs",)),
    Panel("Format share", ("eval/format",)),
    Panel("Length (tokens)", ("completions/mean_length", "eval/length")),
    Panel("Loss", ("loss",)),
    Panel("Entropy (nats/token)", ("entropy",)),
    Panel("KL to the reference (nats/token)", ("kl",)),
    Panel("Clipped tokens (share)", ("clip_ratio/low_mean", "clip_ratio/high_mean")),
    Panel("Gradient norm", ("grad_norm",)),
    Panel("Groups without signal (share)", ("frac_reward_zero_std",)),
    Panel("Ran into the length limit (share)", ("completions/clipped_ratio", "eval/truncated")),
)
"""What a reader looks at first; every other metric gets a panel of its own, further down."""


def curves_of(rows: Iterable[Mapping[str, Any]]) -> list[Curve]:
    """Return the curves of metric rows, in the order they first occur. Rows or values of a wrong type are left out."""
    points: dict[tuple[str, str], dict[int, float | None]] = {}
    for row in rows:
        stage, step = row.get("stage"), row.get("step")
        if not isinstance(stage, str) or not isinstance(step, int):
            continue
        for name, value in row.items():
            if name in ROW_KEYS or not (value is None or _is_number(value)):
                continue
            points.setdefault((stage, name), {})[step] = value
    return [
        Curve(stage=stage, name=name, steps=tuple(sorted(found)), values=tuple(found[step] for step in sorted(found)))
        for (stage, name), found in points.items()
    ]


def thinned(curve: Curve, max_points: int) -> Curve:
    """Return a curve of at most ``max_points`` points, all of them real: the lowest and highest of each stretch, first and last."""
    count = len(curve.steps)
    if count <= max_points:
        return curve
    stretches = max(1, (max_points - 2) // 2)
    kept = {0, count - 1}
    for i in range(stretches):
        indices = range(i * count // stretches, (i + 1) * count // stretches)
        numbers = [(value, index) for index in indices if (value := curve.values[index]) is not None]
        kept |= {min(numbers)[1], max(numbers)[1]} if numbers else {indices[0]}
    order = sorted(kept)
    return Curve(
        stage=curve.stage,
        name=curve.name,
        steps=tuple(curve.steps[i] for i in order),
        values=tuple(curve.values[i] for i in order),
    )


def arrange(names: Sequence[str]) -> list[tuple[str, list[str], bool]]:
    """Return (title, metric names, is it one of the main panels) for the metrics of a stage; each name occurs once."""
    left = list(dict.fromkeys(names))
    panels: list[tuple[str, list[str], bool]] = []
    for panel in PANELS:
        drawn = [name for pattern in panel.patterns for name in left if fnmatchcase(name, pattern)]
        drawn = list(dict.fromkeys(drawn))
        left = [name for name in left if name not in drawn]
        if drawn:
            panels.append((panel.title, drawn, True))
    return panels + [(name, [name], False) for name in left]


def smoothed(values: Sequence[float | None], weight: float) -> list[float | None]:
    """Return an exponential moving average without the pull towards zero at its start; gaps stay gaps.

    Args:
        values: in order of steps.
        weight: 0 = unchanged; near 1 = very smooth.
    """
    total = norm = 0.0
    result: list[float | None] = []
    for value in values:
        if value is None:
            result.append(None)
            continue
        total = weight * total + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        result.append(total / norm)
    return result


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return about ``count`` round numbers within a range.

    >>> ticks(0.0, 1.0)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if not low < high:
        return [low]
    rough = (high - low) / count
    scale = 10.0 ** math.floor(math.log10(rough))
    spacing = next(scale * m for m in (1, 2, 2.5, 5, 10) if scale * m >= rough * 0.999)
    first = math.ceil(low / spacing - 1e-9)
    return [i * spacing for i in range(first, math.floor(high / spacing + 1e-9) + 1)]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
