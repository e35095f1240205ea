"""Make the runs of a comparison: processes of ``reasonforge run`` side by side, each an ordinary run that can be resumed. Torch-free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.core.files import storage_errors
from reasonforge.pipelines.compare_plan import PlannedRun
from reasonforge.pipelines.resume import differences
from reasonforge.runs.console import Console
from reasonforge.runs.files import read_json
from reasonforge.runs.reader import RunReader
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.text import clean_text, counted, format_seconds

_POLL_SECONDS = 0.1
_TELL_SECONDS = 30.0
"""Between two lines about how far the runs are."""
_TAIL_LINES = 3
"""Of what a failed run said last."""

State = Literal["new", "begun", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that ended otherwise than well."""

    run: PlannedRun
    code: int
    """Its exit code; negative = the signal that ended it."""
    said: str
    """Its last words."""


@dataclass(slots=True, kw_only=True)
class _Process:
    run: PlannedRun
    popen: subprocess.Popen[bytes]
    log: Path


def state_of(run: PlannedRun) -> State:
    """Return whether a run is still to be begun, is to be resumed, or is done.

    Raises:
        RecipeError: the folder holds a run with other settings.
        DataError: its files are damaged.
        UnavailableError: a living process works on it.
    """
    if not (run.path / "run.json").exists():
        return "new"
    reader = RunReader(run.path)
    stored = read_json(reader.resolved_path)
    if not isinstance(stored, Mapping):
        raise DataError(f"{reader.resolved_path}: not a recipe's settings. The file was changed by something other than the run.")
    other = next(differences(stored, run.resolved), None)
    if other is not None:
        key, found, wanted = other
        raise RecipeError(f"{run.path}: the run there has {key} {found}, not {wanted}: choose another --out, or delete that folder")
    match reader.status:
        case "done":
            return "done"
        case "running":
            raise UnavailableError(f"{run.path}: another process is working on this run. Wait for it, or end it")
        case _:
            return "begun"


def make_runs(runs: Sequence[PlannedRun], logs: Path, *, parallel: int, console: Console, stop: StopRequest) -> list[FailedRun]:
    """Make or finish runs, several at a time; return those that failed. A failed run does not keep the others from going on.

    Args:
        runs: what is to be done; those that are done are left alone.
        logs: where the processes write what they would have printed.
        parallel: processes at a time. More than one: each uses one core, so that they do not wait for each other.
        console: told how far they are.
        stop: asks them to finish their step and save.

    Raises:
        InterruptedRun: a signal came, and every run has saved.
        RecipeError: a folder holds another run.
        UnavailableError: another process works on one of the runs.
    """
    states = {run.name: state_of(run) for run in runs}
    waiting = [run for run in runs if states[run.name] != "done"]
    with storage_errors(logs):
        logs.mkdir(parents=True, exist_ok=True)
    progress = _Progress(runs, console)
    going: list[_Process] = []
    failed: list[FailedRun] = []
    told = False
    try:
        while going or (waiting and not stop.requested):
            while waiting and len(going) < parallel and not stop.requested:
                run = waiting.pop(0)
                going.append(_launch(run, logs / f"{run.name}.log", resume=states[run.name] == "begun", alone=parallel == 1))
            if stop.requested and not told:
                told = True
                for process in going:
                    _signal(process, signal.SIGINT)
            time.sleep(_POLL_SECONDS)
            for process in [process for process in going if process.popen.poll() is not None]:
                going.remove(process)
                if process.popen.returncode and not stop.requested:
                    failed.append(_failure(process))
                    console.warn(f"{process.run.name} failed ({failed[-1].code}): {failed[-1].said}")
                progress.ended(process.run, num_going=len(going))
            progress.tell(num_going=len(going))
    finally:
        for process in going:  # only where something went wrong here: runs must not go on unseen
            _signal(process, signal.SIGTERM)
    if stop.requested:
        raise stop.error("stopped; the runs have saved. Go on with the same command")
    return failed


class _Progress:
    """How far all runs are together, and when they will be through."""

    def __init__(self, runs: Sequence[PlannedRun], console: Console) -> None:
        self._runs = runs
        self._console = console
        self._started = time.monotonic()
        self._next = self._started + _TELL_SECONDS
        self._shares = [share_done(run) for run in runs]
        self._begin = sum(self._shares)

    def ended(self, run: PlannedRun, *, num_going: int) -> None:
        self._next = 0.0
        self.tell(num_going=num_going, what=f"{run.name} ended; ")

    def tell(self, *, num_going: int, what: str = "") -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _TELL_SECONDS
        self._shares = [1.0 if share == 1.0 else share_done(run) for run, share in zip(self._runs, self._shares, strict=True)]
        done = sum(self._shares)
        gained, left = done - self._begin, len(self._runs) - done
        eta = f", about {format_seconds((now - self._started) / gained * left)} left" if gained > 0 and left > 0 else ""
        finished = sum(share == 1.0 for share in self._shares)
        self._console.note(f"{what}{finished} of {counted(len(self._runs), 'run')} done, {num_going} going on{eta}")


def share_done(run: PlannedRun) -> float:
    """Return how much of a run is done, from 0 to 1, as far as its record says; a step counts like a step."""
    try:
        reader = RunReader(run.path)
        found = {stage.name: stage for stage in reader.info.stages}
        if reader.info.status == "done":
            return 1.0
    except DataError:
        return 0.0
    total = done = 0.0
    for name in run.stages:
        stage = found.get(name)
        stated = run.resolved["stages"][name].get("steps")
        # Of a reward model ``steps`` says where the steps of an answer end.
        planned = (stage.total_steps if stage is not None else None) or (stated if isinstance(stated, int) else None) or 1
        total += planned
        if stage is not None:
            done += planned if stage.state == "done" else min(stage.step, planned)
    return min(done / total, 0.99)


def _launch(run: PlannedRun, log: Path, *, resume: bool, alone: bool) -> _Process:
    asked = ("--resume",) if resume else run.arguments
    environment = dict(os.environ) if alone else {**os.environ, "OMP_NUM_THREADS": "1"}
    with storage_errors(log), log.open("ab") as file:
        popen = subprocess.Popen(
            [sys.executable, "-m", "reasonforge", "run", *asked, "--out", str(run.path), "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a Ctrl-C of the terminal reaches the comparison alone, which passes it on once
        )
    return _Process(run=run, popen=popen, log=log)


def _signal(process: _Process, number: signal.Signals) -> None:
    if process.popen.poll() is None:
        process.popen.send_signal(number)


def _failure(process: _Process) -> FailedRun:
    lines = [line for line in process.log.read_text("utf-8", "replace").splitlines() if line.strip()]
    said = " / ".join(lines[-_TAIL_LINES:]) or f"it said nothing; see {process.log}"
    return FailedRun(run=process.run, code=process.popen.returncode, said=clean_text(said)[-600:])
