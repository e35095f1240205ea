"""The stages of a corpus by name, in the order in which they come. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence

from reasonforge.core.errors import RecipeError
from reasonforge.corpus.config import OWN_SOURCE, CorpusRecipe

BEFORE = ("inputs", "pages", "seed", "urls", "near_duplicates")
MINE = ("sample", "train", "score", "select", "domains")
"""Stages of every round."""
GROW = ("worklist", "annotate", "expand")
"""Stages of every round but the last."""
AFTER = ("near_duplicates", "decontaminate", "pack")

_LAST_FOLDER = {"near_duplicates": "neardup", "domains": "judged"}
"""Of a stage of several steps the folder of the last one's units, where it is not called as the stage."""
_ONE_STEP = ("inputs", "pages", "seed", "train", "score", *GROW)

STAGES = tuple(dict.fromkeys((*BEFORE, *MINE, *GROW, *AFTER)))


def outline(recipe: CorpusRecipe) -> list[tuple[str, int | None]]:
    """Return the stages that a recipe can come to, in order, each with its round."""
    where = recipe.near_duplicates.where
    left_out = {
        *([] if where == "crawl" else ["near_duplicates before"]),
        *([] if where == "selection" else ["near_duplicates after"]),
        *([] if recipe.decontamination is not None else ["decontaminate after"]),
        *([] if recipe.pack is not None else ["pack after"]),
    }
    before = [(stage, None) for stage in BEFORE if f"{stage} before" not in left_out]
    after = [(stage, None) for stage in AFTER if f"{stage} after" not in left_out]
    last = recipe.rounds.max_rounds
    rounds = [(stage, number) for number in range(1, last + 1) for stage in (*MINE, *(GROW if number < last else ()))]
    return [*before, *rounds, *after]


def ends_stage(recipe: CorpusRecipe, stage: str, folders: Sequence[str]) -> bool:
    """Say whether a step is the last one of its stage.

    Args:
        recipe: says which sources are packed.
        stage: that the step is of.
        folders: of the step's units.
    """
    if stage in _ONE_STEP:
        return True
    if stage == "pack":
        sources = [OWN_SOURCE, *(recipe.pack.sources if recipe.pack is not None else ())]
        return f"pack/{sources[-1]}" in folders
    # Of a round: round-2/select.
    return any(folder.removeprefix("round-").lstrip("0123456789").lstrip("/") == _LAST_FOLDER.get(stage, stage) for folder in folders)


def check_stage(recipe: CorpusRecipe, stage: str, number: int | None, *, one_round: bool) -> None:
    """Refuse a stage or round that the recipe cannot come to.

    Args:
        recipe: says which there are.
        stage: its name.
        number: of the round; None = none is named.
        one_round: a stage of several rounds needs its number.

    Raises:
        RecipeError: it says which there are.
    """
    stages = outline(recipe)
    names = list(dict.fromkeys(name for name, _ in stages))
    if stage not in names:
        if stage in STAGES:
            raise RecipeError(f"stage {stage}: this recipe leaves it out. It has: {', '.join(names)}")
        from difflib import get_close_matches

        close = get_close_matches(stage, names, n=1)
        hint = f". Did you mean {close[0]}?" if close else f". There are: {', '.join(names)}"
        raise RecipeError(f"stage {stage}: no such stage{hint}")
    rounds = [number for name, number in stages if name == stage and number is not None]
    if number is not None and not rounds:
        raise RecipeError(f"--round {number}: {stage} stands outside the rounds")
    if number is not None and number not in rounds:
        raise RecipeError(f"--round {number}: with rounds.max_rounds {recipe.rounds.max_rounds}, {_rounds_of(stage, rounds)}")
    if one_round and number is None and len(rounds) > 1:
        raise RecipeError(f"--stage {stage}: of which round? Say --round: {_rounds_of(stage, rounds)}")


def _rounds_of(stage: str, rounds: list[int]) -> str:
    return f"{stage} comes in rounds 1 to {rounds[-1]}" if len(rounds) > 1 else f"{stage} comes in round {rounds[0]} alone"
