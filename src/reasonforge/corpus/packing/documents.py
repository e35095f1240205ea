"""The documents of one file, in its order, without those that a mask leaves out and without the stretches that decontamination cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as arrow
from pyarrow import parquet

from reasonforge.core.errors import DataError
from reasonforge.corpus.units import Counts
from reasonforge.tasks.files import read_json_lines

NOT_SELECTED = "not_selected"
"""The selection does not name it."""
MASKED = "masked"
"""A mask names it: a duplicate, say."""
CONTAMINATED = "contaminated"
"""It holds benchmark text, or nothing is left when that is cut out."""
NO_TEXT = "no_text"
"""Its text is missing, empty, or no text."""
UNREADABLE_ROW = "unreadable_row"
"""A line that is no JSON object."""

REASONS: Mapping[str, str] = {
    NOT_SELECTED: "the selection does not name the document",
    MASKED: "a mask names the document: it is a duplicate, say",
    CONTAMINATED: "the document holds benchmark text, or nothing is left when that is cut out",
    NO_TEXT: "the document's text is missing, empty, or no text",
    UNREADABLE_ROW: "the line is no JSON object",
    "not_encodable": "the tokenizer refuses the text: a character outside its alphabet, a lone surrogate",
}

_ROWS = 1024


class Text(NamedTuple):
    """A document."""

    id: str
    """As the file has it, or the row's number."""
    text: str


class Cut(NamedTuple):
    """What decontamination does to a document."""

    whole: bool
    """Drop it."""
    spans: tuple[tuple[int, int], ...]
    """Characters to cut out, (start, end)."""


class Masks(NamedTuple):
    """Which documents of a file go on, and what of them."""

    keep: frozenset[str] | None = None
    """Only these ids; None = all."""
    drop: frozenset[str] = frozenset()
    cuts: Mapping[str, Cut] = {}

    @property
    def needs_ids(self) -> bool:
        """True if a document's id decides anything."""
        return self.keep is not None or bool(self.drop) or bool(self.cuts)


def read_masks(*, keep: str | None, drop: Sequence[str], actions: str | None) -> Masks:
    """Read masks that lie beside the documents, as Parquet.

    Args:
        keep: table with a column ``id``: only these. None = all.
        drop: tables with a column ``id``: none of these.
        actions: table with columns ``id``, ``action``, ``start`` and ``end``: ``drop_doc`` drops the document; any other action cuts its
            characters from ``start`` to before ``end``. None = nothing is cut.

    Raises:
        DataError: a table is missing, broken, or lacks a column.
    """
    kept = None if keep is None else frozenset(_column(keep, "id"))
    dropped = frozenset(entry for path in drop for entry in _column(path, "id"))
    return Masks(kept, dropped, {} if actions is None else _cuts(actions))


def documents(path: Path, masks: Masks, counts: Counts, *, text_field: str, id_field: str) -> Iterator[Text]:
    """Yield the documents of a JSON Lines or Parquet file that go on; count all of them, and drop those that do not.

    Raises:
        DataError: the file is missing, cut or corrupt, or a mask decides by ids that the file does not have.
    """
    for number, (identity, text) in enumerate(_rows(path, text_field, id_field, with_ids=masks.needs_ids, counts=counts)):
        counts.taken += 1
        if masks.needs_ids and not isinstance(identity, str):
            raise DataError(f"{path}: document {number} has no {id_field!r}, by which masks name documents: name its column")
        if masks.keep is not None and identity not in masks.keep:
            counts.drop(NOT_SELECTED)
        elif identity in masks.drop:
            counts.drop(MASKED)
        elif not isinstance(text, str) or not text.strip():
            counts.drop(NO_TEXT)
        elif (left := cut(text, masks.cuts.get(identity))) is None:
            counts.drop(CONTAMINATED)
        else:
            yield Text(identity if isinstance(identity, str) else str(number), left)


def cut(text: str, what: Cut | None) -> str | None:
    """Return a text without the spans that are cut; None = nothing is left of it.

    >>> cut("a clean line and a leak", Cut(False, ((12, 23),)))
    'a clean line'
    """
    if what is None:
        return text
    if what.whole:
        return None
    pieces: list[str] = []
    at = 0
    for start, end in sorted(what.spans):
        pieces.append(text[at : max(start, at)])
        at = max(at, end)
    left = "".join([*pieces, text[at:]]).strip()
    return left or None


def _rows(path: Path, text_field: str, id_field: str, *, with_ids: bool, counts: Counts) -> Iterator[tuple[Any, Any]]:
    if path.name.lower().endswith(".parquet"):
        columns = [text_field, id_field] if with_ids else [text_field]
        for batch in _batches(path, columns):
            texts = batch.column(text_field).to_pylist()
            yield from zip(batch.column(id_field).to_pylist() if with_ids else [None] * len(texts), texts, strict=True)
        return
    found = False
    for row in read_json_lines(path):
        if isinstance(row, DataError):
            counts.taken += 1
            counts.drop(UNREADABLE_ROW)
            continue
        found = found or text_field in row.values
        yield row.values.get(id_field), row.values.get(text_field)
    if not found and counts.taken:
        raise DataError(f"{path}: no row has a column {text_field!r}, which is to hold the text. Name it with --text-field")


def _column(path: str, name: str) -> Iterator[str]:
    for batch in _batches(Path(path), [name]):
        yield from batch.column(name).to_pylist()


def _cuts(path: str) -> dict[str, Cut]:
    whole: set[str] = set()
    spans: dict[str, list[tuple[int, int]]] = {}
    for batch in _batches(Path(path), ["id", "action", "start", "end"]):
        for row in batch.to_pylist():
            if row["action"] == "drop_doc":
                whole.add(row["id"])
            else:
                spans.setdefault(row["id"], []).append((row["start"], row["end"]))
    return {identity: Cut(identity in whole, tuple(spans.get(identity, ()))) for identity in {*whole, *spans}}


def _batches(path: Path, columns: Sequence[str]) -> Iterator[arrow.RecordBatch]:
    try:
        with parquet.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise DataError(f"{path}: has no column {missing[0]!r} (there are: {', '.join(file.schema_arrow.names)})")
            yield from file.iter_batches(batch_size=_ROWS, columns=list(columns))
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as Parquet: {(str(error).splitlines() or ['?'])[0][:120]}. Copy or make it again") from None
