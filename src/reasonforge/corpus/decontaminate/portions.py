"""The texts of a file, a few thousand at a time: pages that are still there, or rows of any file of documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reasonforge.corpus.ingest.rows import field
from reasonforge.corpus.packing.documents import no_column, rows_of
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.reasons import LEFT_OUT, MISSING_FIELD
from reasonforge.corpus.roles import roles
from reasonforge.corpus.units import Counts, Work
from reasonforge.corpus.urls.tables import chosen_pages

_MOST_TEXTS, _MOST_CHARACTERS = 4096, 1 << 24


class Portion(NamedTuple):
    """Some texts of a file, in its order."""

    rows: list[int]
    """Their numbers in the file."""
    ids: list[str]
    """Of a page its id; of a document its row's number, as its own id may be missing, repeated, or anything at all."""
    texts: list[str]


def portions_of(work: Work) -> Iterator[Portion]:
    """Yield the texts that a unit looks at; all that the file has are counted as taken, and those that are yielded as kept.

    Inputs: ``pages``, with ``drop`` and ``keep`` beside them, or ``documents``. Settings: ``selected`` (only pages that ``keep`` names), or
    ``text_field`` of documents.

    Raises:
        DataError: the file is missing, cut or corrupt, or no row has the column.
    """
    given = roles(work)
    if "documents" in given:
        yield from _documents(given["documents"][0], work.settings["text_field"], work.counts)
        return
    path = given["pages"][0]
    work.counts.taken = len(read_table(path, ["id"]))
    keep = given.get("keep", []) if work.settings.get("selected") else None
    left_out = work.counts.taken
    for pages in chosen_pages(path, ["id", "text"], drop=given.get("drop", []), keep=keep):
        work.counts.kept += len(pages)
        left_out -= len(pages)
        yield Portion(pages["row"].to_list(), pages["id"].to_list(), pages["text"].to_list())
    work.counts.drop(LEFT_OUT, left_out)


def _documents(path: str, text_field: str, counts: Counts) -> Iterator[Portion]:
    portion, size, found = Portion([], [], []), 0, False
    for number, row in enumerate(rows_of(path, (text_field,))):
        counts.taken += 1
        if isinstance(row, str):
            counts.drop(row)
            continue
        text = field(row, text_field)
        found = found or text is not None
        if not isinstance(text, str):
            counts.drop(MISSING_FIELD)
            continue
        portion.rows.append(number)
        portion.ids.append(str(number))
        portion.texts.append(text)
        size += len(text)
        if len(portion.texts) == _MOST_TEXTS or size >= _MOST_CHARACTERS:
            counts.kept += len(portion.texts)
            yield portion
            portion, size = Portion([], [], []), 0
    if counts.taken and not found:
        raise no_column(path, text_field)
    counts.kept += len(portion.texts)
    if portion.texts:
        yield portion
