"""Read the facts of a report from a corpus folder, finished or not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast, get_args

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.corpus.classifier.score import HISTOGRAM, SCORES
from reasonforge.corpus.config import OWN_SOURCE
from reasonforge.corpus.decontaminate.units import ACTIONS, HITS, SOURCES
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.mixing.mixture import plan_mixture
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.pages import PAGES, read_table
from reasonforge.corpus.pool import QUARANTINE
from reasonforge.corpus.reasons import REASONS
from reasonforge.corpus.report.facts import (
    Benchmark,
    Bin,
    Corpus,
    Domain,
    Found,
    Group,
    HeldOut,
    Hit,
    Round,
    Sample,
    Scores,
    Source,
    Stage,
    State,
)
from reasonforge.corpus.scores import NUM_SCORES, probability_of
from reasonforge.corpus.selection.cut import read_histograms
from reasonforge.corpus.selection.units import SELECTED
from reasonforge.corpus.units import Receipt, total

SHARDS = "shards"

_BINS = 64
_MOST_DOMAINS = 12
_MOST_HITS = 5
_PER_GROUP = 4
_MOST_CHARS = 1_200
_MOST_QUARANTINED = 200


def read_corpus(root: Path) -> Corpus:
    """Read a corpus folder.

    Raises:
        DataError: there is no corpus in it, or its files are damaged.
    """
    reader = CorpusReader(root)
    recipe, ended = reader.recipe, reader.ledger.ended()
    last = reader.last_selected
    numbers = [number for number in reader.rounds if last is not None and number <= last]
    rounds: list[Round] = []
    mathematical: set[str] = set()
    for number in numbers:
        domains = reader.mathematical(number)
        rounds.append(_round(reader, number, domains, mathematical))
        if domains is not None:
            mathematical = set(domains["name"])
    overlap = reader.overlap(numbers[-1]) if numbers else None
    stages = tuple(_stages(reader))
    codes = sorted({code for stage in stages for code in stage.dropped})
    state = ended.get("state", "unfinished")
    hits = _hits(reader)
    others = {} if recipe.pack is None else recipe.pack.sources
    checked = _checked(reader)
    return Corpus(
        name=recipe.name,
        state=cast("State", state) if state in get_args(State) else "unfinished",
        message=str(ended.get("message", "")),
        rounds=tuple(rounds),
        overlap=() if overlap is None else overlap.pages,
        annotated_by=recipe.annotation.type,
        samples=tuple(_samples(reader, numbers[-1])) if numbers else (),
        stages=stages,
        reasons={code: REASONS[code] for code in codes if code in REASONS},
        benchmarks=() if hits is None else tuple(_benchmarks(hits)),
        shared=0 if hits is None else hits["id"].n_unique(),
        decontaminated=ACTIONS in {name for receipt in reader.receipts("decontaminate") for name in receipt.outputs},
        sources=tuple(_sources(reader)),
        total_tokens=None if recipe.pack is None else recipe.pack.total_tokens,
        quarantine=tuple(_quarantine(root)),
        checked=tuple(name for name in others if name in checked),
        unchecked=tuple(name for name in others if name not in checked),
    )


def _round(reader: CorpusReader, number: int, marked: pl.DataFrame | None, before: set[str]) -> Round:
    selected, overlap, measured = reader.selection(number), reader.overlap(number), reader.classifier(number)
    gained = (
        None if marked is None else marked.filter(~pl.col("name").is_in(sorted(before))).sort(["pages", "name"], descending=[True, False])
    )
    labels = reader.labels(number) or {}
    return Round(
        number=number,
        pages=selected.pages,
        tokens=selected.tokens,
        held_out=None if measured is None else HeldOut(**measured._asdict(), few=measured.is_few),
        scores=_scores(reader, number),
        found=_found(reader, number),
        domains=None if marked is None else marked.height,
        gained=()
        if gained is None
        else tuple(Domain(**row) for row in gained.head(_MOST_DOMAINS).select("name", "pages", "collected").to_dicts()),
        num_gained=0 if gained is None else gained.height,
        paths={label: sum(value == label for value in labels.values()) for label in sorted(set(labels.values()))},
        authors=reader.authors(number) or {},
        positives=reader.positives(number),
        overlap=overlap.share(number, number - 1) if overlap is not None and number > 1 else None,
    )


def _found(reader: CorpusReader, number: int) -> Found | None:
    quality, marked = reader.quality(number), reader.collected(number)
    if quality is None or marked is None:
        return None
    shares = marked.group_by("kind").agg(pl.col("collected").mean()).sort("kind")
    return Found(recall=quality["recall"], precision=quality["precision"], by_kind=dict(shares.iter_rows()))


def _scores(reader: CorpusReader, number: int) -> Scores | None:
    """Return a coarse histogram: with the truth from the scores themselves, without it from the sums that selection made anyway."""
    chosen = reader.receipts("select", number)
    cuts = [receipt.unit.settings["score"] for receipt in chosen if "score" in receipt.unit.settings]
    if not cuts:
        return None
    if reader.truth is not None and (scores := reader.table("score", number, SCORES, ["id", "score"])) is not None:
        bin_of = (pl.col("score").cast(pl.UInt32) * _BINS // NUM_SCORES).alias("bin")
        known = scores.join(reader.truth.select("id", "is_math"), on="id", how="left").with_columns(bin_of)
        counts = {row[0]: row[1:] for row in known.group_by("bin").agg(pl.len(), pl.col("is_math").fill_null(False).sum()).iter_rows()}
        bins = [Bin(pages=pages, math=math) for pages, math in (counts.get(place, (0, 0)) for place in range(_BINS))]
    else:
        pages = read_histograms(reader.outputs("score", number, HISTOGRAM)).pages
        bins = [Bin(pages=int(count), math=None) for count in pages.reshape(_BINS, -1).sum(axis=1)]
    cut = int(cuts[-1])
    return Scores(bins=tuple(bins), place=cut / (NUM_SCORES - 1), cut=float(probability_of(cut)))


def _samples(reader: CorpusReader, number: int) -> Iterator[Sample]:
    """Yield pages of the last round: anyhow collected or left out, and the nearest on either side of the cut."""
    wanted = _chosen(reader, number)
    ids = sorted({page for rows in wanted.values() for page, _ in rows})
    texts = _pages(reader, ids)
    kinds: dict[str, str] = {}
    if reader.truth is not None:
        kinds = dict(reader.truth.filter(pl.col("id").is_in(ids)).select("id", "kind").iter_rows())
    for group, rows in wanted.items():
        for page, score in rows:
            url, title, text = texts.get(page, ("", "", ""))
            yield Sample(group=group, score=float(probability_of(score)), url=url, title=title, text=text, kind=kinds.get(page, ""))


_ORDERS: tuple[tuple[Group, bool, list[str], list[bool]], ...] = (
    ("collected", True, ["id"], [False]),
    ("just collected", True, ["score", "id"], [False, False]),
    ("just left out", False, ["score", "id"], [True, False]),
    ("left out", False, ["id"], [False]),
)
"""Which pages are shown: were they collected, what are they sorted by, and from the top. An id is a hash: by id is as good as drawn."""


def _chosen(reader: CorpusReader, number: int) -> dict[Group, list[tuple[str, int]]]:
    """Return id and score of the pages to show, looking at one file at a time."""
    best: dict[Group, pl.DataFrame] = {}
    files = zip(reader.outputs("score", number, SCORES), reader.outputs("select", number, SELECTED), strict=True)
    for scored, selected in files:
        scores = read_table(scored, ["id", "score"])
        inside = pl.col("id").is_in(read_table(selected, ["id"])["id"].implode())
        for group, is_collected, order, descending in _ORDERS:
            rows = scores.filter(inside if is_collected else ~inside)
            both = pl.concat([best[group], rows]) if group in best else rows
            best[group] = both.sort(order, descending=descending).head(_PER_GROUP)
    return {group: found.rows() for group, found in best.items()}


def _pages(reader: CorpusReader, ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return URL, title and the beginning of the text of some pages. Never more than these rows are in memory."""
    found: dict[str, tuple[str, str, str]] = {}
    for path in reader.outputs("pages", None, PAGES):
        try:
            rows = pl.scan_parquet(path, glob=False).filter(pl.col("id").is_in(list(ids)))
            kept = rows.select("id", "url", "title", pl.col("text").str.head(_MOST_CHARS)).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error
        found |= {row[0]: (row[1], row[2], row[3]) for row in kept.iter_rows()}
    return found


