"""The verbs that run a recipe: ``run`` takes all of its stages, the others only those of their kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reasonforge.cli.arguments import Invocation, check_names
from reasonforge.core.errors import RecipeError

if TYPE_CHECKING:
    from reasonforge.config.loader import LoadedRecipe
    from reasonforge.pipelines.config import Recipe

_RECIPE = "What to run"
_RUN = "The run"
_OUTPUT = "What you see"

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RECIPE", help="A TOML recipe. Further files are overlays, the last one on top.", show_default=False),
]
Stage = Annotated[str | None, typer.Option(metavar="NAME", help="Run only this stage.", rich_help_panel=_RECIPE, show_default=False)]
First = Annotated[
    str | None,
    typer.Option("--from", metavar="NAME", help="Begin with this stage.", rich_help_panel=_RECIPE, show_default=False),
]
Last = Annotated[
    str | None, typer.Option("--until", metavar="NAME", help="End with this stage.", rich_help_panel=_RECIPE, show_default=False)
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Start from this Hugging Face folder, or from this run's model (sets the model table).",
        rich_help_panel=_RECIPE,
        show_default=False,
    ),
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Seed of every draw (sets seed).", rich_help_panel=_RECIPE, show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Run folder. Default: runs/NAME-TIME-ID.", rich_help_panel=_RUN, show_default=False),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --out; needs no recipe then.", rich_help_panel=_RUN)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.", rich_help_panel=_RUN)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, print the plan, run nothing.", rich_help_panel=_OUTPUT)]
Settings = Annotated[
    bool, typer.Option("--settings", help="List every setting a recipe can have, or those under a name.", rich_help_panel=_OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.", rich_help_panel=_OUTPUT)]
Log = Annotated[
    Literal["plain", "json"], typer.Option("--log", help="json = one JSON object per line.", rich_help_panel=_OUTPUT, case_sensitive=False)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_OUTPUT)]

_SETTINGS_HELP = "Any setting of the recipe can follow as --key.path VALUE, for example --stages.rl.steps 200."


def recipe_verb(only: str | None, summary: str) -> Callable[..., int]:
    """Return the function behind one verb.

    Args:
        only: run the stages of this type; None = all.
        summary: the first line of the verb's help.
    """

    def verb(
        context: typer.Context,
        files: Files = None,
        stage: Stage = None,
        first: First = None,
        last: Last = None,
        model: Model = None,
        seed: Seed = None,
        out: Out = None,
        resume: Resume = False,
        overwrite: Overwrite = False,
        dry_run: DryRun = False,
        settings: Settings = False,
        quiet: Quiet = False,
        log: Log = "plain",
        debug: Debug = False,  # read by main, which reports errors
    ) -> int:
        from reasonforge.pipelines.config import Recipe, RunOptions

        invocation: Invocation = context.obj
        if settings:
            from reasonforge.cli.settings import print_settings

            return print_settings(Recipe, stage_type=only, under=[str(file) for file in files or [] if file.suffix != ".toml"])
        own_options = [name for option in context.command.params for name in option.opts]
        check_names(invocation.settings, options=own_options, keys=Recipe.model_fields)
        if resume and overwrite:
            raise RecipeError("--resume continues a run and --overwrite replaces it: choose one")
        if resume and out is None:
            raise RecipeError("--resume: which run? Name its folder with --out DIR")
        overrides = [*_as_settings(model, seed), *invocation.settings]
        out = out.expanduser() if out is not None else None
        loaded = _load(Recipe, files or [], overrides, resumed=out if resume else None, verb=only or "run")
        options = RunOptions(
            out=out,
            resume=resume,
            overwrite=overwrite,
            only=only,
            stage=stage,
            first=first,
            last=last,
            quiet=quiet,
            log=log,
            argv=invocation.argv,
        )
        if dry_run:
            from reasonforge.pipelines.plan import dry_run as print_plan
            from reasonforge.runs.console import Console

            with Console(quiet=quiet, log="json" if log == "json" else "auto") as console:
                return print_plan(loaded, options, console=console)
        from reasonforge.pipelines.run import run_recipe

        return run_recipe(loaded, options)

    verb.__doc__ = f"{summary}\n\n{_SETTINGS_HELP}"
    return verb


def _as_settings(model: Path | None, seed: int | None) -> list[str]:
    """Write the options that stand for a setting as that setting."""
    settings = [] if seed is None else [f"--seed={seed}"]
    if model is None:
        return settings
    from reasonforge.runs.reader import policy_folder

    model = model.expanduser()
    return [*settings, "--model.type=folder", f"--model.path={policy_folder(model) if model.is_dir() else model}"]


def _load(recipe: type[Recipe], files: list[Path], overrides: list[str], *, resumed: Path | None, verb: str) -> LoadedRecipe[Recipe]:
    from reasonforge.config.loader import load_recipe, reload_recipe

    if files:
        return load_recipe(recipe, files, overrides)
    if resumed is None:
        raise RecipeError(f"no recipe given. For example: reasonforge {verb} recipes/toy/r1_zero.toml")
    from reasonforge.runs.reader import RunReader

    run = RunReader(resumed)
    return reload_recipe(recipe, run.resolved_path, run.recipe_path, overrides)


RECIPE_VERBS: dict[str, tuple[Callable[..., Any], str]] = {
    "run": (
        recipe_verb(None, "Run all stages of a recipe, in order."),
        "Example:  reasonforge run recipes/toy/r1_zero.toml --seed 1  ·  Then:  reasonforge show RUN, reasonforge report RUN",
    ),
    "pretrain": (
        recipe_verb("pretrain", "Run a recipe's pre-training stages: next-token prediction on documents."),
        "Example:  reasonforge pretrain recipes/toy/r1_zero.toml --out runs/base  ·  Then:  reasonforge rl RECIPE --model RUN/final",
    ),
    "sft": (
        recipe_verb("sft", "Run a recipe's supervised fine-tuning stages: imitate worked solutions."),
        "Example:  reasonforge sft recipes/gsm8k/tiny.toml --model path/to/model  ·  Then:  reasonforge eval RECIPE --model RUN/final",
    ),
    "rl": (
        recipe_verb("rl", "Run a recipe's reinforcement learning stages: sample, score, update."),
        "Example:  reasonforge rl recipes/toy/r1_zero.toml --model RUN/models/pretrain  ·  Then:  reasonforge report RUN",
    ),
    "sample": (
        recipe_verb("sample", "Run a recipe's sampling stages: draw completions, grade and keep them for other stages."),
        "Example:  reasonforge sample RECIPE --model RUN/final --out runs/samples  ·  Then:  reasonforge run --resume --out runs/samples",
    ),
    "eval": (
        recipe_verb("eval", "Run a recipe's evaluation stages."),
        "Example:  reasonforge eval recipes/toy/r1_zero.toml --stage final --model RUN/final  ·  Then:  reasonforge show RUN  ·  "
        "Example:  reasonforge eval --model http://localhost:8000/v1 --model-name NAME --benchmark gsm8k --data PATH  ·  "
        "Example:  reasonforge eval SAMPLES.jsonl --against OTHER.jsonl",
    ),
}
