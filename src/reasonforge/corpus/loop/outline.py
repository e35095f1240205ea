"""The stages of a corpus by name, in the order in which they come. Imports nothing heavy."""

from __future__ import annotations

from reasonforge.corpus.config import CorpusRecipe

BEFORE = ("pages", "seed", "urls", "near_duplicates")
MINE = ("sample", "train", "score", "select", "domains")
"""Stages of every round."""
GROW = ("worklist", "annotate", "expand")
"""Stages of every round but the last."""
AFTER = ("near_duplicates", "decontaminate", "pack")

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
