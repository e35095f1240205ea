"""Finished samples on disk: one JSON object per problem (``samples``) or per completion (``text``). Torch-free.

This is what an evaluation leaves behind and what ``reasonforge grade`` and ``reasonforge eval`` read, whoever drew the samples::

    {"id": "1", "question": "3 + 4?", "gold": "7", "samples": ["<answer>7</answer>", "<answer>8</answer>"]}
    {"id": "1", "question": "3 + 4?", "gold": "7", "text": "<answer>7</answer>"}

Optional: ``kind``, ``subject``, ``level``, ``language``, ``source`` and ``meta`` of the problem; ``scores`` (of a reward model),
``lengths``, ``truncated``, ``tool_calls``, ``tool_failures``, ``thinking_tokens`` and ``within_budget``, one value per sample; beside a
``text`` one value, and the first two are ``score`` and ``length``. Graded lines also have ``status``, ``correct``, ``prediction`` and
``reason``: one value beside a ``text``, lists beside ``samples``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from reasonforge.core.errors import DataError
from reasonforge.core.files import write_atomic
from reasonforge.core.records import Message, Problem, ProblemKind, Verdict, VerdictStatus
from reasonforge.tasks.files import Row, read_rows

MAX_ROW_BYTES = 1 << 30
"""A problem with its thousand long samples is one line."""
REFUSED = "refused"
"""Key of the line that ``reasonforge grade`` writes where it could not read one: ``{"refused": "samples.jsonl:7: not valid JSON ..."}``."""
_PER_SAMPLE: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("scores", "score", (int, float)),
    ("lengths", "length", (int,)),
    ("truncated", "truncated", (bool,)),
    ("tool_calls", "tool_calls", (int,)),
    ("tool_failures", "tool_failures", (int,)),
    ("thinking_tokens", "thinking_tokens", (int,)),
    ("within_budget", "within_budget", (bool,)),
)
"""Field of ``SampledProblem`` and column beside ``samples``; column beside a ``text``; what may stand there."""
_KINDS: tuple[str, ...] = get_args(ProblemKind)
_STATUSES: tuple[str, ...] = get_args(VerdictStatus)
_JSON_TYPES = ((int, "a number"), (float, "a number"), (str, "text"), (list, "a list"), (dict, "an object"), (object, "something else"))
_SHOWN_NAMES, _SHOWN_NAME = 8, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledProblem:
    """A problem and what was answered to it."""

    problem: Problem
    samples: tuple[str, ...]
    scores: tuple[float, ...] | None = None
    """A reward model's, one per sample. None = there is none."""
    lengths: tuple[int, ...] | None = None
    """In tokens. None = not known."""
    truncated: tuple[bool, ...] | None = None
    """Whether a sample ran into the length limit. None = not known."""
    verdicts: tuple[Verdict, ...] | None = None
    """None = not graded yet."""
    tool_calls: tuple[int, ...] | None = None
    """Programs run while a sample was drawn. None = there was no tool."""
    tool_failures: tuple[int, ...] | None = None
    """Of them, those that ended in an error. None = there was no tool."""
    thinking_tokens: tuple[int, ...] | None = None
    """Tokens before the end of thinking. None = there was no budget."""
    within_budget: tuple[bool, ...] | None = None
    """Whether thinking was as long as asked for. None = there was no budget."""

    @property
    def subject(self) -> str | None:
        """What the problem is about; None = its source does not say."""
        return _stated(self.problem.meta.get("subject"))

    @property
    def level(self) -> str | None:
        """How hard its source says it is; None = it does not say."""
        level = self.problem.meta.get("level")
        return _stated(self.problem.difficulty if level is None else level)


