"""A small web with known counts: what is mathematics on it, and how many pages lie where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import xxhash

from reasonforge.corpus.annotate.data import PageTable, PageText
from reasonforge.corpus.annotate.journal import Decision, Journal, Label
from reasonforge.corpus.annotate.session import Session
from reasonforge.corpus.paths import read_pattern

NOW = "2026-01-02T03:04:05+00:00"

Site = dict[str, tuple[int, int]]
"""Path with ``#`` for a running number -> (pages, of them collected)."""

WEB: dict[str, Site] = {
    "forum.example": {"/questions/#": (60, 30), "/questions/tagged/x#y": (20, 0), "/users/#": (40, 2)},
    "school.example": {"/algebra/#": (30, 24), "/news/#": (30, 1)},
    "shop.example": {"/item/#": (100, 3)},
    "small.example": {"/#": (3, 3)},
}
"""forum: 120 pages, 32 collected; school: 60, 25; shop is below a tenth, small too small."""


def table_of(web: dict[str, Site], *, texts: dict[str, PageText] | None = None) -> PageTable:
    frame = frame_of(web)
    stored = {
        row["id"]: PageText(f"https://{row['host']}{row['path']}", f"Title of {row['path']}", f"Text of {row['path']} with $x^2$")
        for row in frame.iter_rows(named=True)
    } | (texts or {})
    return PageTable(lambda _: [frame], lambda pages: {name: stored[name] for name in pages["id"] if name in stored})


def frame_of(web: dict[str, Site]) -> pl.DataFrame:
    rows = []
    for host, site in web.items():
        for path, (pages, collected) in site.items():
            for number in range(pages):
                place = path.replace("#", str(number + 1000))
                rows.append(
                    {
                        "id": xxhash.xxh3_128_hexdigest(f"{host}{place}".encode()),
                        "host": host,
                        "domain": host,
                        "path": place,
                        "score": 60000 if number < collected else 9000,
                        "selected": number < collected,
                        "num_tokens": 100,
                    }
                )
    schema = {"score": pl.UInt16, "selected": pl.Boolean, "num_tokens": pl.UInt32}
    return pl.DataFrame(rows, schema_overrides=schema)


def decision(pattern: str, label: Label | None, *, by: str = "human:ann", round_number: int = 1, **more: object) -> Decision:
    return Decision(round=round_number, pattern=read_pattern(pattern), label=label, by=by, at=NOW, **more)  # type: ignore[arg-type]


def journal_of(path: Path, decisions: Sequence[Decision] = ()) -> Journal:
    journal = Journal(path)
    journal.append(decisions)
    return journal


def session_of(
    path: Path, *, by: str = "human:ann", web: dict[str, Site] | None = None, texts: dict[str, PageText] | None = None
) -> Session:
    data = table_of(web or WEB, texts=texts)
    return Session(data, Journal(path), round_number=1, by=by, clock=lambda: NOW, next_command="reasonforge corpus run --out x")
