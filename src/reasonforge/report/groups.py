"""Runs of one recipe with several seeds: who belongs together, and their mean with its spread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.report.curves import Curve, thinned
from reasonforge.runs.files import read_json
from reasonforge.runs.info import RunSummary
from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that differ in nothing but the seed, or one run alone."""

    name: str
    runs: tuple[int, ...]
    """Places in the list of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCurve:
    """A curve of a group."""

    mean: Curve
    """Over seeds, at the steps that all of them have; of one run, its own."""
    low: tuple[float, ...] | None
    """Mean less one sample standard deviation; None = one run."""
    high: tuple[float, ...] | None


def group_runs(readers: Sequence[RunReader]) -> list[Group]:
    """Put runs of the same settings and different seeds together, in the order of their first ones."""
    found: dict[str, list[int]] = {}
    for i, reader in enumerate(readers):
        settings = _settings(reader)
        found.setdefault(f"run {i}" if settings is None else settings, []).append(i)
    groups: list[Group] = []
    for members in found.values():
        seeds = {readers[i].info.seed for i in members}
        if len(members) > 1 and len(seeds) == len(members):
            groups.append(Group(name=f"{readers[members[0]].info.name} and {counted(len(members) - 1, 'more seed')}", runs=tuple(members)))
        else:  # the same run twice, say
            groups += [Group(name=readers[i].info.name, runs=(i,)) for i in members]
    return sorted(groups, key=lambda group: group.runs)


def group_curves(members: Sequence[Sequence[Curve]], max_points: int) -> list[GroupCurve]:
    """Return the curves of a group from those of its runs, thinned for drawing."""
    if len(members) == 1:
        return [GroupCurve(mean=thinned(curve, max_points), low=None, high=None) for curve in members[0]]
    names = dict.fromkeys((curve.stage, curve.name) for curves in members for curve in curves)
    found = []
    for stage, name in names:
        columns = [
            {s: v for curve in curves if (curve.stage, curve.name) == (stage, name) for s, v in zip(curve.steps, curve.values, strict=True)}
            for curves in members
        ]
        points = {step: values for step in sorted(columns[0]) if (values := _at(columns, step)) is not None}
        if not points:
            continue
        means = [fmean(values) for values in points.values()]
        mean = thinned(Curve(stage=stage, name=name, steps=tuple(points), values=tuple(means)), max_points)
        low = tuple(fmean(points[step]) - stdev(points[step]) for step in mean.steps)
        high = tuple(fmean(points[step]) + stdev(points[step]) for step in mean.steps)
        found.append(GroupCurve(mean=mean, low=low, high=high))
    return found


def group_scores(summaries: Sequence[RunSummary | None]) -> dict[str, dict[str, float]] | None:
    """Return mean and sample standard deviation over seeds of every final figure that all runs have; None = a run is alone or has none."""
    finals = [summary.final for summary in summaries if summary is not None and summary.final is not None]
    if len(finals) < 2 or len(finals) < len(summaries):
        return None
    scores: dict[str, dict[str, float]] = {}
    for name in finals[0]:
        values = [value for final in finals if isinstance(value := final.get(name), int | float)]
        if len(values) == len(finals):
            scores[name] = {"mean": fmean(values), "deviation": stdev(values)}
    return scores


def _at(columns: Sequence[dict[int, float | None]], step: int) -> list[float] | None:
    """The values of all runs at a step; None = one of them has none."""
    values = [value for column in columns if (value := column.get(step)) is not None]
    return values if len(values) == len(columns) else None


def _settings(reader: RunReader) -> str | None:
    """All settings but the seed, as text that can be compared; None = they cannot be read."""
    try:
        settings: Any = read_json(reader.resolved_path)
    except DataError:
        return None
    return (
        json.dumps({key: value for key, value in settings.items() if key != "seed"}, sort_keys=True) if isinstance(settings, dict) else None
    )
