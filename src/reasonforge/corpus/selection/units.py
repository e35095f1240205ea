"""Select in two passes over the scores: sum the pages of the boundary's score by hash, then write each file's selection."""

from __future__ import annotations

from collections.abc import Sequence

from reasonforge.core.errors import DataError
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.reasons import BELOW_CUT, OTHER_SCORE
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.selection.config import SelectionConfig
from reasonforge.corpus.selection.cut import Cut, Histogram, cut, selected, tie_histogram, write_histogram
from reasonforge.corpus.units import Input, Unit, Work

TIES = "ties.parquet"
SELECTED = "selected.parquet"
"""``id``, ``score`` and ``num_tokens`` of the selected pages of a file."""

_COLUMNS = ["id", "score", "num_tokens"]


def first_cut(config: SelectionConfig, scores: Histogram) -> Cut:
    """Return where the selection ends, as far as the scores' histogram tells; if :func:`has_ties`, :func:`final_cut` tells the rest.

    Raises:
        DataError: there is nothing to select from.
    """
    return cut(scores, token_budget=config.token_budget, threshold=config.threshold)


def has_ties(where: Cut) -> bool:
    """Return whether pages of the cut's score wait for a decision."""
    return where.hash_below == 0


def plan_ties(where: Cut, scores: Sequence[Input], *, stage: str = "ties") -> list[Unit]:
    """Return a unit per file of scores that sums the pages of the cut's score by hash."""
    settings = {"score": where.score}
    return [unit_of(stage, "reasonforge.corpus.selection.units:sum_ties", {"scores": [file]}, settings=settings) for file in scores]


def final_cut(config: SelectionConfig, scores: Histogram, ties: Histogram) -> Cut:
    """Return where the selection ends."""
    return cut(scores, token_budget=config.token_budget, threshold=config.threshold, ties=ties)


def plan_selection(where: Cut, scores: Sequence[Input], *, stage: str = "selection") -> list[Unit]:
    """Return a unit per file of scores that writes which pages are selected."""
    settings = {"score": where.score, "hash_below": where.hash_below}
    return [unit_of(stage, "reasonforge.corpus.selection.units:select", {"scores": [file]}, settings=settings) for file in scores]


def sum_ties(work: Work) -> None:
    """Do a unit of :func:`plan_ties`."""
    scores = read_table(roles(work)["scores"][0], _COLUMNS)
    found = tie_histogram(scores, work.settings["score"])
    work.counts.taken, work.counts.kept = scores.height, int(found.pages.sum())
    work.counts.drop(OTHER_SCORE, work.counts.taken - work.counts.kept)
    write_histogram(work.output(TIES), found)


def select(work: Work) -> None:
    """Do a unit of :func:`plan_selection`."""
    (path,) = roles(work)["scores"]
    scores = read_table(path, _COLUMNS)
    if scores["id"].n_unique() != scores.height:
        raise DataError(f"{path}: an id stands there twice. Make the scores again")
    where = Cut(score=work.settings["score"], hash_below=work.settings["hash_below"], tokens=0, pages=0)
    chosen = selected(scores, where)
    work.counts.taken, work.counts.kept = scores.height, chosen.height
    work.counts.drop(BELOW_CUT, scores.height - chosen.height)
    work.counts.note("tokens", int(chosen["num_tokens"].sum()))
    write_table(work.output(SELECTED), chosen)
