"""Score pages: one unit per file of pages. The pages are read, never written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from reasonforge.core.errors import DataError
from reasonforge.corpus.classifier import tokenise
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.library import Classifier
from reasonforge.corpus.classifier.train import Manifest
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.reasons import MASKED
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.scores import SCALE, score_of
from reasonforge.corpus.selection.cut import histogram, write_histogram
from reasonforge.corpus.units import Input, Unit, Work

SCORES = "scores.parquet"
HISTOGRAM = "histogram.parquet"
SCHEMA = pl.Schema({"id": pl.String, "score": pl.UInt16, "num_tokens": pl.UInt32})
"""One row per page that no mask drops, in the order of the pages; scores as in :mod:`reasonforge.corpus.scores`."""

_BATCH = 1024


def plan_scores(
    config: ClassifierConfig, *, model: Input, manifest: Input, pages: Sequence[tuple[Input, Sequence[Input]]], stage: str = "scores"
) -> list[Unit]:
    """Return a unit for each file of pages.

    Args:
        config: only ``bytes_per_token`` matters here.
        model: the folded model (the whole one works too, slower and in many times the memory: ``benchmarks/corpus/classifier.py``).
        manifest: its manifest.
        pages: each file with the masks of pages that are dropped.
        stage: folder of the units.
    """
    settings = {"bytes_per_token": config.bytes_per_token, "tokeniser": tokenise.digest(), "scale": SCALE}
    return [
        unit_of(
            stage,
            "reasonforge.corpus.classifier.score:score_pages",
            {"model": [model], "manifest": [manifest], "pages": [file], "mask": masks},
            settings=settings,
        )
        for file, masks in pages
    ]


def score_pages(work: Work) -> None:
    """Do a unit of :func:`plan_scores`: write the scores and their histogram.

    Pages are not announced to the pool one by one: what reaches the library is cleaned tokens, which no page can crash.
    """
    given = roles(work)
    manifest = Manifest.read(Path(given["manifest"][0]))
    classifier = Classifier(Path(given["model"][0]))
    dropped = _reasons(given.get("mask", ()))
    parts = [pl.DataFrame(schema=SCHEMA)]
    for batch in _batches(given["pages"][0]):
        kept = batch.join(dropped, on="id", how="left", maintain_order="left")
        for reason, number in kept.filter(pl.col("reason").is_not_null())["reason"].value_counts().iter_rows():
            work.counts.drop(reason, number)
        kept = kept.filter(pl.col("reason").is_null())
        work.counts.taken += batch.height
        work.counts.kept += kept.height
        lines = tokenise.tokens_of(kept["text"], max_chars=manifest.max_chars)
        parts.append(
            pl.DataFrame(
                {
                    "id": kept["id"],
                    "score": score_of(classifier.log_odds(lines)),
                    "num_tokens": estimated_tokens(kept["text"], work.settings["bytes_per_token"]),
                },
                schema=SCHEMA,
            )
        )
    scores = pl.concat(parts)
    work.counts.note("tokens", int(scores["num_tokens"].cast(pl.UInt64).sum()))
    write_table(work.output(SCORES), scores)
    write_histogram(work.output(HISTOGRAM), histogram(scores))


def estimated_tokens(texts: pl.Series, bytes_per_token: float) -> np.ndarray:
    """Return how many tokens texts have, by their length: bytes, not characters, so that a Chinese page counts for what it is.

    Chinese takes 3 bytes a character and about 1.5 characters a token; English 1 and about 4.
    """
    num_bytes = texts.str.len_bytes().fill_null(0).to_numpy()
    return np.minimum(np.ceil(num_bytes / bytes_per_token), np.iinfo(np.uint32).max).astype(np.uint32)


def _reasons(masks: Sequence[str]) -> pl.DataFrame:
    """Return ``id`` and ``reason`` of every page that a mask drops, once: the first mask's reason counts."""
    tables = [pl.DataFrame(schema={"id": pl.String, "reason": pl.String})]
    for path in masks:
        table = read_table(path)
        if "id" not in table.columns:
            raise DataError(f"{path}: no mask of pages, it has no column id. Make it again")
        reason = pl.col("reason").cast(pl.String).fill_null(MASKED) if "reason" in table.columns else pl.lit(MASKED)
        tables.append(table.select("id", reason=reason))
    return pl.concat(tables).unique("id", keep="first", maintain_order=True)


def _batches(path: str) -> Iterator[pl.DataFrame]:
    """Yield id and text of a file of pages, some thousand at a time: a file of a gigabyte needs a few megabytes of memory."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=["id", "text"]):
                frame: Any = pl.from_arrow(pa.table(batch.columns, names=batch.schema.names))
                yield frame.select(pl.col("id").cast(pl.String), pl.col("text").cast(pl.String))
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot read these pages: {str(error).splitlines()[0]}. Make them again") from error
