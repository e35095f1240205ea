"""The measured tables of docs/stages/corpus.md, written from ``benchmarks/results``: no figure is typed by hand.

.venv/bin/python benchmarks/corpus/tables.py          # writes them into the page
.venv/bin/python benchmarks/corpus/tables.py --check  # says whether it is out of date

*corpus_peers* shows the figures that the benchmarks print. *corpus_cost* turns rates per CPU second into core-hours per billion pages.
Pages of a crawl are longer than the documents of most benchmarks, so whatever reads text is reckoned by bytes: a page has as many as the
extraction's benchmark found. Its first rate leaves out the start of the process: a file of a crawl has tens of thousands of pages. Nothing
is added for waiting, reading from far away, or workers that idle.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
sys.path.insert(0, str(ROOT / "benchmarks"))

from algorithms.tables import update_pages

PAGES = ("docs/stages/corpus.md",)
BILLION = 1e9
CRAWL_BILLIONS, ROUNDS = 40, 4
"""Of the paper: pages after deduplication, and rounds."""


DECOYS = {
    "other_numbers": "a problem whose every number is another",
    "other_names": "a problem whose every name is another",
    "nine_words": "nine words in a row of a problem",
    "short_inside": "a problem of fewer than ten words within a longer paragraph",
    "instruction": "an instruction of fewer than ten words that problems have, too",
    "formula": "a famous formula that problems have, too",
}
"""Clean documents of the decontamination's benchmark."""


class Cost(NamedTuple):
    """What one part of a corpus costs."""

    part: str
    rate: str
    hours: float
    """Core-hours for a billion pages, once."""
    times: int = 1
    """How often it is done in a corpus of four rounds."""


def read(name: str) -> dict[str, Any]:
    """Return what a benchmark left."""
    return json.loads((RESULTS / f"corpus_{name}.json").read_text(encoding="utf-8"))


def costs() -> list[Cost]:
    """Return the parts whose rate is measured."""
    extraction, neardup, classifier = read("extraction")["text"], read("neardup"), read("classifier")
    page_bytes = extraction["mean_bytes_out"]["ours"]

    def by_pages(part: str, rate: float, times: int = 1) -> Cost:
        return Cost(part, f"{rate:,.0f} pages/s", BILLION / rate / 3600, times)

    def by_bytes(part: str, documents: float, bytes_per_document: float, times: int = 1) -> Cost:
        rate = documents * bytes_per_document
        return Cost(part, f"{rate / 1e6:,.1f} MB/s", BILLION * page_bytes / rate / 3600, times)

    scored = classifier["docs_per_cpu_second"]["folded_with_tokenising"]
    return [
        by_pages("WARC to text with formulas, start left out", extraction["pages_per_cpu_second_without_start"]["ours"]),
        by_bytes("near-duplicates: signatures and bands", neardup["documents_per_cpu_second"]["unit"], neardup["bytes_per_document"]),
        by_bytes("scores, one round", scored, classifier["bytes_per_document"], ROUNDS),
    ]


def cost() -> Iterator[str]:
    """Yield core-hours per billion pages, and what the paper's crawl would take."""
    parts, extraction = costs(), read("extraction")["text"]
    text = extraction["mean_bytes_out"]["ours"] / 1e3
    yield f"A page has {text:.1f} kB of text, as in the extraction's benchmark (30 to 100 kB of HTML)."
    yield ""
    yield "| part | rate of one core | core-hours per billion pages | times | of 40 billion pages, core-hours |"
    yield "| --- | --- | --- | --- | --- |"
    for part in parts:
        whole = part.hours * part.times * CRAWL_BILLIONS
        yield f"| {part.part} | {part.rate} | {part.hours:,.1f} | {part.times} | {whole:,.0f} |"
    hours = sum(part.hours * part.times for part in parts)
    yield f"| all of these | | {hours:,.0f} | | {hours * CRAWL_BILLIONS:,.0f} |"
    yield ""
    packed, found = read("tokenise"), read("decontamination")
    rate = found["documents_per_cpu_second"]["ours"] * found["bytes_per_document"]
    tokens = packed["tokens_per_cpu_second"]["packed"]
    yield (
        f"Only what the last round selected is checked against benchmarks ({rate / 1e6:,.1f} MB/s) and packed, with the other sources "
        f"({tokens:,} tokens/s: "
        f"{BILLION / tokens / 3600:,.2f} core-hours per billion tokens, {120 * BILLION / tokens / 3600:,.0f} for the paper's 120 billion)."
    )


class Compared(NamedTuple):
    """A rate of ours beside another's."""

    what: str
    result: dict[str, Any]
    ours: float
    peer: float
    unit: str
    beside: str
    ratio: float
    """As the benchmark prints it."""


