"""What a run cost: device time by phase, tokens by phase, and a price where one is given. Read from what the run has logged anyway.

Device time is the wall-clock time of a stage, over all attempts: work that a kill threw away was paid for too. Its phases are those of the
steps that stand; ``other`` is the rest (start, checkpoints, lost work). A device is the accelerator, or the machine where there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.runs.files import read_json
from reasonforge.runs.info import RunCost, StageCost, StageInfo
from reasonforge.runs.metrics import TIME_PREFIX
from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import format_number

_PHASE_SUFFIX = "_seconds"
_WHOLE_STEP = {"sample": "sample", "label_steps": "sample", "judge": "judge"}
"""What the steps of a stage type do that times them as a whole; others train."""
_SUMMED = {
    "cost/sampled_tokens": "sampled",
    "cost/prompt_tokens": "prompt",
    "cost/evaluated_tokens": "evaluated",
    "judge/prompt_tokens": "judge prompt",
    "judge/completion_tokens": "judge",
}
"""Metrics that count the tokens of one step."""
_TOTALS = {"num_tokens": "learned"}
"""Metrics that count the tokens so far."""


def cost_of(run: RunReader) -> RunCost:
    """Return what a run has cost so far.

    Raises:
        DataError: its files are damaged.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in run.metric_rows():
        rows.setdefault(str(row.get("stage")), []).append(row)
    stages = [_stage_cost(stage, rows.get(stage.name, [])) for stage in run.info.stages]
    return RunCost(stages=stages, price_per_device_hour=_price(run))


def cost_text(cost: RunCost) -> str:
    """Return a run's cost in one line."""
    parts = [f"{cost.device_hours:.3g} device hours"]
    if cost.price is not None:
        parts.append(f"price {cost.price:.3g}")
    if bought := sum(stage.bought for stage in cost.stages):
        parts.append(f"paid to judges' endpoints {bought:.3g}")
    tokens = Counter[str]()
    for stage in cost.stages:
        tokens.update(stage.tokens)
    return ", ".join(parts + [f"{format_number(count)} tokens {phase}" for phase, count in tokens.items() if count])


def cost_table(cost: RunCost) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table: stages, their hours, the share of each phase, their tokens, and the price where it is known."""
    phases = [*dict.fromkeys(phase for stage in cost.stages for phase in stage.phases if phase != "other"), "other"]
    tokens = list(dict.fromkeys(phase for stage in cost.stages for phase in stage.tokens))
    price = cost.price_per_device_hour
    header = ["cost", "hours", *(["price"] if price is not None else []), *phases, *(f"{phase} tokens" for phase in tokens)]
    rows = []
    for stage in cost.stages:
        hours = stage.seconds / 3600
        cells = [stage.name, f"{hours:.3g}", *([f"{hours * price:.3g}"] if price is not None else [])]
        cells += [f"{stage.phases.get(phase, 0.0) / stage.seconds:.0%}" if stage.seconds > 0 else "-" for phase in phases]
        rows.append(cells + [format_number(stage.tokens[phase]) if phase in stage.tokens else "-" for phase in tokens])
    return header, rows


def _stage_cost(stage: StageInfo, rows: Iterable[Mapping[str, Any]]) -> StageCost:
    phases: dict[str, float] = {}
    tokens: dict[str, int] = {}
    bought = 0.0
    for row in rows:
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        for phase, seconds in _phases_of(numbers, stage.type).items():
            phases[phase] = phases.get(phase, 0.0) + seconds
        bought += numbers.get("judge/cost", 0.0)
        for name, value in numbers.items():
            if name in _SUMMED:
                tokens[_SUMMED[name]] = tokens.get(_SUMMED[name], 0) + int(value)
            elif name in _TOTALS:
                tokens[_TOTALS[name]] = int(value)
    rest = max(0.0, stage.seconds - sum(phases.values()))
    phases["evaluate" if stage.type == "eval" else "other"] = rest
    return StageCost(name=stage.name, seconds=stage.seconds, phases=phases, tokens=tokens, bought=bought)


def _phases_of(row: Mapping[str, float], stage_type: str) -> dict[str, float]:
    parts = {
        name[len(TIME_PREFIX) : -len(_PHASE_SUFFIX)]: seconds
        for name, seconds in row.items()
        if name.startswith(TIME_PREFIX) and name.endswith(_PHASE_SUFFIX)
    }
    whole = row.get(f"{TIME_PREFIX}seconds")
    return parts if parts or whole is None else {_WHOLE_STEP.get(stage_type, "train"): whole}


def _price(run: RunReader) -> float | None:
    try:
        settings = read_json(run.resolved_path)
    except DataError:
        return None
    price = settings.get("run", {}).get("price_per_device_hour") if isinstance(settings, dict) else None
    return float(price) if isinstance(price, int | float) else None
