"""Which pages of the crawl are seed documents: no round takes them for negatives.

Hashes of the seed's URLs and words, sorted, in files that are mapped and not read: workers of one machine share the memory, and a page
costs a binary search.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors
from reasonforge.corpus.classifier import tokenise
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.units import Input, Unit, Work

URLS = "urls.npy"
WORDS = "words.npy"
"""Hashes of what the classifier sees of a document: texts that it cannot tell apart are one document."""

_HASH = np.dtype("<u8")
_BATCH = 4096
Hashes = NDArray[np.uint64]


def plan_hashes(seeds: Sequence[Input], *, max_chars: int) -> list[Unit]:
    """Return one unit per file of seed documents.

    Args:
        seeds: tables of pages.
        max_chars: of a text that the classifier sees; 0 = all.
    """
    function, settings = f"{__name__}:hash_seeds", settings_of(max_chars)
    return [unit_of("seed/hashes", function, {"pages": [pages]}, settings=settings) for pages in seeds]


def settings_of(max_chars: int) -> dict[str, Any]:
    """Return what the hash of a document's words depends on besides its text: settings of every unit that reckons it."""
    return {"tokeniser": tokenise.digest(), "max_chars": max_chars}


def plan_known(urls: Sequence[Input], words: Sequence[Input]) -> Unit:
    """Return the unit that makes one table of all seed documents: what the first units left, file by file."""
    return unit_of("seed/known", f"{__name__}:merge_hashes", {"urls": urls, "words": words})


def hash_seeds(work: Work) -> None:
    """Do a unit of :func:`plan_hashes`."""
    (path,) = roles(work)["pages"]
    pages = read_table(path, ["url", "text"])
    work.counts.taken = work.counts.kept = pages.height
    _write(work.output(URLS), hashes_of(pages["url"]))
    _write(work.output(WORDS), words_of(pages["text"], max_chars=work.settings["max_chars"]))


def merge_hashes(work: Work) -> None:
    """Do the unit of :func:`plan_known`."""
    given = roles(work)
    for name, role in ((URLS, "urls"), (WORDS, "words")):
        parts = [read_hashes(path) for path in given[role]]
        if role == "urls":
            work.counts.taken = work.counts.kept = sum(len(part) for part in parts)
        _write(work.output(name), np.concatenate(parts))


def hashes_of(texts: Iterable[str]) -> Hashes:
    """Return 64 bits for each text, the same on every machine."""
    return np.array([xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts], dtype=_HASH)


def words_of(texts: pl.Series, *, max_chars: int) -> Hashes:
    """Return 64 bits for what the classifier sees of each text."""
    batches = [hashes_of(tokenise.tokens_of(texts[first : first + _BATCH], max_chars=max_chars)) for first in range(0, len(texts), _BATCH)]
    return np.concatenate([np.zeros(0, _HASH), *batches])


def seed_pages(pages: pl.DataFrame, *, urls: Hashes, words: Hashes, max_chars: int) -> pl.Series:
    """Say which pages are seed documents, by their URL or by their words.

    Args:
        pages: columns ``url``, in normal form, and ``text``.
        urls: sorted hashes of the seed's URLs.
        words: sorted hashes of the seed's words.
        max_chars: of a text that the classifier sees; 0 = all.
    """
    found = _among(hashes_of(pages["url"]), urls) | _among(words_of(pages["text"], max_chars=max_chars), words)
    return pl.Series(found, dtype=pl.Boolean)


def read_hashes(path: str | Path) -> Hashes:
    """Map a file of sorted hashes.

    Raises:
        DataError: it is missing or something else.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot read these hashes: {error}. Delete its folder, and they are made again") from error


def _among(wanted: Hashes, known: Hashes) -> NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return known[places] == wanted


def _write(path: Path, hashes: Hashes) -> None:
    with storage_errors(path):
        np.save(path, np.unique(hashes).astype(_HASH, copy=False), allow_pickle=False)
