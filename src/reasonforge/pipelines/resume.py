"""What a resumed run may change: how it goes on, but not what it began with. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reasonforge.core.errors import RecipeError
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json, write_json
from reasonforge.runs.reader import RunReader
from reasonforge.runs.redact import redact

_FIXED = ("seed", "model", "template", "data")
"""Every draw and every weight of the run derives from these."""


def check_settings(run: RunReader, resolved: Mapping[str, Any]) -> None:
    """Refuse settings under which the rest of the run would not belong to its beginning.

    Raises:
        RecipeError: naming the first such setting and both values, or a stage of the run that the recipe no longer has.
    """
    missing = next((stage.name for stage in run.info.stages if stage.name not in resolved["stages"]), None)
    if missing is not None:
        raise RecipeError(
            f"{run.path}: the recipe has no stage {missing} any more, which the run set out to do: that is another run. "
            f"Go on with: {run.resume_command}; or begin anew with another --out."
        )
    done = {stage.name for stage in run.info.stages if stage.state == "done"}
    for key, before, now in differences(read_json(run.resolved_path), redact(resolved)):
        if key.split(".")[0] in _FIXED:
            raise RecipeError(
                f"{run.path}: {key} is {now} and was {before} when the run began: that is another run. "
                f"Go on with: {run.resume_command}; or begin anew with another --out."
            )
        if key.startswith("stages.") and key.split(".")[1] in done:
            raise RecipeError(
                f"{run.path}: {key} is {now} and was {before}, but that stage is done. To train on, begin another run "
                f"from its model: --model {run.path / 'final'}"
            )


def adopt_settings(run: RunDirectory, resolved: Mapping[str, Any]) -> None:
    """Go on with the settings given now, and write down what is different from before."""
    changes = [f"{key} {before} -> {now}" for key, before, now in differences(read_json(run.resolved_path), redact(resolved))]
    if changes:
        run.event("settings_changed", f"the run goes on with changed settings: {', '.join(changes)}", level="warning")
        write_json(run.resolved_path, redact(resolved))


def differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted key, value before, value now) of every setting that is not the same."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*before, *now]):
            yield from differences(before.get(name), now.get(name), f"{key}.{name}" if key else str(name))
    elif before != now:
        yield key, before, now
