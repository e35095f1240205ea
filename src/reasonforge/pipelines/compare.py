"""``reasonforge compare``: recipes side by side, from one checkpoint, with equal rollouts, over several seeds. Torch-free."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError, ReasonforgeError, RecipeError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.pipelines.checks import check_recipe
from reasonforge.pipelines.compare_plan import CompareOptions, ComparePlan, plan_comparison
from reasonforge.pipelines.compare_results import RunResult, comparison_data, comparison_table, comparison_text, result_of
from reasonforge.pipelines.compare_run import FailedRun, make_runs, state_of
from reasonforge.report.compare import comparison_svg, write_comparison_page
from reasonforge.runs.console import Console
from reasonforge.runs.files import write_json
from reasonforge.runs.metrics import metric_of
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.text import counted, program_name

_FAILED = 70


def compare_recipes(options: CompareOptions, *, console: Console, argv: Sequence[str]) -> int:
    """Run what is not done yet, write page, picture and figures, print the table; return the exit code.

    Args:
        options: what the command line asks for.
        console: where to show it.
        argv: the command line as typed, the program's name first.

    Raises:
        RecipeError: the recipes cannot be compared, or the folder holds something else.
        DataError: a recipe's data or model cannot be read.
        InterruptedRun: a signal came; the runs have saved.
    """
    plan = _checked_plan(options)
    parallel = options.parallel or _num_runs_at_once()
    _banner(plan, console, parallel)
    with StopRequest() as stop:
        stop.waits_for = lambda: "the runs finish their step and save"
        logs = options.out / "logs"
        if plan.start is not None and (failed := make_runs([plan.start], logs, parallel=1, console=console, stop=stop)):
            raise _of_start(failed[0])
        failed = make_runs(plan.runs, logs, parallel=parallel, console=console, stop=stop)
    results, unread = _results(plan, failed)
    for error in unread:
        console.warn(error)
    data = comparison_data(plan, results, failed)
    page = write_comparison(plan, data)
    console.table("final evaluation", *comparison_table(data))
    for sentence in [data["headline"], *data["findings"], *data["remarks"]]:
        console.note(sentence)
    facts = [("page", str(page)), ("picture", str(page.with_suffix(".svg"))), ("figures", str(page.with_suffix(".json")))]
    again = f"{program_name()} {shlex.join(argv[1:])}"
    console.end("done" if not failed else f"{counted(len(failed), 'run')} failed", facts, [again] if failed else [])
    return _FAILED if failed or unread else 0


def plan_only(options: CompareOptions, *, console: Console, argv: Sequence[str]) -> int:
    """Check everything and print what would be run; return the exit code.

    Raises:
        RecipeError: as ``compare_recipes``.
        DataError: likewise.
    """
    plan = _checked_plan(options)
    _banner(plan, console, options.parallel or _num_runs_at_once())
    rows = [[run.name, state_of(run), " -> ".join(run.stages)] for run in ([plan.start] if plan.start else []) + list(plan.runs)]
    console.table("runs", ["run", "state", "stages"], rows)
    given = [argument for argument in argv[1:] if argument != "--dry-run"]
    console.end("the comparison can run", [], [f"{program_name()} {shlex.join(given)}"])
    return 0


def write_comparison(plan: ComparePlan, data: Mapping[str, Any]) -> Path:
    """Write ``compare.html``, ``compare.svg``, ``compare.json`` and ``compare.txt``; return where the page lies."""
    out = plan.options.out
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    write_json(out / "compare.json", data)
    write_atomic(out / "compare.txt", comparison_text(data).encode("utf-8", "replace"))
    write_atomic(out / "compare.svg", comparison_svg(data).encode("utf-8", "replace"))
    return write_comparison_page(out / "compare.html", data)


def _checked_plan(options: CompareOptions) -> ComparePlan:
    try:
        metric_of(options.metric)
    except ValueError as error:
        raise RecipeError(f"--metric: {str(error).split(' Add it')[0]}") from None
    plan = plan_comparison(options)
    # What a run would refuse is refused before hours are spent on another.
    states = {run.name: state_of(run) for run in [*([plan.start] if plan.start else []), *plan.runs]}
    for i, contender in enumerate(plan.contenders):
        if any(run.recipe == i and states[run.name] == "new" for run in plan.runs):
            # From the recipe's own model: that of the start is not made yet, and has its shape and vocabulary.
            check_recipe(contender.loaded.recipe, [*plan.shared, *contender.stages])
    return plan


def _banner(plan: ComparePlan, console: Console, parallel: int) -> None:
    rows = [
        ("folder", str(plan.options.out)),
        ("recipes", ", ".join(contender.label for contender in plan.contenders)),
        ("seeds", ", ".join(map(str, plan.seeds))),
        ("runs", f"{len(plan.runs)}, {parallel} at a time"),
        ("shared", " -> ".join(plan.shared) or "nothing"),
        ("metric", plan.options.metric),
    ]
    if any(contender.rollouts != 0 for contender in plan.contenders):
        rows.insert(-1, ("rollouts", ", ".join(f"{c.label} {'?' if c.rollouts is None else c.rollouts}" for c in plan.contenders)))
    console.banner("compare", rows)
    for remark in plan.remarks:
        console.note(remark)


def _results(plan: ComparePlan, failed: Sequence[FailedRun]) -> tuple[list[list[RunResult]], list[str]]:
    """Results by recipe, and what could not be read."""
    results: list[list[RunResult]] = [[] for _ in plan.contenders]
    names = {failure.run.name for failure in failed}
    errors = []
    for run in plan.runs:
        assert run.recipe is not None
        if run.name in names:
            continue
        try:
            results[run.recipe].append(result_of(run, plan.contenders[run.recipe], plan.options.metric))
        except DataError as error:
            errors.append(str(error))
    return results, errors


def _of_start(failure: FailedRun) -> ReasonforgeError:
    error = ReasonforgeError(f"{failure.run.path}: the shared stages failed: {failure.said}")
    error.exit_code = failure.code if failure.code > 0 else _FAILED
    return error


def _num_runs_at_once() -> int:
    """Return how many runs to make at a time: one where a GPU is, which they would have to share, otherwise one per core."""
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
