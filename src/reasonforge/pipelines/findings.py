"""What a finished run shows, in figures and in plain words. The words follow from the figures by fixed rules."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import RecipeError
from reasonforge.pipelines.config import EvalConfig, Recipe
from reasonforge.runs.cost import cost_of
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json
from reasonforge.runs.info import RunSummary, Score, StageSummary
from reasonforge.runs.reader import POLICY_STAGES, RunReader
from reasonforge.runs.redact import redact
from reasonforge.runs.text import program_name

_NOISE = 0.03
"""Smaller changes of a share are called none."""
_NEAR_ZERO = 0.05


def summary_of(run: RunDirectory, recipe: Recipe, evaluations: list[str]) -> RunSummary:
    """Read what the evaluation stages found: the last is the final model, the first on the same data before training is its base."""
    final = _scores(run, evaluations[-1]) if evaluations else None
    before = _before(recipe, evaluations)
    base = None if before is None else _scores(run, before)
    stages = [StageSummary(name=info.name, type=info.type, seconds=round(info.seconds, 3), steps=info.step) for info in run.info.stages]
    return RunSummary(
        name=run.name,
        seed=recipe.seed,
        seconds=round(sum(stage.seconds for stage in stages), 3),
        base=base,
        final=final,
        notes=_notes(base, final) if _has_trained(recipe, [stage.name for stage in stages]) else [],
        stages=stages,
        cost=cost_of(run),
    )


def evaluation_scores(run: RunReader, recipe: Recipe) -> dict[str, dict[str, Score]]:
    """Return what each evaluation of a run found, in the recipe's order."""
    return {name: _scores(run, name) for name in recipe.stages if (run.evals_dir(name) / "summary.json").exists()}


def _scores(run: RunReader, name: str) -> dict[str, Score]:
    return read_json(run.evals_dir(name) / "summary.json")


def _before(recipe: Recipe, evaluations: list[str]) -> str | None:
    """Return the evaluation that the last one can be compared with: it asks the same data, and the model has been trained since."""
    if not evaluations:
        return None
    order, last = list(recipe.stages), recipe.stages[evaluations[-1]]
    for name in evaluations[:-1]:
        between = order[order.index(name) : order.index(evaluations[-1])]
        if recipe.stages[name].data == last.data and _has_trained(recipe, between):
            return name
    return None


def _has_trained(recipe: Recipe, names: Iterable[str]) -> bool:
    return any(name in recipe.stages and recipe.stages[name].type in POLICY_STAGES for name in names)


def _notes(base: dict[str, Score] | None, final: dict[str, Score] | None) -> list[str]:
    if final is None:
        return []
    notes = []
    reached = _number(final, "pass@1")
    if reached is not None and reached < _NEAR_ZERO:
        notes.append(
            f"pass@1 is {reached:.3f}: near zero, as a model of this size and so little training must expect. "
            "The run shows that every stage works together, not that the model can solve these problems."
        )
    if base is None:
        return notes
    before = _number(base, "pass@1")
    many = next((name for name in final if name.startswith("pass@") and name not in ("pass@1", "pass@1_ci")), None)
    if before is None or reached is None or many is None:
        return notes
    ceiling_before, ceiling_after = _number(base, many), _number(final, many)
    assert ceiling_before is not None
    assert ceiling_after is not None
    if reached - before > _NOISE and abs(ceiling_after - ceiling_before) <= _NOISE:
        notes.append(
            f"pass@1 rose from {before:.3f} to {reached:.3f} while {many} went from {ceiling_before:.3f} to {ceiling_after:.3f}. "
            "Reinforcement learning made the model do reliably what it could already do now and then (sharpening); "
            "it is no evidence of a new skill."
        )
    elif reached - before > _NOISE:
        notes.append(
            f"pass@1 rose from {before:.3f} to {reached:.3f} and {many} went from {ceiling_before:.3f} to {ceiling_after:.3f}: "
            "more than the same skill used more reliably has changed."
        )
    elif before - reached > _NOISE:
        notes.append(f"pass@1 fell from {before:.3f} to {reached:.3f}: the training made the model worse on held-out problems.")
    elif not notes:
        notes.append(f"pass@1 went from {before:.3f} to {reached:.3f}: no change beyond noise.")
    format_before, format_after = _number(base, "format"), _number(final, "format")
    if format_before is not None and format_after is not None and format_after - format_before > _NOISE:
        notes.append(
            f"The share of completions in the asked form went from {format_before:.3f} to {format_after:.3f}, "
            f"the mean length from {_number(base, 'length'):.1f} to {_number(final, 'length'):.1f} tokens."
        )
    return notes


def _number(scores: dict[str, Score], name: str) -> float | None:
    value = scores.get(name)
    return float(value) if isinstance(value, int | float) else None


def next_commands(run: RunReader, recipe: Recipe) -> list[str]:
    """Return what a user would type now: look at the run, let the next stage use what this one left, and measure its model again."""
    program = program_name()
    commands = [f"{program} show {shlex.quote(str(run.path))}"]
    done = {stage.name for stage in run.info.stages if stage.state == "done"}
    waiting = (name for name in recipe.stages if name not in done and (needed := set(recipe.needs(name))) and needed <= done)
    if (stage := next(waiting, None)) is not None:
        commands.append(f"{run.resume_command} --stage {stage}")
    evaluation = _evaluation_of(run) if run.final_dir.exists() else None
    if evaluation is not None:
        commands.append(f"{program} eval {shlex.join([*evaluation, '--model', str(run.final_dir)])}")
    return commands


def _evaluation_of(run: RunReader) -> list[str] | None:
    """Return recipe and options of the recipe's last evaluation; None = the kept recipe alone does not say all that the run was given."""
    try:
        kept = load_recipe(Recipe, [run.recipe_path])
    except RecipeError:  # it extends a file that lies elsewhere, say
        return None
    stage = next((name for name, config in reversed(kept.recipe.stages.items()) if isinstance(config, EvalConfig)), None)
    if stage is None:
        return None
    given, alone = read_json(run.resolved_path), redact(kept.resolved)
    if any(given[key] != alone[key] for key in ("template", "data")) or given["stages"].get(stage) != alone["stages"][stage]:
        return None
    seed = ["--seed", str(given["seed"])] if given["seed"] != alone["seed"] else []
    return [str(run.recipe_path), "--stage", stage, *seed]
