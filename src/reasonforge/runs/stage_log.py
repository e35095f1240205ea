"""What a stage writes while it works. A disk that refuses a row never stops the training: one warning, then it is counted."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from reasonforge.core.errors import StorageError
from reasonforge.core.rollouts import Float32, RolloutGroup
from reasonforge.runs.info import StageInfo
from reasonforge.runs.metrics import metric_of
from reasonforge.runs.rollouts import Advantage, TokenChoice, list_steps, step_file, write_rollouts

if TYPE_CHECKING:
    from reasonforge.runs.directory import RunDirectory

Level = Literal["info", "warning", "error"]

ROW_SCHEMA = 1


class StageLog:
    """Metrics, events and rollouts of one stage. Made by ``RunDirectory.stage``.

    A stage that continues from a checkpoint calls ``resume_at`` before it logs; one that does not begins anew, and what an earlier
    attempt logged for it is dropped. Either way the rows are those of a run that was never interrupted.
    """

    def __init__(self, run: RunDirectory, info: StageInfo, *, rollout_tokens: TokenChoice, tokenizer: str = "") -> None:
        self.name = info.name
        self._run = run
        self._info = info
        self._rollout_tokens: TokenChoice = rollout_tokens
        self._tokenizer = tokenizer
        self._started = time.monotonic()
        self._earlier_seconds = info.seconds
        self._opened = False
        self._not_finite: set[str] = set()

    def resume_at(self, step: int) -> None:
        """Forget what was logged after ``step``: the stage continues there.

        Args:
            step: the last step whose effects are in the checkpoint; its own rows stay.
        """
        assert not self._opened, "resume_at comes before the first row"
        self._opened = True
        try:
            dropped = self._run.drop_rows(self.name, after=step)
            self._drop_rollouts(after=step)
        except (OSError, StorageError) as error:
            self._run.lost("metrics", error, stage=self.name)
            return
        self._info = self._info.model_copy(update={"step": max(0, step)})
        if dropped:
            self.event("rows_dropped", f"{dropped} metric rows after step {step} dropped: the checkpoint does not know them", rows=dropped)
        if step >= 0 and self._run.console:
            self._run.console.resumed(step)

    def expect(self, total_steps: int) -> None:
        """Say how many steps are planned, once the data has been read and they are known."""
        self._info = self._info.model_copy(update={"total_steps": total_steps})
        if self._run.console:
            self._run.console.expect(total_steps)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Write one row of metrics and show it. A value that is not finite becomes null, with one event per metric.

        Args:
            step: optimizer (or outer) steps done so far; 0 = before the first.
            values: registered names only.

        Raises:
            ValueError: a name is not registered (a bug).
        """
        self._open()
        row: dict[str, Any] = {"schema": ROW_SCHEMA, "stage": self.name, "step": step, "time": round(time.time(), 3)}
        for name, value in values.items():
            metric_of(name)
            number = float(value)
            row[name] = number if math.isfinite(number) else None
            if row[name] is None and name not in self._not_finite:
                self._not_finite.add(name)
                self.event("not_finite", f"{name} is {number} at step {step}", level="warning", step=step, metric=name)
        self._run.write_row("metrics", row)
        self._info = self._info.model_copy(update={"step": step})
        self._run.show(self.name, step, values)
        self._run.beat(self._current_info())

    def event(self, kind: str, message: str, level: Level = "info", **data: Any) -> None:
        """Write an event; warnings and errors are shown too.

        Args:
            kind: a word to filter by, ``checkpoint`` say.
            message: one sentence for people.
            level: ``info``, ``warning`` or ``error``.
            **data: JSON-able facts.
        """
        self._run.event(kind, message, level=level, stage=self.name, **data)

    def rollouts(
        self, step: int, groups: Sequence[RolloutGroup], advantages: Sequence[Advantage] | Float32, *, tokens: TokenChoice | None = None
    ) -> None:
        """Store the step's rollouts.

        Args:
            step: the step they were learned from.
            groups: graded groups.
            advantages: per rollout, in the order of the groups: one number, or an array with one per completion token.
            tokens: whose tokens to keep, where the stage itself reads them again; None = as the run keeps them.
        """
        self._open()
        path = step_file(self._run.rollouts_dir(self.name), step)
        try:
            write_rollouts(
                path,
                groups,
                advantages,
                run=self._run.name,
                stage=self.name,
                step=step,
                tokens=tokens or self._rollout_tokens,
                tokenizer=self._tokenizer,
            )
        except StorageError as error:
            self._run.lost("rollouts", error, stage=self.name)

    def done(self, message: str = "done", **data: Any) -> None:
        """Record that the stage is complete.

        Raises:
            StorageError: run.json cannot be written.
        """
        self._open()
        info = self._current_info().model_copy(update={"state": "done"})
        self.event("stage_done", message, seconds=round(info.seconds, 3), step=info.step, **data)
        self._run.update_stage(info)
        if self._run.console:
            self._run.console.stage_done(message)

    def _open(self) -> None:
        if not self._opened:
            self.resume_at(-1)

    def _current_info(self) -> StageInfo:
        return self._info.model_copy(update={"seconds": self._earlier_seconds + time.monotonic() - self._started})

    def _drop_rollouts(self, *, after: int) -> None:
        for step, path in list_steps(self._run.rollouts_dir(self.name)).items():
            if step > after:
                path.unlink()
