"""What a report says about a corpus. Plain values: how they were found is the reader's business, how they look is the page's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reasonforge.runs.text import counted, format_number

Group = Literal["collected", "just collected", "just left out", "left out"]
"""Drawn from all that a round collected; the lowest scores of them; the highest scores of what it left out; drawn from all of that."""
State = Literal["complete", "waiting", "stopped", "unfinished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Pages whose scores lie in one stretch."""

    pages: int
    math: int | None
    """Of them, mathematics. None = the truth is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How a round scored the crawl."""

    bins: tuple[Bin, ...]
    """Of equal width in log-odds, from the lowest score to the highest."""
    place: float
    """Where among them the cut is, 0 to 1."""
    cut: float
    """Probability above which all pages were collected and below which none; of those that have it, as many as the budget had room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How well a round's selection is the truth."""

    recall: float
    precision: float
    by_kind: dict[str, float]
    """Share of the pages of each kind that was collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain that a round found to be mathematical and the round before did not."""

    name: str
    pages: int
    collected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Figures of a classifier."""

    pr_auc: float
    positives: int
    pages: int
    few: bool
    """Too few positives for the figure to mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round."""

    number: int
    pages: int
    """Collected."""
    tokens: int
    held_out: HeldOut | None
    """How its classifier does on domains that it was not trained on. None = not trained yet, or one kind of page was not held out."""
    scores: Scores | None
    found: Found | None
    """None = the truth is not known."""
    domains: int | None
    """Mathematical ones. None = not judged yet."""
    gained: tuple[Domain, ...]
    """The largest of those that are new."""
    num_gained: int
    paths: dict[str, int]
    """Paths that were labelled, by label."""
    authors: dict[str, int]
    """Of these labels those of a ``human``, ``model accepted`` (by a human), ``auto``, ``truth``; ``unknown`` = the file is gone."""
    positives: int | None
    """Pages that became positives, those of earlier rounds among them. None = not expanded yet."""
    overlap: float | None
    """Share of its pages that the round before had. None = the first round, or not reckoned yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A page, shown as text."""

    group: Group
    score: float
    url: str
    title: str
    text: str
    kind: str
    """In the truth; empty = not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What went into a stage and came out."""

    name: str
    taken: int
    kept: int
    dropped: dict[str, int]
    noted: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A problem that was found in pages."""

    item: str
    pages: int
    gram: str
    """The longest of the matches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What a benchmark has in common with the pages."""

    name: str
    pages: int
    items: int
    by_length: dict[int, int]
    """Matches by the number of their grams."""
    top: tuple[Hit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of the mixture."""

    name: str
    tokens: int
    documents: int
    weight: float | None
    """Share of the mixture. None = no mixture was given."""
    epochs: float | None
    """Times it is read for a mixture of the stated size. None = no size, or no share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All that the page says."""

    name: str
    state: State
    message: str
    """Why it is not complete; empty = it is."""
    rounds: tuple[Round, ...]
    overlap: tuple[tuple[int, ...], ...]
    """Pages that the selections of two rounds have in common; empty = not reckoned yet."""
    annotated_by: str
    """``human``, ``file``, ``auto`` ..., as the recipe has it."""
    samples: tuple[Sample, ...]
    stages: tuple[Stage, ...]
    reasons: dict[str, str]
    """What the codes mean that stand in ``stages``."""
    benchmarks: tuple[Benchmark, ...]
    shared: int
    """Pages that have text in common with any of them."""
    decontaminated: bool
    sources: tuple[Source, ...]
    total_tokens: int | None
    """Of the mixture. None = not stated."""
    quarantine: tuple[tuple[str, str], ...]
    """Stage and item of what workers died of."""
    checked: tuple[str, ...] = ()
    """Other sources whose documents were compared with benchmarks, too."""
    unchecked: tuple[str, ...] = ()
    """Other sources that are packed and were not."""


def headline(corpus: Corpus) -> list[str]:
    """Return what a corpus came to, in sentences."""
    last = corpus.rounds[-1] if corpus.rounds else None
    if last is None:
        return ["No round has collected anything yet."]
    collected = (
        f"{counted(len(corpus.rounds), 'round')} collected {counted(last.pages, 'page')} with about {format_number(last.tokens)} tokens"
    )
    where = "" if last.domains is None else f" and found {counted(last.domains, 'mathematical domain')}"
    said = [f"{collected}{where}."]
    first = corpus.rounds[0]
    if last.found is not None:
        rise = ""
        if first.found is not None and first is not last:
            rise = f" (after the first round {_percent(first.found.recall)} and {_percent(first.found.precision)})"
        said.append(f"The truth is known: recall {_percent(last.found.recall)}, precision {_percent(last.found.precision)}{rise}.")
    if last.overlap is not None:
        said.append(f"{_percent(last.overlap)} of the last round's pages were in the round before.")
    if corpus.decontaminated:
        names = len([entry for entry in corpus.benchmarks if entry.pages])
        said.append(
            f"{counted(corpus.shared, 'page')} shared text with {counted(names, 'benchmark')}."
            if corpus.shared
            else "No page shared text with a benchmark."
        )
        if corpus.checked:
            said.append(f"Pages are those of the crawl, and documents of {', '.join(corpus.checked)}.")
    else:
        said.append("The pages were not checked against benchmarks.")
    if corpus.unchecked:
        said.append(f"Not checked against benchmarks: {', '.join(corpus.unchecked)}.")
    packed = sum(source.tokens for source in corpus.sources)
    if packed:
        said.append(f"{counted(len(corpus.sources), 'source')} of {format_number(packed)} tokens are packed.")
    if corpus.annotated_by == "auto":
        said.append("Paths were accepted by a rule and by nobody's eyes: not the paper's procedure.")
    elif automatic := [entry for entry in corpus.rounds if entry.authors.get("auto")]:
        entry = automatic[-1]
        total = sum(entry.authors.values())
        said.append(
            f"In round {entry.number} {entry.authors['auto']} of {counted(total, 'label')} came from a rule and from nobody's eyes: "
            "not the paper's procedure."
        )
    if corpus.quarantine:
        said.append(f"{counted(len(corpus.quarantine), 'item')} that workers died of were left out.")
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
