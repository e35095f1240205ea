"""``reasonforge grade``: verdicts for a file of samples, line by line, resumable. Torch-free.

The output has one line for each line of the input that is not blank, in order: the same object with ``status``, ``correct``,
``prediction``, ``reason`` and ``profile``, or ``{"refused": "file:line: what is wrong"}``. That is all the state there is: what the output
holds already is not graded again.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.files import storage_errors
from reasonforge.evaluation.grading import Graders
from reasonforge.evaluation.samples import MAX_ROW_BYTES, REFUSED, SampledProblem, json_line, parse_samples, verdict_columns
from reasonforge.runs.console import Console
from reasonforge.runs.files import LineWriter
from reasonforge.runs.signals import StopRequest
from reasonforge.tasks.files import Row, read_json_lines
from reasonforge.verify.grade import Profile

_SAMPLES_AT_ONCE = 512
_MOST_REFUSALS_SHOWN = 10


@dataclass(slots=True, kw_only=True)
class Graded:
    """What became of a file."""

    num_lines: int = 0
    """Written, the refused ones included."""
    num_found: int = 0
    """Of them, found in the output of an earlier attempt."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Completions by the status of their verdict."""
    refused: list[str] = field(default_factory=list)
    """What is wrong with the lines that could not be read."""
    seconds: float = 0.0

    @property
    def num_samples(self) -> int:
        """Completions graded, in this attempt and before."""
        return sum(self.statuses.values())


def grade_file(
    path: Path, out: Path, *, profile: Profile, workers: int | None, overwrite: bool, console: Console, stop: StopRequest, resume: str
) -> Graded:
    """Grade a file; go on where an earlier attempt ended.

    Args:
        path: samples, as JSON Lines.
        out: where the graded lines go.
        profile: how answers are compared.
        workers: processes; None = one per core.
        overwrite: begin anew instead of going on.
        console: shows progress and the lines that cannot be read.
        stop: asked after every chunk.
        resume: what to type to go on.

    Raises:
        DataError: the input is missing or its compressed data is cut.
        RecipeError: the output is the input, or was made from another file or with another profile.
        StorageError: the disk refused.
        InterruptedRun: a signal came; what was graded is written.
    """
    if out.exists() and out.samefile(path) if path.exists() else False:
        raise RecipeError(f"{out}: is the input itself. Name another file with --out")
    rows = read_json_lines(path, max_row_bytes=MAX_ROW_BYTES)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: no samples")
    rows = itertools.chain([first], rows)
    found = Graded()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if overwrite:
            out.unlink(missing_ok=True)
    writer = LineWriter(out)
    try:
        _pass_over(rows, out, profile, found, console)
        console.stage("grade", total_steps=_num_lines(path), unit="line")
        if found.num_found:
            console.resumed(found.num_found)
        started = time.monotonic()
        with Graders(profile=profile, workers=workers) as graders:
            for chunk in _chunks(rows):
                _grade_chunk(chunk, graders, writer, profile, found, console)
                found.seconds = time.monotonic() - started
                console.step(found.num_lines, {"accuracy": found.statuses["correct"] / max(1, found.num_samples)})
                if stop.requested:
                    with storage_errors(out):
                        writer.sync()
                    raise stop.error(f"stopped after {found.num_lines} lines, all of them written. Go on with: {resume}")
        with storage_errors(out):
            writer.sync()
        console.expect(found.num_lines)
        console.stage_done(f"{found.num_samples} completions")
    finally:
        writer.close()
    return found


def _pass_over(rows: Iterator[Row | DataError], out: Path, profile: Profile, found: Graded, console: Console) -> None:
    """Read what an earlier attempt wrote beside the lines it was made from, and count it."""
    for written in read_json_lines(out, max_row_bytes=2 * MAX_ROW_BYTES):
        if isinstance(written, DataError):
            raise RecipeError(f"{written}. Begin anew with --overwrite")
        row = next(rows, None)
        other = RecipeError(f"{written.place}: was graded from another file. Name another file with --out, or begin anew with --overwrite")
        if row is None:
            raise other
        found.num_lines += 1
        found.num_found += 1
        if REFUSED in written.values:
            _refuse(DataError(str(written.values[REFUSED])), found, console)
            continue
        if isinstance(row, DataError) or any(
            written.values.get(name) != row.values.get(name) for name in ("id", "gold", "text", "samples")
        ):
            raise other
        if written.values.get("profile") != profile:
            raise RecipeError(
                f"{written.place}: was graded by profile {str(written.values.get('profile'))[:40]!r}. "
                f"Add --profile to go on with it, name another file with --out, or begin anew with --overwrite"
            )
        statuses = written.values.get("status")
        found.statuses.update(map(str, statuses if isinstance(statuses, list) else [statuses]))


def _chunks(rows: Iterator[Row | DataError]) -> Iterator[list[tuple[Row | None, SampledProblem | DataError]]]:
    """Parse lines and yield them in lists of about ``_SAMPLES_AT_ONCE`` completions."""
    chunk: list[tuple[Row | None, SampledProblem | DataError]] = []
    count = 0
    for row in rows:
        parsed: SampledProblem | DataError
        if isinstance(row, DataError):
            chunk.append((None, row))
        else:
            try:
                # Verdicts that a line brings are not read: it is being graded.
                parsed = parse_samples(Row(row.place, {name: value for name, value in row.values.items() if name != "status"}))
            except DataError as error:
                parsed = error
            chunk.append((row, parsed))
            count += len(parsed.samples) if isinstance(parsed, SampledProblem) else 0
        if count >= _SAMPLES_AT_ONCE or len(chunk) >= _SAMPLES_AT_ONCE:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def _grade_chunk(
    chunk: list[tuple[Row | None, SampledProblem | DataError]],
    graders: Graders,
    writer: LineWriter,
    profile: Profile,
    found: Graded,
    console: Console,
) -> None:
    pairs = [(parsed.problem, text) for _, parsed in chunk if isinstance(parsed, SampledProblem) for text in parsed.samples]
    verdicts = iter(graders.grade_many(pairs))
    for row, parsed in chunk:
        line: dict[str, Any]
        if isinstance(parsed, DataError) or row is None:
            line = {REFUSED: str(parsed)}
            _refuse(DataError(str(parsed)), found, console)
        else:
            own = [next(verdicts) for _ in parsed.samples]
            found.statuses.update(verdict.status for verdict in own)
            line = {**row.values, **verdict_columns(own, as_lists="samples" in row.values), "profile": profile}
        with storage_errors(writer.path):
            writer.append(json_line(line))
        found.num_lines += 1


def _refuse(error: DataError, found: Graded, console: Console) -> None:
    found.refused.append(str(error))
    if len(found.refused) <= _MOST_REFUSALS_SHOWN:
        console.warn(str(error))
    elif len(found.refused) == _MOST_REFUSALS_SHOWN + 1:
        console.warn(f"more lines cannot be read; each has a line with {json.dumps(REFUSED)} in the output")


def _num_lines(path: Path) -> int | None:
    """Count the lines of a file; None = it is compressed, and would have to be read twice."""
    if path.name.lower().endswith(".gz"):
        return None
    count, last = 0, b"\n"
    with path.expanduser().open("rb") as file:
        while piece := file.read(1 << 20):
            count += piece.count(b"\n")
            last = piece[-1:]
    return count + (last != b"\n")
