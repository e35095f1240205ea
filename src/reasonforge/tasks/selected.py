"""The problems that a ``select`` stage left for others. Torch-free."""

from __future__ import annotations

import json
from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.core.records import Message, Problem
from reasonforge.core.seeds import derive_seed
from reasonforge.runs.reader import RunReader
from reasonforge.tasks.config import SelectedSource
from reasonforge.tasks.draws import Draws


def selected_file(run: RunReader, stage: str) -> Path:
    """Return where a ``select`` stage writes: one problem per line, with what was measured of it."""
    return run.artefacts_dir(stage) / "problems.jsonl"


def load_selected(source: SelectedSource) -> list[Problem]:
    """Return the problems of a source whose run is known.

    Raises:
        DataError: the stage has not run, its file is broken, or no problem has a difficulty that is asked for.
    """
    if source.run is None:
        raise DataError(f"data of type selected: stage {source.stage!r} belongs to a run: name its folder with run")
    run = RunReader(source.run.expanduser())
    path = selected_file(run, source.stage)
    if not path.is_file():
        known = ", ".join(stage.name for stage in run.info.stages) or "none"
        raise DataError(f"{run.path}: stage {source.stage!r} has selected no problems (stages of this run: {known}). Run it first.")
    problems = [_problem(line, f"{path}:{number}") for number, line in enumerate(path.read_bytes().splitlines(), 1)]
    if source.difficulty is not None:
        low, high = source.difficulty
        problems = [problem for problem in problems if problem.difficulty is not None and low <= problem.difficulty <= high]
    if not problems:
        raise DataError(f"{path}: no problem" + ("" if source.difficulty is None else f" of difficulty {list(source.difficulty)}"))
    if source.shuffle_seed is not None:
        problems = Draws(derive_seed(source.shuffle_seed, "shuffle")).shuffled(problems)
    return problems[: source.limit]


def _problem(line: bytes, place: str) -> Problem:
    try:
        content = json.loads(line)["problem"]
        return Problem(**{**content, "messages": tuple(Message(**message) for message in content["messages"])})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: not a problem ({type(error).__name__}: {error}). Run the select stage again.") from error
