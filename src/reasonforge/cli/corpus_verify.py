"""``reasonforge corpus verify``: shards or a whole corpus folder, byte by byte."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from reasonforge.core.errors import DataError

_MEGABYTE = 1 << 20


def verify(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Corpus folders, or folders of shards.", show_default=False)],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what is damaged.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Read everything and compare it with what was written: digests, and of shards every id and every document's end.

    Of a corpus folder: the files of all units, the published shards and the tokenizer. Exit code 65: something is damaged or missing;
    what it is, and what to remove so that a run makes them again, is printed.
    """
    from reasonforge.corpus.loop.ledger import stored_recipe
    from reasonforge.corpus.packing.manifest import MANIFEST

    damaged: list[str] = []
    for folder in (path.expanduser() for path in folders):
        if (folder / MANIFEST).exists():
            said = _shards(folder, damaged)
        elif stored_recipe(folder) is not None:
            said = _corpus(folder, damaged, quiet=quiet)
        else:
            raise DataError(f"{folder}: neither a corpus folder (recipe.resolved.json) nor a folder of shards ({MANIFEST}): name one")
        if said and not quiet:
            print(said)
    if damaged:
        raise DataError("\n".join(damaged))
    return 0


def _shards(folder: Path, damaged: list[str]) -> str:
    """Verify a folder of shards; add to ``damaged`` what is wrong; return what to say if nothing is."""
    from reasonforge.corpus.packing.reader import Shards

    try:
        shards = Shards(folder)
        shards.verify()
    except DataError as error:
        damaged.append(str(error))
        return ""
    return f"{folder}: {shards.num_tokens:,} tokens of {shards.num_documents:,} documents, as they were packed"


def _corpus(folder: Path, damaged: list[str], *, quiet: bool) -> str:
    """Verify a corpus; name its damages, and add a line about them to ``damaged``; return what to say if there are none."""
    from reasonforge.corpus.loop.verify import Verification, bytes_of
    from reasonforge.runs.console import Console
    from reasonforge.runs.text import program_name

    with Console(quiet=quiet) as console:
        console.stage(f"verify {folder}", total_steps=-(-bytes_of(folder) // _MEGABYTE), unit="megabyte")
        shown = 0

        def show(num_bytes: int) -> None:
            nonlocal shown
            if (step := -(-num_bytes // _MEGABYTE)) > shown:  # not for each of a thousand small files
                shown = step
                console.step(step, {"unit": 1.0})

        reading = Verification(folder, show)
        remove: list[Path] = []
        for damage in reading.damages():
            console.warn(f"{damage.path}: {damage.what}")
            remove.append(damage.remove)
    for path in dict.fromkeys(remove):
        if path.exists():
            print(f"remove: {path}")
    if not remove:
        return f"{folder}: {reading.files:,} files, {reading.num_bytes:,} bytes, as they were written"
    again = f"{program_name()} corpus run --out {shlex.quote(str(folder))}"
    number = f"{len(remove)} of {reading.files:,} files"
    damaged.append(f"{folder}: damaged or missing: {number}. Remove what is named above, then: {again}")
    return ""
