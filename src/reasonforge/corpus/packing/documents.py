"""The documents of one file, in its order, without those that a mask leaves out and without the stretches that decontamination cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest.inputs import opened
from reasonforge.corpus.ingest.rows import field, json_rows, parquet_rows
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.reasons import CONTAMINATED, EMPTY_DOCUMENT, MASKED, MISSING_FIELD, NOT_SELECTED, TRUNCATED
from reasonforge.corpus.units import Counts


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
    kept = None if keep is None else frozenset(read_table(keep, ["id"])["id"])
    dropped = frozenset(entry for path in drop for entry in read_table(path, ["id"])["id"])
    return Masks(kept, dropped, {} if actions is None else _cuts(actions))


def documents(path: str, masks: Masks, counts: Counts, *, text_field: str, id_field: str | None) -> Iterator[Text]:
    """Yield the documents of a file that go on; count all of them, and drop those that do not.

    Args:
        path: Parquet (``.parquet``), or JSON Lines, plain or compressed with gzip or zstandard; a local path or a URL.
        masks: which go on.
        counts: told what became of each.
        text_field: column of the text; of one inside another, the names joined by dots.
        id_field: column of the ids that the masks name; may be missing where there is no mask. None = masks name documents by the number of
            their row, counted from 0.

    Raises:
        DataError: the file is missing, cut or corrupt, has no such column, or a mask decides by ids that the file does not have.
    """
    found, number = False, -1
    columns = (text_field,) if id_field is None else (text_field, id_field)
    for number, row in enumerate(rows_of(path, columns)):
        counts.taken += 1
        if isinstance(row, str):
            counts.drop(row)
            continue
        text, identity = field(row, text_field), str(number) if id_field is None else field(row, id_field)
        found = found or text is not None
        identity = identity if isinstance(identity, str) else None
        if masks.needs_ids and identity is None:
            raise DataError(f"{path}: document {number} has no {id_field!r}, by which masks name documents: name its column")
        if masks.keep is not None and identity not in masks.keep:
            counts.drop(NOT_SELECTED)
        elif identity in masks.drop:
            counts.drop(MASKED)
        elif not isinstance(text, str):
            counts.drop(MISSING_FIELD)
        elif not text.strip():
            counts.drop(EMPTY_DOCUMENT)
        elif (left := cut(text, masks.cuts.get(identity) if identity else None)) is None:
            counts.drop(CONTAMINATED)
        else:
            yield Text(identity or str(number), left)
    if number >= 0 and not found:  # counts may be those of several files
        raise no_column(path, text_field)


def no_column(path: str, text_field: str) -> DataError:
    """Return the error of a file that has no text where it should be."""
    return DataError(f"{path}: no row has a column {text_field!r}, which is to hold the text: name its column")


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


def rows_of(path: str, columns: Sequence[str]) -> Iterator[dict[str, Any] | str]:
    """Yield the rows of a file of documents, and in place of one that is none its reason code: row ``i`` is the same row for every reader.

    Raises:
        DataError: the file is missing, cut or corrupt.
    """
    with opened(path) as file:
        if path.lower().endswith(".parquet"):
            yield from parquet_rows(file, path, columns)
            return
        for row in json_rows(file):
            if row == TRUNCATED:
                raise DataError(f"{path}: the file is cut: its compressed data ends too early. Copy it again")
            yield row


def _cuts(path: str) -> dict[str, Cut]:
    whole: set[str] = set()
    spans: dict[str, list[tuple[int, int]]] = {}
    for identity, action, start, end in read_table(path, ["id", "action", "start", "end"]).iter_rows():
        if action == "drop_doc":
            whole.add(identity)
        else:
            spans.setdefault(identity, []).append((start, end))
    return {identity: Cut(identity in whole, tuple(spans.get(identity, ()))) for identity in {*whole, *spans}}
