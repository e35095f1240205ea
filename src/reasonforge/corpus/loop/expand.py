"""New positives: pages under paths that people called mathematical, which the classifier has not collected."""

from __future__ import annotations

from typing import Protocol

import polars as pl


class Labels(Protocol):
    """Knows what people said about paths (``corpus.annotate.labels.Annotations``)."""

    def labels_of(self, pages: pl.DataFrame) -> pl.Series:
        """Return ``math``, ``not_math``, ``skip`` or null for each page, by its ``host`` and ``path``."""
        ...


def new_positives(pages: pl.DataFrame, labels: Labels, *, earlier: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the ids of the pages that are positives from now on: those of earlier rounds, then the new ones.

    Args:
        pages: columns ``id``, ``host``, ``path`` and ``selected``; only pages of the round's mathematical domains, for a path elsewhere is
            not looked at.
        labels: what people said.
        earlier: ids that became positives in earlier rounds; they stay, even if collected since.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: uncollected pages under the annotated URLs join the seed corpus.
    """
    uncollected = pages.filter(~pl.col("selected"))
    accepted = uncollected.filter(labels.labels_of(uncollected) == "math").select("id")
    if earlier is None:
        return accepted
    return pl.concat([earlier.select("id"), accepted.join(earlier, on="id", how="anti", maintain_order="left")])