def peers() -> Iterator[str]:
    """Yield our rates beside those of what a user would otherwise take."""
    extraction, classifier, neardup = read("extraction"), read("classifier"), read("neardup")
    found, packed = read("decontamination"), read("tokenise")
    rows = [
        _extracted(extraction, "WARC to text", "text", f"datatrove {_peer(extraction)} with trafilatura"),
        _extracted(extraction, "WARC to text and scores", "scored", "the same with its fastText filter, the same model unfolded"),
        Compared(
            "scores: tokenised, folded model",
            classifier,
            classifier["docs_per_cpu_second"]["folded_with_tokenising"],
            classifier["docs_per_cpu_second"]["whole_per_document_raw"],
            "documents/s",
            "the library's predict on raw text, one document a call",
            classifier["ratio_ours_with_tokenising_library_on_raw_text"],
        ),
        _of(neardup, "near-duplicates: signatures, sorted and written", "unit", f"datatrove {_peer(neardup)}", neardup["ratio_unit"]),
        _of(found, "benchmark text, runs of ten", "ours", f"datatrove {_peer(found)}", found["ratio"]),
        Compared(
            "tokenise and pack",
            packed,
            packed["tokens_per_cpu_second"]["packed"],
            packed["tokens_per_cpu_second"]["encode_batch"],
            "tokens/s",
            "the tokenizer's own `encode_batch`, which writes nothing",
            packed["rate_of_encode_batch"]["packed"],
        ),
    ]
    yield "| part | one core here | beside it | | ratio | command |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows:
        shown = f"{row.peer:,.0f} {row.unit}"
        ratio = f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.0f}"
        yield f"| {row.what} | {row.ours:,.0f} {row.unit} | {shown} | {row.beside} | {ratio} | `{_command(row.result)}` |"
    yield ""
    yield (
        "The first two rows count whole processes, their start included. Documents with benchmark text are read word by word: of the "
        f"{found['documents']:,} there {found['planted']} have some, and with more of them ours is slower. The last ratio is the "
        f"median, over {len(packed['cpu_seconds']['packed'])} turns, of what both took in the same turn; its rates are medians over all "
        "turns."
    )
    yield ""
    memory, pairs = classifier["memory_bytes"], neardup["found"]
    yield (
        f"- The folded model takes {memory['folded'] / 1e6:.0f} MB of memory in place of {memory['model'] / 1e6:,.0f} MB. Of "
        f"{classifier['documents']:,} documents {classifier['labels_that_differ']} get another label; probabilities differ by "
        f"{classifier['max_abs_difference']:.1g} at most."
    )
    yield from _found(found)
    yield (
        f"- Of {pairs['pairs_to_find']} pairs of near-duplicates {pairs['found']} are found; the S-curve of the bands promises "
        f"{pairs['expected_by_s_curve']}. The function that signs, alone and with nothing written: "
        f"{neardup['documents_per_cpu_second']['signatures']:,} documents/s."
    )


def _found(result: dict[str, Any]) -> Iterator[str]:
    missed, flagged, kinds = result["planted_missed"], result["clean_flagged"], result["by_kind"]
    decoys = {name: kinds[name] for name in DECOYS}
    yield (
        f"- Of {result['planted']} planted benchmark texts {result['planted'] - missed['ours']} are found, and of {result['clean']:,} "
        f"documents without one, {sum(kind['documents'] for kind in decoys.values())} of them made to look as if they had one, "
        f"{flagged['ours']} are flagged."
    )
    for name, kind in decoys.items():
        yield f"  - {kind['documents']} with {DECOYS[name]}: {kind['flagged_by_ours']} flagged (datatrove: {kind['flagged_by_peer']})"
    run, frequent = kinds["run"], result["frequent"]
    yield f"  - datatrove finds {run['flagged_by_peer']} of the {run['documents']} that are runs of ten; it looks for no shorter ones"
    yield (
        f"- Of {frequent['documents']} documents with an instruction of more than ten words that stands in problems, too, "
        f"{frequent['flagged']} are flagged, as the rule has it; its runs of words are listed for review, and with "
        f"`decontamination.ignore_frequent` {frequent['flagged_with_ignore_frequent']} are."
    )


def formulas() -> Iterator[str]:
    """Yield what each extractor keeps of the fixtures' formulas and sentences, and removes of their boilerplate."""
    result = read("formulas")
    yield "Pages that the extractor was developed with:"
    yield ""
    yield from _formulas(result)
    yield ""
    yield "Pages by an author who had seen neither the extractor nor those, measured once:"
    yield ""
    yield from _formulas(result["blind"])


