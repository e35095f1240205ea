"""``reasonforge corpus extract``: files of a crawl to one file of text."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reasonforge.core.errors import DataError, RecipeError

if TYPE_CHECKING:
    from reasonforge.corpus.units import Counts

_Kind = Literal["warc", "wet", "jsonl", "parquet"]
_CRAWL = re.compile(r"CC-MAIN-\d{4}[A-Za-z0-9-]*")
_PREFIX = re.compile(r"(?:https?://)?[^\s/?#*]+\.[^\s*]+\*?")
_ENDINGS: dict[str, _Kind] = {
    ".wet": "wet",
    ".wet.gz": "wet",
    ".warc": "warc",
    ".warc.gz": "warc",
    ".warc.zst": "warc",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".jsonl.zst": "jsonl",
    ".parquet": "parquet",
}


def extract(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="WARC, WET, JSON Lines or Parquet: paths, patterns or URLs.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PAGES", help="Ends in .jsonl, .jsonl.gz, .jsonl.zst or .parquet.", show_default=False)
    ],
    kind: Annotated[
        _Kind | None, typer.Option("--type", help="What the files are. Default: what their names say.", show_default=False)
    ] = None,
    crawl: Annotated[str, typer.Option(metavar="NAME", help="Stands beside every page.")] = "crawl",
    url_field: Annotated[
        str | None,
        typer.Option("--url-field", metavar="COLUMN", help="Of the URL, in rows. Default: url, or metadata.url.", show_default=False),
    ] = None,
    text_field: Annotated[
        str | None, typer.Option("--text-field", metavar="COLUMN", help="Of the text, in rows. Default: text.", show_default=False)
    ] = None,
    html_field: Annotated[
        str | None,
        typer.Option("--html-field", metavar="COLUMN", help="Of HTML, in rows. Default: html, where there is no text.", show_default=False),
    ] = None,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Take what is there of a file that is cut, instead of refusing it.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes, one file each. Default: one per core.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out if it is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Extract the text of web pages, formulas kept as $...$, and say what became of every capture.

    Exit code 65: a file is missing, empty, cut or no such file at all, or no row has a URL and a page; nothing is written then. Pages that
    are dropped have a reason each, and are no error. A corrupt span costs the pages in it and is counted.
    """
    from reasonforge.corpus.ingest.config import IngestConfig
    from reasonforge.corpus.ingest.export import extract_files
    from reasonforge.corpus.ingest.units import ALLOW_TRUNCATED
    from reasonforge.corpus.pool import ProcessPool, usable_cores
    from reasonforge.corpus.units import Receipt

    out = out.expanduser()
    if out.exists() and not overwrite:
        raise RecipeError(f"{out}: is there already. Replace it with --overwrite, or name another file")
    kinds: list[tuple[_Kind, str]] = [(kind or _kind_of(file), file) for file in files]
    columns = {name: column for name, column in (("url", url_field), ("text", text_field), ("html", html_field)) if column is not None}
    _check_columns(columns, kinds)
    inputs = [{"type": type_, "paths": (file,), "crawl": crawl, "allow_truncated": allow_truncated, **columns} for type_, file in kinds]
    config = IngestConfig.model_validate({"inputs": tuple(inputs)})

    def say(receipt: Receipt) -> None:
        if not quiet and not as_json:
            print(f"{receipt.unit.settings['name']}: {receipt.counts.kept} of {receipt.counts.taken} pages", flush=True)

    started = time.monotonic()
    try:
        counts = extract_files(config, out, ProcessPool(workers or usable_cores()), on_done=say, warn=_warn)
    except DataError as error:
        raise DataError(str(error).replace(ALLOW_TRUNCATED, "--allow-truncated")) from error
    if as_json:
        import json

        print(json.dumps({"taken": counts.taken, "kept": counts.kept, "dropped": counts.dropped, "noted": counts.noted, "out": str(out)}))
    elif not quiet:
        print(_summary(counts, out, time.monotonic() - started))
    return 0


def _warn(line: str) -> None:
    from reasonforge.runs.text import clean_text

    print(f"warning: {clean_text(line)}", file=sys.stderr, flush=True)


