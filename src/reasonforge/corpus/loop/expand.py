"""New positives: pages under paths that people called mathematical, which the classifier has not collected."""

from __future__ import annotations

from typing import Protocol

import polars as pl


class Labels(Protocol):
    """Knows what people said about paths (``corpus.annotate.Annotations``)."""

    def label_of(self, host: str, path: str) -> str | None:
        """Return ``math``, ``not_math``, ``skip``, or None where nobody said anything."""
        ...


def labelled(pages: pl.DataFrame, labels: Labels) -> pl.DataFrame:
    """Return ``id`` and ``label`` (null = none) of pages.

    Args:
        pages: columns ``id``, ``host`` and ``path``.
        labels: what was said.
    """
    found = [labels.label_of(host, path) for host, path in pages.select("host", "path").iter_rows()]
    return pl.DataFrame({"id": pages["id"], "label": found}, schema={"id": pl.String, "label": pl.String})


def new_positives(
    pages: pl.DataFrame, labels: Labels, *, domains: pl.Series, key: str, collected: pl.Series, earlier: pl.Series | None = None
) -> pl.DataFrame:
    """Return the ids of the pages that become positives, the ones of earlier rounds among them, in the order of the pages.

    Args:
        pages: columns ``id``, ``host``, ``path`` and ``key``; only pages that count at all.
        labels: what people said.
        domains: names of the mathematical domains of this round: a path elsewhere is not looked at.
        key: the column that holds a page's domain.
        collected: ids that this round selected.
        earlier: ids that became positives in earlier rounds; they stay.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: "web pages linked to these URLs, yet uncollected, will be added to the seed corpus".
    """
    asked = pages.filter(pl.col(key).is_in(domains.implode()) & ~pl.col("id").is_in(collected.implode()))
    accepted = labelled(asked, labels).filter(pl.col("label") == "math")["id"]
    if earlier is not None:
        accepted = pl.concat([accepted, earlier])
    return pages.filter(pl.col("id").is_in(accepted.implode())).select("id")
