"""From graded completions to a list of problems. Done at once: a killed run begins the stage again, and finds the same."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.records import Problem
from reasonforge.stages.driver import StageContext
from reasonforge.stages.select.config import SelectConfig
from reasonforge.stages.select.score import accuracy_curves, impact_scores, level_of
from reasonforge.tasks.config import DataSource, RolloutSource
from reasonforge.tasks.rollouts import is_graded, pass_rates, read_source
from reasonforge.tasks.selected import selected_file


def run_select(config: SelectConfig, source: DataSource, context: StageContext) -> str:
    """Choose problems and write them down; return what came of it in one line.

    Raises:
        DataError: the stage that draws has not run, or no problem is left.
        StorageError: the disk refused.
    """
    assert isinstance(source, RolloutSource)  # the recipe was checked
    groups = read_source(source, context.run.path)
    problems: dict[str, Problem] = {group.problem.id: group.problem for group in groups}
    rates = pass_rates(groups)
    counts = dict.fromkeys(problems, 0)
    for group in groups:
        counts[group.problem.id] += sum(map(is_graded, group.rollouts))
    left: dict[str, int] = {"problems": len(problems)}
    kept = [name for name in problems if counts[name] >= config.min_samples]
    left["min_samples"] = len(kept)
    if config.pass_rate is not None:
        low, high = config.pass_rate
        kept = [name for name in kept if low <= rates[name] <= high]
        left["pass_rate"] = len(kept)
    scores: dict[str, float] = {}
    if config.learning_impact is not None:
        scores = impact_scores(accuracy_curves(groups))
        kept = [name for name in kept if scores.get(name, -1.0) >= config.learning_impact.min_score]
        left["learning_impact"] = len(kept)
    said = ", ".join(f"{name} {count}" for name, count in left.items())
    if not kept:
        raise DataError(f"{context.name}: no problem is left ({said}). Loosen the filters, or draw more samples.")
    rows: list[dict[str, Any]] = []
    for name in kept:
        problem = problems[name]
        if config.levels is not None:
            problem = replace(problem, difficulty=level_of(rates[name], config.levels))
        measured = {"pass_rate": rates[name], "graded": counts[name]}
        rows.append({"problem": asdict(problem), **measured, **({"learning_impact": scores[name]} if name in scores else {})})
    path = selected_file(context.run, context.name)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    context.log.metrics(1, {"select/kept": len(kept) / len(problems), "select/pass_rate": sum(rates[name] for name in kept) / len(kept)})
    context.log.event("selected", f"problems left after each filter: {said}", yields=left, path=str(path))
    return f"{len(kept)} of {len(problems)} problems kept"