def _check_columns(columns: dict[str, str], kinds: list[tuple[_Kind, str]]) -> None:
    """Refuse columns where files have none, and two columns for one page."""
    if not columns:
        return
    other = next((f"{file} is {kind.upper()}" for kind, file in kinds if kind in ("warc", "wet")), None)
    if other is not None:
        raise RecipeError(f"--{next(iter(columns))}-field: is about rows of JSON Lines and Parquet, and {other}. Extract them apart")
    if {"text", "html"} <= columns.keys():
        raise RecipeError("--text-field and --html-field: a page has one content: name the column of one of them")


def _kind_of(file: str) -> _Kind:
    name = file.lower().partition("?")[0] if "://" in file else file.lower()
    for ending, kind in _ENDINGS.items():
        if name.endswith(ending):
            return kind
    if os.path.isdir(file):
        raise RecipeError(f"{file}: is a folder. Name its files: {os.path.join(file, '**', '*.warc.gz')}")
    raise RecipeError(f"{file}: its name does not say what it is. Say it with --type warc, wet, jsonl or parquet")


def _summary(counts: Counts, out: Path, seconds: float) -> str:
    from reasonforge.corpus.reasons import sentence
    from reasonforge.runs.text import counted, format_seconds, text_table

    drops = sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0]))
    said = [
        f"{counts.noted.get('chars', 0):,} characters, {counts.noted.get('formulas', 0):,} formulas",
        *(sentence(code) for code, _ in drops),
    ]
    head, *rows = text_table(["", "pages"], [("kept", f"{counts.kept:,}"), *((code, f"{number:,}") for code, number in drops)])
    lines = [head, *(f"{row}  {what}" for row, what in zip(rows, said, strict=True))]
    flags = {name.removeprefix("flag_"): number for name, number in sorted(counts.noted.items()) if name.startswith("flag_")}
    if flags:
        lines.append("of those kept: " + ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in flags.items()))
    others = {name.removeprefix("records_"): number for name, number in sorted(counts.noted.items()) if name.startswith("records_")}
    if others and not counts.taken:
        hint = " Is it a WET file? Say so with --type wet" if "conversion" in others else ""
        lines.append("no page in it, but other records: " + ", ".join(f"{number:,} {kind}" for kind, number in others.items()) + f".{hint}")
    if lost := counts.noted.get("lost_bytes"):
        lines.append(f"lost: {counted(lost, 'byte')} of the files")
    lines.append(f"{counted(counts.taken, 'page')} in, {counts.kept:,} out in {format_seconds(seconds)}: {out}")
    return "\n".join(lines)


def fetch(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="What URLs begin with: mathoverflow.net/questions/", show_default=False)],
    crawl: Annotated[str, typer.Option(metavar="NAME", help="A crawl of Common Crawl, as in CC-MAIN-2024-10.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.warc.gz", help="A WARC file.", show_default=False)],
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many pages. Default: all.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out if it is there.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Fetch the pages below a URL from Common Crawl, one by one, into a WARC file. Goes over the network, to Common Crawl's servers.

    A request that fails is made again, with a line that says why, and given up after three minutes at most: exit code 69, and no file.
    """
    from reasonforge.corpus.ingest.commoncrawl import CommonCrawl, fetch_pages
    from reasonforge.runs.text import counted

    out = out.expanduser()
    if not out.name.endswith(".warc.gz"):
        raise RecipeError(f"{out}: its name must end in .warc.gz")
    if out.exists() and not overwrite:
        raise RecipeError(f"{out}: is there already. Replace it with --overwrite, or name another file")
    if not _PREFIX.fullmatch(prefix):
        raise RecipeError(f"{prefix!r}: expected a host and the beginning of a path, as in mathoverflow.net/questions/")
    if not _CRAWL.fullmatch(crawl):
        raise RecipeError(f"--crawl {crawl}: expected a name such as CC-MAIN-2024-10. There are: https://index.commoncrawl.org/")
    asked = CommonCrawl(crawl=crawl)
    print(f"asking {asked.index} for {crawl}", file=sys.stderr, flush=True)
    count = fetch_pages(asked, prefix, out, limit=limit)
    print(f"{counted(count, 'page')}: {out}")
    return 0
