"""What stands on a command line: options of the verb, and settings of the recipe (``--stages.rl.steps 200``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from reasonforge.core.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of the command line, as the verbs see it."""

    argv: tuple[str, ...]
    """Everything as typed, the program's name first."""
    settings: tuple[str, ...] = ()
    """The settings among it, each ``--key value`` or ``--key=value``."""


def split_settings(arguments: Sequence[str], options: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """Part the arguments of a recipe verb into its own and the settings of the recipe.

    Args:
        options: the verb's options; True = takes a value. Every other ``--name`` is a setting.

    >>> split_settings(["a.toml", "--out", "runs/x", "--stages.rl.steps", "-1", "--data.x=2"], {"--out": True})
    (['a.toml', '--out', 'runs/x'], ['--stages.rl.steps', '-1', '--data.x=2'])
    """
    own: list[str] = []
    settings: list[str] = []
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        name, has_value, _ = argument.partition("=")
        if argument == "--":
            own += [argument, *remaining]
            break
        target = settings if name.startswith("--") and name not in options else own
        target.append(argument)
        wants_value = not has_value and (options.get(name, False) if target is own else not _is_option(remaining))
        if wants_value and remaining:
            target.append(remaining.pop(0))
    return own, settings


def check_names(settings: Sequence[str], *, options: Collection[str], keys: Collection[str]) -> None:
    """Refuse a ``--name`` that is neither an option nor a setting at the top of a recipe.

    Raises:
        RecipeError: with the option or setting that was probably meant.
    """
    for argument in settings:
        name = argument.partition("=")[0]
        key = name.removeprefix("--")
        if name.startswith("--") and "." not in key and key not in keys:
            known = [option for option in options if option.startswith("--")] + [f"--{key}" for key in keys]
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "Settings of a stage are written --stages.NAME.KEY value."
            raise RecipeError(f"{name}: no such option. {hint}")


def _is_option(remaining: Sequence[str]) -> bool:
    return not remaining or remaining[0].startswith("--")
