"""What is wrong with rows none of which has a page: which columns were looked for, and which are there."""

from __future__ import annotations

from itertools import islice
from typing import Final

from reasonforge.corpus.ingest.config import JsonlFiles, ParquetFiles
from reasonforge.corpus.ingest.inputs import opened
from reasonforge.corpus.ingest.rows import json_rows
from reasonforge.corpus.reasons import BAD_ROW, MISSING_FIELD
from reasonforge.corpus.units import Counts
from reasonforge.runs.text import clean_text, shorten

FIRST_ROWS: Final = 100
_MOST_CHARS = 200


def has_no_page(counts: Counts) -> bool:
    """Say whether every row of a file was dropped for what it is, and not for what stands in it."""
    return bool(counts.taken) and not counts.kept and set(counts.dropped) <= {BAD_ROW, MISSING_FIELD}


def why_no_page(path: str, source: JsonlFiles | ParquetFiles) -> str:
    """Say in a line why no row of a file could be read as a page.

    Args:
        path: local, or a URL.
        source: its kind and columns.
    """
    there = column_names(path, is_parquet=isinstance(source, ParquetFiles))
    if there is None:
        return f"{path}: none of its rows is a JSON object. Is it JSON Lines?"
    url = [source.url] if source.url else ["url", "metadata.url"]
    content = [source.html] if source.html else [source.text] if source.text else ["text", "html"]
    looked = " and ".join(" or ".join(map(repr, names)) for names in (url, content))
    listed = clean_text(shorten(", ".join(there) or "none", _MOST_CHARS))
    which = "--url-field, and --text-field or --html-field"
    return f"{path}: no row has a text in the columns {looked}. There are: {listed}. Name those of the URL and the page: {which}"


def column_names(path: str, *, is_parquet: bool) -> list[str] | None:
    """Return the names of the columns, of JSON those of the first rows; None = no row is an object."""
    with opened(path) as file:
        if is_parquet:
            from pyarrow import parquet

            return list(parquet.read_schema(file).names)
        rows = [row for row in islice(json_rows(file), FIRST_ROWS) if isinstance(row, dict)]
        return list(dict.fromkeys(name for row in rows for name in row)) if rows else None
