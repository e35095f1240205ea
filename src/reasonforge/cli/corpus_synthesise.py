"""``reasonforge corpus synthesise``: a web with known truth, for tests, the demo and first steps."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def synthesise(
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.", show_default=False)],
    pages: Annotated[int, typer.Option(metavar="N", min=1, max=10_000_000, help="Pages in all WARC files together.")] = 5_000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Another seed is another web.")] = 0,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Write a web that never was: WARC files of two crawls, the truth about every page, and what fits the toy recipe to them.

    Mathematics in several dialects, pages that look like it, all the rest, copies, planted benchmark problems and hostile pages.
    """
    from reasonforge.core.files import write_atomic
    from reasonforge.corpus.synthetic.overlay import OVERLAY, TOY_RECIPE, toy_overlay
    from reasonforge.corpus.synthetic.web import synthesise as write_web
    from reasonforge.runs.text import counted, format_number, program_name, text_table

    written = write_web(out.expanduser(), pages=pages, seed=seed)
    overlay = written.folder / OVERLAY
    write_atomic(overlay, toy_overlay(written.folder, written.summary).encode())
    rows = [
        (row.kind, *(format_number(value) for value in (row.urls, row.copies, row.hosts, row.rough_tokens)))
        for row in written.summary.classes
    ]
    print("\n".join(text_table(["kind", "URLs", "copies", "hosts", "tokens, roughly"], rows)))
    found = written.summary
    print(f"{counted(written.responses, 'page')} in {counted(written.files, 'WARC file')}")
    planted = f"{found.exact_leaks} are planted word for word, {found.paraphrased_leaks} in other words"
    print(f"of {counted(found.problems, 'benchmark problem')}, {planted}")
    tokens = ", ".join(format_number(budget) for budget in found.token_budgets)
    print(f"its mathematics has {format_number(found.math_tokens)} tokens, roughly: rounds of {tokens} suit it")
    print(f"written: {written.folder}")
    corpus = written.folder.parent / ("toy" if written.folder.name == "web" else f"{written.folder.name}-toy")
    print(f"next: {program_name()} corpus run {TOY_RECIPE} {shlex.quote(str(overlay))} --out {shlex.quote(str(corpus))}")
    return 0
