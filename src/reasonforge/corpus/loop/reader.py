"""Read a corpus folder: what is done, and what it says. Looks at the ledger and at receipts alone; inputs may be long gone."""

from __future__ import annotations

import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import ValidationError

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.journal import ANNOTATIONS, Journal
from reasonforge.corpus.classifier.measure import LEAST_POSITIVES
from reasonforge.corpus.classifier.train import EVALUATION
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.ledger import RESOLVED, Ledger, Planned, done
from reasonforge.corpus.loop.overlap import Overlap
from reasonforge.corpus.loop.units import AUTHORS, DOMAINS, LABELS, OVERLAP, POSITIVES, SELECTED, read_overlap
from reasonforge.corpus.pages import PAGES, read_table
from reasonforge.corpus.units import Receipt, Store, resolve

TRUTH_SCHEMA = {"url": pl.String, "is_math": pl.Boolean, "kind": pl.String, "duplicate_of": pl.String}


class Selection(NamedTuple):
    """How much a round selected."""

    pages: int
    tokens: int
    """By estimate."""


class Measured(NamedTuple):
    """How well the classifier of a round does on domains that it was not trained on."""

    pr_auc: float
    positives: int
    """Of the held-out pages."""
    pages: int

    @property
    def is_few(self) -> bool:
        """Return whether there are too few positives for the figure to mean anything."""
        return self.positives < LEAST_POSITIVES


