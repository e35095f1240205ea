"""What a finished run shows, in figures and in plain words. The words follow from the figures by fixed rules."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import RecipeError
from reasonforge.pipelines.config import START, EvalConfig, Recipe, start_of
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
_COUNTS_WORDS = 0.55
"""A reward model that tells fewer pairs of equal length apart than this may look at nothing but length."""
_PLACE_BIAS = 0.5
"""Mean score of place A beyond which a judge prefers the place, not the answer."""

_TRAINING = {
    "pretrain": "pre-training",
    "sft": "supervised fine-tuning",
    "rl": "reinforcement learning",
    "preference": "preference learning",
}
_NOT_ASKED = frozenset({"type", "reward_model", "skill_prefix", "ks", "sandbox"})
"""Settings of an evaluation that change neither its problems nor pass@1."""


def summary_of(run: RunDirectory, recipe: Recipe, evaluations: list[str]) -> RunSummary:
    """Read what the evaluation stages found: the last is the final model, the first on the same data before training is its base."""
    after = evaluations[-1] if evaluations else None
    final = None if after is None else _scores(run, after)
    before = _before(recipe, evaluations)
    base = None if before is None else _scores(run, before)
    stages = [StageSummary(name=info.name, type=info.type, seconds=round(info.seconds, 3), steps=info.step) for info in run.info.stages]
    return RunSummary(
        name=run.name,
        seed=recipe.seed,
        seconds=round(sum(stage.seconds for stage in stages), 3),
        base=base,
        final=final,
        before=before,
        after=after,
        notes=[
            *(_notes(base, final, trained_by(recipe, before, after)) if _has_trained(recipe, [stage.name for stage in stages]) else []),
            *not_compared(recipe, evaluations),
            *_of_reward_models(run, recipe),
            *_of_judges(run, recipe),
        ],
        stages=stages,
        cost=cost_of(run),
    )


def evaluation_scores(run: RunReader, recipe: Recipe) -> dict[str, dict[str, Score]]:
    """Return what each evaluation of a run found, in the recipe's order."""
    return {name: _scores(run, name) for name in recipe.stages if (run.evals_dir(name) / "summary.json").exists()}


def _scores(run: RunReader, name: str) -> dict[str, Score]:
    return read_json(run.evals_dir(name) / "summary.json")


def _before(recipe: Recipe, evaluations: list[str]) -> str | None:
    """Return the evaluation that the last one can be compared with: it asks the same, and the model has been trained since."""
    return next((name for name in _candidates(recipe, evaluations) if not _differences(recipe, name, evaluations[-1])), None)


def not_compared(recipe: Recipe, evaluations: list[str]) -> list[str]:
    """Say which evaluations look like before and after and are not, because they do not ask the same; empty = there are none."""
    candidates = _candidates(recipe, evaluations)
    if not candidates or _before(recipe, evaluations) is not None:
        return []
    differ = ", ".join(f"{key} {before} and {after}" for key, before, after in _differences(recipe, candidates[0], evaluations[-1]))
    return [f"{candidates[0]} and {evaluations[-1]} are not compared: they differ in {differ}. Give both the same settings."]


def _candidates(recipe: Recipe, evaluations: list[str]) -> list[str]:
    """Return the evaluations of the last one's data table between which and it something was trained."""
    if not evaluations:
        return []
    order, last = list(recipe.stages), evaluations[-1]
    return [
        name
        for name in evaluations[:-1]
        if recipe.stages[name].data == recipe.stages[last].data and _has_trained(recipe, order[order.index(name) : order.index(last)])
    ]


def _differences(recipe: Recipe, before: str, after: str) -> list[tuple[str, object, object]]:
    """Return (setting, value before, value after) of what two evaluations ask differently."""
    one, other = (recipe.stages[name].model_dump(mode="json", exclude=set(_NOT_ASKED)) for name in (before, after))
    return [(key, one[key], other[key]) for key in one if one[key] != other[key]]


def trained_by(recipe: Recipe, before: str | None, after: str | None) -> str:
    """Return in words what made the model of one evaluation from that of an earlier one; empty = nothing is compared."""
    if before is None or after is None:
        return ""
    order = list(recipe.stages)
    first, kinds = order.index(before), []
    position = order.index(after)
    while position > first:
        # Backwards through what each stage began with: others that stand between may have led elsewhere.
        trained = [i for i in range(first + 1, position) if recipe.stages[order[i]].type in POLICY_STAGES]
        if not trained:
            break
        stage = recipe.stages[order[trained[-1]]]
        kinds.append(_TRAINING[stage.type])
        start = start_of(stage)
        position = trained[-1] if start is None else -1 if start == START else order.index(start) + 1
    return " and ".join(dict.fromkeys(reversed(kinds)))


def _has_trained(recipe: Recipe, names: Iterable[str]) -> bool:
    return any(name in recipe.stages and recipe.stages[name].type in POLICY_STAGES for name in names)


def _of_reward_models(run: RunReader, recipe: Recipe) -> list[str]:
    """Say where a reward model picks worse than no reward model, and where it may count words."""
    notes = []
    for name, scores in evaluation_scores(run, recipe).items():
        for best in (each for each in scores if each.startswith("best@") and not each.endswith("_ci")):
            votes = best.replace("best@", "maj@")
            chosen = _number(scores, best)
            for other, words in (("pass@1", "picking blindly is better"), (votes, "a plain vote picks better")):
                without = _number(scores, other)
                if chosen is not None and without is not None and chosen < without - _NOISE:
                    notes.append(f"{name}: {best}, the reward model's choice, is {chosen:.3f}, below {other} {without:.3f}: {words}.")
    for name in _run_stages(run, recipe, "reward_model"):
        matched = _logged(run, name, "reward_model/pair_accuracy_matched")
        if matched and matched[-1] < _COUNTS_WORDS:
            notes.append(
                f"{name}: pair_accuracy_matched is {matched[-1]:.3f} where both answers are about as long: it may be counting words."
            )
    return notes


def _of_judges(run: RunReader, recipe: Recipe) -> list[str]:
    notes = []
    for name in _run_stages(run, recipe, "judge"):
        scores = _logged(run, name, "judge/first_place")
        mean = sum(scores) / len(scores) if scores else 0.0
        if abs(mean) > _PLACE_BIAS:
            place = "A" if mean > 0 else "B"
            notes.append(f"{name}: whatever stands in place {place} is preferred by {abs(mean):.2f}: the judge is biased.")
    return notes


def _run_stages(run: RunReader, recipe: Recipe, kind: str) -> list[str]:
    return [stage.name for stage in run.info.stages if stage.name in recipe.stages and recipe.stages[stage.name].type == kind]


def _logged(run: RunReader, stage: str, metric: str) -> list[float]:
    return [row[metric] for row in run.metric_rows(stage) if isinstance(row.get(metric), int | float)]


def _notes(base: dict[str, Score] | None, final: dict[str, Score] | None, training: str) -> list[str]:
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
            f"{training[:1].upper()}{training[1:]} made the model do reliably what it could already do now and then (sharpening); "
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