def _stages(reader: CorpusReader) -> Iterator[Stage]:
    """Yield the sums of the stages outside the rounds that documents go through; what they reckon on the way is left out."""
    groups: dict[str, list[Receipt]] = {}
    for step, receipts, _ in reader.progress():
        for receipt in receipts if step.round is None else []:
            name = receipt.unit.stage
            if "/" not in name or name.startswith(("pack/", f"{SOURCES}/")):
                groups.setdefault(name, []).append(receipt)
    for name, receipts in groups.items():
        counts = total(receipts)
        yield Stage(
            name=name,
            taken=counts.taken,
            kept=counts.kept,
            dropped=dict(sorted(counts.dropped.items())),
            noted=dict(sorted(counts.noted.items())),
        )


def _checked(reader: CorpusReader) -> set[str]:
    """Return the other sources of which every file was compared with the benchmarks."""
    found: dict[str, bool] = {}
    for step, receipts, _ in reader.progress():
        done = {receipt.key for receipt in receipts}
        for stage, key in step.units:
            if stage.startswith(f"{SOURCES}/"):
                name = stage.removeprefix(f"{SOURCES}/")
                found[name] = found.get(name, True) and key in done
    return {name for name, whole in found.items() if whole}


def _hits(reader: CorpusReader) -> pl.DataFrame | None:
    # A document of another source has the number of its row for an id: only with its file it is one of many.
    columns = ["id", "benchmark", "item", "n", "gram"]
    tables = [
        read_table(path, columns).with_columns(pl.format("{} {}", pl.lit(str(number)), "id").alias("id"))
        for number, path in enumerate(reader.outputs("decontaminate", None, HITS))
    ]
    return pl.concat(tables) if tables else None


