"""What a changed recipe does again: said by a dry run, which looks at no page. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.ledger import ABSENT
from reasonforge.corpus.loop.outline import AFTER, outline
from reasonforge.runs.text import shorten

_MOST_CHARS = 80
"""Of a value that is shown; lists of files are long."""

_AFTER_ROUNDS = "after the rounds"
STAGE_OF: Mapping[str, str | None] = {
    "name": None,
    "truth": None,
    "seed": "sample",
    "crawl": "pages",
    "seed_documents": "seed",
    "urls": "urls",
    "near_duplicates": "near_duplicates",
    "classifier": "train",
    "classifier.num_positives": "sample",
    "classifier.num_negatives": "sample",
    "classifier.max_chars": "sample",
    "classifier.negatives": "sample",
    "classifier.bytes_per_token": "score",
    "rounds": "select",
    "rounds.max_rounds": _AFTER_ROUNDS,
    "rounds.converged_overlap": _AFTER_ROUNDS,
    "domains": "domains",
    "annotation": "annotate",
    "decontamination": "decontaminate",
    "pack": "pack",
    "pack.sources": "decontaminate",
    "pack.weight": None,
    "pack.total_tokens": None,
    "pack.max_epochs": None,
}
"""The first stage that depends on a setting, or on all below it; None = no unit does. The longest name counts."""


def redone(recipe: CorpusRecipe, changes: Mapping[str, tuple[Any, Any]]) -> list[tuple[str, int | None]]:
    """Return the stages of a recipe that are done again, each with its round: the first that depends on a change, and all after it.

    Of these stages, units whose inputs come out as before stay as well: how many is known once they are there.

    Args:
        recipe: as it is now.
        changes: dotted key -> (before, now).
    """
    stages = outline(recipe)
    first = min((_first(stages, key, before, now) for key, (before, now) in changes.items()), default=len(stages))
    return stages[first:]


def _first(stages: Sequence[tuple[str, int | None]], key: str, before: Any, now: Any) -> int:
    """Return the place of the first stage that depends on a changed setting."""
    stage = stage_of(key)
    number: int | None = 1
    if stage is None:
        return len(stages)
    if key == "classifier.negatives":
        number = 2  # in the first round nothing is found yet
    elif key == "rounds.token_budgets" and isinstance(before, Sequence) and isinstance(now, Sequence):
        number = _first_budget(before, now)
        if number is None:
            return len(stages)
    elif key == "near_duplicates.where" and now != "crawl":
        stage = "sample" if before == "crawl" else _AFTER_ROUNDS
    rounds = [place for place, (_, of_round) in enumerate(stages) if of_round is not None]
    if stage == _AFTER_ROUNDS or (stage in AFTER and (stage, None) not in stages[: rounds[0]]):
        wanted = AFTER if stage == _AFTER_ROUNDS else AFTER[AFTER.index(stage) :]
        return next((place for place in range(rounds[-1] + 1, len(stages)) if stages[place][0] in wanted), len(stages))
    entry = (stage, None) if (stage, None) in stages else (stage, number)
    return stages.index(entry) if entry in stages else len(stages)


def _first_budget(before: Sequence[int], now: Sequence[int]) -> int | None:
    """Return the first round that has another budget: the last one holds for all rounds after it. None = no round has."""
    pairs = zip_longest(before, now)
    return next((number for number, (old, new) in enumerate(pairs, start=1) if (old or before[-1]) != (new or now[-1])), None)


def stage_of(key: str) -> str | None:
    """Return the first stage that depends on a setting; None = no unit does. Of one that no recipe has any more: the first of all."""
    parts = key.split(".")
    if parts[:2] == ["pack", "sources"] and parts[-1] == "weight":
        return None
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((STAGE_OF[name] for name in names if name in STAGE_OF), "pages")


def in_words(value: Any) -> str:
    """Return a value of a setting for people to read.

    >>> in_words(None), in_words(0.5), in_words(True), in_words("crawl"), in_words([1, 2]), in_words({"type": "auto"}), in_words(ABSENT)
    ('none', '0.5', 'true', 'crawl', '[1, 2]', 'a table', 'not there')
    """
    match value:
        case None:
            return "none"
        case str():
            return shorten(value, _MOST_CHARS)
        case dict():
            return "a table"
        case _:
            return "not there" if value is ABSENT else shorten(json.dumps(value, ensure_ascii=False), _MOST_CHARS)
