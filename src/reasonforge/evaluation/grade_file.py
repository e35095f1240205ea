"""``reasonforge grade``: verdicts for a file of samples, line by line, resumable. Torch-free.

The output has one line for each line of the input that is not blank, in order: the same object with ``status``, ``correct``,
``prediction``, ``reason`` and ``profile``, or ``{"refused": "file:line: what is wrong"}``. That is all the state there is: what the output
holds already is not graded again. A file that this did not write is never changed.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reasonforge.core.errors import DataError, RecipeError, UnavailableError
from reasonforge.core.files import storage_errors
from reasonforge.core.records import Problem
from reasonforge.evaluation.grading import Graders
from reasonforge.evaluation.samples import MAX_ROW_BYTES, REFUSED, SampledProblem, general_reason, json_line, parse_samples, verdict_columns
from reasonforge.runs.console import Console
from reasonforge.runs.files import LineWriter
from reasonforge.runs.signals import StopRequest
from reasonforge.tasks.files import Row, read_json_lines
from reasonforge.verify.grade import Profile

_SAMPLES_AT_ONCE = 512
"""To begin with. What is graded together is written together, and a signal waits for it."""
_LEAST_AT_ONCE, _MOST_AT_ONCE = 8, 2048
_SHORT_SECONDS, _LONG_SECONDS = 0.5, 2.0
_MOST_REFUSALS_SHOWN = 10
_MOST_REFUSALS_ALIKE = 3
_PLACE = re.compile(r"^.*?:\d+: ")


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
    errors: Counter[str] = field(default_factory=Counter)
    """Completions that got no verdict, by the reason."""
    seconds: float = 0.0
    _golds: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Id -> its reference answer, and where it stands first."""
    num_contradictions: int = 0
    """Lines whose id has another reference answer than in an earlier line."""
    _shown: Counter[str] = field(default_factory=Counter)
    """Lines that were shown, by what is wrong with them."""
    _is_cut: bool = False

    @property
    def num_samples(self) -> int:
        """Completions graded, in this attempt and before."""
        return sum(self.statuses.values())

    def count(self, problem: Problem, statuses: Iterable[str], reasons: Iterable[str]) -> None:
        """Take note of verdicts."""
        for status, reason in zip(statuses, reasons):
            self.statuses[status] += 1
            if status == "error":
                self.errors[general_reason(problem, reason)] += 1

    def check_gold(self, row: Row, problem: Problem, console: Console) -> None:
        """Warn of an id with two reference answers: each line is graded by its own, but they are not one problem."""
        if row.values.get("id") is None:
            return
        gold, place = self._golds.setdefault(problem.id, (problem.answer, row.place))
        if gold == problem.answer:
            return
        self.num_contradictions += 1
        if self.num_contradictions == 1:
            console.warn(
                f"{row.place}: id {problem.id[:40]!r} has another reference answer than in {place}. Each line is graded by its own; "
                "reasonforge eval refuses such a file"
            )

    def refuse(self, error: DataError, console: Console) -> None:
        """Take note of a line that cannot be read, and show it unless there were many, or many like it."""
        self.refused.append(str(error))
        reason = _PLACE.sub("", str(error))
        if self._shown[reason] < _MOST_REFUSALS_ALIKE and self._shown.total() < _MOST_REFUSALS_SHOWN:
            self._shown[reason] += 1
            console.warn(str(error))
        elif not self._is_cut:
            self._is_cut = True
            console.warn(f"more lines cannot be read; each has a line with {json.dumps(REFUSED)} in the output")


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
        RecipeError: the output is the input, or not this grader's, or was made from another file or with another profile.
        UnavailableError: another process is writing the output.
        StorageError: the disk refused.
        InterruptedRun: a signal came; what was graded is written.
    """
    if path.exists() and out.exists() and out.samefile(path):
        raise RecipeError(f"{out}: is the input itself. Name another file with --out")
    if not out.name.lower().endswith(".jsonl"):
        raise RecipeError(f"{out}: graded lines are JSON Lines. Give --out a name that ends in .jsonl")
    rows = read_json_lines(path, max_row_bytes=MAX_ROW_BYTES)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: no samples")
    rows = itertools.chain([first], rows)
    found = Graded()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with _held(out):
        if overwrite:
            with storage_errors(out):
                out.write_bytes(b"")
        # Before anything is written, and before a writer cuts a torn end off: the file may be somebody else's.
        _pass_over(rows, out, profile, found, console, first)
        _grade_rest(rows, path, out, profile=profile, workers=workers, found=found, console=console, stop=stop, resume=resume)
    return found


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keep other processes from writing the same output."""
    with storage_errors(out):
        file = out.open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(f"{out}: another process is writing it. Wait for it, or name another file with --out") from None
        os.register_at_fork(after_in_child=file.close)  # a worker that outlives a killed grader must not keep the lock
        yield