def read_samples(
    path: Path, *, refused: Callable[[str], None] = lambda what: None, repeated: Callable[[str], None] = lambda place: None
) -> list[SampledProblem]:
    """Return the problems of a file in order; lines of one ``text`` each that share an id are one problem.

    Args:
        path: the file.
        refused: told of each line that ``reasonforge grade`` could not read, and that is passed over here.
        repeated: told of each line that says exactly what an earlier one says; it counts as a further sample.

    Raises:
        DataError: the file cannot be read, a line is wrong, an id comes twice, or one id has two reference answers.
    """
    problems: dict[str, list[SampledProblem]] = {}
    seen: set[str] = set()
    for row in read_rows(path, max_row_bytes=MAX_ROW_BYTES):
        if REFUSED in row.values:
            refused(str(row.values[REFUSED]))
            continue
        found = parse_samples(row)
        earlier = problems.setdefault(found.problem.id, [])
        if earlier and "samples" in row.values:
            raise DataError(f"{row.place}: id {found.problem.id!r} came before. Give all samples of a problem in one line")
        if earlier and earlier[0].problem.answer != found.problem.answer:
            raise DataError(f"{row.place}: id {found.problem.id!r} has another reference answer than in an earlier line")
        earlier.append(found)
        if (fingerprint := _fingerprint(row)) in seen:
            repeated(row.place)
        seen.add(fingerprint)
    if not problems:
        raise DataError(f"{path}: no samples")
    return [_joined(path, parts) for parts in problems.values()]


def parse_samples(row: Row) -> SampledProblem:
    """Return what a line says.

    Raises:
        DataError: something is missing or of the wrong type; the line says where.
    """
    values, place = row.values, row.place
    _require_columns(row)
    if "samples" in values:
        samples = values["samples"]
        if not isinstance(samples, list) or not samples or not all(isinstance(sample, str) for sample in samples):
            raise DataError(f'{place}: "samples" must be a list of one or more texts')
        columns = {name: values.get(name) for name, _, _ in _PER_SAMPLE}
    elif isinstance(values["text"], str):
        samples = [values["text"]]
        columns = {name: None if values.get(single) is None else [values[single]] for name, single, _ in _PER_SAMPLE}
    else:
        raise DataError(f'{place}: "text" is {_called(values["text"])}, not text')
    count = len(samples)
    as_lists = "samples" in values
    return SampledProblem(
        problem=_problem(row),
        samples=tuple(samples),
        verdicts=_read_verdicts(row, count, as_lists=as_lists),
        **{name: _per_sample(place, name, columns[name], count, types) for name, _, types in _PER_SAMPLE},
    )


def samples_row(found: SampledProblem) -> dict[str, Any]:
    """Return a problem and its samples as they stand in a file."""
    problem = found.problem
    row: dict[str, Any] = {"id": problem.id, "question": problem.question, "gold": problem.answer, "samples": list(found.samples)}
    row |= {"kind": problem.kind, "language": problem.language, "source": problem.source}
    for name, value in (("subject", found.subject), ("level", found.level)):
        if value is not None:
            row[name] = value
    if meta := {name: value for name, value in problem.meta.items() if name not in ("subject", "level")}:
        row["meta"] = meta
    for name, _, _ in _PER_SAMPLE:
        if (given := getattr(found, name)) is not None:
            row[name] = list(given)
    if found.verdicts is not None:
        row |= verdict_columns(found.verdicts, as_lists=True)
    return row


def general_reason(problem: Problem, reason: str) -> str:
    """Return why a verdict fell without the problem that it names, so that like reasons can be counted."""
    return reason.removeprefix(f"problem {problem.id}: ")


def verdict_columns(verdicts: Sequence[Verdict], *, as_lists: bool) -> dict[str, Any]:
    """Return verdicts as they stand in a file: one value each beside a ``text``, lists beside ``samples``."""
    columns: dict[str, list[Any]] = {
        "status": [verdict.status for verdict in verdicts],
        "correct": [verdict.correct for verdict in verdicts],
        "prediction": [verdict.prediction for verdict in verdicts],
        "reason": [verdict.reason for verdict in verdicts],
    }
    return dict(columns) if as_lists else {name: values[0] for name, values in columns.items()}


def json_line(row: Mapping[str, Any]) -> str:
    """Return a line of JSON without its end. Text stays readable; ``LineWriter`` escapes what is no text (half of a surrogate pair)."""
    return json.dumps(row, ensure_ascii=False)


def write_samples(path: Path, problems: Iterable[SampledProblem]) -> None:
    """Write a file that ``read_samples`` reads back.

    Raises:
        StorageError: the disk refused.
    """
    text = "".join(f"{json_line(samples_row(found))}\n" for found in problems)
    write_atomic(path, text.encode("utf-8", "backslashreplace"))


