"""``annotations.jsonl``: what people said about paths, one decision a line, never rewritten.

It lies under version control beside the recipe, so it is read as people edit and merge it: a line that cannot be right, and two people
who disagree without knowing of each other, are errors that name the lines.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

import xxhash
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reasonforge.core.errors import DataError
from reasonforge.core.files import fsync_dir, storage_errors
from reasonforge.corpus.paths import Pattern, read_pattern

Label = Literal["math", "not_math", "skip"]
"""``skip``: looked at and left open; no page is added, and paths below may be decided."""

LABELS: tuple[Label, ...] = get_args(Label)

ANNOTATIONS = "annotations.jsonl"
"""Usual name of the file."""

Author = Literal["human", "model accepted", "auto", "truth", "model"]
"""Who stands behind a decision: a person, a person who took over what a model proposed, nobody, a made-up web, a model alone."""

ACCEPTED = "accepted from "
"""What ``why`` begins with where a person took over a proposal."""

_AUTHOR = re.compile(r"(?:human|model):[^\x00-\x1f\x7f]{1,80}|auto|truth")
_MOST_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody said about a path, or took back."""

    round: int
    """Of the loop, from 1."""
    pattern: Pattern
    label: Label | None
    """None = the line takes back the one named by ``withdraws``."""
    by: str
    """``human:NAME``, ``model:NAME`` (a proposal, which does not count), ``auto`` or ``truth``."""
    at: str
    """When, ISO 8601."""
    why: str = ""
    seen: tuple[str, ...] = ()
    """Ids of the pages that were shown."""
    overrules: bool = False
    """Made in the knowledge that others said something else."""
    withdraws: str = ""
    """Digest of the line that is taken back; empty = none."""

    @property
    def counts(self) -> bool:
        """Return whether it decides anything: what a model says is a proposal."""
        return not self.by.startswith("model:")

    @property
    def author(self) -> Author:
        """Return who stands behind it."""
        kind = self.by.partition(":")[0]
        if kind == "human":
            return "model accepted" if self.why.startswith(ACCEPTED) else "human"
        return cast(Author, kind)

    def to_json(self) -> str:
        """Return its line, without the line's end."""
        row = {"round": self.round, "pattern": str(self.pattern), "label": self.label, "by": self.by, "why": self.why, "at": self.at}
        row["seen"] = list(self.seen)
        if self.overrules:
            row["overrules"] = True
        if self.withdraws:
            row["withdraws"] = self.withdraws
        return json.dumps(row, ensure_ascii=False)


class Line(NamedTuple):
    """A decision and where it stands."""

    number: int
    digest: str
    """Of the line's text: how a later line names it."""
    decision: Decision


