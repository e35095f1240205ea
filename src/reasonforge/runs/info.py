"""What ``run.json`` and ``summary.json`` hold."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import reasonforge
from reasonforge.core.errors import DataError
from reasonforge.runs.files import read_json

FORMAT = 1

RunStatus = Literal["running", "done", "failed", "stopped"]
StageState = Literal["waiting", "running", "done"]

_PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "pydantic", "pyarrow", "jinja2")


class _Record(BaseModel):
    # Unknown keys are kept out of the way, not refused: a later version of the same format may add some.
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


_R = TypeVar("_R", bound=_Record)


class Attempt(_Record):
    """One process that worked on the run; a resumed run has several."""

    started: float
    """Seconds since 1970."""
    pid: int
    host: str
    argv: list[str]
    versions: dict[str, str]
    git: str | None
    """Commit of the code that ran, with ``-dirty`` where files differed; None = not from a git checkout."""


class StageInfo(_Record):
    """How far a stage is."""

    name: str
    type: str = ""
    state: StageState = "waiting"
    step: int = 0
    """The last step logged."""
    total_steps: int | None = None
    """None = not known beforehand."""
    unit: str = "step"
    seconds: float = 0.0
    """Wall-clock time spent so far, over all attempts."""


class RunInfo(_Record):
    """The content of ``run.json``."""

    format: int
    id: str
    name: str
    status: RunStatus
    created: float
    """Seconds since 1970."""
    heartbeat: float
    """When the process last said that it lives, in seconds since 1970."""
    seed: int
    stages: list[StageInfo] = []
    attempts: list[Attempt]
    message: str = ""
    """Why it failed or stopped."""
    lost_rows: dict[str, int] = {}
    """Writes the disk refused, per kind (``metrics``, ``events``, ``rollouts``)."""


Score = float | tuple[float, float] | None
"""A figure, or the ends of its 95 % interval."""


class StageSummary(_Record):
    """One stage of a finished run."""

    name: str
    type: str = ""
    seconds: float = 0.0
    steps: int = 0


class StageCost(_Record):
    """What a stage cost."""

    name: str
    seconds: float
    """Of one device, over all attempts."""
    phases: dict[str, float] = {}
    """Those seconds by phase (``sample``, ``reward``, ``train``, ``evaluate``, ``other``)."""
    tokens: dict[str, int] = {}
    """Tokens by phase (``sampled``, ``prompt``, ``learned``, ``evaluated``, ``judge prompt``, ``judge``)."""
    bought: float = 0.0
    """Paid to the endpoints of judges, as their settings say."""


class RunCost(_Record):
    """What a run cost, stage by stage."""

    stages: list[StageCost] = []
    price_per_device_hour: float | None = None
    """None = not stated."""

    @property
    def device_hours(self) -> float:
        """Device hours of all stages."""
        return sum(stage.seconds for stage in self.stages) / 3600

    @property
    def price(self) -> float | None:
        """The price of all stages, in the currency of the price per hour; None = not stated."""
        return None if self.price_per_device_hour is None else self.device_hours * self.price_per_device_hour


class RunSummary(_Record):
    """The content of ``summary.json``: what the run shows."""

    name: str
    seed: int
    seconds: float
    base: dict[str, Score] | None = None
    """``pass@1``, ``pass@1_ci``, ``pass@k``, ``maj@k``, ``format``, ``length`` before training; None = not evaluated."""
    final: dict[str, Score] | None = None
    """The same after the last stage."""
    before: str | None = None
    """The evaluation that ``base`` is of."""
    after: str | None = None
    """The evaluation that ``final`` is of."""
    notes: list[str] = []
    """Findings, one sentence each."""
    stages: list[StageSummary] = []
    cost: RunCost | None = None
    """None = written before costs were counted."""


def read_info(path: Path) -> RunInfo:
    """Read ``run.json``.

    Raises:
        DataError: missing, not JSON, incomplete, or of a newer format.
    """
    return _validated(RunInfo, path, read_json(path))


def read_summary(path: Path) -> RunSummary | None:
    """Read ``summary.json``; None = the run has not written one.

    Raises:
        DataError: not JSON, or not a summary.
    """
    return _validated(RunSummary, path, read_json(path)) if path.exists() else None


def new_attempt(argv: list[str]) -> Attempt:
    """Describe this process."""
    return Attempt(started=time.time(), pid=os.getpid(), host=socket.gethostname(), argv=argv, versions=_versions(), git=_git_commit())


def _validated(kind: type[_R], path: Path, value: Any) -> _R:
    found = value.get("format") if isinstance(value, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise DataError(f"{path}: written by a newer reasonforge (format {found}, this one reads {FORMAT}). Update reasonforge.")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "top level"
        raise DataError(f"{path}: {where}: {first['msg'].lower()}.") from error


def _versions() -> dict[str, str]:
    found = {"reasonforge": reasonforge.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)  # reads metadata: torch itself is not imported
        except PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """Return the commit of the checkout this package lies in, if git tracks it there (a copy in site-packages says nothing)."""
    here = Path(__file__)

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here.parent), *arguments], capture_output=True, text=True, timeout=5, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    if git("ls-files", "--error-unmatch", here.name) is None:
        return None
    return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
