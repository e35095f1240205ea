"""What a run says on the terminal: a live block where there is one, plain lines elsewhere, JSON lines on request.

Drawing is throttled, so a step costs a few microseconds. Everything printed is cleaned: prompts and completions are hostile text.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, TextIO

from reasonforge.runs.screens import JsonScreen, LiveScreen, PlainScreen, Screen, StepRow
from reasonforge.runs.text import clean_text, counted, format_seconds, shorten

_LABELS = {
    "reward": "reward",
    "accuracy": "acc",
    "loss": "loss",
    "eval/pass@1": "pass@1",
    "eval/format": "eval format",
    "reward_model/auc": "auc",
    "reward_model/accuracy": "held-out acc",
    "reward_model/pair_accuracy": "pairs",
    "reward_model/pair_accuracy_matched": "pairs of one length",
    "reward_model/calibration_error": "calibration error",
    "judge/kept": "kept",
    "judge/unanimous": "unanimous",
    "judge/first_place": "place A",
    "rewards/margins": "margin",
    "rewards/accuracies": "pairs right",
    "preference/pairs": "pairs",
    "completions/mean_length": "len",
    "frac_reward_zero_std": "no signal",
    "kl": "kl",
    "entropy": "entropy",
    "grad_norm": "grad",
    "lr": "lr",
}
"""What a step row shows, most telling first, and how it is called there."""

_EVALUATED = ("eval/", "reward_model/auc", "reward_model/accuracy", "reward_model/pair_accuracy", "reward_model/calibration_error")
"""How the names of held-out figures begin, which always show."""

_MOST_FIGURES = 8
_LIVE_SECONDS = 0.3
_PLAIN_SECONDS = 5.0


@dataclass(slots=True)
class _Progress:
    """Where the current stage is and how fast it goes."""

    name: str
    position: int
    num_stages: int
    total_steps: int | None
    unit: str
    started: float
    step: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=30))

    def move(self, step: int, now: float) -> None:
        if step != self.step or not self.recent:
            self.recent.append((now, step))
            self.step = step

    def eta_seconds(self) -> float | None:
        """Seconds left at the pace of the recent steps; None = not known yet, or nothing is left."""
        if self.total_steps is None or self.step >= self.total_steps or len(self.recent) < 2:
            return None
        (first_time, first_step), (last_time, last_step) = self.recent[0], self.recent[-1]
        if last_step <= first_step:
            return None
        return (last_time - first_time) / (last_step - first_step) * (self.total_steps - last_step)


class Console:
    """Shows a run. Attach it to a ``RunDirectory`` and stages are shown as they log."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        log: Literal["auto", "json"] = "auto",
        file: TextIO | None = None,
        plain_seconds: float = _PLAIN_SECONDS,
    ) -> None:
        """Choose how to show.

        Args:
            quiet: only warnings.
            log: ``json`` = one JSON object per line; ``auto`` = live on a terminal, plain lines elsewhere.
            file: where to; None = standard output.
            plain_seconds: least time between two step lines where there is no terminal.
        """
        stream: TextIO = sys.stdout if file is None else file
        self._quiet = quiet
        self.width = min(200, max(40, shutil.get_terminal_size().columns)) if stream.isatty() else 200
        self._screen: Screen
        if log == "json":
            self._screen, self._interval = JsonScreen(stream), plain_seconds
        elif stream.isatty() and os.environ.get("TERM") != "dumb" and not quiet:
            self._screen, self._interval = LiveScreen(stream, self.width), _LIVE_SECONDS
        else:
            self._screen, self._interval = PlainScreen(stream, self.width), plain_seconds
        self._progress: _Progress | None = None
        self._next_draw = 0.0

    def banner(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print what is about to run."""
        if not self._quiet:
            self._screen.facts("banner", clean_text(title), _clean_pairs(rows))

    def stage(self, name: str, *, position: int = 1, num_stages: int = 1, total_steps: int | None = None, unit: str = "step") -> None:
        """Begin showing a stage."""
        self._progress = _Progress(clean_text(name), position, num_stages, total_steps, clean_text(unit), time.monotonic())
        self._next_draw = 0.0
        if not self._quiet:
            total = f", {counted(total_steps, self._progress.unit)}" if total_steps else ""
            self._screen.line("stage", f"{position}/{num_stages} {self._progress.name}{total}", style="bold")

    def expect(self, total_steps: int) -> None:
        """Learn how many steps the stage has."""
        if self._progress:
            self._progress.total_steps = total_steps

    def resumed(self, step: int) -> None:
        """Say that the stage continues after a step."""
        if self._progress:
            self._progress.step = step
        self.note(f"resumed at step {step}")

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Show a step's figures, now or not at all: drawing is throttled, but evaluations and the last step always show."""
        progress = self._progress
        if self._quiet or progress is None:
            return
        now = time.monotonic()
        progress.move(step, now)
        evaluated = {name: value for name, value in values.items() if name.startswith(_EVALUATED)}
        if evaluated:
            self._screen.evaluation(self._row(progress, evaluated))
            values = {name: value for name, value in values.items() if name not in evaluated}
        if values and (now >= self._next_draw or step == progress.total_steps):
            self._next_draw = now + self._interval
            self._screen.step(self._row(progress, values))

    def note(self, message: str) -> None:
        """Print a remark."""
        if not self._quiet:
            self._screen.line("note", clean_text(message))

    def warn(self, message: str) -> None:
        """Print a warning, even when quiet."""
        self._screen.line("warning", "warning: " + clean_text(message), style="yellow")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a small table."""
        if not self._quiet:
            cleaned = [[clean_text(cell) for cell in row] for row in rows]
            self._screen.table(clean_text(title), [clean_text(column) for column in columns], cleaned)

    def stage_done(self, message: str = "done") -> None:
        """Say that the stage is complete."""
        progress, self._progress = self._progress, None
        if progress is None or self._quiet:
            return
        self._screen.close()
        took = format_seconds(time.monotonic() - progress.started)
        self._screen.line("stage_done", f"{progress.name}: {clean_text(message)}, {counted(progress.step, progress.unit)} in {took}")

    def end(self, title: str, rows: Sequence[tuple[str, str]], next_commands: Sequence[str] = ()) -> None:
        """Print how it went and what to do next."""
        self.close()
        if self._quiet:
            return
        self._screen.facts("end", clean_text(title), _clean_pairs(rows))
        for command in next_commands:
            self._screen.line("next", f"next: {clean_text(command)}")

    def close(self) -> None:
        """Give the terminal back."""
        self._screen.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _row(self, progress: _Progress, values: Mapping[str, float]) -> StepRow:
        shown = [(label, values[name]) for name, label in _LABELS.items() if name in values and not (name == "loss" and "reward" in values)]
        shown += [(shorten(name.removeprefix("eval/"), 24), value) for name, value in values.items() if _is_extra(name)]
        return StepRow(
            stage=progress.name,
            position=progress.position,
            num_stages=progress.num_stages,
            unit=progress.unit,
            step=progress.step,
            total_steps=progress.total_steps,
            eta_seconds=progress.eta_seconds(),
            figures=tuple((label, float(value)) for label, value in shown[:_MOST_FIGURES]),
        )


def _is_extra(name: str) -> bool:
    return name.startswith(("eval/pass@", "eval/maj@", "eval/best@", "eval/weighted@")) and name not in _LABELS


def _clean_pairs(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(clean_text(name), clean_text(value)) for name, value in rows]
