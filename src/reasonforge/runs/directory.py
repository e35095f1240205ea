"""The directory of a run: everything needed to look at it, resume it or repeat it, and one process at a time that writes it."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from reasonforge.core.errors import InterruptedRun, RecipeError, StorageError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.runs.files import LineWriter, write_json
from reasonforge.runs.info import FORMAT, Attempt, RunInfo, RunStatus, RunSummary, Score, StageInfo, new_attempt
from reasonforge.runs.lock import RunLock
from reasonforge.runs.reader import ENDINGS, RunReader, stage_name
from reasonforge.runs.redact import redact, redact_argv, redact_text, redact_toml, secret_values
from reasonforge.runs.rollouts import TokenChoice, write_rollouts
from reasonforge.runs.stage_log import ROW_SCHEMA, Level, StageLog

if TYPE_CHECKING:
    from reasonforge.runs.console import Console
    from reasonforge.runs.trackers import Tracker

_HEARTBEAT_SECONDS = 30.0
_FIRST_FILES = ("recipe.toml", "recipe.resolved.json")
"""Written before run.json, which makes the folder a run."""

_OWN_FILES = (*_FIRST_FILES, "metrics.jsonl", "events.jsonl", "summary.json", "report.html", "run.json")
_OWN_FOLDERS = ("rollouts", "artefacts", "evals", "checkpoints", "models", "final", "trackers")


class RunDirectory(RunReader):
    """A run directory that this process writes. As a context it records how the run ended: done, stopped or failed."""

    def __init__(self, path: Path, lock: RunLock, info: RunInfo, hidden: frozenset[str]) -> None:
        """Use ``create`` or ``resume``."""
        self._info = info
        write_json(path / "run.json", info.model_dump())
        super().__init__(path)
        self._lock = lock
        self._hidden = hidden
        self._lost: dict[str, int] = dict(info.lost_rows)
        self._writers = {"metrics": LineWriter(self.metrics_path), "events": LineWriter(self.events_path)}
        self._next_beat = time.monotonic() + _HEARTBEAT_SECONDS
        self._latest_stage: StageInfo | None = None
        self.console: Console | None = None
        self._trackers: list[Tracker] = []

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        name: str,
        recipe_text: str,
        resolved: Mapping[str, Any],
        argv: Sequence[str],
        seed: int,
        overwrite: bool = False,
    ) -> Self:
        """Begin a run in a new or empty directory, or in one where a start was killed before there was a run.

        Args:
            path: the directory; parents are made.
            name: what people call the run.
            recipe_text: the recipe as given.
            resolved: every setting with its value, JSON-able.
            argv: the command line.
            seed: the run's seed.
            overwrite: delete the run that is already there. Files that are not a run's stay.

        Raises:
            RecipeError: something is already there.
            UnavailableError: a living process works there.
            StorageError: the disk refused.
        """
        path = Path(path)
        with storage_errors(path):
            is_run = (path / "run.json").exists()
            path.mkdir(parents=True, exist_ok=True)
            strangers = [] if is_run else _strangers(path)
        if strangers:
            raise RecipeError(f"{path}: not empty, and not a run ({min(strangers)} is there). Choose another run directory.")
        lock = RunLock(path / "lock")
        try:
            if is_run and not overwrite:
                raise RecipeError(
                    f"{path}: a run is already there. Resume it, overwrite it (--overwrite), or choose another run directory."
                )
            _sweep(path)
            _delete_run(path)
            hidden = secret_values(resolved)
            write_atomic(path / "recipe.toml", redact_toml(recipe_text, hidden).encode("utf-8", "backslashreplace"))
            write_json(path / "recipe.resolved.json", redact(resolved))
            attempt = new_attempt(redact_argv(argv, hidden))
            info = RunInfo(
                format=FORMAT,
                id=secrets.token_hex(6),
                name=name,
                status="running",
                created=attempt.started,
                heartbeat=attempt.started,
                seed=seed,
                attempts=[attempt],
            )
            return cls(path, lock, info, hidden)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def resume(cls, path: Path | str, *, argv: Sequence[str] = (), resolved: Mapping[str, Any] | None = None) -> Self:
        """Continue a run that ended, however it ended.

        Args:
            path: the run directory.
            argv: the command line of this attempt.
            resolved: the settings, so that their secrets stay out of new files too; None = there are none.

        Raises:
            DataError: there is no run, or run.json is broken.
            UnavailableError: a living process works there.
        """
        reader = RunReader(path)
        lock = RunLock(reader.lock_path)
        try:
            _sweep(reader.path)
            hidden = secret_values(resolved or {})
            attempt: Attempt = new_attempt(redact_argv(argv, hidden))
            info = reader.info
            update = {"status": "running", "message": "", "heartbeat": attempt.started, "attempts": [*info.attempts, attempt]}
            run = cls(reader.path, lock, info.model_copy(update=update), hidden)
        except BaseException:
            lock.release()
            raise
        run.event("resumed", f"attempt {len(info.attempts) + 1}; the one before ended as {info.status}")
        return run

    @staticmethod
    def read(path: Path | str) -> RunReader:
        """Look at a run without taking its lock.

        Raises:
            DataError: there is no run at this path.
        """
        return RunReader(path)

    @property
    def info(self) -> RunInfo:
        """What run.json says, or will say at the next write."""
        return self._info

    @property
    def name(self) -> str:
        """What people call the run."""
        return self._info.name

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self._info.seed

    def attach(self, console: Console | None = None, trackers: Sequence[Tracker] = ()) -> None:
        """Show what the stages log on a console and in trackers."""
        self.console = console
        self._trackers = list(trackers)
        for tracker in self._trackers:
            self._guarded(tracker, lambda t: t.start(self.name, self.tracker_dir))

    def plan(self, planned: Sequence[tuple[str, str]]) -> None:
        """Write down the stages to come as (name, type); those that an earlier attempt knew stay as they are."""
        stages = {stage.name: stage for stage in self._info.stages}
        for name, kind in planned:
            stages.setdefault(stage_name(name), StageInfo(name=name, type=kind))
        self._update(stages=list(stages.values()))

    def is_done(self, stage: str) -> bool:
        """Return whether a stage is complete."""
        return any(info.name == stage and info.state == "done" for info in self._info.stages)

    def stage(
        self,
        name: str,
        total_steps: int | None = None,
        unit: str = "step",
        *,
        type: str = "",
        rollout_tokens: TokenChoice = "first",
        tokenizer: str = "",
    ) -> StageLog:
        """Begin a stage, or begin it again.

        Args:
            name: unique within the run; names its folders.
            total_steps: None = not known.
            unit: what a step is called on the console.
            type: the kind of stage.
            rollout_tokens: whose token arrays to store with the rollouts.
            tokenizer: fingerprint of the tokenizer whose ids those are.
        """
        earlier = next((stage for stage in self._info.stages if stage.name == name), StageInfo(name=stage_name(name)))
        update = {"type": type or earlier.type, "state": "running", "total_steps": total_steps, "unit": unit}
        info = earlier.model_copy(update=update)
        self.update_stage(info)
        self.event("stage_started", f"{name} started", stage=name, total_steps=total_steps)
        if self.console:
            names = [stage.name for stage in self._info.stages]
            self.console.stage(name, position=names.index(name) + 1, num_stages=len(names), total_steps=total_steps, unit=unit)
        return StageLog(self, info, rollout_tokens=rollout_tokens, tokenizer=tokenizer)

    def event(self, kind: str, message: str, level: Level = "info", *, stage: str | None = None, **data: Any) -> None:
        """Write an event; warnings and errors are shown too."""
        message = redact_text(message, self._hidden)
        row: dict[str, Any] = {"schema": ROW_SCHEMA, "time": round(time.time(), 3), "level": level, "stage": stage, "kind": kind}
        self.write_row("events", {**row, "message": message, "data": data})
        if level != "info" and self.console:
            self.console.warn(message)
        elif kind in ENDINGS and self.console:
            self.console.note(f"{stage}: {message}")

    def write_evaluation(self, name: str, groups: Sequence[RolloutGroup], scores: Mapping[str, Score]) -> None:
        """Store an evaluation: its figures, and every graded completion.

        Raises:
            StorageError: the disk refused.
        """
        folder = self.evals_dir(name)
        write_rollouts(folder / "samples.parquet", groups, None, run=self.name, stage=name, step=0, tokens="none")
        write_json(folder / "summary.json", dict(scores))

    def write_summary(self, summary: RunSummary) -> None:
        """Write summary.json.

        Raises:
            StorageError: the disk refused.
        """
        write_json(self.summary_path, summary.model_dump())

    def sync(self) -> None:
        """Make the metrics and events logged so far durable: a checkpoint must not outlive the rows before it."""
        for kind, writer in self._writers.items():
            try:
                writer.sync()
            except OSError as error:
                self.lost(kind, error)

    def finish(self, status: RunStatus, message: str = "") -> None:
        """Record how the run ended, and let go of the directory.

        Raises:
            StorageError: run.json cannot be written (the lock is free all the same).
        """
        try:
            for tracker in self._trackers:
                self._guarded(tracker, lambda t: t.finish(status))
            self.event("finished", message or status, status=status)
            if self._latest_stage:
                self.update_stage(self._latest_stage)
            self._update(status=status, message=redact_text(message, self._hidden))
        finally:
            for writer in self._writers.values():
                writer.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.finish("done")
            return
        stopped = isinstance(error, (InterruptedRun, KeyboardInterrupt))
        # The error that is on its way matters more than one about writing it down.
        with contextlib.suppress(StorageError):
            self.finish("stopped" if stopped else "failed", f"{type(error).__name__}: {error}".splitlines()[0])

    # What follows is for StageLog.

    def write_row(self, kind: str, row: Mapping[str, Any]) -> None:
        """Append a row to metrics or events; a refusal is counted."""
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str)
        try:
            self._writers[kind].append(redact_text(line, self._hidden) if kind == "events" else line)
        except OSError as error:
            self.lost(kind, error)

    def lost(self, kind: str, error: Exception, *, stage: str | None = None) -> None:
        """Count a write that the disk refused; the first of a kind is an event."""
        self._lost[kind] = self._lost.get(kind, 0) + 1
        if self._lost[kind] > 1:
            return
        message = f"cannot write {kind} ({error}); the run goes on and only counts what is lost"
        if kind != "events":
            self.event("write_failed", message, level="warning", stage=stage)
        elif self.console:
            self.console.warn(message)

    def drop_rows(self, stage: str, *, after: int) -> int:
        """Remove the metric rows of a stage beyond a step and return how many they were."""
        return self._writers["metrics"].rewrite(lambda row: row.get("stage") != stage or row.get("step", 0) <= after)

    def show(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Pass a row on to the console and the trackers."""
        if self.console:
            self.console.step(step, values)
        for tracker in self._trackers:
            self._guarded(tracker, lambda t: t.log(stage, step, values))

    def beat(self, stage: StageInfo) -> None:
        """Renew the heartbeat, now and then."""
        self._latest_stage = stage
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + _HEARTBEAT_SECONDS
        try:
            self.update_stage(stage)
        except StorageError as error:
            self.lost("heartbeats", error)

    def update_stage(self, info: StageInfo) -> None:
        """Write a stage's state into run.json."""
        self._latest_stage = None
        stages = self._info.stages
        known = any(stage.name == info.name for stage in stages)
        self._update(stages=[info if stage.name == info.name else stage for stage in stages] if known else [*stages, info])

    def _update(self, **changes: Any) -> None:
        self._info = self._info.model_copy(update={**changes, "heartbeat": time.time(), "lost_rows": dict(self._lost)})
        write_json(self.info_path, self._info.model_dump())

    def _guarded(self, tracker: Tracker, use: Any) -> None:
        """A tracker that fails is dropped with one warning; it never stops a run."""
        try:
            use(tracker)
        except Exception as error:
            self._trackers = [other for other in self._trackers if other is not tracker]
            self.event("tracker_failed", f"{type(tracker).__name__} failed and is off: {error}", level="warning")


