"""Which pages of a crawl a classifier may take for negatives, from the second round on."""

from __future__ import annotations

import polars as pl


def fit_as_negatives(pages: pl.DataFrame, *, selected: pl.Series, labels: pl.Series) -> pl.Series:
    """Say which pages may be drawn as negatives: not what is probably mathematics, for a crawl is full of mathematics not found yet.

    | what people say of its path | selected by the round before | not selected |
    | --- | --- | --- |
    | mathematics | no | no |
    | not mathematics | yes: a mistake to learn from | yes |
    | nothing, or "skip" | no | yes |

    Args:
        pages: column ``id``.
        selected: ids that the round before selected.
        labels: ``math``, ``not_math``, ``skip`` or null for each page.

    Source:
        Ours. DeepSeekMath (arXiv:2402.03300), 2.1, draws them from the crawl at random, and does not say how in later rounds.
    """
    was_selected = pages["id"].is_in(selected.implode())
    said = labels.fill_null("skip")
    return (said == "not_math") | ((said != "math") & ~was_selected)
