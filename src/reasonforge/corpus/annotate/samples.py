"""Which pages of a path are shown, and how much of them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.annotate.data import AnnotationData
from reasonforge.corpus.paths import Pattern
from reasonforge.corpus.scores import probability_of

CLIP = 1500
"""Characters of a page that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A page as it is shown. Title, URL and text were written by strangers."""

    id: str
    collected: bool
    score: float
    """0..1."""
    url: str
    title: str
    text: str


def draw_samples(data: AnnotationData, pattern: Pattern, *, seed: int, number: int = 5, clip: int = CLIP) -> list[Sample]:
    """Return some pages that were not collected and as many that were: equal for equal pages and seed, whatever their order.

    Args:
        data: the pages.
        pattern: they lie under it.
        seed: other pages.
        number: of each kind; fewer where there are fewer.
        clip: characters of the text.
    """
    pages = data.pages(pattern)
    own_seed = derive_seed(seed, "samples", str(pattern))
    drawn = pl.concat([_drawn(pages.filter(pl.col("collected") == kind), number, own_seed) for kind in (False, True)])
    texts = data.texts(drawn)
    samples = []
    for row in drawn.iter_rows(named=True):
        shown = texts.get(row["id"])
        url, title, text = shown if shown is not None else (f"{row['host']}{row['path']}", "", "(the text of this page is not stored)")
        samples.append(
            Sample(
                id=row["id"],
                collected=row["collected"],
                score=float(probability_of(row["score"])),
                url=url[:500],
                title=title[:300],
                text=text if len(text) <= clip else text[:clip] + " …",
            )
        )
    return samples


def _drawn(pages: pl.DataFrame, number: int, seed: int) -> pl.DataFrame:
    """Take the pages from a drawn place on, in the order of their ids: ids are hashes, so neighbours have nothing in common."""
    start = f"{seed << 1:016x}"  # seeds have 63 bits, and would never begin in the upper half
    ordered = pl.col("id").rank("ordinal") + pl.when(pl.col("id") >= start).then(0).otherwise(pl.len())
    return pages.sort(ordered).head(number)
