"""Gather what a page shows of one or several runs. Whatever cannot be read becomes a remark; nothing here stops a page."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.report.curves import Curve, arrange, curves_of
from reasonforge.report.groups import GroupCurve, group_curves, group_runs, group_scores
from reasonforge.report.samples import choose_samples, short
from reasonforge.runs.cost import cost_of, cost_table, cost_text
from reasonforge.runs.info import RunCost, RunSummary, Score
from reasonforge.runs.metrics import metric_of
from reasonforge.runs.reader import RunReader
from reasonforge.runs.rollouts import list_steps
from reasonforge.runs.text import clean_text

PAGE_BYTES = 5_000_000
_CURVE_BYTES = 1_500_000
_BYTES_PER_POINT = 16
_MOST_POINTS = 600
_MOST_EVENTS = 100


@dataclass(slots=True)
class _Run:
    """One run as far as it could be read."""

    reader: RunReader
    problems: list[str] = field(default_factory=list)
    summary: RunSummary | None = None
    evaluations: dict[str, dict[str, Score]] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    cost: dict[str, Any] | None = None
    """Header, rows and a line of text; None = nothing was spent, or it could not be read."""


def collect(paths: Sequence[Path], *, max_bytes: int = PAGE_BYTES) -> dict[str, Any]:
    """Return the page's data, JSON-able, of about ``max_bytes`` at most.

    Raises:
        DataError: a path holds no run, or its run.json is broken.
    """
    runs = [_read(RunReader(path)) for path in paths]
    groups = group_runs([run.reader for run in runs])
    num_curves = sum(len(run.curves) for run in runs)
    max_points = max(20, min(_MOST_POINTS, min(_CURVE_BYTES, max_bytes // 3) // (_BYTES_PER_POINT * max(1, num_curves))))
    curves = [(i, curve) for i, group in enumerate(groups) for curve in group_curves([runs[j].curves for j in group.runs], max_points)]
    rollouts, remarks = _rollouts(runs, max_bytes - len(curves) * max_points * _BYTES_PER_POINT)
    if any(len(curve.steps) > max_points for run in runs for curve in run.curves):
        remarks.append(f"Curves show at most {max_points} of their points, extremes first. All are in metrics.jsonl.")
    return {
        "runs": [_describe(run) for run in runs],
        "curves": [
            {
                "run": groups[i].runs[0],
                "group": i,
                "stage": curve.mean.stage,
                "name": curve.mean.name,
                "steps": curve.mean.steps,
                "values": [short(value) for value in curve.mean.values],
                "band": _band(curve),
            }
            for i, curve in curves
        ],
        "groups": [
            {"name": group.name, "runs": group.runs, "scores": group_scores([runs[j].summary for j in group.runs])} for group in groups
        ],
        "panels": _panels([curve.mean for _, curve in curves]),
        "metrics": {name: _explain(name) for name in sorted({curve.mean.name for _, curve in curves})},
        "rollouts": rollouts,
        "left_out": list(dict.fromkeys(remarks)),
    }


def _read(reader: RunReader) -> _Run:
    run = _Run(reader)
    assert reader.info  # a run without a readable run.json is no run: let the error rise
    try:
        run.summary = reader.summary
    except DataError as error:
        run.problems.append(str(error))
    try:
        run.evaluations = reader.evaluations()
    except DataError as error:
        run.problems.append(str(error))
    try:
        # One figure is no curve: those of evaluation stages stand in the table.
        run.curves = [curve for curve in curves_of(reader.metric_rows()) if curve.stage not in run.evaluations or len(curve.steps) > 1]
    except DataError as error:
        run.problems.append(str(error))
    try:
        run.events = reader.event_rows()
        run.alarms = [{**alarm, "message": alarm["message"][:1000]} for alarm in reader.alarms()]
    except DataError as error:
        run.problems.append(str(error))
    with contextlib.suppress(DataError):  # the same files as above: the problem is known
        run.cost = _cost(cost_of(reader))
    return run


def _cost(cost: RunCost) -> dict[str, Any] | None:
    if not any(stage.seconds for stage in cost.stages):
        return None
    header, rows = cost_table(cost)
    return {"header": header, "rows": rows, "text": cost_text(cost)}


def _describe(run: _Run) -> dict[str, Any]:
    info, summary = run.reader.info, run.summary
    attempt = info.attempts[-1] if info.attempts else None
    return {
        "name": info.name,
        # Pages are handed on: where the run lay on somebody's disk is nobody's business.
        "folder": run.reader.path.resolve().name,
        "status": run.reader.status,
        "message": info.message,
        "seed": info.seed,
        "created": info.created,
        "seconds": summary.seconds if summary else sum(stage.seconds for stage in info.stages),
        "attempts": len(info.attempts),
        "argv": attempt.argv if attempt else [],
        "versions": attempt.versions if attempt else {},
        "git": attempt.git if attempt else None,
        "notes": summary.notes if summary else [],
        "base": summary.base if summary else None,
        "before": summary.before if summary else None,
        "after": summary.after if summary else None,
        # A list: JavaScript would sort stages that are called by numbers.
        "evaluations": list(run.evaluations.items()),
        "final": summary.final if summary else None,
        "stages": [{**stage.model_dump(), "state": run.reader.state_of(stage)} for stage in info.stages],
        "lost_rows": info.lost_rows,
        "cost": run.cost,
        "alarms": run.alarms,
        "problems": run.problems,
        "events": [_event(event) for event in run.events if event.get("level") in ("warning", "error")][-_MOST_EVENTS:],
    }


def _band(curve: GroupCurve) -> dict[str, list[float | None]] | None:
    if curve.low is None or curve.high is None:
        return None
    return {"low": [short(value) for value in curve.low], "high": [short(value) for value in curve.high]}


def _event(event: dict[str, Any]) -> dict[str, str]:
    return {key: str(event.get(key) or "")[:1000] for key in ("level", "stage", "kind", "message")}


def _panels(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Panels stage by stage, each with the indices of its curves."""
    panels: list[dict[str, Any]] = []
    for stage in dict.fromkeys(curve.stage for curve in curves):
        for title, names, is_main in arrange([curve.name for curve in curves if curve.stage == stage]):
            indices = [i for name in names for i, curve in enumerate(curves) if curve.stage == stage and curve.name == name]
            panels.append({"stage": stage, "title": title, "curves": indices, "main": is_main})
    return panels


def _explain(name: str) -> dict[str, Any]:
    try:
        metric = metric_of(name)
    except ValueError:  # a run of another version may know other names
        return {"unit": "", "better": "none", "help": "", "healthy": None}
    return {"unit": metric.unit, "better": metric.better, "help": metric.help, "healthy": metric.healthy}


def _rollouts(runs: Sequence[_Run], max_bytes: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The rollouts of every stage that has some, sharing the room."""
    found = [
        (i, run, folder.name, files)
        for i, run in enumerate(runs)
        for folder in _folders(run.reader.path / "rollouts")
        if (files := list_steps(folder))
    ]
    result: list[dict[str, Any]] = []
    remarks: list[str] = []
    for i, run, stage, files in found:
        samples = choose_samples(clean_text(stage), files, max_bytes=max_bytes * 9 // 10 // len(found))
        run.problems += samples.problems
        remarks += samples.remarks
        if samples.steps:
            result.append({"run": i, "stage": stage, "steps": samples.steps})
    return result, remarks


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
