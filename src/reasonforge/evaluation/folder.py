"""An evaluation on disk: its settings, every sample as it came, its figures, its page. Torch-free.

::

    evaluation.json   what was asked of which model; another attempt must ask the same
    samples.jsonl     one line per problem, appended when its samples are complete and graded
    answers.jsonl     a server's answers to problems that are not complete yet; gone when all are
    results.json      figures with their intervals
    report.html       the same for people, with the samples
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import reasonforge
from reasonforge.core.chat import Answer
from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.files import storage_errors
from reasonforge.core.records import Problem
from reasonforge.evaluation.samples import SampledProblem, json_line, read_samples, samples_row
from reasonforge.runs.files import LineWriter, read_json, read_rows, write_json
from reasonforge.runs.lock import RunLock

FORMAT = 1
_FILES = ("evaluation.json", "samples.jsonl", "results.json", "report.html", "answers.jsonl")


class DrawSource(Protocol):
    """Where samples come from."""

    @property
    def failures(self) -> Mapping[str, Sequence[str]]:
        """What went wrong for good -> the samples that are missing for it."""
        ...

    def waits_for(self) -> str:
        """Say what a stop waits for. Called by a signal's handler: it must neither wait nor take a lock."""
        ...

    def draw(self, rows: Sequence[int], *, stop: Callable[[], bool]) -> Iterator[SampledProblem]:
        """Yield the problems at these positions, sampled and graded, in any order.

        Args:
            rows: which.
            stop: once it says so, nothing more is begun, and what was drawn already is yielded.
        """
        ...


class EvaluationFolder:
    """The folder of an evaluation, held by this process. Use it as a context."""

    def __init__(self, path: Path, *, settings: Mapping[str, Any], problems: Sequence[Problem], overwrite: bool) -> None:
        """Begin an evaluation, or go on with it.

        Args:
            path: the folder; parents are made.
            settings: what decides the samples, JSON-able; an evaluation is gone on with under the same ones only.
            problems: what is asked, in order.
            overwrite: begin anew; files that are not an evaluation's stay.

        Raises:
            RecipeError: the folder holds something else, or an evaluation with other settings.
            UnavailableError: a living process works there.
            StorageError: the disk refused.
        """
        self.path = path
        self.samples_path, self.results_path, self.report_path, self._answers_path = (path / name for name in _FILES[1:])
        self._problems = problems
        self.data_hash = _data_hash(problems)
        wanted = {
            "format": FORMAT,
            "settings": json.loads(json.dumps(dict(settings))),
            "data_sha256": self.data_hash,
            "version": reasonforge.__version__,
        }
        with storage_errors(path):
            strangers = {entry.name for entry in path.iterdir()} - {*_FILES, "lock"} if path.is_dir() else set()
            if strangers and not (path / "evaluation.json").exists():
                raise RecipeError(f"{path}: not empty, and not an evaluation ({min(strangers)} is there). Choose another folder with --out")
            path.mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(path / "lock")
        try:
            settings_path = path / "evaluation.json"
            if settings_path.exists() and not overwrite:
                _check_same(settings_path, read_json(settings_path), wanted)
            else:
                with storage_errors(path):
                    for name in _FILES:
                        (path / name).unlink(missing_ok=True)
                write_json(settings_path, wanted)
            self._writer = LineWriter(self.samples_path)
            self._answers: LineWriter | None = None
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
        if self._answers is not None:
            self._answers.close()
        self._lock.release()

    def found(self) -> list[SampledProblem]:
        """Return the problems that are complete, in the order in which they are asked.

        Raises:
            DataError: the file was changed by something else.
        """
        if not self.samples_path.stat().st_size:
            return []
        by_id = {found.problem.id: found for found in read_samples(self.samples_path)}
        return [by_id[problem.id] for problem in self._problems if problem.id in by_id]

    def append(self, found: SampledProblem) -> None:
        """Store a problem with its graded samples.

        Raises:
            StorageError: the disk refused.
        """
        with storage_errors(self.samples_path):
            self._writer.append(json_line(samples_row(found)))

    def keep_answer(self, problem: Problem, index: int, answer: Answer) -> None:
        """Store one answer to a problem that is not complete yet: it was paid for.

        Raises:
            StorageError: the disk refused.
        """
        with storage_errors(self._answers_path):
            if self._answers is None:
                self._answers = LineWriter(self._answers_path)
            self._answers.append(json_line({"id": problem.id, "index": index, **asdict(answer)}))

    def kept_answers(self) -> dict[str, dict[int, Answer]]:
        """Return the answers of earlier attempts to problems that are not complete: problem -> number of the sample -> answer.

        Raises:
            DataError: the file was changed by something else.
        """
        kept: dict[str, dict[int, Answer]] = {}
        for row in read_rows(self._answers_path):
            try:
                answer = Answer(text=row["text"], truncated=row["truncated"], num_tokens=row["num_tokens"])
                kept.setdefault(row["id"], {})[row["index"]] = answer
            except KeyError as missing:
                raise DataError(f"{self._answers_path}: a line has no {missing}. The file was changed by something else") from None
        return kept

    def drop_answers(self) -> None:
        """Forget the answers kept apart: every problem is complete.

        Raises:
            StorageError: the disk refused.
        """
        with storage_errors(self._answers_path):
            self._answers_path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Make what was appended durable.

        Raises:
            StorageError: the disk refused.
        """
        with storage_errors(self.samples_path):
            self._writer.sync()
            if self._answers is not None:
                self._answers.sync()


def _check_same(path: Path, stored: Any, wanted: Mapping[str, Any]) -> None:
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise DataError(f"{path}: not written by this version. Choose another folder with --out, or begin anew with --overwrite")
    advice = "Choose another folder with --out, or begin anew with --overwrite"
    if stored.get("data_sha256") != wanted["data_sha256"]:
        raise RecipeError(f"{path.parent}: holds an evaluation on other problems. {advice}")
    before, now = stored.get("settings") or {}, wanted["settings"]
    different = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if different:
        shown = ", ".join(f"{name} {_short(before.get(name))} there and {_short(now.get(name))} here" for name in different[:3])
        raise RecipeError(f"{path.parent}: holds an evaluation with other settings ({shown}). {advice}")


def _short(value: Any) -> str:
    return json.dumps(value)[:60]


def _data_hash(problems: Sequence[Problem]) -> str:
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(json.dumps([problem.id, problem.question, problem.answer, problem.kind], sort_keys=True).encode())
    return digest.hexdigest()