def _strangers(path: Path) -> list[str]:
    """Return what lies in a folder without run.json and was not left by a start that was killed before it wrote one.

    Such a start takes the lock first: a recipe without a lock is somebody's own, and so is every folder.
    """
    names = [entry.name for entry in path.iterdir()]
    if "lock" not in names:
        return names
    temporaries = tuple(f".tmp-{name}-" for name in (*_FIRST_FILES, "run.json"))
    return [name for name in names if name not in ("lock", *_FIRST_FILES) and not name.startswith(temporaries)]


def _sweep(path: Path) -> None:
    """Delete what a killed process was still writing: files, and folders of weights. Only for the holder of the lock."""
    own = [*_OWN_FILES, *_OWN_FOLDERS]
    own.remove("report.html")  # a reader, who takes no lock, may be writing one
    left = [entry for name in own for kind in ("tmp", "old") for entry in path.glob(f".{kind}-{name}-*")]
    left += [
        entry
        for name in ("rollouts", "artefacts", "evals", "models")
        for kind in ("tmp", "old")
        for entry in (path / name).rglob(f".{kind}-*")
    ]
    for entry in left:
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                entry.unlink()


def _delete_run(path: Path) -> None:
    """Delete a run; run.json goes last, so that a kill leaves a run that can be overwritten again."""
    *files, run_json = _OWN_FILES
    with storage_errors(path):
        for name in files:
            (path / name).unlink(missing_ok=True)
        for name in _OWN_FOLDERS:
            if (path / name).is_dir():
                shutil.rmtree(path / name)
        (path / run_json).unlink(missing_ok=True)
