"""``--dry-run``: check everything that can be checked without training, print the plan. Torch is never imported."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from reasonforge.config.loader import LoadedRecipe
from reasonforge.pipelines.checks import check_recipe
from reasonforge.pipelines.config import EvalConfig, Recipe, RunOptions, select_stages
from reasonforge.pipelines.findings import not_compared
from reasonforge.pipelines.start import check_needs, random_start
from reasonforge.runs.console import Console
from reasonforge.runs.reader import RunReader
from reasonforge.runs.text import program_name
from reasonforge.stages.preference.config import PreferenceConfig
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.sample.config import SampleConfig

_BYTES_PER_PARAMETER = 16
"""Weights, gradient and two moments in float32."""


def dry_run(loaded: LoadedRecipe[Recipe], options: RunOptions, *, console: Console) -> int:
    """Make the tokenizer, read the data that the selected stages read, print the plan; return the exit code.

    Args:
        loaded: the recipe.
        options: what the command line adds to it; without ``--dry-run`` the line as typed is what to type next.
        console: where the plan is printed.

    Raises:
        RecipeError: nothing to run, or the settings cannot work together.
        DataError: data or model cannot be read, a prompt does not fit, or gold answers are not graded correct.
    """
    recipe = loaded.recipe
    names = select_stages(recipe.stages, only=options.only, stage=options.stage, first=options.first, last=options.last)
    # Before anything is printed: a refusal stands alone.
    check_needs(recipe, names, RunReader(options.out) if options.resume and options.out is not None else None)
    _, shape, checked, notes = check_recipe(recipe, names)
    parameters = shape.num_parameters
    console.banner(
        f"{recipe.name} (dry run: nothing is trained)",
        [
            ("model", f"{parameters:,} parameters, {shape.vocab_size} tokens in the vocabulary, context {shape.max_positions}"),
            (
                "memory",
                f"about {parameters * _BYTES_PER_PARAMETER / 2**20:,.0f} MiB for weights, gradients and optimizer, activations on top",
            ),
            ("seed", str(recipe.seed)),
            ("run folder", str(options.out) if options.out is not None else f"runs/{recipe.name}-TIME-ID"),
        ],
    )
    console.table(
        "stages",
        ["stage", "type", "work"],
        [[name, recipe.stages[name].type, _WORK[recipe.stages[name].type](recipe.stages[name])] for name in names],
    )
    console.table("data", ["read by", "table", "checked"], [list(row) for row in checked])
    if (warning := random_start(recipe, names)) is not None:
        console.note(f"warning: {warning}")
    for line in notes:
        console.note(f"warning: {line}")
    for line in not_compared(recipe, [name for name in names if isinstance(recipe.stages[name], EvalConfig)]):
        console.note(f"warning: {line}")
    given = [argument for argument in options.argv[1:] if argument != "--dry-run"]
    console.end("the recipe can run", [], [f"{program_name()} {shlex.join(given)}"])
    return 0


def _pretrain(stage: PretrainConfig) -> str:
    steps = str(stage.steps) if stage.gate is None else f"{stage.steps} to {stage.gate.max_steps}"
    return f"{steps} steps x {f'{stage.tokens_per_step:,} tokens' if stage.tokens_per_step else f'{stage.documents_per_step} documents'}"


def _rl(stage: RLConfig) -> str:
    return f"{stage.steps} steps x {stage.prompts_per_step * stage.group_size} rollouts, {stage.updates_per_step} update(s) each"


def _preference(stage: PreferenceConfig) -> str:
    passes = f"{stage.epochs:g} epochs, {stage.pairs_per_step} pairs a step"
    if stage.iterations is None:
        return passes
    rounds = stage.iterations
    return f"{rounds.rounds} rounds x {rounds.prompts * rounds.group_size} completions, {passes}"


def _sample(stage: SampleConfig) -> str:
    return f"{'all' if stage.num_problems is None else stage.num_problems} problems x {stage.samples} completions"


_WORK: dict[str, Callable[[Any], str]] = {
    "pretrain": _pretrain,
    "sft": lambda stage: f"{stage.epochs:g} epochs, {stage.examples_per_step} examples a step",
    "rl": _rl,
    "sample": _sample,
    "select": lambda stage: "problems by what was done with them",
    "reward_model": lambda stage: f"{stage.kind}: {stage.epochs:g} epochs, {stage.examples_per_step} examples a step",
    "label_steps": lambda stage: f"every step x {stage.completions} completions",
    "judge": lambda stage: f"{stage.pairs_per_problem} comparison(s) per problem x {stage.queries} questions",
    "preference": _preference,
    "eval": lambda stage: f"{stage.num_problems} problems x {stage.samples} samples",
}
"""By type of stage: how much there is to do."""
