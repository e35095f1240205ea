"""Units of the rounds: which pages a classifier learns from, what it collects, which domains and paths follow from it.

One unit per file of pages, and one that sums them up. The masks of dropped pages are joined anew in each: nothing is ever rewritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import xxhash

from reasonforge.corpus import domains as domain_tables
from reasonforge.corpus.annotate.automatic import labels_by_share
from reasonforge.corpus.annotate.data import open_tables
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.loop import reasons
from reasonforge.corpus.loop.asked import holding
from reasonforge.corpus.loop.expand import POSITIVE_SCHEMA, new_positives
from reasonforge.corpus.loop.negatives import fit_as_negatives
from reasonforge.corpus.loop.overlap import Overlap, overlap, summed
from reasonforge.corpus.loop.seeds import read_hashes, seed_pages
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.paths import read_pattern
from reasonforge.corpus.roles import roles
from reasonforge.corpus.units import Work

CANDIDATES = "candidates.parquet"
SELECTED = "selected.parquet"
DOMAINS = "domains.parquet"
OVERLAP = "overlap.json"
WORKLIST = "worklist.parquet"
LABELS = "labels.json"
AUTHORS = "authors.json"
"""Who stands behind each label. Beside the labels, so that what follows from them does not depend on it."""
POSITIVES = "positives.parquet"

WORKLIST_SCHEMA = pl.Schema(
    {
        "id": pl.String,
        "host": pl.String,
        "domain": pl.String,
        "path": pl.String,
        "score": pl.UInt16,
        "selected": pl.Boolean,
        "num_tokens": pl.UInt32,
    }
)
"""Pages of mathematical domains."""

CANDIDATE_SCHEMA = pl.Schema({"id": pl.String, "rank": pl.UInt64, "positive": pl.Boolean, "domain": pl.String, "text": pl.String})
"""Pages that a classifier may learn from. ``rank`` is a hash of seed and id: the smallest N of all files are a fair sample of N."""


def alive(pages: pl.DataFrame, masks: Sequence[str]) -> pl.DataFrame:
    """Return the pages that no mask drops.

    Args:
        pages: with a column ``id``.
        masks: tables with the ids that are dropped.
    """
    for mask in masks:
        pages = pages.join(read_table(mask, ["id"]), on="id", how="anti", maintain_order="left")
    return pages


def ranks(ids: pl.Series, seed: int) -> pl.Series:
    """Return a 64-bit hash of each id under a seed: the same on every machine and for every split into files."""
    values = np.fromiter((xxhash.xxh3_64_intdigest(value.encode(), seed) for value in ids), dtype=np.uint64, count=len(ids))
    return pl.Series("rank", values, dtype=pl.UInt64)


def candidates(work: Work) -> None:
    """Offer the pages of one file that a classifier may learn from.

    Inputs: ``pages``; of the crawl ``mask``s, ``seed_urls`` and ``seed_words`` (:mod:`reasonforge.corpus.loop.seeds`), from round 2 on
    ``positives``, and where negatives leave something out ``selected`` and ``labels``, of the round before. Settings: ``kind`` (``seed``:
    every page is a positive; ``crawl``), ``seed``, ``positive_below`` and ``negative_below``: ranks that are offered; of the crawl
    ``max_chars`` that the classifier sees of a text, and the digest of its ``tokeniser``.
    """
    given, settings = roles(work), work.settings
    (source,) = given["pages"]
    whole = read_table(source, ["id", "url", "host", "path", "domain", "text"])
    pages = alive(whole, given.get("mask", ()))
    pages = pages.with_columns(ranks(pages["id"], settings["seed"]))
    if settings["kind"] == "seed":
        pages = pages.with_columns(positive=pl.lit(True))
    else:
        positives = [read_table(path, ["id"]) for path in given.get("positives", ())]
        ids = pl.concat([pl.DataFrame(schema={"id": pl.String}), *positives])["id"]
        pages = pages.with_columns(positive=pl.col("id").is_in(ids.implode()))
    below = pl.when("positive").then(pl.lit(settings["positive_below"], pl.UInt64)).otherwise(pl.lit(settings["negative_below"], pl.UInt64))
    drawn = pages.filter(pl.col("rank") < below)
    fit = drawn.filter(_fit(drawn, given))
    kept = fit if settings["kind"] == "seed" else fit.filter(~_seeds(fit, given, settings["max_chars"]))
    work.counts.taken, work.counts.kept = whole.height, kept.height
    work.counts.drop("masked", whole.height - pages.height)
    work.counts.drop(reasons.NOT_OFFERED, pages.height - drawn.height)
    work.counts.drop(reasons.NO_NEGATIVE, drawn.height - fit.height)
    work.counts.drop(reasons.SEED_DOCUMENT, fit.height - kept.height)
    work.counts.note("positives", int(kept["positive"].sum()))
    write_table(work.output(CANDIDATES), kept.select(CANDIDATE_SCHEMA.names()).cast(CANDIDATE_SCHEMA))


def _fit(drawn: pl.DataFrame, given: Mapping[str, Sequence[str]]) -> pl.Series:
    """Say which drawn pages are positives, or fit to be negatives."""
    if "selected" not in given:
        return pl.repeat(value=True, n=drawn.height, eager=True, dtype=pl.Boolean)
    selected = pl.concat([read_table(path, ["id"])["id"] for path in given["selected"]])
    return drawn["positive"] | fit_as_negatives(drawn, selected=selected, labels=read_labels(given["labels"][0]).labels_of(drawn))


def _seeds(drawn: pl.DataFrame, given: Mapping[str, Sequence[str]], max_chars: int) -> pl.Series:
    """Say which drawn pages would be negatives, and are documents of the seed."""
    urls, words = read_hashes(given["seed_urls"][0]), read_hashes(given["seed_words"][0])
    return seed_pages(drawn, urls=urls, words=words, max_chars=max_chars) & ~drawn["positive"]


def summarise(work: Work) -> None:
    """Count what a round selected in one file: by domain, and in common with the rounds before.

    Inputs: ``pages``, ``scores`` (of the pages that no mask drops), ``selected`` of rounds 1 to now. Settings: ``key``.
    """
    given = roles(work)
    selections = [read_table(path, ["id", "num_tokens"]) for path in given["selected"]]
    scores = read_table(given["scores"][0], ["id", "num_tokens"])
    pages = read_table(given["pages"][0], ["id", "host", "domain"])
    counted = pages.join(scores, on="id", how="inner", maintain_order="left").with_columns(
        collected=pl.col("id").is_in(selections[-1]["id"].implode())
    )
    work.counts.taken = work.counts.kept = counted.height
    write_table(work.output(DOMAINS), domain_tables.partial(counted, key=work.settings["key"]))
    _write_json(work.output(OVERLAP), overlap(selections).to_dict())


def judge(work: Work) -> None:
    """Sum up a round: domains with their shares, the mathematical ones marked, and the overlap of all selections.

    Inputs: ``domains`` and ``overlap`` of every file. Settings: ``min_ratio``, ``min_pages``.
    """
    given = roles(work)
    rated = domain_tables.rates(read_table(path) for path in given["domains"])
    chosen = domain_tables.mathematical(rated, min_ratio=work.settings["min_ratio"], min_pages=work.settings["min_pages"])
    marked = rated.with_columns(mathematical=pl.col("name").is_in(chosen["name"].implode()))
    work.counts.taken, work.counts.kept = rated.height, chosen.height
    small = rated.filter(pl.col("pages") < work.settings["min_pages"]).height
    work.counts.drop(reasons.FEW_PAGES, small)
    work.counts.drop(reasons.LOW_SHARE, rated.height - chosen.height - small)
    write_table(work.output(DOMAINS), marked.sort(["mathematical", "expected", "name"], descending=[True, True, False]))
    _write_json(work.output(OVERLAP), summed(read_overlap(path) for path in given["overlap"]).to_dict())


def look(work: Work) -> None:
    """List the pages of mathematical domains in one file: what people annotate from, and what their labels are applied to.

    Inputs: ``pages``, ``scores``, ``selected``, ``domains`` (of the round). Settings: ``key``.
    """
    given, key = roles(work), work.settings["key"]
    names = mathematical_names(given["domains"][0])
    scores = read_table(given["scores"][0], ["id", "score", "num_tokens"])
    pages = read_table(given["pages"][0], ["id", "host", "domain", "path"]).join(scores, on="id", how="inner", maintain_order="left")
    mine = pages.filter(pl.col(key).is_in(names.implode()))
    work.counts.taken, work.counts.kept = pages.height, mine.height
    work.counts.drop(reasons.OTHER_DOMAIN, pages.height - mine.height)
    chosen = read_table(given["selected"][0], ["id"])["id"]
    listed = mine.with_columns(selected=pl.col("id").is_in(chosen.implode()))
    write_table(work.output(WORKLIST), listed.select(WORKLIST_SCHEMA.names()).cast(WORKLIST_SCHEMA))


def expand(work: Work) -> None:
    """Find the pages of one file that are positives from now on.

    Inputs: ``worklist``, ``labels``, and ``positives`` of the round before.
    """
    given = roles(work)
    pages = read_table(given["worklist"][0], ["id", "host", "path", "selected"])
    earlier = read_table(given["positives"][0], POSITIVE_SCHEMA.names()) if "positives" in given else None
    found = new_positives(pages, read_labels(given["labels"][0]), earlier=earlier)
    work.counts.taken = pages.height + (0 if earlier is None else earlier.join(pages, on="id", how="anti").height)
    work.counts.kept = found.pages.height
    work.counts.drop(reasons.TAKEN_BACK, found.taken_back.height)
    work.counts.drop(reasons.NOT_ACCEPTED, work.counts.taken - found.pages.height - found.taken_back.height)
    write_table(work.output(POSITIVES), found.pages)


def label(work: Work) -> None:
    """Write down the labels that hold in a round, so that what follows depends on them and on nothing else of the annotations.

    A decision holds from the round on that finds its domain to be mathematical: nobody would have been asked about it before. One about a
    domain that no round has found waits, whatever file it came with.

    Inputs: ``domains`` of this round and of all before. Settings: ``key`` of a domain; ``labels``, pattern to label; ``authors``, pattern
    to who stands behind it.
    """
    settings = work.settings
    found = {name for path in roles(work)["domains"] for name in mathematical_names(path)}
    said = {read_pattern(pattern): pattern for pattern in settings["labels"]}
    names = list(holding(said, found, key=settings["key"]).values())
    work.counts.taken, work.counts.kept = len(said), len(names)
    work.counts.drop(reasons.OTHER_DOMAIN, len(said) - len(names))
    for output, values in ((LABELS, settings["labels"]), (AUTHORS, settings["authors"])):
        _write_json(work.output(output), {name: values[name] for name in names})


def label_by_share(work: Work) -> None:
    """Label paths without a person, and write the labels down as :func:`label` does.

    Inputs: ``worklist`` of every file. Settings: ``min_ratio`` of a path, ``key``, ``min_pages`` and ``min_collected_ratio`` of a domain.
    """
    settings = work.settings
    data = open_tables(
        [Path(path) for path in roles(work).get("worklist", ())],
        (),
        key=settings["key"],
        min_ratio=settings["min_collected_ratio"],
        min_pages=settings["min_pages"],
    )
    labels = {str(found.row.pattern): found.label for found in labels_by_share(data, min_ratio=settings["min_ratio"])}
    work.counts.taken = work.counts.kept = len(labels)
    _write_json(work.output(LABELS), labels)
    _write_json(work.output(AUTHORS), dict.fromkeys(labels, "auto"))


def read_labels(path: str | Path) -> Annotations:
    """Read what :func:`label` wrote."""
    return Annotations({read_pattern(pattern): label for pattern, label in json.loads(Path(path).read_bytes()).items()})


def mathematical_names(path: str | Path) -> pl.Series:
    """Return the names of the mathematical domains from the table that :func:`judge` wrote."""
    return read_table(path, ["name", "mathematical"]).filter(pl.col("mathematical"))["name"]


def read_overlap(path: str | Path) -> Overlap:
    """Read what :func:`summarise` or :func:`judge` wrote."""
    return Overlap.from_dict(json.loads(Path(path).read_bytes()))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
