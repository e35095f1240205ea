"""Three ways to show a run: plain lines, JSON lines, and a live block on a terminal. They print text that is already clean."""

from __future__ import annotations

import contextlib
import json
import os
import textwrap
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from reasonforge.runs.text import format_number, format_seconds, shorten, text_table

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step as it is shown."""

    stage: str
    position: int
    """1 = first."""
    num_stages: int
    unit: str
    step: int
    total_steps: int | None
    """None = not known."""
    eta_seconds: float | None
    """None = not known yet."""
    figures: tuple[tuple[str, float], ...]
    """(label, value), most telling first."""

    @property
    def count(self) -> str:
        """``12/75``, or ``12`` where the end is not known."""
        return f"{self.step}" if self.total_steps is None else f"{self.step}/{self.total_steps}"

    def text(self) -> str:
        """The step in one line."""
        parts = [f"{self.stage} {self.unit} {self.count}", *(f"{label} {format_number(value)}" for label, value in self.figures)]
        if self.eta_seconds is not None:
            parts.append(f"eta {format_seconds(self.eta_seconds)}")
        return " ".join(parts)


class Screen(Protocol):
    """Something that shows a run."""

    def line(self, kind: str, text: str, *, style: str = "") -> None:
        """Print one line."""
        ...

    def facts(self, kind: str, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print a title and named facts."""
        ...

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        ...

    def step(self, row: StepRow) -> None:
        """Show the newest step."""
        ...

    def evaluation(self, row: StepRow) -> None:
        """Show an evaluation, so that it stays."""
        ...

    def close(self) -> None:
        """Remove what is live; lines may still be printed after."""
        ...


class PlainScreen:
    """Lines without escapes, for files and pipes."""

    def __init__(self, file: TextIO, width: int) -> None:
        self._file = file
        self._width = width

    def line(self, kind: str, text: str, *, style: str = "") -> None:
        """Print one line."""
        _print(text, self._file)

    def facts(self, kind: str, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print a title and named facts."""
        self.line(kind, title, style="bold")
        name_width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            # A path is worth more whole than in columns, so words are never broken.
            room = max(20, self._width - name_width - 4)
            parts = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
            for first, part in zip([name, *[""] * (len(parts) - 1)], parts, strict=True):
                self.line(kind, f"  {first:<{name_width}}  {part}".rstrip())

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        self.line("table", title, style="bold")
        for text in text_table(columns, rows, width=self._width - 2):
            self.line("table", "  " + text)

    def step(self, row: StepRow) -> None:
        """Print the step."""
        self.line("step", row.text())

    def evaluation(self, row: StepRow) -> None:
        """Print the evaluation."""
        self.line("evaluation", row.text())

    def close(self) -> None:
        """Nothing is live."""


class JsonScreen:
    """One JSON object per line, ASCII only, for log collectors."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def line(self, kind: str, text: str, *, style: str = "") -> None:
        """Print one line."""
        self._write(kind, message=text)

    def facts(self, kind: str, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print a title and named facts."""
        self._write(kind, message=title, facts=dict(rows))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        self._write("table", message=title, columns=list(columns), rows=[list(row) for row in rows])

    def step(self, row: StepRow) -> None:
        """Print the step."""
        self._figures("step", row)

    def evaluation(self, row: StepRow) -> None:
        """Print the evaluation."""
        self._figures("evaluation", row)

    def close(self) -> None:
        """Nothing is live."""

    def _figures(self, kind: str, row: StepRow) -> None:
        # JSON knows no NaN: figures that are not finite become null.
        figures = {label: value if abs(value) < float("inf") else None for label, value in row.figures}
        self._write(kind, stage=row.stage, step=row.step, total_steps=row.total_steps, eta_seconds=row.eta_seconds, figures=figures)

    def _write(self, kind: str, **data: Any) -> None:
        _print(json.dumps({"time": round(time.time(), 3), "kind": kind, **data}), self._file)


class LiveScreen(PlainScreen):
    """A block that stays at the bottom of a terminal: stage, progress, time left and the last steps. Lines scroll above it."""

    def __init__(self, file: TextIO, width: int) -> None:
        super().__init__(file, width)
        from rich.console import Console as RichConsole  # 40 ms that runs without a terminal need not wait for
        from rich.live import Live

        self._console = RichConsole(file=file, width=width, markup=False, highlight=False, emoji=False)
        self._live: Live | None = None
        self._make_live = lambda: Live(console=self._console, auto_refresh=False, transient=True)
        self._rows: deque[StepRow] = deque(maxlen=5)

    def line(self, kind: str, text: str, *, style: str = "") -> None:
        """Print one line above the live block."""
        from rich.text import Text

        with contextlib.suppress(OSError, ValueError):
            self._console.print(Text(text, style=style), soft_wrap=True)

    def step(self, row: StepRow) -> None:
        """Redraw the block with the newest step."""
        if self._rows and self._rows[-1].stage != row.stage:
            self._rows.clear()
        self._rows.append(row)
        with contextlib.suppress(OSError, ValueError):
            if self._live is None:
                self._live = self._make_live()
                self._live.start()
            self._live.update(self._block(row), refresh=True)

    def close(self) -> None:
        """Clear the block and leave its last step as a line."""
        if self._live is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()
        self._live = None
        self.line("step", self._rows[-1].text())
        self._rows.clear()

    def _block(self, row: StepRow) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        tail = f" {row.count}"
        if row.eta_seconds is not None:
            tail += f" eta {format_seconds(row.eta_seconds)}"
        head = shorten(f"{row.position}/{row.num_stages} {row.stage} ", max(8, self._width - len(tail) - 10))
        parts = [Text(head, style="bold cyan"), Text(tail)]
        if row.total_steps:
            bar_width = max(4, min(60, self._width - len(head) - len(tail) - 1))
            parts.insert(1, _one_line(ProgressBar(total=row.total_steps, completed=row.step, width=bar_width), self._console))
        return Group(Text.assemble(*parts), *self._table())

    def _table(self) -> list[RenderableType]:
        """The last steps, as many columns as fit."""
        from rich.text import Text

        labels = [label for label, _ in self._rows[-1].figures]
        rows = [[str(row.step), *(format_number(dict(row.figures).get(label)) for label in labels)] for row in self._rows]
        while labels and sum(max(len(label), 7) + 2 for label in labels) > self._width - 8:
            labels.pop()
            rows = [row[:-1] for row in rows]
        header, *lines = text_table([self._rows[-1].unit, *labels], rows, width=self._width)
        return [Text(header, style="dim"), *(Text(line) for line in lines)]


def _one_line(renderable: RenderableType, console: Any) -> Any:
    """Return a renderable's segments as text, so that it can stand within a line."""
    from rich.text import Text

    return Text.assemble(*((segment.text, segment.style or "") for segment in console.render(renderable) if segment.text != "\n"))


def _print(text: str, file: TextIO) -> None:
    """Print a line in what the stream can show. A reader that has gone (``| head``) must not stop the training."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), file=file, flush=True)
    except BrokenPipeError:
        # Or Python fails when it flushes the stream at exit, and with it the run's exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
    except (OSError, ValueError):
        return
