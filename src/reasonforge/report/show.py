"""A run in a screenful of text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reasonforge.report.curves import arrange, curves_of
from reasonforge.runs.cost import cost_of, cost_table, cost_text
from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import clean_text, format_number, format_seconds, program_name, text_table

_FIGURES_PER_STAGE = 6


def summarise(run: Path) -> str:
    """Return stages, last figures, evaluation, findings and what to do next.

    Raises:
        DataError: there is no run at the path, or its files are damaged.
    """
    reader = RunReader(run)
    info, status, summary = reader.info, reader.status, reader.summary
    seconds = summary.seconds if summary else sum(stage.seconds for stage in info.stages)
    lines = [f"{clean_text(info.name)}: {status}, seed {info.seed}, {format_seconds(seconds)}"]
    if info.message:
        lines.append(clean_text(info.message))
    if info.lost_rows:
        lost = ", ".join(f"{count} {kind}" for kind, count in info.lost_rows.items())
        lines.append(f"warning: the disk refused some writes: {lost}")
    lines += ["", *_stages(reader)]
    lines += _alarms(reader)
    cost = cost_of(reader)
    if any(stage.seconds for stage in cost.stages):
        lines += ["", *text_table(*cost_table(cost)), cost_text(cost)]
    lines += _evaluations(reader)
    if summary and summary.notes:
        lines += ["", "findings", *(f"  - {clean_text(note)}" for note in summary.notes)]
    return "\n".join([*lines, "", *(f"next: {command}" for command in next_commands(reader, status))])


def next_commands(reader: RunReader, status: str) -> list[str]:
    """Return the commands that make sense now."""
    report = f"{program_name()} report {shlex.quote(str(reader.path))}"
    return [reader.resume_command, report] if status in ("killed", "failed", "stopped") else [report]


def _stages(reader: RunReader) -> list[str]:
    last: dict[str, dict[str, float | None]] = {}
    for curve in curves_of(reader.metric_rows()):
        last.setdefault(curve.stage, {})[curve.name] = curve.values[-1]
    rows, endings = [], reader.endings()
    for stage in reader.info.stages:
        found = last.get(stage.name, {})
        main = [name for _, names, is_main in arrange(list(found)) if is_main for name in names[:1]]
        figures = ", ".join(f"{name} {format_number(found[name])}" for name in main[:_FIGURES_PER_STAGE])
        if stage.name in endings:
            figures = f"{figures}; {endings[stage.name]}"
        steps = f"{stage.step}" if stage.total_steps is None else f"{stage.step}/{stage.total_steps}"
        rows.append((stage.name, reader.state_of(stage), steps, format_seconds(stage.seconds), figures))
    if not rows:
        return ["no stages yet"]
    table = text_table(["stage", "state", "steps", "time"], [row[:4] for row in rows])
    return [table[0] + "  last figures", *(f"{line}  {clean_text(row[4])}" for line, row in zip(table[1:], rows, strict=True))]


def _alarms(reader: RunReader) -> list[str]:
    found = [f"  - {clean_text(alarm['stage'])}: {clean_text(alarm['message'])}" for alarm in reader.alarms()]
    return ["", "alarms (docs/watching.md)", *found] if found else []


def _evaluations(reader: RunReader) -> list[str]:
    """A column for each evaluation, named as its stage; of a run whose evaluations were not copied along, what its summary says."""
    found, summary = reader.evaluations(), reader.summary
    if not found and summary:
        found = {name: scores for name, scores in (("base", summary.base), ("final", summary.final)) if scores}
    names = [name for name in dict.fromkeys(name for scores in found.values() for name in scores) if not name.endswith("_ci")]
    if not names:
        return []
    rows = [(clean_text(name), *(_score(scores, name) for scores in found.values())) for name in names]
    return ["", *text_table(["evaluation", *map(clean_text, found)], rows)]


def _score(scores: Mapping[str, Any], name: str) -> str:
    value, interval = scores.get(name), scores.get(f"{name}_ci")
    if not isinstance(value, (int, float)):
        return "-"
    if not isinstance(interval, (tuple, list)):
        return format_number(value)
    return f"{format_number(value)} [{format_number(interval[0])}, {format_number(interval[1])}]"
