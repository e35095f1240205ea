"""Read a run's files. Takes no lock and changes nothing, so it works on a run that is going on, has crashed or was copied here."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any, Literal

from reasonforge.core.errors import DataError
from reasonforge.runs.files import read_json, read_rows
from reasonforge.runs.info import RunInfo, RunStatus, RunSummary, Score, StageInfo, StageState, read_info, read_summary
from reasonforge.runs.lock import is_locked
from reasonforge.runs.rollouts import StoredRollout, list_steps, read_rollouts
from reasonforge.runs.text import program_name

POLICY_STAGES = frozenset({"pretrain", "sft", "rl", "preference"})
"""Types of the stages that leave another policy behind than they found."""

ALARM = "hack_alarm"
"""Kind of the events that the reward-hacking monitor writes."""

ENDINGS = ("early_stop", "monitor_stop", "best")
"""Kinds of the events that say why a stage ends early, or with which weights."""

_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RunReader:
    """A run directory and what lies in it."""

    def __init__(self, path: Path | str) -> None:
        """Look at a run.

        Raises:
            DataError: there is no run at this path.
        """
        self.path = Path(path)
        self.info_path = self.path / "run.json"
        self.recipe_path = self.path / "recipe.toml"
        self.resolved_path = self.path / "recipe.resolved.json"
        self.metrics_path = self.path / "metrics.jsonl"
        self.events_path = self.path / "events.jsonl"
        self.summary_path = self.path / "summary.json"
        self.report_path = self.path / "report.html"
        self.lock_path = self.path / "lock"
        self.final_dir = self.path / "final"
        self.tracker_dir = self.path / "trackers"
        if not os.path.isfile(self.info_path):  # Path.is_file raises where a name is too long
            raise DataError(f"{self.path}: no run here (run.json is missing).{_runs_below(self.path)}")

    def rollouts_dir(self, stage: str) -> Path:
        """Return where a stage's rollouts lie."""
        return self.path / "rollouts" / stage_name(stage)

    def artefacts_dir(self, stage: str) -> Path:
        """Return where a stage leaves what other stages read and is no rollouts and no model."""
        return self.path / "artefacts" / stage_name(stage)

    def evals_dir(self, name: str) -> Path:
        """Return where an evaluation's samples and summary lie."""
        return self.path / "evals" / stage_name(name)

    def checkpoints_dir(self, stage: str) -> Path:
        """Return where a stage's checkpoints lie."""
        return self.path / "checkpoints" / stage_name(stage)

    def model_dir(self, stage: str) -> Path:
        """Return where the model that a stage made lies."""
        return self.path / "models" / stage_name(stage)

    @property
    def resume_command(self) -> str:
        """What to type, or paste, to go on with the run."""
        return f"{program_name()} run --resume --out {shlex.quote(str(self.path))}"

    @property
    def info(self) -> RunInfo:
        """The content of run.json, as it is on disk now."""
        return read_info(self.info_path)

    @property
    def status(self) -> RunStatus | Literal["killed"]:
        """The recorded status, except that a run that says "running" while nobody holds its lock was killed."""
        status = self.info.status
        return "killed" if status == "running" and not is_locked(self.lock_path) else status

    def state_of(self, stage: StageInfo) -> StageState | Literal["interrupted"]:
        """Return the recorded state, except that a stage that says "running" in a run that does not was interrupted."""
        return "interrupted" if stage.state == "running" and self.status != "running" else stage.state

    def evaluations(self) -> dict[str, dict[str, Score]]:
        """Return what each evaluation stage found, in the order of the stages."""
        found = {stage.name: self.evals_dir(stage.name) / "summary.json" for stage in self.info.stages}
        return {name: scores for name, path in found.items() if path.exists() and isinstance(scores := read_json(path), dict)}

    def endings(self) -> dict[str, str]:
        """Return, by stage, the message of the last event that says with what weights, or why early, it ended."""
        rows = [row for row in self.event_rows() if row.get("kind") in ENDINGS]
        return {str(row.get("stage")): str(row.get("message", "")) for row in rows}

    @property
    def summary(self) -> RunSummary | None:
        """The content of summary.json; None = not written yet."""
        return read_summary(self.summary_path)

    def metric_rows(self, stage: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of metrics.jsonl, of one stage or of all; a torn last line is ignored."""
        return [row for row in read_rows(self.metrics_path) if stage is None or row.get("stage") == stage]

    def event_rows(self) -> list[dict[str, Any]]:
        """Return the rows of events.jsonl; a torn last line is ignored."""
        return read_rows(self.events_path)

    def alarms(self) -> list[dict[str, Any]]:
        """Return the alarms of the reward-hacking monitor: stage, step, message. One that a resumed stage raised again occurs once."""
        found = {}
        for row in self.event_rows():
            step = (row.get("data") or {}).get("step")
            if row.get("kind") == ALARM and isinstance(step, int):
                found[str(row.get("stage")), step] = str(row.get("message", ""))
        return [{"stage": stage, "step": step, "message": message} for (stage, step), message in found.items()]

    def rollout_steps(self, stage: str) -> dict[int, Path]:
        """Return the rollout files of a stage by step."""
        return list_steps(self.rollouts_dir(stage))

    def rollouts(self, stage: str, step: int, *, tokens: bool = False) -> list[StoredRollout]:
        """Return the rollouts of one step."""
        steps = self.rollout_steps(stage)
        if step not in steps:
            raise DataError(f"{self.rollouts_dir(stage)}: no rollouts of step {step}; there are {_some(list(steps))}.")
        return read_rollouts(steps[step], tokens=tokens)


def policy_folder(path: Path) -> Path:
    """Return the Hugging Face folder that a path means: of a run its final model, or that of the last stage that trained one.

    Raises:
        DataError: there is none.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    if not (path / "run.json").is_file():
        return path
    run = RunReader(path)
    trained = [stage.name for stage in reversed(run.info.stages) if stage.type in POLICY_STAGES]
    found = next((folder for folder in (run.final_dir, *map(run.model_dir, trained)) if folder.is_dir()), None)
    if found is None:
        raise DataError(f"{path}: this run has no model yet. Name one of its checkpoints, or finish it: {run.resume_command}")
    return found


def stage_name(name: str) -> str:
    """Return a name that is safe as a folder's, or raise ``ValueError``."""
    if not _STAGE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a stage: use letters, digits, dot, dash and underscore")
    return name


def _runs_below(path: Path) -> str:
    """Point at the runs of a folder that holds some, as that of a comparison does."""
    try:
        found = sorted(entry.parent.name for entry in path.glob("*/run.json"))
    except OSError:
        return ""
    return f" Its subfolders are runs: {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}. Name one of them." if found else ""


def _some(steps: list[int]) -> str:
    if not steps:
        return "none"
    return ", ".join(map(str, steps)) if len(steps) <= 8 else f"{len(steps)} from {steps[0]} to {steps[-1]}"
