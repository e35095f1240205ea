"""Every decision about one page, from the capture to the shard, or to the reason why there is no page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.corpus.classifier.score import SCORES
from reasonforge.corpus.config import OWN_SOURCE
from reasonforge.corpus.decontaminate.units import ACTIONS, HITS
from reasonforge.corpus.domains import wilson_low
from reasonforge.corpus.ingest.dropped import DROPPED_CAPTURES, MAX_ROWS, url_hash
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.reasons import TAKEN_BACK
from reasonforge.corpus.loop.seeds import URLS, WORDS, read_hashes, seed_pages
from reasonforge.corpus.loop.units import CANDIDATES, LABELS, POSITIVES, WORKLIST, read_labels
from reasonforge.corpus.packing.units import BIN, num_files
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.reasons import BAD_ROW, CORRUPT, TRUNCATED, sentence
from reasonforge.corpus.scores import shown
from reasonforge.corpus.selection.cut import hashes
from reasonforge.corpus.selection.units import SELECTED
from reasonforge.corpus.units import Receipt, total
from reasonforge.corpus.urls.dedup import DROPPED
from reasonforge.corpus.urls.normal import RELATIVE, NormalURL, Refused, normalise
from reasonforge.runs.text import clean_text

_COLUMNS = [
    "id",
    "url",
    "found_url",
    "host",
    "domain",
    "path",
    "crawl",
    "warc",
    "offset",
    "fetched_at",
    "title",
    "num_chars",
    "num_formulas",
]
_NAMELESS = (CORRUPT, TRUNCATED, BAD_ROW)
"""Reasons of what nobody could read a URL from."""
_NOT_YET = "not looked at yet"
_READ = {"select": ("score", SCORES), "expand": ("worklist", WORKLIST)}
"""Which table the units of a stage read, one each, in place of the pages of a file."""
_MOST_CAPTURES = 20
_MOST_CHARS = 300


def explain_page(root: Path, asked: str) -> dict[str, Any]:
    """Return what was decided about a page, as JSON-able values: a list of steps for each of its captures, those first that are pages.

    Args:
        root: the corpus folder.
        asked: a URL in any spelling, its scheme left out or not, or the id of a capture or seed document.

    Raises:
        DataError: there is no corpus.
    """
    reader = CorpusReader(root)
    normal = None if _is_id(asked) else _read(asked)
    has_id = pl.col("id") == asked
    captures: list[dict[str, Any]] = []
    if not isinstance(normal, Refused):
        wanted = has_id if normal is None else pl.col("url") == normal.url
        captures += _kept(reader, wanted) + _seeds(reader, wanted)
    if asked.strip():  # spans that nobody could read have no URL either
        captures += _dropped(reader, has_id if normal is None else pl.col("url_hash").is_in(_hashes(asked, normal).implode()))
    if isinstance(normal, Refused):
        url, why_none = None, f"{normal.reason}: {sentence(normal.reason)}"
    else:
        url, why_none = (asked if normal is None else normal.url), _why_none(reader)
    return {"asked": asked, "url": url, "captures": captures[:_MOST_CAPTURES], "why_none": None if captures else why_none}


def _read(asked: str) -> NormalURL | Refused:
    """Return the normal form of a URL; of one that begins with its host, as worklists show it, whatever the host is called."""
    found = normalise(asked)
    if isinstance(found, Refused) and found.reason == RELATIVE:
        whole = normalise(f"https://{asked.strip()}")
        return found if isinstance(whole, Refused) else whole
    return found


def _hashes(asked: str, normal: NormalURL | Refused) -> pl.Series:
    """Return what a URL that gave no page is found by: as it was typed, and in its normal form."""
    texts = [asked] if isinstance(normal, Refused) else [asked, normal.url]
    return pl.Series([url_hash(text) for text in texts], dtype=pl.UInt64).unique()


def explained_text(found: dict[str, Any]) -> str:
    """Return the decisions for people to read."""
    lines = [_cut(clean_text(found["url"] or found["asked"]))]
    if found["why_none"]:
        lines.append(f"  not in the corpus: {found['why_none']}")
    for capture in found["captures"]:
        page = capture["page"]
        lines += ["", f"{'seed document' if capture['stage'] == 'seed' else 'capture'} {page['id']}"]
        lines += [f"  {name:16} {clean_text(text)}" for name, text in capture["steps"]]
    return "\n".join(lines)


def _kept(reader: CorpusReader, wanted: pl.Expr) -> list[dict[str, Any]]:
    """Return the captures that became pages, the newest first, with all that befell them since."""
    found = [
        {"stage": "pages", "page": row, "steps": _Captured(reader, row, file, receipt).steps()}
        for file, receipt in enumerate(reader.receipts("pages"))
        for row in _rows(reader.store.output(receipt, PAGES), wanted, _COLUMNS)
    ]
    return sorted(found, key=_newness, reverse=True)


def _seeds(reader: CorpusReader, wanted: pl.Expr) -> list[dict[str, Any]]:
    """Return the seed documents, with the rounds that learned from them."""
    found: list[dict[str, Any]] = []
    for receipt in reader.receipts("seed"):
        for row in _rows(reader.store.output(receipt, PAGES), wanted, _COLUMNS):
            steps = [_origin(row), _extracted(row)]
            for number in reader.rounds:
                offers = reader.made_of(receipt.outputs[PAGES].xxh3, "sample", number, CANDIDATES)
                mine = [reader.store.output(offer, CANDIDATES) for offer in offers if _is_of_seed(offer)]
                if any(_rows(offer, pl.col("id") == row["id"]) for offer in mine):
                    steps.append((f"round {number}", "offered to the classifier as a positive"))
            found.append({"stage": "seed", "page": row, "steps": steps})
    return sorted(found, key=_newness, reverse=True)


def _is_of_seed(receipt: Receipt) -> bool:
    """A file may be one of the crawl and of the seed, too: its pages are then offered twice."""
    return receipt.unit.settings.get("kind") == "seed"


def _dropped(reader: CorpusReader, wanted: pl.Expr) -> list[dict[str, Any]]:
    """Return the captures, and the seed documents, that did not become pages, the newest first."""
    found = [
        {"stage": stage, "page": row, "steps": [_origin(row), ("dropped", f"{row['reason']}: {sentence(row['reason'])}")]}
        for stage in ("pages", "seed")
        for path in reader.outputs(stage, None, DROPPED_CAPTURES)
        for row in _rows(path, wanted)
    ]
    return sorted(found, key=_newness, reverse=True)


def _newness(capture: dict[str, Any]) -> tuple[str, str]:
    return capture["page"]["fetched_at"], capture["page"]["id"]


def _origin(row: dict[str, Any]) -> tuple[str, str]:
    where = f"{row['warc']} at {row['offset']}, {row['crawl']}, {row['fetched_at'] or 'no date'}"
    return "captured", f"{_cut(row['found_url']) or '(no URL)'} in {where}"


def _extracted(page: dict[str, Any]) -> tuple[str, str]:
    return "extracted", f"{page['title'] or '(no title)'}: {page['num_chars']:,} characters, {page['num_formulas']} formulas"


class _Captured:
    """One capture of a page on its way through the stages."""

    def __init__(self, reader: CorpusReader, page: dict[str, Any], file: int, receipt: Receipt) -> None:
        self._reader, self._page, self._id, self._receipt = reader, page, page["id"], receipt
        self._file, self._num_files = file, len(reader.receipts("pages"))
        self._gone = False

    def steps(self) -> list[tuple[str, str]]:
        """Return name and outcome of every step that had something to say about it."""
        page = self._page
        steps = [
            _origin(page),
            _extracted(page),
            *self._mask("urls", "URL"),
        ]
        where = self._reader.recipe.near_duplicates.where
        if where == "crawl" and not self._gone:
            steps += self._mask("near_duplicates", "near duplicates")
        if self._gone:
            return steps
        steps += self._seed()
        for number in self._reader.rounds:
            steps += self._round(number)
        last = self._reader.last_selected
        if last is None:
            return [*steps, ("end", "no round has selected its pages yet")]
        if not self._receipts("select", last, SELECTED):
            return [*steps, ("end", f"round {last} has not selected the pages of its file yet")]
        if self._row("select", last, SELECTED) is None:
            return [*steps, ("end", "not selected")]
        if where == "selection":
            steps += self._mask("near_duplicates", "near duplicates")
        if not self._gone:
            steps += self._contamination()
        if not self._gone:
            steps += self._shard()
        return steps

    def _receipts(self, stage: str, number: int | None, name: str) -> list[Receipt]:
        """Return the units of a stage that have read its file of pages, and left a table of this name; empty = none is done yet.

        It is one. Or several, where files without such a page left tables alike: in what was made of the others it does not stand.
        """
        before, read = _READ.get(stage, (None, PAGES))
        made = [self._receipt] if before is None else self._receipts(before, number, read)
        found = [receipt for one in made for receipt in self._reader.made_of(one.outputs[read].xxh3, stage, number, name)]
        return [receipt for receipt in found if not _is_of_seed(receipt)]

    def _rows_of(self, stage: str, number: int | None, name: str) -> list[dict[str, Any]]:
        """Return the rows about it that a stage left beside its file of pages."""
        paths = [self._reader.store.output(receipt, name) for receipt in self._receipts(stage, number, name)]
        return [row for path in paths for row in _rows(path, pl.col("id") == self._id)]

    def _row(self, stage: str, number: int | None, name: str) -> dict[str, Any] | None:
        return next(iter(self._rows_of(stage, number, name)), None)

    def _mask(self, stage: str, title: str) -> list[tuple[str, str]]:
        if not self._reader.is_planned(stage):
            return []
        if not self._receipts(stage, None, DROPPED):
            return [(title, _NOT_YET)]
        row = self._row(stage, None, DROPPED)
        if row is None:
            return [(title, "kept")]
        self._gone = True
        return [(title, f"dropped, {row['reason']}: {sentence(row['reason'])}; kept is {self._named(row['kept_id'])}")]

    def _named(self, identity: str | None) -> str:
        """Return the URL, the time and the id of another page."""
        for path in self._reader.outputs("pages", None, PAGES):
            for row in _rows(path, pl.col("id") == identity, ["found_url", "fetched_at"]):
                return f"{_cut(row['found_url'])} of {row['fetched_at'] or 'no date'}, {identity}"
        return str(identity)

    def _seed(self) -> list[tuple[str, str]]:
        """Say whether it is a seed document, as the stage ``sample`` asks of every page."""
        known = [receipt for receipt in self._reader.receipts("sample", 1) if receipt.unit.stage == "seed/known"]
        if not known:
            return []
        urls, words = (read_hashes(self._reader.store.output(known[-1], name)) for name in (URLS, WORDS))
        page = pl.DataFrame(_rows(self._reader.store.output(self._receipt, PAGES), pl.col("id") == self._id, ["url", "text"]))
        nothing, max_chars = words[:0], self._reader.recipe.classifier.max_chars
        by_url = seed_pages(page, urls=urls, words=nothing, max_chars=max_chars).any()
        by_words = seed_pages(page, urls=nothing, words=words, max_chars=max_chars).any()
        by = " and ".join([*(["its URL"] if by_url else []), *(["its words"] if by_words else [])])
        return [("seed", f"a seed document, by {by}: never offered as a negative")] if by else []

    def _round(self, number: int) -> list[tuple[str, str]]:
        steps: list[tuple[str, str]] = []
        reader = self._reader
        if (candidate := self._row("sample", number, CANDIDATES)) is not None:
            steps.append(("", f"offered to the classifier as a {'positive' if candidate['positive'] else 'negative'}"))
        score = self._row("score", number, SCORES)
        if score is not None:
            is_decided, is_selected = bool(self._receipts("select", number, SELECTED)), self._row("select", number, SELECTED) is not None
            outcome = "selected" if is_selected else "not selected" if is_decided else "not decided yet"
            steps.append(("", f"score {shown(score['score'])}, about {score['num_tokens']:,} tokens: {outcome}{self._tie(number, score)}"))
        steps += self._domain(number)
        if (labels := reader.outputs("annotate", number, LABELS)) and self._row("worklist", number, WORKLIST) is not None:
            label = read_labels(labels[0]).label_of(self._page["host"], self._page["path"])
            steps.append(("", f"path: {label or 'nobody said anything about it'}{self._said(number, label)}"))
        if self._row("expand", number, POSITIVES) is not None:
            steps.append(("", "a positive from the next round on"))
        elif reader.is_done("expand", number) and self._row("expand", number - 1, POSITIVES) is not None:
            steps.append(("", f"no positive any more, {TAKEN_BACK}: {sentence(TAKEN_BACK)}"))
        return [(f"round {number}" if index == 0 else "", text) for index, (_, text) in enumerate(steps)]

    def _tie(self, number: int, score: dict[str, Any]) -> str:
        receipts = self._reader.receipts("select", number)
        settings = receipts[-1].unit.settings if receipts else {}
        if settings.get("score") != score["score"] or not 0 < settings.get("hash_below", 0) < 65536:
            return ""
        mine = int(hashes(pl.Series([self._id]))[0])
        return f" (on the edge of the budget: its hash {mine} decides against {settings['hash_below']})"

    def _domain(self, number: int) -> list[tuple[str, str]]:
        domains = self._reader.domains(number)
        if domains is None:
            return []
        config = self._reader.recipe.domains
        found = domains.filter(pl.col("name") == self._page[config.key]).rows(named=True)
        if not found:
            return []
        row = found[0]
        few = row["pages"] < config.min_pages
        judged = "mathematical" if row["mathematical"] else "too few pages to be judged" if few else "not mathematical"
        low = wilson_low(row["collected"], row["pages"])
        share = f"{row['collected']:,} of {row['pages']:,} pages collected, {row['share']:.1%} (95 %: at least {low:.1%})"
        return [("", f"domain {row['name']}: {share}: {judged}")]

    def _said(self, number: int, label: str | None) -> str:
        """Return which pattern it was."""
        if label is None:
            return ""
        labels = self._reader.labels(number) or {}
        annotations = read_labels(self._reader.outputs("annotate", number, LABELS)[0])
        matching = [pattern for pattern in annotations.patterns if pattern.matches(self._page["host"], self._page["path"])]
        best = max(matching, key=lambda pattern: pattern.rank)
        assert labels.get(str(best)) == label, "two roads to one label"
        return f", by {best}"

    def _contamination(self) -> list[tuple[str, str]]:
        reader = self._reader
        if not reader.is_planned("decontaminate"):
            return []
        if not self._receipts("decontaminate", None, ACTIONS):
            return [("contamination", _NOT_YET)]
        hits, cuts = self._rows_of("decontaminate", None, HITS), self._rows_of("decontaminate", None, ACTIONS)
        if not hits:
            return [("contamination", "no benchmark text")]
        steps = [("contamination", f"{row['benchmark']} {row['item']}, {row['length']} words in a row: {row['gram'][:80]}") for row in hits]
        self._gone = any(cut["action"] == "drop_doc" for cut in cuts)
        done = (
            "the page is dropped"
            if self._gone
            else "cut out are characters " + ", ".join(f"{cut['start']:,} to {cut['end']:,}" for cut in cuts)
        )
        return [*steps, ("", done)]

    def _shard(self) -> list[tuple[str, str]]:
        """Return the shard that its file went into; shards have the order of the files, less those that are empty."""
        packed = [receipt for receipt in self._reader.receipts("pack") if receipt.unit.stage == f"pack/{OWN_SOURCE}"]
        if sum(num_files(receipt.unit) for receipt in packed) != self._num_files:  # not all are packed
            return [("end", "selected, and not packed" if packed else "selected")]
        index, last = -1, 0
        for receipt in packed:
            is_shard = receipt.outputs[BIN].size > 0
            index, last = index + is_shard, last + num_files(receipt.unit)
            if self._file < last and is_shard:
                return [("packed", f"shards/{OWN_SOURCE}/shard-{index:05d}")]
            if self._file < last:
                break
        return [("end", "selected, and not packed")]


def _why_none(reader: CorpusReader) -> str:
    """Say why nothing is known of a URL, as far as that can be said."""
    receipts = reader.receipts("pages")
    if not receipts:
        return "no page was extracted yet"
    counts = total(receipts)
    num_files = sum(len(step.units) for step in reader.steps if step.stage == "pages")
    so_far = f", so far: {len(receipts)} of {num_files} files are read" if len(receipts) < num_files else ""
    nameless = {code: number for code in _NAMELESS if (number := counts.dropped.get(code, 0))}
    if unlisted := sum(max(sum(receipt.counts.dropped.values()) - MAX_ROWS, 0) for receipt in receipts):
        nameless["beyond what is listed of a file"] = unlisted
    but = f". Without a URL are {', '.join(f'{number:,} {code}' for code, number in nameless.items())}" if nameless else ""
    seed = ", nor in those of the seed" if reader.receipts("seed") else ""
    return f"no capture of it is in the files of the crawl{seed}{so_far}{but}"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}... ({len(text):,} characters)"


def _is_id(text: str) -> bool:
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)


def _rows(path: Path, where: pl.Expr, columns: list[str] | None = None) -> list[dict[str, Any]]:
    try:
        found = pl.scan_parquet(path, glob=False).filter(where)
        return (found if columns is None else found.select(columns)).collect().rows(named=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error
