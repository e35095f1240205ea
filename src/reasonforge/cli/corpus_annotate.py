"""``reasonforge corpus annotate``: people say which paths are mathematics, in a browser or a spreadsheet."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reasonforge.core.errors import DataError, RecipeError

if TYPE_CHECKING:
    from reasonforge.corpus.annotate.data import AnnotationData
    from reasonforge.corpus.annotate.journal import Journal

_PAGE = "In the browser"
_SHEET = "In a spreadsheet"
_MODEL = "With a model"


def annotate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A corpus folder.", show_default=False)],
    round_number: Annotated[
        int | None, typer.Option("--round", metavar="N", min=1, help="Default: the last one that has a worklist.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where decisions go. Default: as the recipe says.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who decides. Default: your user name.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Other sample pages.")] = 0,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 = any that is free.", rich_help_panel=_PAGE)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.", rich_help_panel=_PAGE)] = True,
    export: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write the worklist, to fill in its label column.", rich_help_panel=_SHEET)
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="CSV", help="Take the labels of a sheet in: all of it or nothing.", rich_help_panel=_SHEET),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="A model there proposes labels; ends with /v1.", rich_help_panel=_MODEL)
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Its name on that server.", rich_help_panel=_MODEL)] = None,
    share: Annotated[
        float | None,
        typer.Option(
            metavar="X", min=0, max=1, help="--export, --endpoint: only the first domains, that cover X of the expected gain. Default: all."
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept every proposal of the round for a path that nobody decided.", rich_help_panel=_MODEL)
    ] = False,
    auto: Annotated[
        str | None,
        typer.Option(metavar="min_ratio=X", help="Label by collected share alone, X or more is math: not the paper's procedure."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Say which paths of mathematical domains are mathematics; their uncollected pages join the seed of the next round.

    Opens a page on this machine, unless an option says otherwise. Decisions are appended to one file and never rewritten.
    """
    asked = _Asked(export=export, import_=import_, endpoint=endpoint, model=model, accept=accept, auto=auto)
    _check(asked, share=share, port=port)
    min_ratio = None if auto is None else _min_ratio(auto)

    from reasonforge.corpus.annotate.journal import Journal, check_author

    folder = folder.expanduser()
    by = check_author(f"human:{_user() if name is None else name}")
    data, number, stored = _data(folder, round_number)
    journal = Journal(file.expanduser() if file is not None else stored)
    if export is not None:
        return _export(data, journal, export.expanduser(), seed=seed, share=share)
    if import_ is not None:
        return _import(journal, import_.expanduser(), number, by)
    if endpoint is not None and model is not None:
        return _propose(data, journal, number, endpoint, model, seed=seed, share=share)
    if accept:
        return _accept(journal, number, by)
    if min_ratio is not None:
        return _auto(data, journal, number, min_ratio)
    return _serve(data, journal, number, by, folder, port=port, seed=seed, browser=browser)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options of which each does something else than open the page."""

    export: Path | None
    import_: Path | None
    endpoint: str | None
    model: str | None
    accept: bool
    auto: str | None

    @property
    def options(self) -> list[str]:
        """Return those that were given."""
        given = {
            "--export": self.export is not None,
            "--import": self.import_ is not None,
            "--endpoint": self.endpoint is not None,
            "--accept": self.accept,
            "--auto": self.auto is not None,
        }
        return [option for option, is_given in given.items() if is_given]


def _check(asked: _Asked, *, share: float | None, port: int) -> None:
    """Refuse options that do not go together.

    Raises:
        RecipeError: it names them.
    """
    options = asked.options
    if len(options) > 1:
        raise RecipeError(f"{options[0]} and {options[1]}: one at a time")
    if (asked.endpoint is None) != (asked.model is None):
        raise RecipeError("--endpoint and --model: name the server and its model together")
    if share is not None and options not in (["--export"], ["--endpoint"]):
        raise RecipeError("--share: says how much is exported or proposed for; give it with --export or --endpoint")
    if options and port:
        raise RecipeError(f"--port: {options[0]} opens no page")


def _data(folder: Path, round_number: int | None) -> tuple[AnnotationData, int, Path]:
    """Return what there is to annotate, of which round, and where the recipe wants the decisions."""
    from reasonforge.corpus.annotate.data import open_tables
    from reasonforge.corpus.annotate.journal import ANNOTATIONS
    from reasonforge.corpus.loop.reader import CorpusReader
    from reasonforge.corpus.loop.units import WORKLIST

    reader = CorpusReader(folder)
    ready = [number for number in reader.rounds if reader.is_done("worklist", number)]
    if not ready:
        raise DataError(f"{folder}: no round has a worklist yet. Run: reasonforge corpus run --out {folder} --until worklist")
    number = ready[-1] if round_number is None else round_number
    if number not in ready:
        raise RecipeError(f"--round {number}: worklists are there of round {', '.join(map(str, ready))}")
    rules, path = reader.recipe.domains, getattr(reader.recipe.annotation, "path", None)
    listed = reader.receipts("worklist", number)
    data = open_tables(
        [reader.store.output(receipt, WORKLIST) for receipt in listed],
        [path for receipt in listed for path in reader.inputs(receipt, "pages")],
        key=rules.key,
        min_ratio=rules.min_collected_ratio,
        min_pages=rules.min_pages,
    )
    return data, number, path.expanduser() if path is not None else folder / ANNOTATIONS


def _export(data: AnnotationData, journal: Journal, path: Path, *, seed: int, share: float | None) -> int:
    from reasonforge.core.files import write_atomic
    from reasonforge.corpus.annotate.sheet import write_sheet

    if path.exists():
        raise DataError(f"{path}: is there already, and may be filled in. Import it, or choose another name")
    text = write_sheet(data, journal, seed=seed, share=share)
    # With a byte order mark: without it Excel takes UTF-8 for something older.
    write_atomic(path, text.encode("utf-8-sig", "replace"))
    print(f"{path}: fill in the column label (math, not_math or skip), then: --import {path}")
    return 0


def _import(journal: Journal, path: Path, number: int, by: str) -> int:
    from reasonforge.corpus.annotate.sheet import read_sheet
    from reasonforge.runs.text import counted

    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    with journal.exclusive():
        decisions = read_sheet(content, str(path), journal, round_number=number, by=by, clock=_now)
        journal.append(decisions)
    print(f"{counted(len(decisions), 'label')} of {path} written to {journal.path}")
    return 0


def _propose(data: AnnotationData, journal: Journal, number: int, endpoint: str, name: str, *, seed: int, share: float | None) -> int:
    from pydantic import ValidationError

    from reasonforge.config.endpoint import EndpointConfig
    from reasonforge.core.rollouts import SamplingParams
    from reasonforge.corpus.annotate.journal import check_author
    from reasonforge.corpus.annotate.proposals import agreement, propose
    from reasonforge.corpus.annotate.worklist import rows_to_label
    from reasonforge.runs.signals import StopRequest
    from reasonforge.sampling.http import HttpModel

    try:
        config = EndpointConfig(url=endpoint, name=name)
    except ValidationError as error:
        raise RecipeError(f"--endpoint {endpoint}: {error.errors()[0]['msg']}") from None
    by = check_author(f"model:{name}")
    known = journal.proposals()
    rows = [row for row in rows_to_label(data, share=share) if row.pattern not in known or known[row.pattern].decision.by != by]
    params = SamplingParams(max_new_tokens=1024, temperature=0.0)
    model, written = HttpModel(config), 0
    with StopRequest() as stop:
        proposals = propose(model, params, data, rows, round_number=number, by=by, clock=_now, seed=seed, stop=lambda: bool(stop.requested))
        for decision in proposals:
            journal.append([decision])
            written += 1
    print(f"{written} of {len(rows)} paths have a proposal of {by}: {model.usage.requests} requests, cost {model.cost:g}")
    found = agreement(journal)
    if found.overlap:
        kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
        print(f"with people it agrees on {found.equal} of {found.overlap} paths (Cohen's kappa {kappa})")
    if stop.requested:
        raise stop.error("stopped; what was proposed is kept. Go on with the same command")
    print("Proposals count when they are accepted: key a in the page, or --accept")
    return 0


def _accept(journal: Journal, number: int, by: str) -> int:
    from reasonforge.corpus.annotate.proposals import accept
    from reasonforge.runs.text import counted

    with journal.exclusive():
        accepted = accept(journal, round_number=number, by=by, clock=_now)
        journal.append(accepted)
    print(f"{counted(len(accepted), 'proposal')} accepted by {by}, in {journal.path}")
    return 0


def _auto(data: AnnotationData, journal: Journal, number: int, min_ratio: float) -> int:
    from reasonforge.corpus.annotate.automatic import NOT_THE_PAPERS, label_by_share
    from reasonforge.runs.text import counted

    with journal.exclusive():
        decisions = label_by_share(data, journal, min_ratio=min_ratio, round_number=number, clock=_now)
        journal.append(decisions)
    print(f"{counted(len(decisions), 'path')} labelled {NOT_THE_PAPERS}; in {journal.path}")
    return 0


def _serve(data: AnnotationData, journal: Journal, number: int, by: str, folder: Path, *, port: int, seed: int, browser: bool) -> int:
    import webbrowser

    from reasonforge.corpus.annotate.server import AnnotationServer
    from reasonforge.corpus.annotate.session import Session
    from reasonforge.runs.text import counted, program_name

    command = f"{program_name()} corpus run --out {shlex.quote(str(folder))}"
    session = Session(data, journal, round_number=number, by=by, clock=_now, next_command=command, seed=seed)
    server = AnnotationServer(session, port=port)
    print(f"Round {number}, {by}. Open (it works once):  {server.url}", flush=True)
    print(f"Decisions go to {journal.path}. Ctrl-C ends.", flush=True)
    if browser and _has_display():
        webbrowser.open(server.url)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
    summary = session.summary()
    if summary["left"]:
        print(f"{summary['left']}.")
    print(f"{counted(summary['decided'], 'decision')}, {counted(summary['gained'], 'page')} gained. Next: {command}")
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        raise RecipeError("--by: who decides? This user has no name: give one") from None


def _has_display() -> bool:
    """Without one, a text browser would open in the terminal and use the link up."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _min_ratio(text: str) -> float:
    key, _, value = text.partition("=")
    try:
        ratio = float(value)
    except ValueError:
        ratio = 0.0
    if key.strip() != "min_ratio" or not 0 < ratio <= 1:
        raise RecipeError(f"--auto {text}: write min_ratio=X with X above 0 and up to 1, as in --auto min_ratio=0.5")
    return ratio


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