class _Row(BaseModel):
    """A line as it stands in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    round: int = Field(ge=1)
    pattern: str
    label: Label | None
    by: str
    at: str
    why: str = ""
    seen: list[str] = []
    overrules: bool = False
    withdraws: str = ""


class Journal:
    """The file, read and appended to. Safe to use from several threads, and beside other processes that use it this way."""

    def __init__(self, path: Path) -> None:
        """Read the file; one that is not there holds nothing and is made by the first line.

        Raises:
            DataError: a line is malformed, or people contradict each other.
        """
        self.path = path
        self.lines: list[Line] = []
        self._num_forgotten = 0  # of lines that were changed or taken away, one more for each such change
        self._lock = threading.RLock()
        self._is_held = False
        self._stacks: dict[Pattern, list[Line]] = {}
        self._withdrawn: set[int] = set()
        self._size = 0
        self._known_digest = _digest(b"")
        self.refresh()
        self.check()

    def refresh(self) -> None:
        """Read what others have appended.

        Raises:
            DataError: a line is malformed.
        """
        with self._lock:
            try:
                data = self.path.read_bytes()
            except FileNotFoundError:
                data = b""
            except OSError as error:
                raise DataError(f"{self.path}: cannot read: {error.strerror or error}") from error
            if not self._is_continued_by(data):  # changed by hand, or by another checkout
                self._num_forgotten += len(self.lines) + 1
                self.lines.clear()
                self._stacks.clear()
                self._withdrawn.clear()
                self._size = 0
            rest = data[self._size :]
            if self._size and data[self._size - 1 : self._size] != b"\n":
                rest = rest[1:]  # the end that the last line lacked
            for text in _whole_lines(rest):
                self._take(text)
            self._size = _whole_size(data)
            self._known_digest = _digest(data[: self._size])

    @property
    def revision(self) -> int:
        """Return a number that grows with every line, and with every change that is not one more line."""
        return self._num_forgotten + len(self.lines)

    def lines_since(self, revision: int) -> list[Line] | None:
        """Return the lines that came after a revision; None = the file was changed otherwise since then, or never had this revision."""
        known = revision - self._num_forgotten
        return self.lines[known:] if 0 <= known <= len(self.lines) else None

    def check(self) -> None:
        """Refuse contradictions: the last words of two people about one path differ, and neither knew of the other.

        Raises:
            DataError: it names both lines.
        """
        for pattern, stack in self._stacks.items():
            if (pair := _conflict(stack)) is not None:
                first, second = pair
                raise DataError(
                    f"{self.path}:{first.number} and {self.path}:{second.number}: of {pattern} {first.decision.by} says "
                    f"{first.decision.label} and {second.decision.by} {second.decision.label}, neither knowing of the other. "
                    'Agree, and append the line that holds with "overrules": true'
                )

    def standing(self, pattern: Pattern) -> Line | None:
        """Return the line that counts for a pattern: the last one that is no proposal and was not taken back."""
        return next((line for line in reversed(self._stacks.get(pattern, ())) if line.decision.counts), None)

    def proposal(self, pattern: Pattern) -> Line | None:
        """Return the last thing that a model proposed for a pattern."""
        return next((line for line in reversed(self._stacks.get(pattern, ())) if not line.decision.counts), None)

    def decisions(self, *, up_to_round: int | None = None) -> dict[Pattern, Line]:
        """Return the lines that count, by pattern; of rounds up to this one, None = of all."""
        found: dict[Pattern, Line] = {}
        for pattern, stack in self._stacks.items():
            for line in stack:
                if line.decision.counts and (up_to_round is None or line.decision.round <= up_to_round):
                    found[pattern] = line
        return found

    def proposals(self) -> dict[Pattern, Line]:
        """Return the last proposal for each pattern that has one."""
        return {pattern: line for pattern in self._stacks if (line := self.proposal(pattern)) is not None}

    def num_decided(self, round_number: int) -> int:
        """Return how many patterns have a line of a round that counts: proposals and what was taken back do not."""
        return sum(line.decision.round == round_number for line in self.decisions().values())

    def last_of(self, by: str, *, round_number: int) -> Line | None:
        """Return the last line that somebody wrote in a round and that stands: what undo takes back."""
        for line in reversed(self.lines):
            mine = line.decision.by == by and line.decision.round == round_number and line.decision.label is not None
            if mine and line.number not in self._withdrawn:
                return line
        return None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the file against every other writer, and know all that they wrote, until the block ends. May be nested.

        Raises:
            StorageError: the file cannot be made or locked.
        """
        with self._lock:
            if self._is_held:  # a second lock on a file waits for the first, even within one process
                yield
                return
            with storage_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                is_new = not self.path.exists()
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    if is_new:
                        fsync_dir(self.path.parent)
                except OSError:
                    os.close(descriptor)
                    raise
            try:
                self._is_held = True
                self.refresh()
                yield
            finally:
                self._is_held = False
                os.close(descriptor)  # and with it the lock

    def append(self, decisions: Sequence[Decision]) -> list[Line]:
        """Append lines, all or none, and return when they are on disk. If the machine dies meanwhile, a beginning of them may be there.

        Raises:
            DataError: a decision could not be read back from its line; nothing is written.
            StorageError: the disk refused; the file is as it was.
        """
        with self.exclusive():
            if not decisions:
                return []
            before = len(self.lines)
            added = b"".join(_written(decision) + b"\n" for decision in decisions)
            with storage_errors(self.path):
                descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                try:
                    # What follows the last whole line is torn; a whole line without its end gets it.
                    os.truncate(descriptor, self._size)
                    if self._size and os.pread(descriptor, 1, self._size - 1) != b"\n":
                        added = b"\n" + added
                    view = memoryview(added)
                    try:
                        while view:
                            view = view[os.write(descriptor, view) :]
                        os.fsync(descriptor)
                    except OSError:
                        os.truncate(descriptor, self._size)
                        raise
                finally:
                    os.close(descriptor)
            self.refresh()
            return self.lines[before:]

    def _is_continued_by(self, data: bytes) -> bool:
        """Say whether what was read still stands there as it was, and all else behind it."""
        known, rest = data[: self._size], data[self._size :]
        return _digest(known) == self._known_digest and (not known or known.endswith(b"\n") or not rest or rest.startswith(b"\n"))

    def _take(self, text: bytes) -> None:
        number = self.lines[-1].number + 1 if self.lines else 1
        if not text.strip():
            # Blank lines keep their number: editors show it.
            self.lines.append(Line(number, "", _BLANK))
            return
        place = f"{self.path}:{number}"
        decision = _read_line(text, place)
        line = Line(number, _digest(text.strip()), decision)
        stack = self._stacks.setdefault(decision.pattern, [])
        if decision.label is None:
            taken_back = next((earlier for earlier in reversed(stack) if earlier.digest == decision.withdraws), None)
            if taken_back is None:
                raise DataError(f"{place}: takes back line {decision.withdraws} of {decision.pattern}, and no line above is that one")
            stack.remove(taken_back)
            self._withdrawn.add(taken_back.number)
        else:
            stack.append(line)
        self.lines.append(line)


