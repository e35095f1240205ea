"""``reasonforge VERB ...``: the entry point."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

import reasonforge
from reasonforge.cli.arguments import Invocation, split_settings
from reasonforge.cli.compare import compare
from reasonforge.cli.corpus import corpus_app
from reasonforge.cli.doctor import doctor
from reasonforge.cli.eval_verbs import evaluate, grade
from reasonforge.cli.failures import report_failure
from reasonforge.cli.recipe_verbs import RECIPE_VERBS
from reasonforge.cli.run_verbs import report, show
from reasonforge.cli.task_verbs import tasks
from reasonforge.core.errors import RecipeError

SETTINGS_VERBS = frozenset({*RECIPE_VERBS, "compare", "corpus run"})
"""Verbs behind which any setting of a recipe can stand."""

STAGES_WITHOUT_VERB = frozenset({"judge", "label_steps", "preference", "reward_model", "select"})
"""Types of the stages that run by their name alone."""

app = typer.Typer(
    name="reasonforge",
    help="From a corpus to a reasoning language model: pre-training, fine-tuning, reinforcement learning, evaluation.",
    epilog="Start with:  reasonforge run recipes/toy/r1_zero.toml --dry-run",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, (_verb, _epilog) in RECIPE_VERBS.items():
    app.command(_name, epilog=_epilog, rich_help_panel="Run a recipe")(evaluate if _name == "eval" else _verb)
app.command(
    "compare",
    epilog="Example:  reasonforge compare recipes/toy/algorithms/grpo.toml recipes/toy/algorithms/rloo.toml --seeds 3",
    rich_help_panel="Run a recipe",
)(compare)
app.command(
    "grade",
    epilog="Example:  reasonforge grade samples.jsonl --out graded.jsonl  ·  Then:  reasonforge eval graded.jsonl",
    rich_help_panel="Judge",
)(grade)
app.add_typer(corpus_app, rich_help_panel="Make a corpus")
app.command("tasks", epilog="Example:  reasonforge tasks zebra --level 3", rich_help_panel="Look at problems")(tasks)
app.command("show", epilog="Example:  reasonforge show runs/demo", rich_help_panel="Look at runs")(show)
app.command("report", epilog="Example:  reasonforge report runs/a runs/b -o compare.html", rich_help_panel="Look at runs")(report)
app.command("doctor", epilog="Example:  reasonforge doctor --deep", rich_help_panel="This machine")(doctor)


@app.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Options that stand before the verb."""
    # ``--version`` never reaches this: main answers it before a verb is asked for.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; None = those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    argv = ("reasonforge", *given)
    try:
        if given[:1] == ["--version"]:
            print(f"reasonforge {reasonforge.__version__}")
            code = 0
        else:
            code = _dispatch(given, argv)
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:  # KeyboardInterrupt too
        return report_failure(error, argv, debug="--debug" in given)
    return code


def _dispatch(given: list[str], argv: tuple[str, ...]) -> int:
    command: Any = typer.main.get_command(app)  # Any: a class of the parser below Typer, under another name in each version
    settings: list[str] = []
    if given[0] in STAGES_WITHOUT_VERB:
        raise RecipeError(f"{given[0]} is a type of stage and no verb. Run one stage of a recipe with: reasonforge run RECIPE --stage NAME")
    verb = given[:2] if given[0] == "corpus" else given[:1]
    if " ".join(verb) in SETTINGS_VERBS:
        group = command.commands["corpus"] if len(verb) > 1 else command
        own, settings = split_settings(given[len(verb) :], option_names(group.commands[verb[-1]]))
        given = [*verb, *own]
    # Not through the command's own main: that one swallows interrupts and broken pipes.
    try:
        with command.make_context("reasonforge", given, obj=Invocation(argv=argv, settings=tuple(settings))) as context:
            return int(command.invoke(context) or 0)
    except typer.Exit as end:  # how --help ends
        return end.exit_code


def option_names(command: Any) -> Mapping[str, bool]:
    """Return the options of a verb; True = takes a value."""
    help_options = dict.fromkeys(("-h", "--help"), False)
    return help_options | {name: not option.is_flag for option in command.params if hasattr(option, "is_flag") for name in option.opts}
