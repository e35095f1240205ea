"""An annotator at work: what the page shows and what its keys do. Knows nothing of HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.data import AnnotationData
from reasonforge.corpus.annotate.journal import ACCEPTED, LABELS, Decision, Journal, Label, check_author
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.annotate.proposals import agreement
from reasonforge.corpus.annotate.samples import Sample, draw_samples
from reasonforge.corpus.annotate.worklist import Gains, PathRow, budget, path_rows, worklist
from reasonforge.corpus.paths import Pattern, read_pattern
from reasonforge.runs.text import counted

MOST_DOMAINS = 20_000
"""Domains that the page lists; those with less to win are left for another round."""

MOST_WHY_CHARS = 1000

_SETTLING = ("math", "not_math")


def left_open(round_number: int, num_domains: int, num_decided: int) -> str:
    """Return what the loop makes of domains that nobody has finished; empty = there are none.

    A round with one decision is annotated for the loop: who has looked leaves the rest alone. One without any waits.
    """
    if not num_domains:
        return ""
    open_ones = f"{counted(num_domains, 'domain')} of round {round_number} {'is' if num_domains == 1 else 'are'} not finished."
    if not num_decided:
        return f"{open_ones} The loop waits for a decision, unless earlier rounds have one in every domain"
    return (
        f"{open_ones} The loop takes a round with one decision for annotated: what is left open adds no pages, and is asked about again in "
        "the next round"
    )


class Contradiction(DataError):
    """Somebody else said something about the path that the annotator has not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Domain:
    rows: tuple[PathRow, ...]
    gains: Gains


