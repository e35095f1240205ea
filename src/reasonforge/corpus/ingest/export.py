"""Files straight to one file of pages: what ``reasonforge corpus extract`` does, by the same units as a corpus."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from pyarrow import parquet

from reasonforge.core.errors import DataError, RecipeError
from reasonforge.core.files import fsync_dir, storage_errors, write_durable
from reasonforge.corpus.ingest.columns import has_no_page, why_no_page
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.survey import Survey, by_place
from reasonforge.corpus.ingest.units import plan_pages
from reasonforge.corpus.ingest.writer import PageWriter
from reasonforge.corpus.pages import PAGES, Page
from reasonforge.corpus.pool import Executor, run_all
from reasonforge.corpus.units import Counts, Receipt, Store, total

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_NAMES = tuple(entry.name for entry in fields(Page))
_CHUNK_ROWS = 256
_COLUMN_OPTIONS = "--url-field, and --text-field or --html-field"


def extract_files(
    config: IngestConfig,
    out: Path,
    executor: Executor,
    *,
    on_done: Callable[[Receipt], None] | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Counts:
    """Write the pages of all files into one, in the order of the files, and return what became of every capture.

    Args:
        config: which files.
        out: its ending says what is written: JSON Lines in datatrove's layout (``text``, ``id``, ``metadata.url`` ...), plain or
            compressed, or Parquet with the columns of ``corpus.pages``. It is there when all is done, or not at all.
        executor: does the units.
        on_done: told of every file that is done.
        warn: told in a line of files that are named twice, and of rows none of which is a page.

    Raises:
        DataError: a file is missing, empty, cut or of another kind; or no row of any of them has a URL and a page.
        RecipeError: nothing is known to be written under such a name.
        StorageError: the disk refused.
    """
    if not out.name.endswith(SUFFIXES):
        raise RecipeError(f"{out}: its ending must say what to write: {', '.join(SUFFIXES)}")
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".tmp-extract-", dir=out.parent)
    with folder as name:
        store = Store(Path(name))
        # Nobody looks for these units again: what is in a file need not be known before it is read.
        survey = Survey(store, identify=by_place)
        survey.ask(pattern for source in config.inputs for pattern in source.paths)
        units = plan_pages(config, store, survey=survey, warn=warn)
        receipts = run_all(units, store, executor, on_done)
        wrong = [receipt for receipt in receipts if has_no_page(receipt)]
        lines = [why_no_page(receipt, store.root, settings=_COLUMN_OPTIONS) for receipt in wrong]
        if wrong and len(wrong) == len(receipts):
            raise DataError("\n".join(lines))
        for line in lines:
            warn(line)
        _write(out, [store.output(receipt, PAGES) for receipt in receipts])
        return total(receipts)


def _write(out: Path, parts: Sequence[Path]) -> None:
    temporary = out.parent / f".tmp-{out.name[:40]}-{uuid.uuid4().hex[:16]}"
    with storage_errors(out):
        try:
            if out.name.endswith(".parquet"):
                with PageWriter(temporary) as writer:
                    for row in _rows(parts):
                        writer.add(Page(**row))
            else:
                write_durable(temporary, _packed(out.name, _lines(parts)))
            os.replace(temporary, out)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        fsync_dir(out.parent)


def _rows(parts: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for part in parts:
        with parquet.ParquetFile(part) as file:
            for batch in file.iter_batches(batch_size=_CHUNK_ROWS, columns=list(_NAMES), use_threads=False):
                yield from batch.to_pylist()


def _lines(parts: Sequence[Path]) -> Iterator[bytes]:
    for row in _rows(parts):
        text, identity = row.pop("text"), row.pop("id")
        date = row.pop("fetched_at")
        row["normal_url"], row["url"] = row["url"], row.pop("found_url")  # a reader wants the address that can be fetched
        line = {"text": text, "id": identity, "metadata": {**row, **({"date": date} if date else {})}}
        yield json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _packed(name: str, lines: Iterator[bytes]) -> Iterator[bytes]:
    if name.endswith(".gz"):
        # One member per thousand rows or so: readers take them as one stream.
        yield from (gzip.compress(chunk, 6, mtime=0) for chunk in _joined(lines, 4 << 20))
    elif name.endswith(".zst"):
        import zstandard

        packer = zstandard.ZstdCompressor(level=3).compressobj()
        yield from (packed for chunk in _joined(lines, 1 << 20) if (packed := packer.compress(chunk)))
        yield packer.flush()
    else:
        yield from _joined(lines, 1 << 20)


def _joined(lines: Iterator[bytes], size: int) -> Iterator[bytes]:
    pieces: list[bytes] = []
    have = 0
    for line in lines:
        pieces.append(line)
        have += len(line)
        if have >= size:
            yield b"".join(pieces)
            pieces, have = [], 0
    if pieces:
        yield b"".join(pieces)
