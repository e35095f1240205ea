"""``reasonforge compare``: several recipes side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasonforge.cli.arguments import Invocation, check_names
from reasonforge.cli.recipe_verbs import Debug, DryRun, Log, Quiet

_WHAT = "What to compare"
_RUNS = "The runs"


def compare(
    context: typer.Context,
    recipes: Annotated[
        list[Path], typer.Argument(metavar="RECIPE...", help="Two recipes or more, one TOML file each.", show_default=False)
    ],
    base: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="A recipe to lay under each of them; can be repeated.", rich_help_panel=_WHAT, show_default=False
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Runs of each recipe.", rich_help_panel=_WHAT)] = 3,
    first_seed: Annotated[int, typer.Option(metavar="N", min=0, help="The first of the seeds.", rich_help_panel=_WHAT)] = 1,
    rollouts: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Completions that each run draws. Default: as the recipes say, which must agree.",
            rich_help_panel=_WHAT,
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="What is compared: at the end, and as a curve while training.", rich_help_panel=_WHAT)
    ] = "eval/pass@1",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of all runs and of the page.", rich_help_panel=_RUNS)] = Path(
        "runs/compare"
    ),
    parallel: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Runs at a time. Default: the number of cores; 1 on a GPU.", rich_help_panel=_RUNS, show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    log: Log = "plain",
    debug: Debug = False,  # read by main, which reports errors
) -> int:
    """Run recipes from one checkpoint with equal rollouts and several seeds, and say which differences exceed the noise.

    Leading stages that the recipes share run once. Every run is an ordinary run folder within --out; the same command again goes on where
    it stopped, and with more --seeds adds to what is there.

    Any setting can follow as --key.path VALUE; it holds for every recipe.
    """
    from reasonforge.pipelines.compare import compare_recipes, plan_only
    from reasonforge.pipelines.compare_plan import CompareOptions
    from reasonforge.pipelines.config import Recipe
    from reasonforge.runs.console import Console

    invocation: Invocation = context.obj
    own_options = [name for option in context.command.params for name in option.opts]
    check_names(invocation.settings, options=own_options, keys=set(Recipe.model_fields) - {"seed"})
    options = CompareOptions(
        recipes=tuple(path.expanduser() for path in recipes),
        base=tuple(path.expanduser() for path in base or ()),
        settings=invocation.settings,
        num_seeds=seeds,
        first_seed=first_seed,
        out=out.expanduser(),
        rollouts=rollouts,
        metric=metric,
        parallel=parallel,
    )
    act = plan_only if dry_run else compare_recipes
    with Console(quiet=quiet, log="json" if log == "json" else "auto") as console:
        return act(options, console=console, argv=invocation.argv)
