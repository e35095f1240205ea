"""The positives that annotation brings: pages under paths that people called mathematical, which the classifier has not collected.

The paper does not say what becomes of them when somebody thinks better of it. Here the decisions that hold are the ones last made: a
positive whose path is now called something else than mathematics is none from the next round on. One whose path nothing is said of any more
stays: a rule that labels paths by their share looks at other paths in every round. A decision that was withdrawn was never made, and the
rounds that built on it are done again.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import polars as pl

POSITIVE_SCHEMA = pl.Schema({"id": pl.String, "host": pl.String, "path": pl.String})
"""A positive and where it lies: what is said of its path later may take it back."""


class Labels(Protocol):
    """Knows what people said about paths (``corpus.annotate.labels.Annotations``)."""

    def labels_of(self, pages: pl.DataFrame) -> pl.Series:
        """Return ``math``, ``not_math``, ``skip`` or null for each page, by its ``host`` and ``path``."""
        ...


class Positives(NamedTuple):
    """The positives after a round, and what is none any more."""

    pages: pl.DataFrame
    """Columns of :data:`POSITIVE_SCHEMA`: those of earlier rounds that stay, then the new ones."""
    taken_back: pl.DataFrame
    """The same columns: positives of earlier rounds whose path is now called something else than mathematics."""


def new_positives(pages: pl.DataFrame, labels: Labels, *, earlier: pl.DataFrame | None = None) -> Positives:
    """Return the pages that are positives from now on.

    Args:
        pages: columns ``id``, ``host``, ``path`` and ``selected``; only pages of the round's mathematical domains, for a path elsewhere is
            not looked at.
        labels: what people said, and did not overrule since.
        earlier: columns of :data:`POSITIVE_SCHEMA`, what became positives in earlier rounds: they stay, even if collected since, unless
            ``labels`` now has something else than ``math`` for their path.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: uncollected pages under the annotated URLs join the seed corpus. It takes none back.
    """
    uncollected = pages.filter(~pl.col("selected"))
    accepted = uncollected.filter(labels.labels_of(uncollected) == "math").select(POSITIVE_SCHEMA.names())
    if earlier is None:
        return Positives(accepted, accepted.clear())
    earlier = earlier.select(POSITIVE_SCHEMA.names())
    stays = (labels.labels_of(earlier) == "math").fill_null(True)
    added = accepted.join(earlier, on="id", how="anti", maintain_order="left")
    return Positives(pl.concat([earlier.filter(stays), added]), earlier.filter(~stays))