def _grade_rest(
    rows: Iterator[Row | DataError],
    path: Path,
    out: Path,
    *,
    profile: Profile,
    workers: int | None,
    found: Graded,
    console: Console,
    stop: StopRequest,
    resume: str,
) -> None:
    """Grade what the output does not hold yet."""
    writer = LineWriter(out)
    stop.waits_for = lambda: "finishing the completions that are being graded, then saving"
    try:
        console.stage("grade", total_steps=_num_lines(path), unit="line")
        if found.num_found:
            console.resumed(found.num_found)
        started = time.monotonic()
        with Graders(profile=profile, workers=workers) as graders:
            pace = _Pace()
            for chunk in _chunks(rows, pace):
                began = time.monotonic()
                _grade_chunk(chunk, graders, writer, profile, found, console)
                found.seconds = time.monotonic() - started
                pace.adjust(time.monotonic() - began)
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


def _pass_over(
    rows: Iterator[Row | DataError], out: Path, profile: Profile, found: Graded, console: Console, first: Row | DataError
) -> None:
    """Read what an earlier attempt wrote beside the lines it was made from, and count it.

    Raises:
        RecipeError: this input with this profile is not what the output was made from.
    """
    advice = "Name another file with --out, or begin anew with --overwrite"
    with storage_errors(out), out.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = f"{out}:{number}"
            if not line.endswith(b"\n"):  # a kill tore it, if it is ours at all
                if number == 1 and not _may_be_torn(line, first):
                    raise RecipeError(f"{place}: not a graded line. {advice}")
                return
            written = _written(line)
            if written is None:
                raise RecipeError(f"{place}: not a graded line. {advice}")
            row = next(rows, None)
            other = RecipeError(f"{place}: was graded from another file. {advice}")
            if row is None:
                raise other
            found.num_lines += 1
            found.num_found += 1
            if REFUSED in written:
                if not _is_refused(row):
                    raise RecipeError(f"{place}: this line of the input could not be read before and can be now. {advice}")
                found.refuse(DataError(str(written[REFUSED])), console)
                continue
            if isinstance(row, DataError) or any(written.get(name) != row.values.get(name) for name in ("id", "gold", "text", "samples")):
                raise other
            if written.get("profile") != profile:
                raise RecipeError(
                    f"{place}: was graded by profile {str(written.get('profile'))[:40]!r}, which --profile can name. {advice}"
                )
            parsed = _parsed(row)
            if isinstance(parsed, DataError):
                raise other
            found.count(parsed.problem, _texts(written["status"]), _texts(written.get("reason", "")))
            found.check_gold(row, parsed.problem, console)


def _written(line: bytes) -> dict[str, Any] | None:
    """Read a line of the output; None = no grader wrote it."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) and (REFUSED in values or {"status", "profile"} <= values.keys()) else None


def _texts(column: Any) -> list[str]:
    """Return what stands in a column: one value beside a ``text``, a list beside ``samples``."""
    return [str(value) for value in (column if isinstance(column, list) else [column])]


def _may_be_torn(line: bytes, first: Row | DataError) -> bool:
    """Say whether a single line without an end is the beginning of what is written for the first line of the input."""
    begins = json_line({REFUSED: ""})[:-2] if isinstance(first, DataError) or _is_refused(first) else json_line(first.values)[:-1]
    expected = begins.encode("utf-8", "backslashreplace")
    length = min(len(line), len(expected))
    return line[:length] == expected[:length]


def _is_refused(row: Row | DataError) -> bool:
    return isinstance(_parsed(row), DataError)


def _parsed(row: Row | DataError) -> SampledProblem | DataError:
    """Return what a line says, or what is wrong with it. Verdicts that it brings are not read: it is being graded."""
    if isinstance(row, DataError):
        return row
    try:
        return parse_samples(Row(row.place, {name: value for name, value in row.values.items() if name != "status"}))
    except DataError as error:
        return error


@dataclass(slots=True)
class _Pace:
    """How many completions are graded together: many while they are quick, few where programs are run."""

    at_once: int = field(default_factory=lambda: _SAMPLES_AT_ONCE)

    def adjust(self, seconds: float) -> None:
        """Take account of how long the last ones took."""
        if seconds < _SHORT_SECONDS:
            self.at_once = min(_MOST_AT_ONCE, 2 * self.at_once)
        elif seconds > _LONG_SECONDS:
            self.at_once = max(_LEAST_AT_ONCE, self.at_once // 4)


def _chunks(rows: Iterator[Row | DataError], pace: _Pace) -> Iterator[list[tuple[Row | None, SampledProblem | DataError]]]:
    """Parse lines and yield them in lists of about as many completions as the pace says."""
    chunk: list[tuple[Row | None, SampledProblem | DataError]] = []
    count = 0
    for row in rows:
        parsed = _parsed(row)
        chunk.append((None if isinstance(row, DataError) else row, parsed))
        count += len(parsed.samples) if isinstance(parsed, SampledProblem) else 0
        if max(count, len(chunk)) >= pace.at_once:
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
            found.refuse(DataError(str(parsed)), console)
        else:
            own = [next(verdicts) for _ in parsed.samples]
            found.count(parsed.problem, [verdict.status for verdict in own], [verdict.reason for verdict in own])
            found.check_gold(row, parsed.problem, console)
            line = {**row.values, **verdict_columns(own, as_lists="samples" in row.values), "profile": profile}
        with storage_errors(writer.path):
            writer.append(json_line(line))
        found.num_lines += 1


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
