"""Decontamination as units of work: the texts to look for, what each file shares with them, how often, and what becomes of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import TypeAdapter

from reasonforge.core.errors import DataError
from reasonforge.corpus.decontaminate.actions import DROP_DOC, cuts_of
from reasonforge.corpus.decontaminate.audit import Audit
from reasonforge.corpus.decontaminate.config import Action, DecontaminateConfig, Source
from reasonforge.corpus.decontaminate.find import Match, find_matches, hits_of
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.decontaminate.portions import portions_of
from reasonforge.corpus.decontaminate.sources import source_files, texts_of
from reasonforge.corpus.hashing import UNICODE
from reasonforge.corpus.pages import PAGES, read_table, write_table
from reasonforge.corpus.reasons import BENCHMARK_TEXT, TOO_SHORT
from reasonforge.corpus.roles import roles, unit_of
from reasonforge.corpus.units import KILLS_WORKER, Input, Receipt, Store, Unit, Work, file_input
from reasonforge.corpus.urls.dedup import Chain

STAGE: Final = "decontaminate"
SOURCES: Final = f"{STAGE}/sources"
"""Stage of the units of another source, its name behind it."""
VERSION: Final = 2
TEXTS, MATCHES, REVIEW, HITS, ACTIONS, SUSPECTS, UNREAD = (
    f"{name}.parquet" for name in ("texts", "matches", "review", "hits", "actions", "suspects", "unread")
)

_UNREAD = pl.Schema({"row": pl.UInt32})
_TEXTS = pl.Schema({"benchmark": pl.String, "item": pl.String, "field": pl.String, "text": pl.String})
MATCH_TABLE: Final = pl.Schema(
    {
        "row": pl.UInt32,
        "id": pl.String,
        "position": pl.UInt32,
        "run": pl.UInt32,
        "length": pl.UInt32,
        "start": pl.UInt32,
        "end": pl.UInt32,
        "segment": pl.UInt32,
        "last_segment": pl.UInt32,
    }
)
REVIEW_TABLE: Final = pl.Schema(
    {"run": pl.UInt32, "n": pl.UInt32, "gram": pl.String, "documents": pl.UInt64, "items": pl.UInt32, "benchmarks": pl.String}
)
"""Runs that stand in many pages, the most frequent first."""
HIT_TABLE: Final = pl.Schema(
    {
        "id": pl.String,
        "benchmark": pl.String,
        "item": pl.String,
        "field": pl.String,
        "n": pl.UInt32,
        "length": pl.UInt32,
        "gram": pl.String,
        "segment": pl.UInt32,
        "last_segment": pl.UInt32,
        "start": pl.UInt32,
        "end": pl.UInt32,
    }
)
"""What pages share with benchmark texts, see :class:`~reasonforge.corpus.decontaminate.find.Hit`."""
ACTION_TABLE: Final = pl.Schema({"id": pl.String, "action": pl.String, "start": pl.UInt32, "end": pl.UInt32})
"""What becomes of pages: ``drop_doc``, or characters that are cut out."""
SUSPECT_TABLE: Final = pl.Schema(
    {"id": pl.String, "segment": pl.UInt32, "benchmark": pl.String, "item": pl.String, "field": pl.String, "jaccard": pl.Float64}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """A file of another source that goes into the corpus: JSON Lines or Parquet. Tables name its documents by the number of their row."""

    source: str
    """Name of the source."""
    file: Input
    text_field: str
    """Column of the text."""


def decontaminate(
    pages: Sequence[Receipt],
    store: Store,
    config: DecontaminateConfig,
    *,
    drop: Sequence[Sequence[Input]] = (),
    keep: Sequence[Sequence[Input]] = (),
    documents: Sequence[Documents] = (),
) -> Chain:
    """Plan the decontamination of all that is packed; the receipts returned have hits and actions, of ``documents``, then of ``pages``.

    Args:
        pages: of all files.
        store: the corpus folder.
        config: what to look for, and what to do.
        drop: per file, tables of ids that are not looked at. Empty = all are.
        keep: per file, tables of ids that are, and no others: a selection. Empty = all are.
        documents: files of other sources.
    """
    texts = yield plan_texts(store, config)
    of_documents = plan_document_matches(documents, texts, store, config)
    matches = yield [*of_documents, *plan_matches(pages, texts, store, config, drop=drop, keep=keep)]
    review = yield plan_review(matches, texts, store, config)
    mine, others = matches[len(documents) :], matches[: len(documents)]
    cut_documents = plan_document_actions(documents, others, review, texts, store, config)
    done = yield [*cut_documents, *plan_decontaminate(pages, mine, review, texts, store, config)]
    return done


def plan_texts(store: Store, config: DecontaminateConfig) -> list[Unit]:
    """Return the one unit that reads all benchmarks.

    Raises:
        DataError: a source has no files.
    """
    inputs: list[Input] = []
    sources: list[dict[str, Any]] = []
    for source in config.sources:
        path = Path(source.path).expanduser()
        files = source_files(source)
        inputs += [file_input(file, store.root) for file in files]
        # Names within the source, not where it lies: the same files elsewhere are the same texts.
        names = [file.relative_to(path).as_posix() for file in files] if path.is_dir() else []
        sources.append({**source.model_dump(mode="json", exclude={"path"}), "files": names, "num_files": len(files), "path": path.name})
    settings = {"sources": sources, "fields": list(config.fields), "unicode": UNICODE, **_index_settings(config)}
    return [
        Unit(stage=f"{STAGE}/texts", function=f"{__name__}:write_texts", version=VERSION, settings=settings, inputs=tuple(inputs)),
    ]


def plan_matches(
    pages: Sequence[Receipt],
    texts: Sequence[Receipt],
    store: Store,
    config: DecontaminateConfig,
    *,
    drop: Sequence[Sequence[Input]] = (),
    keep: Sequence[Sequence[Input]] = (),
) -> list[Unit]:
    """Return one unit per file of pages: all that it shares with benchmarks."""
    settings = _match_settings(config)
    units: list[Unit] = []
    for number, receipt in enumerate(pages):
        given = {"pages": [store.input(receipt, PAGES)], "texts": _texts_input(texts, store)}
        given |= {"drop": list(drop[number])} if drop else {}
        given |= {"keep": list(keep[number])} if keep else {}
        units.append(_unit(f"{STAGE}/matches", "write_matches", given, {**settings, "selected": bool(keep)}))
    return units


def plan_document_matches(
    documents: Sequence[Documents], texts: Sequence[Receipt], store: Store, config: DecontaminateConfig
) -> list[Unit]:
    """Return one unit per file of documents: all that it shares with benchmarks."""
    settings = _match_settings(config)
    return [
        _unit(
            f"{STAGE}/matches",
            "write_matches",
            {"documents": [entry.file], "texts": _texts_input(texts, store)},
            {**settings, "text_field": entry.text_field},
        )
        for entry in documents
    ]


def plan_review(matches: Sequence[Receipt], texts: Sequence[Receipt], store: Store, config: DecontaminateConfig) -> list[Unit]:
    """Return the one unit that counts in how many pages each run stands."""
    given = {"texts": _texts_input(texts, store), "matches": [store.input(receipt, MATCHES) for receipt in matches]}
    return [_unit(f"{STAGE}/review", "write_review", given, {**_index_settings(config), "review_documents": config.review_documents})]


def plan_decontaminate(
    pages: Sequence[Receipt],
    matches: Sequence[Receipt],
    review: Sequence[Receipt],
    texts: Sequence[Receipt],
    store: Store,
    config: DecontaminateConfig,
) -> list[Unit]:
    """Return one unit per file of pages: its hits, and what becomes of its pages."""
    settings = _action_settings(config)
    return [
        _unit(STAGE, "write_actions", {"pages": [store.input(receipt, PAGES)], **_found(found, review, texts, store, config)}, settings)
        for receipt, found in zip(pages, matches, strict=True)
    ]


def plan_document_actions(
    documents: Sequence[Documents],
    matches: Sequence[Receipt],
    review: Sequence[Receipt],
    texts: Sequence[Receipt],
    store: Store,
    config: DecontaminateConfig,
) -> list[Unit]:
    """Return one unit per file of documents: its hits, and what becomes of its documents."""
    settings = _action_settings(config)
    return [
        _unit(
            f"{SOURCES}/{entry.source}",
            "write_actions",
            {"documents": [entry.file], **_found(found, review, texts, store, config)},
            {**settings, "text_field": entry.text_field},
        )
        for entry, found in zip(documents, matches, strict=True)
    ]


def write_texts(work: Work) -> None:
    """Unit: the texts of all benchmarks."""
    settings = work.settings
    texts: list[BenchmarkText] = []
    left = list(work.inputs)
    for entry in settings["sources"]:
        source = TypeAdapter(Source).validate_python({name: value for name, value in entry.items() if name not in ("files", "num_files")})
        files, left = left[: entry["num_files"]], left[entry["num_files"] :]
        # The folder is where its first file lies, less that file's name within the folder.
        folder = files[0].removesuffix(entry["files"][0]).rstrip("/") if entry["files"] else files[0]
        texts += texts_of(source, Path(folder), settings["fields"])
    index = Index(texts, n=settings["n"], min_n=settings["min_n"], short_min_words=settings["short_min_words"])
    if not len(index.long.hashes) and not index.short:
        raise DataError(
            f"decontamination: none of the {len(texts)} benchmark texts has {settings['min_n']} words: check sources and fields"
        )
    work.counts.taken = len(texts)
    work.counts.drop(TOO_SHORT, index.num_unchecked)
    work.counts.kept = len(texts) - index.num_unchecked
    work.counts.note("runs", len(index.long.hashes))
    work.counts.note("short_texts", sum(len(table.hashes) for table in index.short))
    write_table(work.output(TEXTS), pl.DataFrame(texts, schema=_TEXTS, orient="row"))


def write_matches(work: Work) -> None:
    """Unit: every run of a benchmark in one file, and the paragraphs that resemble one where that was asked for."""
    given, settings = roles(work), work.settings
    index = _index_of(work)
    audit = None
    if settings["audit"] is not None:
        audit = Audit(read_texts(given["texts"][0]), n=settings["audit"]["n"], jaccard=settings["audit"]["jaccard"])
    rows: list[tuple[Any, ...]] = []
    suspects: list[tuple[Any, ...]] = []
    unread: list[int] = []
    for numbers, ids, texts in portions_of(work):

        def begin(place: int, ids: Sequence[str] = ids, numbers: Sequence[int] = numbers) -> bool:
            if work.begin(ids[place]):
                return True
            work.counts.kept -= 1
            unread.append(numbers[place])
            return False

        matches = find_matches(texts, index, short_match=settings["short_match"], begin=begin)
        work.end()
        rows += [(numbers[match.page], ids[match.page], *match[1:]) for match in matches]
        suspects += [(ids[suspect.page], *suspect[1:]) for suspect in (audit.suspects(texts) if audit else ())]
    work.counts.note("matches", len(rows))
    write_table(work.output(MATCHES), pl.DataFrame(rows, schema=MATCH_TABLE, orient="row"))
    write_table(work.output(UNREAD), pl.DataFrame({"row": unread}, schema=_UNREAD))
    if audit is not None:
        work.counts.note("suspects", len(suspects))
        write_table(work.output(SUSPECTS), pl.DataFrame(suspects, schema=SUSPECT_TABLE, orient="row"))


def write_review(work: Work) -> None:
    """Unit: the runs that stand in many pages."""
    given, settings = roles(work), work.settings
    index = _index_of(work)
    tables = [read_table(path, ["row", "run"]).unique().group_by("run").agg(documents=pl.len()) for path in given.get("matches", [])]
    counted = pl.concat(tables) if tables else pl.DataFrame(schema={"run": pl.UInt32, "documents": pl.UInt32})
    summed = counted.group_by("run").agg(documents=pl.col("documents").cast(pl.UInt64).sum())
    frequent = summed.filter(pl.col("documents") > settings["review_documents"]).sort("documents", "run", descending=[True, False])
    work.counts.taken = work.counts.kept = len(summed)
    work.counts.note("for_review", len(frequent))
    write_table(work.output(REVIEW), review_table(frequent, index))


def review_table(frequent: pl.DataFrame, index: Index) -> pl.DataFrame:
    """Return runs with what a person needs to judge them.

    Args:
        frequent: columns ``run`` and ``documents``.
        index: that the runs are of.
    """
    rows: list[tuple[Any, ...]] = []
    for run, documents in frequent.select("run", "documents").iter_rows():
        texts = [index.texts[number] for number in sorted({place.text for place in index.places(run)})]
        items = {(text.benchmark, text.item) for text in texts}
        benchmarks = ", ".join(sorted({text.benchmark for text in texts}))
        shown = " ".join(index.run_grams(run))
        rows.append((run, index.table_of(run).length, shown, documents, len(items), benchmarks))
    return pl.DataFrame(rows, schema=REVIEW_TABLE, orient="row")


def write_actions(work: Work) -> None:
    """Unit: the hits of one file, and what becomes of its pages. One that killed a worker was not looked at, and goes."""
    given, settings = roles(work), work.settings
    action = TypeAdapter(Action).validate_python(settings["action"])
    index = _index_of(work)
    of_row = read_table(given["matches"][0]).partition_by("row", as_dict=True, maintain_order=True)
    unread = frozenset(read_table(given["unread"][0])["row"])
    ignored = frozenset(run for path in given.get("ignored", []) for run in read_table(path, ["run"])["run"])
    columns = ("position", "run", "length", "start", "end", "segment", "last_segment")
    hits: list[tuple[Any, ...]] = []
    entries: list[tuple[Any, ...]] = []
    for numbers, ids, texts in portions_of(work):
        for row, identity, text in zip(numbers, ids, texts, strict=True):
            found = of_row.get((row,))
            if row in unread or (found is not None and not work.begin(identity)):
                if row in unread:  # else it is counted
                    work.counts.drop(KILLS_WORKER)
                work.counts.kept -= 1
                entries.append((identity, DROP_DOC, 0, len(text)))
            elif found is not None:
                matches = [Match(0, *rest) for rest in found.select(columns).iter_rows()]
                shared = hits_of([text], matches, index, ignored=ignored)
                cuts = cuts_of(text, shared, action, n=settings["n"])
                dropped = bool(cuts) and cuts[0].action == DROP_DOC
                work.counts.drop(BENCHMARK_TEXT, int(dropped))
                work.counts.kept -= int(dropped)
                work.counts.note("pages_cut", int(bool(cuts) and not dropped))
                entries += [(identity, *cut) for cut in cuts]
                for hit in shared:
                    work.counts.note(f"hits_{hit.benchmark}")
                    hits.append(tuple(identity if name == "id" else getattr(hit, name) for name in HIT_TABLE.names()))
    work.end()
    write_table(work.output(HITS), pl.DataFrame(hits, schema=HIT_TABLE, orient="row"))
    write_table(work.output(ACTIONS), pl.DataFrame(entries, schema=ACTION_TABLE, orient="row"))


def read_texts(path: str) -> list[BenchmarkText]:
    """Read the texts that :func:`write_texts` wrote."""
    return [BenchmarkText(*row) for row in read_table(path, _TEXTS.names()).iter_rows()]


def _index_of(work: Work) -> Index:
    settings = work.settings
    return _index(roles(work)["texts"][0], settings["n"], settings["min_n"], settings["short_min_words"])


@lru_cache(maxsize=1)
def _index(path: str, n: int, min_n: int, short_min_words: int) -> Index:
    """Return an index, made once for all files that a process works on: the path names the content."""
    return Index(read_texts(path), n=n, min_n=min_n, short_min_words=short_min_words)


def _index_settings(config: DecontaminateConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", include={"n", "min_n", "short_min_words"})


def _match_settings(config: DecontaminateConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", include={"n", "min_n", "short_min_words", "short_match", "audit"})


def _action_settings(config: DecontaminateConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", include={"n", "min_n", "short_min_words", "action"})


def _found(
    matches: Receipt, review: Sequence[Receipt], texts: Sequence[Receipt], store: Store, config: DecontaminateConfig
) -> dict[str, list[Input]]:
    """Return what was found in a file before, as inputs by role."""
    given = {
        "texts": _texts_input(texts, store),
        "matches": [store.input(matches, MATCHES)],
        "unread": [store.input(matches, UNREAD)],
    }
    return given | ({"ignored": [store.input(entry, REVIEW) for entry in review]} if config.ignore_frequent else {})


def _texts_input(texts: Sequence[Receipt], store: Store) -> list[Input]:
    return [store.input(receipt, TEXTS) for receipt in texts]


def _unit(stage: str, function: str, given: dict[str, list[Input]], settings: dict[str, Any]) -> Unit:
    return unit_of(stage, f"{__name__}:{function}", given, settings={**settings, "unicode": UNICODE}, version=VERSION)
