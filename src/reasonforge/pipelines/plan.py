"""``--dry-run``: check everything that can be checked without training, print the plan. Torch is never imported."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from reasonforge.config.loader import LoadedRecipe
from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.records import Problem
from reasonforge.models.config import DecoderConfig
from reasonforge.pipelines.config import EvalConfig, Recipe, Stage, select_stages
from reasonforge.pipelines.start import decoder_config, make_tokenizer, problems_of
from reasonforge.rewards.config import AccuracyReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.console import Console
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.stages.rl.config import RLConfig
from reasonforge.text.layout import Layout, build_layout
from reasonforge.text.render import render_prompt
from reasonforge.text.tokenizer import Tokenizer

_HEAD = 256
"""Problems looked at."""
_BYTES_PER_PARAMETER = 16
"""Weights, gradient and two moments in float32."""


def dry_run(loaded: LoadedRecipe[Recipe], *, only: str | None, stage: str | None, out: Path | None, console: Console) -> int:
    """Resolve, load the head of the data, render prompts, grade the gold answers, print the plan; return the exit code.

    Raises:
        RecipeError: nothing to run, or the settings cannot work together.
        DataError: data or model cannot be read, a prompt does not fit, or gold answers are not graded correct.
    """
    recipe = loaded.recipe
    names = select_stages(recipe.stages, only=only, stage=stage)
    if not names:
        raise RecipeError("no stage to run: " + ", ".join(f"{name} ({s.type})" for name, s in recipe.stages.items()))
    tokenizer = make_tokenizer(recipe)
    shape = decoder_config(recipe, tokenizer)
    layout = build_layout(recipe.template, tokenizer)
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
    rows = [[name, recipe.stages[name].type, *_check_stage(recipe, recipe.stages[name], tokenizer, layout, shape)] for name in names]
    console.table("stages", ["stage", "type", "work", "checked"], rows)
    console.end("the recipe can run", [], [f"reasonforge {only or 'run'} {loaded.files[0]}" if loaded.files else "reasonforge run RECIPE"])
    return 0


def _check_stage(recipe: Recipe, stage: Stage, tokenizer: Tokenizer, layout: Layout, shape: DecoderConfig) -> tuple[str, str]:
    """Check one stage; return what it will do and what was checked."""
    match stage:
        case PretrainConfig():
            return f"{stage.steps} steps x {stage.documents_per_step} documents", ""
        case RLConfig():
            problems = _head(recipe, stage.data)
            rollouts = stage.prompts_per_step * stage.group_size
            work = f"{stage.steps} steps x {rollouts} rollouts, {stage.updates_per_step} update(s) each"
            return work, _check_prompts(problems, tokenizer, layout, shape) + ", " + _check_rewards(stage, problems)
        case EvalConfig():
            work = f"{stage.num_problems} problems x {stage.samples} samples"
            return work, _check_prompts(_head(recipe, stage.data), tokenizer, layout, shape)
        case _:
            return f"{stage.epochs:g} epochs, {stage.examples_per_step} examples a step", f"{len(_head(recipe, stage.data))} problems read"


def _head(recipe: Recipe, table: str) -> list[Problem]:
    problems = problems_of(recipe, table)
    return problems[:_HEAD] if isinstance(problems, list) else [problems[i] for i in range(_HEAD)]


def _check_prompts(problems: list[Problem], tokenizer: Tokenizer, layout: Layout, shape: DecoderConfig) -> str:
    lengths = [len(render_prompt(problem.messages, tokenizer, layout)) for problem in problems]
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    if lengths[longest] >= shape.max_positions:
        raise DataError(
            f"{problems[longest].source}: problem {problems[longest].id}: its prompt has {lengths[longest]} tokens, the model's context "
            f"{shape.max_positions}. Filter such problems out or raise max_positions."
        )
    return f"{len(problems)} prompts, {min(lengths)} to {max(lengths)} tokens"


def _check_rewards(stage: RLConfig, problems: list[Problem]) -> str:
    with RewardScorer(stage.rewards) as scorer:
        wrong = scorer.check_gold(problems)
        if wrong:
            problem, _, verdict = wrong[0]
            raise DataError(
                f"{problem.source}: {len(wrong)} of {len(problems)} gold answers are not graded correct; first: problem {problem.id}, "
                f"answer {problem.answer[:60]!r}: {verdict.reason or verdict.status}"
            )
        if any(isinstance(part, AccuracyReward) and part.weight for part in stage.rewards.values()):
            for problem in islice(problems, 8):
                _, verdict = scorer.score(problem, "")
                if verdict.correct:
                    raise DataError(f"{problem.source}: problem {problem.id}: an empty completion is graded correct")
    return f"{len(problems)} gold answers rewarded, empty ones not"