class CorpusReader:
    """A corpus folder, finished or not."""

    def __init__(self, root: Path) -> None:
        """Open a folder.

        Raises:
            DataError: there is no corpus in it.
        """
        self.root = root
        self.store = Store(root)
        self.ledger = Ledger(root)
        self.steps = self.ledger.steps()

    @cached_property
    def recipe(self) -> CorpusRecipe:
        """Return the recipe of the last call.

        Raises:
            DataError: it has settings that this version does not know, or lacks some.
        """
        path = self.root / RESOLVED
        try:
            return CorpusRecipe.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(f"{path}: {where}: {first['msg']}. Run the corpus again with its recipe: it stores a new one") from error

    @cached_property
    def _receipts(self) -> dict[int, list[Receipt | None]]:
        return {index: self.ledger.receipts(step) for index, step in enumerate(self.steps)}

    def progress(self) -> list[tuple[Planned, list[Receipt], int]]:
        """Return each planned step with the receipts that it has and the number of units that it needs."""
        return [(step, done(self._receipts[index]), len(step.units)) for index, step in enumerate(self.steps)]

    def receipts(self, stage: str, number: int | None = None) -> list[Receipt]:
        """Return what is done of a stage of a round."""
        return [
            receipt
            for index, step in enumerate(self.steps)
            if (step.stage, step.round) == (stage, number)
            for receipt in done(self._receipts[index])
        ]

    def outputs(self, stage: str, number: int | None, name: str) -> list[Path]:
        """Return the files of this name that a stage of a round has left, in the order of the plan."""
        return [self.store.output(receipt, name) for receipt in self.receipts(stage, number) if name in receipt.outputs]

    def made_of(self, digest: str, stage: str, number: int | None, name: str) -> list[Receipt]:
        """Return the units of a stage of a round that have read a file and left one of this name.

        Args:
            digest: of the file's content: where it lay when they read it does not matter.
            stage: that they belong to.
            number: of the round.
            name: of the output.
        """
        return [
            receipt
            for receipt in self.receipts(stage, number)
            if name in receipt.outputs and any(given.digest == digest for given in receipt.unit.inputs)
        ]

    def is_planned(self, stage: str, number: int | None = None) -> bool:
        """Return whether a stage of a round has begun: what it needs was done, and its units are known."""
        return any((step.stage, step.round) == (stage, number) for step in self.steps)

    def inputs(self, receipt: Receipt, role: str) -> list[Path]:
        """Return the files of a role that a finished unit has read (:mod:`reasonforge.corpus.roles`)."""
        given = zip(receipt.unit.settings["roles"], receipt.unit.inputs, strict=True)
        return [Path(resolve(entry.path, self.root)) for name, entry in given if name == role]

    def is_done(self, stage: str, number: int | None = None) -> bool:
        """Return whether every unit that is planned of a stage of a round is finished."""
        mine = [index for index, step in enumerate(self.steps) if (step.stage, step.round) == (stage, number)]
        return bool(mine) and all(receipt is not None for index in mine for receipt in self._receipts[index])

    @property
    def rounds(self) -> list[int]:
        """Return the rounds that have begun."""
        return sorted({step.round for step in self.steps if step.round is not None})

    @property
    def last_selected(self) -> int | None:
        """Return the last round that has selected its pages; None = none has."""
        whole = [number for number in self.rounds if self.outputs("select", number, SELECTED)]
        return whole[-1] if whole else None

    def json(self, stage: str, number: int | None, name: str) -> Any:
        """Return the JSON of the one file of this name; None = it is not there yet."""
        found = self.outputs(stage, number, name)
        return json.loads(found[0].read_bytes()) if found else None

    def table(self, stage: str, number: int | None, name: str, columns: list[str] | None = None) -> pl.DataFrame | None:
        """Return the rows of all files of this name; None = there is none yet."""
        found = self.outputs(stage, number, name)
        return pl.concat([read_table(path, columns) for path in found]) if found else None

    def selected(self, number: int) -> pl.DataFrame:
        """Return ``id``, ``score`` and ``num_tokens`` of all pages that a round selected, in memory; empty = none yet."""
        found = self.table("select", number, SELECTED, ["id", "score", "num_tokens"])
        return pl.DataFrame(schema={"id": pl.String, "score": pl.UInt16, "num_tokens": pl.UInt32}) if found is None else found

    def selection(self, number: int) -> Selection:
        """Return how much a round selected, one file at a time."""
        pages = tokens = 0
        for receipt in self.receipts("select", number):
            if SELECTED in receipt.outputs:
                pages += receipt.counts.kept
                tokens += receipt.counts.noted.get("tokens", 0)
        return Selection(pages, tokens)

    def collected(self, number: int) -> pl.DataFrame | None:
        """Return :attr:`truth` with ``collected``, whether a round selected the page; None = no truth, or nothing selected."""
        found = self.outputs("select", number, SELECTED)
        if not found or self.truth is None or not self.selection(number).pages:
            return None
        known = pl.col("id").is_in(self.truth["id"].implode())
        hits = pl.concat(read_table(path, ["id"]).filter(known) for path in found)
        return self.truth.with_columns(collected=pl.col("id").is_in(hits["id"].implode()))

    def domains(self, number: int) -> pl.DataFrame | None:
        """Return the domains of a round as :func:`reasonforge.corpus.loop.units.judge` marked them; None = not judged yet."""
        found = self.outputs("domains", number, DOMAINS)
        return read_table(found[-1]) if found and self._judged(number) else None

    def mathematical(self, number: int) -> pl.DataFrame | None:
        """Return the mathematical domains among them, the others unread; None = not judged yet."""
        found = self.outputs("domains", number, DOMAINS)
        if not found or not self._judged(number):
            return None
        try:
            return pl.scan_parquet(found[-1], glob=False).filter("mathematical").collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{found[-1]}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error

    def overlap(self, number: int) -> Overlap | None:
        """Return what the selections of rounds 1 to ``number`` have in common; None = not reckoned yet."""
        found = self.outputs("domains", number, OVERLAP)
        return read_overlap(found[-1]) if found and self._judged(number) else None

    def _judged(self, number: int) -> bool:
        """The last step of the stage sums up; before it is done its parts must not be taken for it."""
        mine = [index for index, step in enumerate(self.steps) if (step.stage, step.round) == ("domains", number)]
        return len(mine) > 1 and all(receipt is not None for receipt in self._receipts[mine[-1]])

    def labels(self, number: int) -> dict[str, str] | None:
        """Return the labels that held in a round, by pattern; None = not annotated yet."""
        return self.json("annotate", number, LABELS)

    def authors(self, number: int) -> dict[str, int] | None:
        """Return how many of the labels that held in a round stand on the word of whom; None = not annotated yet."""
        authors: dict[str, str] | None = self.json("annotate", number, AUTHORS)
        return None if authors is None else dict(sorted(Counter(authors.values()).items()))

    def decided(self, number: int) -> int:
        """Return how many decisions people have made in a round, those among them that the loop has not seen yet."""
        return 0 if self._journal is None else self._journal.num_decided(number)

    @cached_property
    def _journal(self) -> Journal | None:
        """The file of decisions, as it is now; None = there is none, or people contradict each other in it."""
        rule = self.recipe.annotation
        if rule.type == "auto":
            return None
        try:
            return Journal(self.root / ANNOTATIONS if rule.path is None else rule.path.expanduser())
        except DataError:
            return None

    def classifier(self, number: int) -> Measured | None:
        """Return how well a round's classifier does; None = not trained yet, or one of the two kinds was not held out."""
        found = self.json("train", number, EVALUATION)
        if found is None:
            return None
        return Measured(found["pr_auc"], found["num_positives"], found["num_positives"] + found["num_negatives"])

    def positives(self, number: int) -> int | None:
        """Return how many pages are positives after a round; None = not expanded yet."""
        found = [receipt for receipt in self.receipts("expand", number) if POSITIVES in receipt.outputs]
        return sum(receipt.counts.kept for receipt in found) if found else None

    @cached_property
    def crawl(self) -> pl.DataFrame:
        """Return ``id``, ``url`` and ``found_url`` of the pages that went into the rounds: duplicates by URL left out."""
        pages = self.table("pages", None, PAGES, ["id", "url", "found_url"])
        if pages is None:
            return pl.DataFrame(schema={"id": pl.String, "url": pl.String, "found_url": pl.String})
        for path in self.masks():
            pages = pages.join(read_table(path, ["id"]), on="id", how="anti", maintain_order="left")
        return pages

    def masks(self) -> list[Path]:
        """Return the tables of pages that were dropped before the rounds."""
        stages = ["urls", *(["near_duplicates"] if self.recipe.near_duplicates.where == "crawl" else [])]
        return [path for stage in stages for path in self.outputs(stage, None, "dropped.parquet")]

    @cached_property
    def truth(self) -> pl.DataFrame | None:
        """Return ``id``, ``is_math`` and ``kind`` of the crawl's pages where the recipe names their truth; None = it does not."""
        path = self.recipe.truth
        if path is None or not path.expanduser().is_file():
            return None
        known = read_table(path.expanduser(), list(TRUTH_SCHEMA)).rename({"url": "found_url"})
        return self.crawl.join(known, on="found_url", how="inner", maintain_order="left")

    def quality(self, number: int) -> dict[str, float] | None:
        """Return recall and precision of a round's selection among the pages of the crawl; None = no truth, or nothing selected."""
        marked = self.collected(number)
        if marked is None:
            return None
        found = marked.filter("collected")
        hits, wanted = int(found["is_math"].sum()), int(marked["is_math"].sum())
        return {"recall": hits / wanted if wanted else 1.0, "precision": hits / found.height if found.height else 0.0}