def _require_columns(row: Row) -> None:
    """Refuse a line that lacks columns, naming all of them at once and what stands there instead."""
    has = row.values.keys()
    missing = [] if "gold" in has else ['"gold"']
    if not has & {"text", "samples"}:
        missing.append('"text" (one completion) or "samples" (a list of them)')
    if missing:
        shown = [json.dumps(str(name)[:_SHOWN_NAME]) for name in list(has)[:_SHOWN_NAMES]] + ["..."] * (len(has) > _SHOWN_NAMES)
        raise DataError(f"{row.place}: no {' and no '.join(missing)}; columns here: {', '.join(shown) or 'none'}")


def _fingerprint(row: Row) -> str:
    return hashlib.sha256(repr(row.values).encode("utf-8", "backslashreplace")).hexdigest()


def _problem(row: Row) -> Problem:
    values, place = row.values, row.place
    kind, meta = values.get("kind") or "math", values.get("meta") or {}
    if kind not in _KINDS:
        raise DataError(f'{place}: "kind" is {str(kind)[:40]!r}; there are: {", ".join(_KINDS)}')
    if not isinstance(meta, dict):
        raise DataError(f'{place}: "meta" must be a JSON object')
    facts = {name: values[name] for name in ("subject", "level") if values.get(name) is not None}
    identity = values.get("id")
    return Problem(
        id=place.rpartition(":")[2] if identity is None else _scalar(row, "id"),
        messages=(Message("user", _text(row, "question")),),
        answer=_scalar(row, "gold"),
        kind=kind,
        source=_text(row, "source"),
        language=_text(row, "language") or "en",
        meta={**meta, **facts},
    )


def _text(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f'{row.place}: "{name}" is {_called(value)}, not text')
    return value


def _scalar(row: Row, name: str) -> str:
    """Return text or a number as text: 70.0 is "70", because data sets store whole answers as floats."""
    value = row.values.get(name)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    raise DataError(f'{row.place}: "{name}" is {_called(value)}, not text or a number')


def _called(value: Any) -> str:
    """Return what JSON calls a value."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "no finite number"
    return next(name for kind, name in _JSON_TYPES if isinstance(value, kind))


def _per_sample(place: str, name: str, values: Any, count: int, types: tuple[type, ...]) -> tuple[Any, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != count:
        raise DataError(f'{place}: "{name}" must be a list with one value for each of the {count} samples')
    for value in values:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types) or not math.isfinite(value):
            raise DataError(f'{place}: "{name}" holds {json.dumps(value)[:40]}; wanted: {" or ".join(kind.__name__ for kind in types)}')
    return tuple(values)


def _read_verdicts(row: Row, count: int, *, as_lists: bool) -> tuple[Verdict, ...] | None:
    if row.values.get("status") is None:
        return None
    columns: list[list[Any]] = []
    for name, types in (("status", str), ("prediction", str | None), ("reason", str)):
        given = row.values.get(name, "")
        values = given if as_lists else [given]
        if not isinstance(values, list) or len(values) != count or not all(isinstance(value, types) for value in values):
            raise DataError(f'{row.place}: "{name}" is not what a grader writes. Leave "status" out, and the samples are graded anew')
        columns.append(values)
    if unknown := [status for status in columns[0] if status not in _STATUSES]:
        raise DataError(f'{row.place}: "status" is {unknown[0][:40]!r}; there are: {", ".join(_STATUSES)}')
    return tuple(Verdict(status=status, prediction=prediction, reason=reason) for status, prediction, reason in zip(*columns))


def _joined(path: Path, parts: Sequence[SampledProblem]) -> SampledProblem:
    if len(parts) == 1:
        return parts[0]
    return SampledProblem(
        problem=parts[0].problem,
        samples=tuple(sample for part in parts for sample in part.samples),
        verdicts=_all_of(path, "status", parts, [part.verdicts for part in parts]),
        **{name: _all_of(path, single, parts, [getattr(part, name) for part in parts]) for name, single, _ in _PER_SAMPLE},
    )


def _all_of(path: Path, name: str, parts: Sequence[SampledProblem], values: Sequence[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
    given = [value for value in values if value is not None]
    if given and len(given) < len(values):
        raise DataError(f'{path}: some completions of problem {parts[0].problem.id!r} have a "{name}" and others have none')
    return tuple(value for part in given for value in part) if given else None


def _stated(value: Any) -> str | None:
    return None if value is None else str(value)
