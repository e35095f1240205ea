"""Texts of two kinds, and small models trained on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.library import NEGATIVE, POSITIVE, train
from reasonforge.corpus.classifier.tokenise import tokens_of
from reasonforge.corpus.pages import write_table
from reasonforge.corpus.units import Input, file_input

MATHS = ["theorem", "proof", "lemma", "$x^2+y$", r"\(\alpha\)", "integral", "ring", "$$\\frac{1}{2}$$", "数", "定理"]
OTHER = ["cat", "price", "$5", "shop", "news", "weather", "car", "holiday", "猫", "don't"]
BOTH = ["the", "a", "of", "and", "is", "we", "to", "in", "that", "2024"]

CANDIDATES = pl.Schema({"id": pl.String, "rank": pl.UInt64, "positive": pl.Boolean, "domain": pl.String, "text": pl.String})

SMALL = ClassifierConfig.tiny(dim=8, bucket=2000, epochs=5, held_out=0.2)


def texts(count: int, *, seed: int = 0) -> list[tuple[bool, str]]:
    """Return texts, every other one of them about mathematics."""
    draw = random.Random(seed)
    return [
        (index % 2 == 0, " ".join(draw.choice((MATHS if index % 2 == 0 else OTHER) + BOTH * 2) for _ in range(draw.randint(3, 60))))
        for index in range(count)
    ]


def candidates(count: int, *, seed: int = 0, domains: int = 20) -> pl.DataFrame:
    """Return what a classifier may learn from."""
    draw = random.Random(seed)
    rows = [
        {"id": f"{index:032x}", "rank": draw.getrandbits(64), "positive": kind, "domain": f"d{index // 2 % domains}.org", "text": text}
        for index, (kind, text) in enumerate(texts(count, seed=seed))
    ]
    return pl.DataFrame(rows, schema=CANDIDATES)


def stored(frame: pl.DataFrame, path: Path) -> Input:
    """Write a table and return it as an input."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, frame)
    return file_input(path)


def small_model(path: Path, config: ClassifierConfig = SMALL, *, also: Sequence[str] = ()) -> Path:
    """Train a model on some texts."""
    given = texts(200)
    lines = path.with_suffix(".txt")
    tokens = tokens_of([text for _, text in given])
    rows = [f"{POSITIVE if kind else NEGATIVE} {line}" for (kind, _), line in zip(given, tokens, strict=True)]
    lines.write_text("\n".join([*rows, *also]) + "\n", encoding="utf-8")
    train(lines, config, path)
    return path
