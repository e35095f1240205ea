"""The stage graph of a corpus: from files of a crawl to packed shards, rounds of mining in between.

One generator, read from top to bottom. It keeps nothing in mind: what a step needs to know of the one before stands in receipts and in
small output files, so that every call walks the same way.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.annotate.journal import ANNOTATIONS, Journal
from reasonforge.corpus.classifier.score import HISTOGRAM, SCORES, plan_scores
from reasonforge.corpus.classifier.train import FOLDED, MANIFEST, plan_train
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.survey import Survey
from reasonforge.corpus.ingest.units import plan_pages
from reasonforge.corpus.loop import seeds as seed_hashes
from reasonforge.corpus.loop import units as loop_units
from reasonforge.corpus.loop.asked import domain_of, holding
from reasonforge.corpus.loop.config import AutoAnnotation, FileAnnotation, HumanAnnotation
from reasonforge.corpus.loop.finish import chained, dropped, finish, without_near_duplicates
from reasonforge.corpus.loop.overlap import converged
from reasonforge.corpus.loop.steps import Ended, Graph, PageFile, Step, Waits
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.roles import unit_of
from reasonforge.corpus.selection.config import SelectionConfig
from reasonforge.corpus.selection.cut import Cut, read_histograms
from reasonforge.corpus.selection.units import SELECTED, TIES, final_cut, first_cut, has_ties, plan_selection, plan_ties
from reasonforge.corpus.units import Input, Receipt, Store, Unit
from reasonforge.corpus.urls.dedup import DROPPED, url_dedup
from reasonforge.runs.text import counted

_Known = Mapping[str, Sequence[Input]]
"""Hashes of the seed documents, by role."""
_UNITS = "reasonforge.corpus.loop.units"
_RANKS = 1 << 64
_SLACK = 2.0
"""Candidates per example that is wanted: what is drawn and then left out must not leave too few."""


def corpus_graph(recipe: CorpusRecipe, store: Store) -> Graph:
    """Return the graph of a recipe.

    Args:
        recipe: what to make.
        store: the corpus folder.
    """
    survey = Survey(store)
    survey.learn((yield Step(stage="inputs", units=survey.plan(_files_of(recipe)), is_content=False)))
    pages = yield _reading("pages", recipe.crawl, store, survey)
    seeds = yield _reading("seed", recipe.seed_documents, store, survey)
    masks = yield from chained("urls", url_dedup(pages, store, recipe.urls))
    crawl = [
        PageFile(receipt=page, pages=store.input(page, PAGES), num_pages=page.counts.kept).masked(store.input(mask, DROPPED), dropped(mask))
        for page, mask in zip(pages, masks, strict=True)
    ]
    if recipe.near_duplicates.where == "crawl":
        crawl = yield from without_near_duplicates(recipe, store, crawl)
    seed_pages = [store.input(receipt, PAGES) for receipt in seeds]
    num_seeds = sum(receipt.counts.kept for receipt in seeds)
    mining = _Mining(recipe, store, crawl, seed_pages, num_seeds)
    mined = yield from mining.rounds()
    chosen = [file.kept_only(store.input(kept, SELECTED), kept.counts) for file, kept in zip(crawl, mined.selected, strict=True)]
    packed = yield from finish(recipe, store, chosen, survey)
    return Ended(rounds=mined.number, reason=mined.reason, overlap=mined.overlap, packed=packed)


def _files_of(recipe: CorpusRecipe) -> list[str]:
    """Return the patterns of all files that are read, but for benchmarks."""
    sources = () if recipe.pack is None else recipe.pack.sources.values()
    return [path for files in (*recipe.crawl.inputs, *recipe.seed_documents.inputs, *sources) for path in files.paths]


def _reading(stage: str, config: IngestConfig, store: Store, survey: Survey) -> Step:
    """Return the step that makes pages of files."""
    warnings: list[str] = []
    units = plan_pages(config, store, survey=survey, warn=warnings.append)
    return Step(stage=stage, units=units, warnings=tuple(warnings))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mined:
    """What the rounds came to."""

    number: int
    reason: str
    overlap: float | None
    selected: list[Receipt]
    """One per file of the crawl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What a round leaves to the next, one of each per file of the crawl."""

    selected: list[Input]
    positives: list[Input]
    labels: Input
    num_positives: int


class _Mining:
    """The rounds."""

    def __init__(self, recipe: CorpusRecipe, store: Store, crawl: Sequence[PageFile], seeds: Sequence[Input], num_seeds: int) -> None:
        self._recipe, self._store, self._crawl, self._seeds = recipe, store, list(crawl), list(seeds)
        self._num_seeds = num_seeds
        self._num_pages = sum(file.num_pages for file in crawl)
        self._max_chars = recipe.classifier.max_chars

    def rounds(self) -> Generator[Step | Waits, list[Receipt], _Mined]:
        """Go round until nothing new comes in."""
        limits, before = self._recipe.rounds, None
        selections: list[list[Input]] = []
        judged: list[Receipt] = []
        store = self._store
        known = yield from self._hash_seeds()
        for number in range(1, limits.max_rounds + 1):
            scores = yield from self._scores(number, before, known)
            selected = yield from self._select(number, scores)
            selections.append([store.input(receipt, SELECTED) for receipt in selected])
            judged.append((yield from self._judge(number, scores, selections)))
            found = loop_units.read_overlap(store.output(judged[-1], loop_units.OVERLAP))
            share = found.share(number, number - 1) if number > 1 else None
            stops = converged(found, threshold=limits.converged_overlap)
            if stops or number == limits.max_rounds:
                reason = "converged" if stops else "max_rounds"
                return _Mined(number=number, reason=reason, overlap=share, selected=selected)
            before = yield from self._expand(number, scores, selections[-1], judged, before)
        raise AssertionError("a last round returns")

    def _hash_seeds(self) -> Generator[Step, list[Receipt], _Known]:
        """Hash the seed documents once for all rounds, and return the tables by role: no page that is one of them becomes a negative."""
        store = self._store
        parts = yield Step(stage="sample", round=1, units=seed_hashes.plan_hashes(self._seeds, max_chars=self._max_chars))
        urls = [store.input(receipt, seed_hashes.URLS) for receipt in parts]
        words = [store.input(receipt, seed_hashes.WORDS) for receipt in parts]
        (known,) = yield Step(stage="sample", round=1, units=[seed_hashes.plan_known(urls, words)])
        return {"seed_urls": [store.input(known, seed_hashes.URLS)], "seed_words": [store.input(known, seed_hashes.WORDS)]}

    def _scores(self, number: int, before: _Before | None, known: _Known) -> Generator[Step, list[Receipt], list[Receipt]]:
        """Train a classifier and score every page with it."""
        recipe, store = self._recipe, self._store
        candidates = yield Step(stage="sample", round=number, units=self._sample(number, before, known))
        tables = [store.input(receipt, loop_units.CANDIDATES) for receipt in candidates]
        (model,) = yield Step(stage="train", round=number, units=[plan_train(recipe.classifier, tables, stage=f"round-{number}/train")])
        return (
            yield Step(
                stage="score",
                round=number,
                units=plan_scores(
                    recipe.classifier,
                    model=store.input(model, FOLDED),
                    manifest=store.input(model, MANIFEST),
                    pages=[(file.pages, file.masks) for file in self._crawl],
                    stage=f"round-{number}/score",
                ),
            )
        )

    def _sample(self, number: int, before: _Before | None, known: _Known) -> list[Unit]:
        """Plan the draw of examples. A file offers its pages of small rank, twice as many in all as are wanted, so that the unit that
        trains need not see every page of the crawl.
        """
        classifier = self._recipe.classifier
        num_positives = self._num_seeds + (before.num_positives if before is not None else 0)
        fits = before is not None and classifier.negatives == "exclude_selected"
        settings: dict[str, Any] = {
            "seed": derive_seed(self._recipe.seed, "examples", number),
            "positive_below": _below(classifier.num_positives, num_positives),
            "negative_below": _below(classifier.num_negatives, self._num_pages),
        }
        stage, function = f"round-{number}/sample", f"{_UNITS}:candidates"
        seeds = [unit_of(stage, function, {"pages": [pages]}, settings={**settings, "kind": "seed"}) for pages in self._seeds]
        settings |= seed_hashes.settings_of(self._max_chars)
        crawl: list[Unit] = []
        for index, file in enumerate(self._crawl):
            inputs: dict[str, Sequence[Input]] = {"pages": [file.pages], "mask": file.masks, **known}
            if before is not None:
                inputs["positives"] = [before.positives[index]]
            if before is not None and fits:
                inputs |= {"selected": [before.selected[index]], "labels": [before.labels]}
            crawl.append(unit_of(stage, function, inputs, settings={**settings, "kind": "crawl"}))
        return [*seeds, *crawl]

    def _select(self, number: int, scored: Sequence[Receipt]) -> Generator[Step, list[Receipt], list[Receipt]]:
        """Select the best pages."""
        store, rounds = self._store, self._recipe.rounds
        config = SelectionConfig(token_budget=rounds.budget(number), threshold=rounds.threshold)
        histograms = read_histograms(str(store.output(receipt, HISTOGRAM)) for receipt in scored)
        scores = [store.input(receipt, SCORES) for receipt in scored]
        where: Cut = first_cut(config, histograms)
        if has_ties(where):
            tied = yield Step(stage="select", round=number, units=plan_ties(where, scores, stage=f"round-{number}/ties"))
            where = final_cut(config, histograms, read_histograms(str(store.output(receipt, TIES)) for receipt in tied))
        return (yield Step(stage="select", round=number, units=plan_selection(where, scores, stage=f"round-{number}/select")))

    def _judge(
        self, number: int, scored: Sequence[Receipt], selections: Sequence[Sequence[Input]]
    ) -> Generator[Step, list[Receipt], Receipt]:
        """Count the selection by domain and against the rounds before."""
        store, config = self._store, self._recipe.domains
        parts = yield Step(
            stage="domains",
            round=number,
            units=[
                unit_of(
                    f"round-{number}/domains",
                    f"{_UNITS}:summarise",
                    {
                        "pages": [file.pages],
                        "scores": [store.input(scored[index], SCORES)],
                        "selected": [selection[index] for selection in selections],
                    },
                    settings={"key": config.key},
                )
                for index, file in enumerate(self._crawl)
            ],
        )
        inputs = {
            "domains": [store.input(receipt, loop_units.DOMAINS) for receipt in parts],
            "overlap": [store.input(receipt, loop_units.OVERLAP) for receipt in parts],
        }
        settings = {"min_ratio": config.min_collected_ratio, "min_pages": config.min_pages}
        whole = unit_of(f"round-{number}/judged", f"{_UNITS}:judge", inputs, settings=settings)
        (judged,) = yield Step(stage="domains", round=number, units=[whole])
        return judged

    def _expand(
        self, number: int, scored: Sequence[Receipt], selected: list[Input], judged: Sequence[Receipt], before: _Before | None
    ) -> Generator[Step | Waits, list[Receipt], _Before]:
        """Have the paths of mathematical domains annotated, and find the pages that become positives."""
        store, recipe = self._store, self._recipe
        listed = yield Step(
            stage="worklist",
            round=number,
            units=[
                unit_of(
                    f"round-{number}/worklist",
                    f"{_UNITS}:look",
                    {
                        "pages": [file.pages],
                        "scores": [store.input(scored[index], SCORES)],
                        "selected": [selected[index]],
                        "domains": [store.input(judged[-1], loop_units.DOMAINS)],
                    },
                    settings={"key": recipe.domains.key},
                )
                for index, file in enumerate(self._crawl)
            ],
        )
        tables = [store.input(receipt, loop_units.WORKLIST) for receipt in listed]
        if (waits := self._waits(number, judged)) is not None:
            yield waits
        (said,) = yield Step(stage="annotate", round=number, units=[self._labels(number, tables, judged)])
        labels = store.input(said, loop_units.LABELS)
        expanded = yield Step(
            stage="expand",
            round=number,
            units=[
                unit_of(
                    f"round-{number}/expand",
                    f"{_UNITS}:expand",
                    {"worklist": [table], "labels": [labels], "positives": [before.positives[index]] if before is not None else []},
                    version=2,
                )
                for index, table in enumerate(tables)
            ],
        )
        return _Before(
            selected=selected,
            positives=[store.input(receipt, loop_units.POSITIVES) for receipt in expanded],
            labels=labels,
            num_positives=sum(receipt.counts.kept for receipt in expanded),
        )

    def _waits(self, number: int, judged: Sequence[Receipt]) -> Waits | None:
        """Return what a person has to do before the round can go on; None = it is done, or there is nothing to do.

        A round is done when one decision that holds was made in it: who has looked leaves the rest alone. Where none was made it waits
        only while a mathematical domain has no decision, of any round before. Proposals of models and what was taken back are no decisions,
        and what is said in later rounds does not change whether an earlier one is done.
        """
        if not isinstance(self._recipe.annotation, HumanAnnotation):
            return None
        key, per_round = self._recipe.domains.key, [self._mathematical(receipt) for receipt in judged]
        journal = Journal(annotations_path(self._recipe, self._store.root))
        decided = holding(journal.decisions(up_to_round=number), set().union(*per_round), key=key)
        if any(line.decision.round == number for line in decided.values()):
            return None
        waiting = per_round[-1] - {domain_of(pattern.host, key=key) for pattern in decided}
        if not waiting:  # earlier rounds have settled them all
            return None
        return Waits(
            round=number,
            message=f"round {number}: a person has to say which paths of {counted(len(waiting), 'mathematical domain')} are mathematics",
        )

    def _mathematical(self, judged: Receipt) -> set[str]:
        return set(loop_units.mathematical_names(self._store.output(judged, loop_units.DOMAINS)))

    def _labels(self, number: int, tables: Sequence[Input], judged: Sequence[Receipt]) -> Unit:
        """Plan the unit that holds the labels of a round."""
        recipe, stage = self._recipe, f"round-{number}/annotate"
        if isinstance(recipe.annotation, AutoAnnotation):
            settings = {"min_ratio": recipe.annotation.min_ratio, **_domain_settings(recipe)}
            return unit_of(stage, f"{_UNITS}:label_by_share", {"worklist": tables}, settings=settings, version=2)
        journal = Journal(annotations_path(recipe, self._store.root))
        up_to = None if isinstance(recipe.annotation, FileAnnotation) else number
        decisions = journal.decisions(up_to_round=up_to)
        labels = {str(pattern): line.decision.label for pattern, line in decisions.items()}
        authors = {str(pattern): line.decision.author for pattern, line in decisions.items()}
        inputs = {"domains": [self._store.input(receipt, loop_units.DOMAINS) for receipt in judged]}
        settings = {"labels": labels, "authors": authors, "key": recipe.domains.key}
        return unit_of(stage, f"{_UNITS}:label", inputs, settings=settings)


def annotations_path(recipe: CorpusRecipe, root: Path) -> Path:
    """Return where the annotations of a corpus lie."""
    path = None if isinstance(recipe.annotation, AutoAnnotation) else recipe.annotation.path
    return root / ANNOTATIONS if path is None else path.expanduser()


def _domain_settings(recipe: CorpusRecipe) -> dict[str, Any]:
    config = recipe.domains
    return {"key": config.key, "min_pages": config.min_pages, "min_collected_ratio": config.min_collected_ratio}


def _below(wanted: int, available: int) -> int:
    """Return the rank below which about twice as many of the available are as are wanted."""
    return _RANKS - 1 if available <= _SLACK * wanted else int(_RANKS * (_SLACK * wanted / available))
