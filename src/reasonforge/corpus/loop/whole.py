"""Whether a stage is whole: what a script asks between the calls of its ranks. Does nothing, takes no lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from reasonforge.core.errors import UnavailableError
from reasonforge.corpus.loop.drive import Until, run_graph
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.ledger import stored_recipe
from reasonforge.corpus.loop.outline import check_stage, outline
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.units import Receipt, Store, Unit
from reasonforge.runs.text import counted


class StageState(NamedTuple):
    """How far a stage is."""

    whole: bool
    """Nothing is left to do in it; true also of a round that never comes."""
    message: str
    """The same in words."""


class _Nobody:
    """Does no unit."""

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        return iter(())


def stage_state(root: Path, stage: str, number: int | None) -> StageState:
    """Look how far a stage is, by the recipe that the folder keeps. A folder that is not there yet has done nothing.

    Args:
        root: the corpus folder.
        stage: its name.
        number: of the round; None = the stage stands in one round or in none.

    Raises:
        RecipeError: the recipe has no such stage, or not in this round.
        DataError: the folder or an input is broken.
    """
    if stored_recipe(root) is None:
        return StageState(False, f"{stage}: nothing is done: no corpus in {root} yet")
    recipe, store = CorpusReader(root).recipe, Store(root)
    check_stage(recipe, stage, number, one_round=True)
    until = Until(stage=stage, round=number, only=True)
    try:
        outcome = run_graph(corpus_graph(recipe, store), store, _Nobody(), until=until, outline=outline(recipe))
    except UnavailableError as error:
        return StageState(False, str(error).partition(". ")[0])
    if outcome.never is not None:
        return StageState(True, outcome.never)
    if outcome.left:
        return StageState(False, f"{outcome.stopped_after}: {counted(outcome.left, 'unit')} left to do")
    if outcome.stopped_after is None:
        assert outcome.waits is not None
        return StageState(False, outcome.waits.message)
    return StageState(True, f"{outcome.stopped_after}: done")
