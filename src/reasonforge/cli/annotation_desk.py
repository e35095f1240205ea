"""What ``reasonforge corpus annotate`` can have done with the worklist of a round."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.files import write_atomic
from reasonforge.core.rollouts import SamplingParams
from reasonforge.corpus.annotate.automatic import NOT_THE_PAPERS, label_by_share
from reasonforge.corpus.annotate.data import AnnotationData, open_tables
from reasonforge.corpus.annotate.journal import ANNOTATIONS, Journal, check_author
from reasonforge.corpus.annotate.proposals import accept, agreement, propose
from reasonforge.corpus.annotate.server import AnnotationServer
from reasonforge.corpus.annotate.session import Session
from reasonforge.corpus.annotate.sheet import read_sheet, write_sheet
from reasonforge.corpus.annotate.worklist import PathRow, rows_to_label
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.units import WORKLIST
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.text import counted, program_name
from reasonforge.sampling.http import HttpModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A round's worklist, the file of decisions, and who sits here. Every method is one way to work, and returns an exit code."""

    folder: Path
    """Of the corpus."""
    data: AnnotationData
    journal: Journal
    round: int
    by: str

    def open_page(self, *, port: int, seed: int, browser: bool) -> int:
        """Serve the page until somebody ends it."""
        command = f"{program_name()} corpus run --out {shlex.quote(str(self.folder))}"
        session = Session(self.data, self.journal, round_number=self.round, by=self.by, clock=_now, next_command=command, seed=seed)
        server = AnnotationServer(session, port=port)
        print(f"Round {self.round}, {self.by}. Open (it works once):  {server.url}", flush=True)
        print(f"Decisions go to {self.journal.path}. Ctrl-C ends.", flush=True)
        if browser and _has_display():
            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve()
        summary = session.summary()
        if summary["left"]:
            print(f"{summary['left']}.")
        print(f"{counted(summary['decided'], 'decision')}, {counted(summary['gained'], 'page')} gained. Next: {command}")
        return 0

    def write_sheet(self, path: Path, *, seed: int, share: float | None) -> int:
        """Write the worklist for a spreadsheet."""
        if path.exists():
            raise DataError(f"{path}: is there already, and may be filled in. Import it, or choose another name")
        text = write_sheet(self.data, self.journal, seed=seed, share=share)
        # With a byte order mark: without it Excel takes UTF-8 for something older.
        write_atomic(path, text.encode("utf-8-sig", "replace"))
        print(f"{path}: fill in the column label (math, not_math or skip), then: --import {path}")
        return 0

    def take_sheet(self, path: Path) -> int:
        """Take a sheet's labels in, all or none."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
        with self.journal.exclusive():
            decisions = read_sheet(content, str(path), self.journal, round_number=self.round, by=self.by, clock=_now)
            self.journal.append(decisions)
        print(f"{counted(len(decisions), 'label')} of {path} written to {self.journal.path}")
        return 0

    def ask_model(self, url: str, name: str, *, seed: int, share: float | None) -> int:
        """Have a model propose labels for the paths that it has not proposed any for."""
        try:
            config = EndpointConfig(url=url, name=name)
        except ValidationError as error:
            raise RecipeError(f"--endpoint {url}: {error.errors()[0]['msg']}") from None
        by = check_author(f"model:{name}")
        known = self.journal.proposals()
        rows = [row for row in rows_to_label(self.data, share=share) if row.pattern not in known or known[row.pattern].decision.by != by]
        model = HttpModel(config)
        with StopRequest() as stop:
            written = self._write_proposals(model, rows, by, seed=seed, stop=stop)
        print(f"{written} of {len(rows)} paths have a proposal of {by}: {model.usage.requests} requests, cost {model.cost:g}")
        found = agreement(self.journal)
        if found.overlap:
            kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
            print(f"with people it agrees on {found.equal} of {found.overlap} paths (Cohen's kappa {kappa})")
        if stop.requested:
            raise stop.error("stopped; what was proposed is kept. Go on with the same command")
        print("Proposals count when they are accepted: key a in the page, or --accept")
        return 0

    def _write_proposals(self, model: HttpModel, rows: Sequence[PathRow], by: str, *, seed: int, stop: StopRequest) -> int:
        """Write each proposal down when it comes, and return how many came."""
        proposals = propose(
            model,
            SamplingParams(max_new_tokens=1024, temperature=0.0),
            self.data,
            rows,
            round_number=self.round,
            by=by,
            clock=_now,
            seed=seed,
            stop=lambda: bool(stop.requested),
        )
        return sum(len(self.journal.append([decision])) for decision in proposals)

    def accept_proposals(self) -> int:
        """Accept every proposal of the round for a path that nobody decided."""
        with self.journal.exclusive():
            accepted = accept(self.journal, round_number=self.round, by=self.by, clock=_now)
            self.journal.append(accepted)
        print(f"{counted(len(accepted), 'proposal')} accepted by {self.by}, in {self.journal.path}")
        return 0

    def label_by_share(self, min_ratio: float) -> int:
        """Label by collected share alone."""
        with self.journal.exclusive():
            decisions = label_by_share(self.data, self.journal, min_ratio=min_ratio, round_number=self.round, clock=_now)
            self.journal.append(decisions)
        print(f"{counted(len(decisions), 'path')} labelled {NOT_THE_PAPERS}; in {self.journal.path}")
        return 0


def open_desk(folder: Path, *, round_number: int | None, file: Path | None, by: str) -> Desk:
    """Return a desk with the worklist of a round.

    Args:
        folder: of the corpus.
        round_number: None = the last that has a worklist.
        file: where decisions go; None = as the recipe says.
        by: who decides, ``human:NAME``.

    Raises:
        RecipeError: the round has no worklist.
        DataError: no round has one, the name cannot stand in the file, or a file is broken.
    """
    check_author(by)
    reader = CorpusReader(folder)
    ready = [number for number in reader.rounds if reader.is_done("worklist", number)]
    if not ready:
        raise DataError(f"{folder}: no round has a worklist yet. Run: reasonforge corpus run --out {folder} --until worklist")
    number = ready[-1] if round_number is None else round_number
    if number not in ready:
        raise RecipeError(f"--round {number}: worklists are there of round {', '.join(map(str, ready))}")
    named: Path | None = getattr(reader.recipe.annotation, "path", None)
    stored = folder / ANNOTATIONS if named is None else named.expanduser()
    return Desk(folder=folder, data=_worklist(reader, number), journal=Journal(stored if file is None else file), round=number, by=by)


def _worklist(reader: CorpusReader, number: int) -> AnnotationData:
    rules, listed = reader.recipe.domains, reader.receipts("worklist", number)
    return open_tables(
        [reader.store.output(receipt, WORKLIST) for receipt in listed],
        [path for receipt in listed for path in reader.inputs(receipt, "pages")],
        key=rules.key,
        min_ratio=rules.min_collected_ratio,
        min_pages=rules.min_pages,
    )


def _has_display() -> bool:
    """Without one, a text browser would open in the terminal and use the link up."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