_BLANK = Decision(round=0, pattern=Pattern("", ()), label=None, by="", at="")


def _read_line(text: bytes, place: str) -> Decision:
    if len(text) > _MOST_LINE_BYTES:
        raise DataError(f"{place}: a line of {len(text)} bytes is no decision")
    try:
        row = _Row.model_validate_json(text.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{place}: {where + ': ' if where else ''}{first['msg']}. Expected a decision of one line of JSON") from None
    try:
        pattern = read_pattern(row.pattern)
        check_author(row.by)
        datetime.fromisoformat(row.at)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
    if (row.label is None) != bool(row.withdraws):
        raise DataError(f"{place}: either a label ({', '.join(LABELS)}), or label null and the line that it withdraws")
    return Decision(
        round=row.round,
        pattern=pattern,
        label=row.label,
        by=row.by,
        at=row.at,
        why=row.why,
        seen=tuple(row.seen),
        overrules=row.overrules,
        withdraws=row.withdraws,
    )


def _written(decision: Decision) -> bytes:
    """Return a decision's line, once it is sure that it can be read: one bad line would make the whole file unreadable."""
    line = decision.to_json().encode("utf-8", "replace")  # lone surrogates, which hostile pages and models bring
    if _read_line(line, f"the decision on {decision.pattern!s}").pattern != decision.pattern:
        raise DataError(f"pattern {str(decision.pattern)!r}: cannot stand in the file")
    return line


def check_author(by: str) -> str:
    """Return the name of who decides, if it is one.

    Raises:
        DataError: it is not of the form that the file wants.
    """
    if not _AUTHOR.fullmatch(by):
        raise DataError(f"by {by!r}: expected human:NAME, model:NAME, auto or truth")
    return by


def _conflict(stack: Sequence[Line]) -> tuple[Line, Line] | None:
    """Return two lines of people whose last words differ; who skips says nothing, and who overrules has heard the others."""
    words: dict[str, Line] = {}
    for line in stack:
        if not line.decision.by.startswith("human:"):
            continue
        if line.decision.overrules:
            words.clear()
        words.pop(line.decision.by, None)
        if line.decision.label != "skip":
            words[line.decision.by] = line
    last = list(words.values())
    other = next((line for line in last if line.decision.label != last[-1].decision.label), None)
    return None if other is None else (other, last[-1])


def _whole_size(data: bytes) -> int:
    """Return the bytes up to the end of the last whole line; a last line that is whole but for its end counts."""
    end = data.rfind(b"\n") + 1
    return len(data) if _is_object(data[end:]) else end


def _whole_lines(data: bytes) -> list[bytes]:
    return data[: _whole_size(data)].removesuffix(b"\n").split(b"\n") if _whole_size(data) else []


def _is_object(text: bytes) -> bool:
    """No part of a JSON object from its beginning is itself one: a line that is torn cannot pass."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _digest(data: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(data)