def _benchmarks(hits: pl.DataFrame) -> Iterator[Benchmark]:
    for (name,), rows in sorted(hits.group_by("benchmark"), key=lambda entry: str(entry[0][0])):
        items = rows.group_by("item").agg(pages=pl.col("id").n_unique(), gram=pl.col("gram").sort_by(pl.col("n"), descending=True).first())
        top = items.sort(["pages", "item"], descending=[True, False]).head(_MOST_HITS)
        yield Benchmark(
            name=str(name),
            pages=rows["id"].n_unique(),
            items=items.height,
            by_length=dict(rows.group_by("n").len().sort("n").iter_rows()),
            top=tuple(
                Hit(item=str(item), pages=pages, gram=str(gram)[:300])
                for item, pages, gram in top.select("item", "pages", "gram").iter_rows()
            ),
        )


def _sources(reader: CorpusReader) -> Iterator[Source]:
    """Yield what is packed, and how often a mixture of the stated size would read it."""
    pack, folder = reader.recipe.pack, reader.root / SHARDS
    if pack is None or not folder.is_dir():
        return
    manifests = {path.parent.name: Manifest.read(path.parent) for path in sorted(folder.glob("*/manifest.json"))}
    weights = {OWN_SOURCE: pack.weight, **{name: source.weight for name, source in pack.sources.items()}}
    tokens = {name: manifest.num_tokens for name, manifest in manifests.items()}
    shares = plan_mixture(weights, 1.0)
    planned = plan_mixture(weights, pack.total_tokens, {name: max(1, count) for name, count in tokens.items()}) if pack.total_tokens else {}
    for name in [name for name in weights if name in manifests] + [name for name in manifests if name not in weights]:
        yield Source(
            name=name,
            tokens=tokens[name],
            documents=manifests[name].num_documents,
            weight=shares[name].tokens if name in shares else None,
            epochs=planned[name].epochs if name in planned else None,
        )


def _quarantine(root: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = (root / QUARANTINE).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines[:_MOST_QUARANTINED]:
        with suppress(ValueError, KeyError, TypeError):  # a line that a kill cut off
            entry = json.loads(line)
            yield str(entry["stage"]), str(entry["item"])