class Session:
    """The work of one person on one round. Safe to use from several threads: a browser has several tabs."""

    def __init__(
        self,
        data: AnnotationData,
        journal: Journal,
        *,
        round_number: int,
        by: str,
        clock: Callable[[], str],
        next_command: str,
        seed: int = 0,
    ) -> None:
        """Args:
            data: what there is to look at.
            journal: where decisions go.
            round_number: of the loop.
            by: who decides, ``human:NAME``.
            clock: tells the time, ISO 8601.
            next_command: what to type when the work is done.
            seed: other sample pages.

        Raises:
            DataError: the name cannot stand in the file.
        """
        check_author(by)
        self.journal = journal
        self._data = data
        self._round = round_number
        self._by = by
        self._clock = clock
        self._next_command = next_command
        self._seed = seed
        self._lock = threading.RLock()
        ranked = worklist(data.domains())
        self._budget = budget(ranked)
        self._num_domains = len(ranked)
        self._ranked = ranked.head(MOST_DOMAINS)
        self._names = frozenset(self._ranked["name"])
        self._domains: dict[str, _Domain] = {}
        self._samples: dict[Pattern, list[Sample]] = {}
        self._progress: dict[str, dict[str, Any]] = {}
        self._reckon(self._names_of(pattern.host for pattern in journal.decisions()))

    def state(self) -> dict[str, Any]:
        """Return what the page needs to begin."""
        with self._lock:
            self._catch_up(self.journal.revision)
            columns = ("name", "pages", "collected", "expected", "covered")
            return {
                "round": self._round,
                "by": self._by,
                "next": self._next_command,
                "domains": [list(row) for row in self._ranked.select(columns).iter_rows()],
                "num_domains": self._num_domains,
                "budget": [[share, number] for share, number in self._budget.items()],
                "progress": self._progress,
                **self._totals(),
            }

    def changes(self, since: int) -> dict[str, Any]:
        """Return what became different after a revision of the file, by other tabs and other people."""
        with self._lock:
            names = self._catch_up(since)
            return {"progress": {name: self._progress[name] for name in sorted(names)}, **self._totals()}

    def domain(self, name: str) -> dict[str, Any]:
        """Return the rows of a domain's tree with what was said about them.

        Raises:
            DataError: there is no such domain.
        """
        with self._lock:
            said = Annotations(self._labels_in(name))
            return {"name": name, "rows": [self._row(row, said) for row in self._opened(name).rows]}

    def samples(self, text: str) -> dict[str, Any]:
        """Return sample pages of a path and how many pages a yes would add.

        Raises:
            DataError: it is no pattern, or none of a domain that is looked at.
        """
        with self._lock:
            pattern = read_pattern(text)
            name = self._name_of(pattern)
            labels = self._labels()
            gains = self._opened(name).gains
            others: dict[Pattern, Label] = {known: label for known, label in labels.items() if known != pattern}
            accepted: dict[Pattern, Label] = {**others, pattern: "math"}
            adds = gains.won(accepted) - gains.won(others)
        samples = self._drawn(pattern)  # outside the lock: a slow disk must not hold up the keys
        shown = [
            {"collected": page.collected, "score": page.score, "url": page.url, "title": page.title, "text": page.text} for page in samples
        ]
        return {"pattern": str(pattern), "adds": adds, "pages": shown}

    def label(self, text: str, label: str, *, known: str, looked: bool, why: str = "", since: int = 0) -> dict[str, Any]:
        """Write down a decision.

        Args:
            text: the pattern.
            label: one of :data:`LABELS`, or ``accept`` for what a model proposed.
            known: digest of the line that the annotator saw standing; empty = none.
            looked: sample pages were on the screen.
            why: what the annotator says about it.
            since: revision of the file that the page knows.

        Raises:
            DataError: it is no pattern or label, or there is no proposal.
            Contradiction: somebody else has said something meanwhile.
        """
        if len(why) > MOST_WHY_CHARS:
            raise DataError(f"why: {len(why)} characters are more than {MOST_WHY_CHARS}")
        with self._lock:
            pattern = read_pattern(text)
            name = self._name_of(pattern)
            with self.journal.exclusive():
                chosen, origin = self._chosen(pattern, label)
                standing = self.journal.standing(pattern)
                is_others = standing is not None and standing.decision.by != self._by
                if standing is not None and is_others and standing.digest != known:
                    raise Contradiction(
                        f"{standing.decision.by} said {standing.decision.label} of {pattern} meanwhile. Press again if you see it otherwise"
                    )
                decision = Decision(
                    round=self._round,
                    pattern=pattern,
                    label=chosen,
                    by=self._by,
                    at=self._clock(),
                    why="; ".join(part for part in (origin, " ".join(why.split())) if part),
                    seen=tuple(page.id for page in self._drawn(pattern)) if looked else (),
                    overrules=is_others,
                )
                self.journal.append([decision])
            return {**self._answer(since, name), "pattern": str(pattern), "label": chosen}

    def undo(self, *, since: int = 0) -> dict[str, Any]:
        """Take the annotator's last decision of this round back, by a line that says so.

        Args:
            since: revision of the file that the page knows.

        Raises:
            DataError: there is none.
        """
        with self._lock:
            with self.journal.exclusive():
                last = self.journal.last_of(self._by, round_number=self._round)
                if last is None:
                    raise DataError("there is nothing of yours to take back in this round")
                pattern = last.decision.pattern
                taken_back = Decision(round=self._round, pattern=pattern, label=None, by=self._by, at=self._clock(), withdraws=last.digest)
                self.journal.append([taken_back])
            names = self._names_of([pattern.host])
            return {**self._answer(since, next(iter(names), None)), "pattern": str(pattern), "label": None}

    def summary(self) -> dict[str, Any]:
        """Return what came of the work: for the closing page and the command line."""
        with self._lock:
            self._catch_up(0)
            decisions = self.journal.decisions()
            mine = [line for line in decisions.values() if line.decision.round == self._round]
            finished = sum(bool(progress["closed"]) for progress in self._progress.values())
            return {
                **self._totals(),
                "labels": {label: sum(line.decision.label == label for line in mine) for label in LABELS},
                "authors": sorted({line.decision.by for line in mine}),
                "finished": finished,
                "num_domains": self._num_domains,
                "left": left_open(self._round, self._num_domains - finished, len(mine)),
                "agreement": agreement(self.journal)._asdict(),
                "file": str(self.journal.path),
                "next": self._next_command,
            }

    def _answer(self, since: int, name: str | None) -> dict[str, Any]:
        names = self._catch_up(since)
        return {
            "progress": {changed: self._progress[changed] for changed in sorted(names)},
            "domain": None if name is None else self.domain(name),
            **self._totals(),
        }

    def _chosen(self, pattern: Pattern, label: str) -> tuple[Label, str]:
        if label == "accept":
            proposal = self.journal.proposal(pattern)
            if proposal is None:
                raise DataError(f"no model has proposed anything for {pattern}")
            return cast(Label, proposal.decision.label), f"{ACCEPTED}{proposal.decision.by}"
        if label not in LABELS:
            raise DataError(f"label {label!r}: expected {', '.join(LABELS)} or accept")
        return label, ""

    def _totals(self) -> dict[str, Any]:
        return {
            "gained": sum(progress["won"] for progress in self._progress.values()),
            "decided": self.journal.num_decided(self._round),
            "revision": self.journal.revision,
        }

    def _row(self, row: PathRow, said: Annotations) -> dict[str, Any]:
        own = self.journal.standing(row.pattern)
        proposal = self.journal.proposal(row.pattern)
        return {
            "pattern": str(row.pattern),
            "depth": row.depth,
            "pages": row.pages,
            "collected": row.collected,
            "gain": row.gain,
            "score": row.mean_score,
            "label": None if own is None else own.decision.label,
            "by": "" if own is None else own.decision.by,
            "why": "" if own is None else own.decision.why,
            "line": "" if own is None else own.digest,
            "inherited": None if own is not None else _above(row, said),
            "proposal": None
            if proposal is None
            else {"label": proposal.decision.label, "by": proposal.decision.by, "why": proposal.decision.why},
        }

    def _catch_up(self, since: int) -> frozenset[str]:
        """Read what others wrote, reckon anew for the domains that changed after a revision, and return them."""
        self.journal.refresh()
        added = self.journal.lines_since(since)
        names = self._names_of(line.decision.pattern.host for line in (self.journal.lines if added is None else added))
        if added is None:  # what was said about any of them may be gone
            names |= frozenset(self._progress)
        self._reckon(names)
        return names

    def _reckon(self, names: Collection[str]) -> None:
        labels = self._labels_by_name()
        for name in sorted(names):  # in the order of the shelf
            mine = labels.get(name, {})
            said, opened = Annotations(mine), self._opened(name)
            is_open = any(row.gain > 0 and row.pattern not in mine and _above(row, said) not in _SETTLING for row in opened.rows)
            self._progress[name] = {"won": opened.gains.won(mine), "settled": opened.gains.decided(mine), "closed": not is_open}

    def _labels(self) -> dict[Pattern, Label]:
        return {pattern: cast(Label, line.decision.label) for pattern, line in self.journal.decisions().items()}

    def _labels_in(self, name: str) -> dict[Pattern, Label]:
        return self._labels_by_name().get(name, {})

    def _labels_by_name(self) -> dict[str, dict[Pattern, Label]]:
        found: dict[str, dict[Pattern, Label]] = {}
        for pattern, label in self._labels().items():
            for name in self._names_of([pattern.host]):
                found.setdefault(name, {})[pattern] = label
        return found

    def _opened(self, name: str) -> _Domain:
        if name not in self._names:
            raise DataError(f"no domain {name!r} is looked at in this round")
        if name not in self._domains:
            tree = self._data.paths(name)
            self._domains[name] = _Domain(rows=tuple(path_rows(tree)), gains=Gains(tree, self._data.pages))
        return self._domains[name]

    def _drawn(self, pattern: Pattern) -> list[Sample]:
        if pattern not in self._samples:
            self._samples[pattern] = draw_samples(self._data, pattern, seed=self._seed)
        return self._samples[pattern]

    def _name_of(self, pattern: Pattern) -> str:
        names = self._names_of([pattern.host])
        if not names:
            raise DataError(f"{pattern}: no domain that is looked at in this round")
        return next(iter(names))

    def _names_of(self, hosts: Iterable[str]) -> frozenset[str]:
        """Return the domains that hosts belong to: the host itself, or the registered domain that it ends with."""
        found = set()
        for host in hosts:
            rest = host
            while rest and rest not in self._names:
                rest = rest.partition(".")[2]
            if rest:
                found.add(rest)
        return frozenset(found)


def _above(row: PathRow, said: Annotations) -> Label | None:
    """Return what the paths above a row say of it, where nothing is said of the row itself."""
    return said.label_of(row.pattern.host, "/".join(("", *row.pattern.segments)))
