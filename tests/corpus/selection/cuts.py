"""The cut of tables in memory, as the units come to it in two passes over files."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from reasonforge.corpus.selection.cut import Cut, cut, empty, histogram, tie_histogram


def cut_of(tables: Sequence[pl.DataFrame], *, token_budget: int) -> Cut:
    summed = sum((histogram(table) for table in tables), empty())
    first = cut(summed, token_budget=token_budget)
    if first.hash_below:
        return first
    return cut(summed, token_budget=token_budget, ties=sum((tie_histogram(table, first.score) for table in tables), empty()))
