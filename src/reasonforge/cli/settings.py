"""``--settings``: every key of a recipe with its type, default and meaning."""

from __future__ import annotations

import shutil
import textwrap

from pydantic import BaseModel

from reasonforge.config.explain import Setting, explain
from reasonforge.runs.text import clean_text


def print_settings(schema: type[BaseModel], *, stage_type: str | None) -> int:
    """Print the listing; return exit code 0.

    Args:
        stage_type: leave out the settings of stages of another type; None = list all.
    """
    width = min(120, max(60, shutil.get_terminal_size().columns))
    for setting in _relevant(explain(schema), stage_type):
        print(_headline(setting))
        if text := clean_text(setting.help):
            print(textwrap.indent(textwrap.fill(text, width - 4), "    "))
    return 0


def _headline(setting: Setting) -> str:
    if setting.variant and setting.key.endswith(".type"):
        return f'{setting.key} = "{setting.variant}":'  # begins the settings of this choice
    default = setting.default if setting.default == "required" else f"default {setting.default}"
    return f"{setting.key}  ({setting.type_text}; {default})"


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
