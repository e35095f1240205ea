"""Labels without a person, by the share of a path that was collected: for demonstrations, and not what the paper did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from reasonforge.corpus.annotate.data import AnnotationData
from reasonforge.corpus.annotate.journal import Decision, Journal, Label
from reasonforge.corpus.annotate.worklist import PathRow, lies_under, path_rows, worklist
from reasonforge.corpus.paths import ANY, Pattern

NOT_THE_PAPERS = "by collected share alone: not the paper's procedure, in which people read pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticLabel:
    """A label that nobody gave."""

    row: PathRow
    label: Label


def labels_by_share(
    data: AnnotationData, *, min_ratio: float, settled: Collection[Pattern] = (), least_pages: int | None = None
) -> list[AutomaticLabel]:
    """Return the uppermost paths whose collected share reaches a ratio as ``math``; what their ``*`` would catch besides as ``not_math``.

    Args:
        data: the mathematical domains of the round.
        min_ratio: a path with at least this share is ``math``.
        settled: these paths, and all below them, are left alone.
        least_pages: as in :func:`reasonforge.corpus.annotate.worklist.path_rows`.
    """
    found: list[AutomaticLabel] = []
    settled_on: dict[str, list[Pattern]] = {}
    for pattern in settled:
        settled_on.setdefault(pattern.host, []).append(pattern)
    for name in worklist(data.domains())["name"]:
        labels: dict[PathRow, Label] = {}
        rows = path_rows(data.paths(name), least_pages=least_pages)
        for row in rows:
            above = _label_above(row, labels)
            if above == "math" or any(lies_under(row.pattern, pattern) for pattern in settled_on.get(row.pattern.host, ())):
                continue
            if row.share >= min_ratio:
                labels[row] = "math"
            elif above is None and any(_is_caught(row, other) for other in rows if other.share >= min_ratio):
                labels[row] = "not_math"  # ``q/*`` matches ``q/tagged`` too, which did not earn it
        found += [AutomaticLabel(row=row, label=label) for row, label in labels.items()]
    return found


def label_by_share(
    data: AnnotationData, journal: Journal, *, min_ratio: float, round_number: int, clock: Callable[[], str]
) -> list[Decision]:
    """Return :func:`labels_by_share` as decisions, where nobody has decided and they are not there yet.

    Args:
        data: the mathematical domains of the round.
        journal: what was said so far.
        min_ratio: a path with at least this share is ``math``.
        round_number: of the loop.
        clock: tells the time.
    """
    settled = [pattern for pattern, line in journal.decisions().items() if line.decision.by != "auto"]
    found: list[Decision] = []
    for automatic in labels_by_share(data, min_ratio=min_ratio, settled=settled):
        row, standing = automatic.row, journal.standing(automatic.row.pattern)
        if standing is None or standing.decision.label != automatic.label:
            why = f"{row.share:.3f} collected, at least {min_ratio:g} asked; {NOT_THE_PAPERS}"
            found.append(Decision(round=round_number, pattern=row.pattern, label=automatic.label, by="auto", at=clock(), why=why))
    return found


def _label_above(row: PathRow, labels: Mapping[PathRow, Label]) -> Label | None:
    """Return the label of the nearest path above in the tree, where ``*`` is only above ``*``."""
    above = {row.pattern.segments[:depth] for depth in range(len(row.pattern.segments))}
    found = [other for other in labels if other.pattern.host == row.pattern.host and other.pattern.segments in above]
    return labels[max(found, key=lambda other: len(other.pattern.segments))] if found else None


def _is_caught(row: PathRow, other: PathRow) -> bool:
    """Say whether a pattern with ``*`` matches pages that the tree counts elsewhere."""
    return other.pattern != row.pattern and ANY in other.pattern.segments and lies_under(row.pattern, other.pattern)
