"""What is true of every page of a synthetic web, and the person who knows it: an annotator for simulations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.corpus.annotate.journal import Decision
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.paths import Pattern, prefixes
from reasonforge.corpus.urls.normal import Refused, normalise

TRUTH = "truth.parquet"

_SCHEMA = pl.Schema(
    {
        "url": pl.String,
        "kind": pl.String,
        "is_math": pl.Boolean,
        "domain": pl.String,
        "leak": pl.String,
        "benchmark_item": pl.String,
        "duplicate_of": pl.String,
        "dialect": pl.String,
        "captures": pl.UInt8,
        "rough_tokens": pl.UInt32,
    }
)

SIMULATED = "truth"
"""Who decided, in annotations made from the truth: nobody can take them for a person's work."""

_WHEN = "2025-03-03T00:00:00+00:00"
"""After the last crawl; the same in every web, as the bytes must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A row per URL."""

    url: str
    """As in the WARC file."""
    kind: str
    """``forum``, ``textbook``, ``chinese``, ``formal``, ``near_maths``, ``other`` or ``hostile``."""
    is_math: bool
    domain: str
    """Host without ``www.``."""
    leak: str | None
    """``exact`` or ``paraphrase``: a problem of the benchmark stands in it. None = no leak."""
    benchmark_item: str | None
    """Which one. None = no leak."""
    duplicate_of: str | None
    """The URL of which it is a copy, exact or nearly so. None = it is no copy."""
    dialect: str
    """Finer than the kind: the grammar it was drawn from, or the trick of a hostile page."""
    captures: int
    """In how many of the crawls it stands."""
    rough_tokens: int
    """Of the text without menus: a quarter of its letters, one per Chinese character."""


def write_truth(path: Path, rows: Iterable[Truth]) -> None:
    """Write the rows in order of their URLs."""
    write_table(path, pl.DataFrame([asdict(row) for row in sorted(rows, key=lambda row: row.url)], schema=_SCHEMA))


def read_truth(path: Path) -> pl.DataFrame:
    """Read what :func:`write_truth` wrote.

    Raises:
        DataError: it is missing, broken or something else.
    """
    return read_table(path, _SCHEMA.names())


def decisions(truth: pl.DataFrame, hosts: Collection[str] | None = None, *, sure: float = 0.9, min_pages: int = 2) -> list[Decision]:
    """Decide as a patient person would who reads every page: the shortest paths below which nearly all or nearly nothing is mathematics.

    Paths of which neither is true are opened, segment by segment; what is left open at the end has no decision.

    Args:
        truth: as :func:`read_truth` returns it.
        hosts: the hosts to look at, as pages have them; None = all that have any mathematics.
        sure: share from which on a path counts as mathematics; as much below one it counts as none.
        min_pages: paths of fewer pages are not decided.
    """
    known: dict[str, list[_Page]] = {}
    for url, is_math in truth.filter(pl.col("kind") != "hostile").select("url", "is_math").iter_rows():
        page = normalise(url)
        assert not isinstance(page, Refused), "only hostile pages have such URLs"
        known.setdefault(page.host, []).append((tuple(prefixes(page.host, page.path)), is_math))
    found: list[Decision] = []
    for host in sorted(known if hosts is None else set(hosts) & known.keys()):
        if hosts is not None or any(is_math for _, is_math in known[host]):
            found += _decide(known[host], 0, sure, min_pages)
    return found


def write_annotations(path: Path, truth: pl.DataFrame) -> list[Decision]:
    """Write all decisions as ``annotations.jsonl`` and return them: what stands in for a person where a whole loop is simulated.

    They name every path at once. That is no shortcut for the loop: it asks about a path only when its domain has become mathematical.
    """
    found = decisions(truth)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(decision.to_json() + "\n" for decision in found).encode())
    return found


_Page = tuple[tuple[Pattern, ...], bool]


def _decide(pages: Sequence[_Page], depth: int, sure: float, min_pages: int) -> list[Decision]:
    if len(pages) < min_pages:
        return []
    share = sum(is_math for _, is_math in pages) / len(pages)
    if share >= sure or share <= 1 - sure:
        label = "math" if share >= sure else "not_math"
        why = f"simulated person: {round(100 * share)} % of {len(pages)} pages are mathematics"
        return [Decision(round=1, pattern=pages[0][0][depth], label=label, by=SIMULATED, at=_WHEN, why=why)]
    below: dict[Pattern, list[_Page]] = {}
    for page in pages:
        if len(page[0]) > depth + 1:
            below.setdefault(page[0][depth + 1], []).append(page)
    return [decision for pattern in sorted(below) for decision in _decide(below[pattern], depth + 1, sure, min_pages)]
