"""``--settings``: every key of a recipe with its type, default and meaning."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from pydantic import BaseModel

from reasonforge.config.explain import Setting, explain
from reasonforge.core.errors import RecipeError
from reasonforge.runs.text import clean_text


def print_settings(schema: type[BaseModel], *, stage_type: str | None, under: Sequence[str] = ()) -> int:
    """Print the listing; return exit code 0.

    Args:
        stage_type: leave out the settings of stages of another type; None = list all.
        under: dotted beginnings, ``stages.rl.sampling`` say; empty = list all.

    Raises:
        RecipeError: nothing begins like this.
    """
    settings = explain(schema)
    listed = [setting for name in under for setting in _under(name, settings)] if under else _relevant(settings, stage_type)
    width = min(120, max(60, shutil.get_terminal_size().columns))
    for setting in listed:
        print(_headline(setting))
        if text := clean_text(setting.help):
            print(textwrap.indent(textwrap.fill(text, width - 4), "    "))
    return 0


def _headline(setting: Setting) -> str:
    if setting.variant and setting.key.endswith(".type"):
        return f'{setting.key} = "{setting.variant}":'  # begins the settings of this choice
    default = setting.default if setting.default == "required" else f"default {setting.default}"
    return f"{setting.key}  ({setting.type_text}; {default})"


def _under(name: str, settings: list[Setting]) -> list[Setting]:
    """Return the settings whose keys begin with a dotted name; a stage's name that is a type lists that type alone."""
    wanted = name.split(".")
    stage_types = {setting.variant for setting in settings if setting.key == "stages.<name>.type"}
    of_type = wanted[1] if wanted[0] == "stages" and len(wanted) > 1 and wanted[1] in stage_types else None
    kept = [setting for setting in _relevant(settings, of_type) if _begins(setting.key.replace("[]", "").split("."), wanted)]
    if not kept:
        raise RecipeError(f"--settings {name}: no setting begins like this. --settings alone lists all")
    return kept


def _begins(key: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(key) >= len(wanted) and all(have in (want, "<name>") for have, want in zip(key, wanted, strict=False))


def _relevant(settings: list[Setting], stage_type: str | None) -> list[Setting]:
    """Drop the block of each stage type that the verb does not run."""
    kept: list[Setting] = []
    current_type = ""
    for setting in settings:
        in_stage = setting.key.startswith("stages.<name>.")
        if in_stage and setting.key.count(".") == 2:
            current_type = setting.variant
        if stage_type is None or not in_stage or current_type == stage_type:
            kept.append(setting)
    return kept
