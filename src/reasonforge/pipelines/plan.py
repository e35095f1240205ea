"""``--dry-run``: check everything that can be checked without training, print the plan. Torch is never imported."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from reasonforge.config.loader import LoadedRecipe
from reasonforge.pipelines.checks import check_recipe
from reasonforge.pipelines.config import EvalConfig, Recipe, Stage, select_stages
from reasonforge.pipelines.start import random_start
from reasonforge.runs.console import Console
from reasonforge.runs.text import program_name
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.rl.config import RLConfig

_BYTES_PER_PARAMETER = 16
"""Weights, gradient and two moments in float32."""


def dry_run(
    loaded: LoadedRecipe[Recipe], *, only: str | None, stage: str | None, out: Path | None, argv: Sequence[str], console: Console
) -> int:
    """Make the tokenizer, read the data that the selected stages read, print the plan; return the exit code.

    Args:
        loaded: the recipe.
        only: plan the stages of this type; None = all.
        stage: plan only this stage; None = all that ``only`` allows.
        out: where the run would be recorded.
        argv: the command line as typed, the program's name first: without ``--dry-run`` it is what to type next.
        console: where the plan is printed.

    Raises:
        RecipeError: nothing to run, or the settings cannot work together.
        DataError: data or model cannot be read, a prompt does not fit, or gold answers are not graded correct.
    """
    recipe = loaded.recipe
    names = select_stages(recipe.stages, only=only, stage=stage)
    # Before anything is printed: a refusal stands alone.
    _, shape, checked = check_recipe(recipe, names)
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
            ("run folder", str(out) if out is not None else f"runs/{recipe.name}-TIME-ID"),
        ],
    )
    console.table("stages", ["stage", "type", "work"], [[name, recipe.stages[name].type, _work(recipe.stages[name])] for name in names])
    console.table("data", ["read by", "table", "checked"], [list(row) for row in checked])
    if (warning := random_start(recipe, names)) is not None:
        console.note(f"warning: {warning}")
    given = [argument for argument in argv[1:] if argument != "--dry-run"]
    console.end("the recipe can run", [], [f"{program_name()} {shlex.join(given)}"])
    return 0


def _work(stage: Stage) -> str:
    match stage:
        case PretrainConfig(gate=None):
            return f"{stage.steps} steps x {stage.documents_per_step} documents"
        case PretrainConfig(gate=gate):
            assert gate is not None
            return f"{stage.steps} to {gate.max_steps} steps x {stage.documents_per_step} documents"
        case RLConfig():
            return f"{stage.steps} steps x {stage.prompts_per_step * stage.group_size} rollouts, {stage.updates_per_step} update(s) each"
        case EvalConfig():
            return f"{stage.num_problems} problems x {stage.samples} samples"
        case _:
            return f"{stage.epochs:g} epochs, {stage.examples_per_step} examples a step"
