"""The verbs that look at runs and change nothing in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    debug: Debug = False,
) -> int:
    """Summarise a run in the terminal: what it did, how far it is, what it reached."""
    from reasonforge.report.show import summarise

    print(summarise(run.expanduser()))
    return 0


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of one or more runs.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to. Default: report.html in the first run.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> int:
    """Write one HTML page about one or several runs: curves, rollouts, evaluations. It opens without a network."""
    from reasonforge.report.page import write_report

    print(write_report([run.expanduser() for run in runs], output.expanduser() if output is not None else None))
    return 0
