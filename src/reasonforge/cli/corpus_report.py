"""``reasonforge corpus report``: the page about a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A corpus folder, finished or not.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: report.html in the folder.", show_default=False)
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Write one HTML file about a corpus: rounds, overlap, domains, scores, sample pages, what was dropped and why, what is packed."""
    from reasonforge.corpus.report.page import write_corpus_report

    print(write_corpus_report(folder.expanduser(), None if output is None else output.expanduser()))
    return 0