def _formulas(result: dict[str, Any]) -> Iterator[str]:
    names = {"ours": "reasonforge", "resiliparse_main": "resiliparse, main content", "resiliparse_all": "resiliparse, all text"}
    yield f"{result['pages']} pages, {result['carriers']} carriers, {result['formulas']} formulas."
    yield ""
    yield "| extractor | formulas found | mean over pages | sentences kept | boilerplate removed |"
    yield "| --- | --- | --- | --- | --- |"
    for name, found in result["extractors"].items():
        keys = ("formula_recall_micro", "formula_recall_macro", "sentences_kept", "boilerplate_removed")
        cells = " | ".join(f"{found[key]:.3f}" for key in keys)
        yield f"| {names.get(name, name.replace('_recall', ', favouring recall'))} | {cells} |"


def loop() -> Iterator[str]:
    """Yield recall, precision and overlap by round, over the webs of several seeds."""
    result = read("loop")
    runs = [seed["rounds"] for seed in result["seeds"]]
    yield "| round | webs | recall | precision | overlap with the round before |"
    yield "| --- | --- | --- | --- | --- |"
    for index in range(max(map(len, runs))):
        rounds = [run[index] for run in runs if len(run) > index]
        cells = [_spread([entry[name] for entry in rounds]) for name in ("recall", "precision")]
        overlaps = [entry["overlap"] for entry in rounds if entry["overlap"] is not None]
        yield f"| {index + 1} | {len(rounds)} | {' | '.join(cells)} | {_spread(overlaps) if overlaps else ''} |"
    leaks, first = result["leaks"], [seed["first_classifier_at_last_budget"] for seed in result["seeds"]]
    yield ""
    yield f"- With the first round's classifier, as many tokens as the last round took: recall {_spread(first)}."
    if alone := [seed["without_annotation"][-1]["recall"] for seed in result["seeds"] if "without_annotation" in seed]:
        yield f"- Without annotation, in the last round: recall {_spread(alone)}."
    yield (
        f"- Of {leaks['planted']} problems planted word for word in selected pages {leaks['planted'] - leaks['missed']} were found; of the "
        f"{leaks['clean_pages']:,} selected pages without one {leaks['clean_flagged']} were flagged."
    )
    everywhere = result["leaks_of_the_web"]
    yield (
        f"- The same search over every page of the webs, selected or not: of {everywhere['planted']} planted problems "
        f"{everywhere['planted'] - everywhere['missed']} are found, of {everywhere['clean_pages']:,} pages without one "
        f"{everywhere['clean_flagged']} flagged."
    )


def _of(result: dict[str, Any], what: str, name: str, beside: str, ratio: float) -> Compared:
    rates = result["documents_per_cpu_second"]
    return Compared(what, result, rates[name], rates["peer"], "documents/s", beside, ratio)


def _extracted(result: dict[str, Any], what: str, name: str, beside: str) -> Compared:
    rates = result[name]["pages_per_cpu_second"]
    return Compared(what, result, rates["ours"], rates["datatrove"], "pages/s", beside, result[name]["ratio"])


def _peer(result: dict[str, Any]) -> str:
    return result["peer_versions"]["datatrove"]


def _spread(values: Sequence[float]) -> str:
    mean = statistics.fmean(values)
    return f"{mean:.3f}" if min(values) == max(values) else f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"


def _command(result: dict[str, Any]) -> str:
    return re.sub(r"--peer \S+", "--peer PYTHON", result["command"])


class Table(NamedTuple):
    """A table of the page."""

    lines: Callable[[], Iterator[str]]
    results: tuple[str, ...]
    """That it is made from."""


TABLES = {
    "corpus_cost": Table(cost, ("extraction", "neardup", "classifier", "decontamination", "tokenise")),
    "corpus_peers": Table(peers, ("extraction", "classifier", "neardup", "decontamination", "tokenise")),
    "corpus_formulas": Table(formulas, ("formulas",)),
    "corpus_loop": Table(loop, ("loop",)),
}


def table(name: str) -> str:
    """Return a table with the machine it was measured on."""
    chosen = TABLES[name]
    results = [read(result) for result in chosen.results]
    machines = sorted({f"{result['machine']['cpu']}, {result['machine']['cores']} cores" for result in results})
    source = f"`{_command(results[0])}`" if len(results) == 1 else "From the results of the benchmarks that are named here"
    said = f"{source}; {'; '.join(machines)}. Seconds are CPU seconds of one core."
    return "\n".join(["", said, "", *map(_wrapped, chosen.lines()), ""]) + "\n"


def _wrapped(line: str) -> str:
    """Break a sentence as the pages do; rows of tables stay."""
    indent = " " * (len(line) - len(line.lstrip()) + 2) if line.lstrip().startswith("- ") else ""
    return line if line.startswith("|") else textwrap.fill(line, 140, subsequent_indent=indent, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(update_pages(PAGES, table, (__doc__ or "").splitlines()[0]))
