"""What is wrong with rows none of which has a page: which columns were looked for, and which are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from reasonforge.corpus.ingest.config import JsonlFiles, ParquetFiles
from reasonforge.corpus.ingest.inputs import opened
from reasonforge.corpus.ingest.rows import json_rows, parquet_rows
from reasonforge.corpus.ingest.units import FILES, STAGE
from reasonforge.corpus.reasons import BAD_ROW, MISSING_FIELD
from reasonforge.corpus.units import Receipt, resolve
from reasonforge.runs.text import clean_text, shorten

FIRST_ROWS: Final = 100
IN_A_RECIPE: Final = "url, and text or html, in that table of inputs"
"""Which settings name the columns of the URL and the page."""
_MOST_CHARS = 200


class Head(NamedTuple):
    """The beginning of a file of rows."""

    rows: list[dict[str, Any]]
    """The objects among its first :data:`FIRST_ROWS` rows."""
    num_rows: int
    """How many rows these are, objects or not."""
    names: list[str]
    """Of all columns; of JSON those that these rows have."""


ReadHead = Callable[[str, Sequence[str]], Head]
"""Reads the beginning of a file, local or a URL; its rows may have these columns alone."""


def json_head(path: str, columns: Sequence[str]) -> Head:
    """Read the beginning of JSON Lines."""
    with opened(path) as file:
        first = list(islice(json_rows(file), FIRST_ROWS))
    rows = [row for row in first if isinstance(row, dict)]
    return Head(rows, len(first), list(dict.fromkeys(name for row in rows for name in row)))


def parquet_head(path: str, columns: Sequence[str]) -> Head:
    """Read the beginning of a Parquet file."""
    from pyarrow import parquet

    with opened(path) as file:
        rows = list(islice(parquet_rows(file, path, columns), FIRST_ROWS))
        file.seek(0)
        return Head(rows, len(rows), list(parquet.read_schema(file).names))


def has_no_page(receipt: Receipt) -> bool:
    """Say whether every row of a file of pages was dropped for what it is, and not for what stands in it."""
    counts = receipt.counts
    is_none = bool(counts.taken) and not counts.kept and set(counts.dropped) <= {BAD_ROW, MISSING_FIELD}
    return is_none and receipt.unit.stage == STAGE


def why_no_page(receipt: Receipt, root: Path, *, settings: str) -> str:
    """Say in a line why no row of a file could be read as a page, and look into the file for that.

    Args:
        receipt: one that :func:`has_no_page`.
        root: the corpus folder.
        settings: that name the columns.
    """
    path = resolve(receipt.unit.inputs[0].path, root)
    source = FILES.validate_python({**receipt.unit.settings["source"], "paths": [path]})
    assert isinstance(source, (JsonlFiles, ParquetFiles)), "only they have rows"
    read: ReadHead = parquet_head if isinstance(source, ParquetFiles) else json_head
    url = [source.url] if source.url else ["url", "metadata.url"]
    content = [source.html] if source.html else [source.text] if source.text else ["text", "html"]
    head = read(path, [*url, *content])
    if not head.rows:
        return f"{path}: none of its rows is a JSON object. Is it JSON Lines?"
    looked = " and ".join(" or ".join(map(repr, names)) for names in (url, content))
    listed = clean_text(shorten(", ".join(head.names) or "none", _MOST_CHARS))
    return f"{path}: no row has a text in the columns {looked}. There are: {listed}. Name those of the URL and the page: {settings}"
