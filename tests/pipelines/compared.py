"""Comparisons made of invented figures, for tests that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from reasonforge.pipelines.compare_plan import CompareOptions, ComparePlan, Contender, PlannedRun
from reasonforge.pipelines.compare_results import RunResult, comparison_data
from reasonforge.pipelines.compare_run import FailedRun


def result(
    label: str,
    seed: int,
    final: float,
    *,
    scores: Mapping[str, float] | None = None,
    recipe: int = 0,
    steps: int = 4,
    tokens: float | None = None,
) -> RunResult:
    """Return a run that drew rollouts, or one that learned from so many tokens of a text."""
    run = PlannedRun(
        name=f"{label}-s{seed}", path=Path("out") / f"{label}-s{seed}", arguments=(), resolved={}, stages=("rl",), recipe=recipe, seed=seed
    )
    curve = tuple(("rl", step, 16.0 * step, final * step / steps + 0.01 * seed) for step in range(1, steps + 1))
    return RunResult(
        run=run,
        final=final,
        scores=scores or {},
        curve=curve,
        rollouts=0.0 if tokens is not None else 16.0 * (steps or 4),
        tokens=1000.0 * seed if tokens is None else tokens,
        length=20.0 + seed,
        seconds=60.0 * seed,
        peak_memory_mb=400.0 + seed,
        state_mb=2.5,
    )


def plan_of(figures: Mapping[str, Sequence[float]], *, metric: str = "eval/pass@1") -> ComparePlan:
    contenders = tuple(
        Contender(
            label=label,
            folder=f"r{i}",
            description="",
            stages=("rl", "final"),
            evaluation="final",
            rollouts=64,
            loaded=cast(Any, None),  # only read where stages are shared
        )
        for i, label in enumerate(figures)
    )
    most = max(map(len, figures.values()))
    options = CompareOptions(recipes=(), out=Path("out"), num_seeds=most, metric=metric)
    runs = tuple(result(label, seed, 0.0, recipe=i).run for i, label in enumerate(figures) for seed in range(1, most + 1))
    return ComparePlan(
        options=options, contenders=contenders, shared=(), start=None, runs=runs, seeds=tuple(range(1, most + 1)), remarks=()
    )


def compared(
    figures: Mapping[str, Sequence[float]],
    *,
    metric: str = "eval/pass@1",
    failed: Sequence[FailedRun] = (),
    steps: int = 4,
    tokens: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the data of a comparison, from each recipe's figure of seeds 1, 2, ...; of runs without rollouts from its tokens, too."""
    trained = tokens or {}
    results = [
        [result(label, seed, value, recipe=i, steps=steps, tokens=trained.get(label)) for seed, value in enumerate(values, start=1)]
        for i, (label, values) in enumerate(figures.items())
    ]
    return comparison_data(plan_of(figures, metric=metric), results, failed)
