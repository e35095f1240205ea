"""The mining loop of DeepSeekMath on one page: a small web is written, extracted, mined in rounds and decontaminated.

    python examples/mine_a_corpus.py

The web is made up, so recall and precision are known. Every step is a function that the whole system is made of, on tables in memory; there
the same functions run as units on any number of machines (``reasonforge corpus run``). Section numbers are those of arXiv:2402.03300.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.classifier.binary import fold
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.classifier.library import NEGATIVE, POSITIVE, Classifier, train
from reasonforge.corpus.classifier.score import estimated_tokens
from reasonforge.corpus.classifier.tokenise import tokens_of
from reasonforge.corpus.decontaminate.actions import DROP_DOC, cuts_of
from reasonforge.corpus.decontaminate.config import DropSegment
from reasonforge.corpus.decontaminate.find import Hit, find_hits
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.domains import mathematical, partial, rates
from reasonforge.corpus.extract.config import ExtractConfig
from reasonforge.corpus.ingest.config import Limits, WarcFiles
from reasonforge.corpus.ingest.units import pages
from reasonforge.corpus.loop.expand import POSITIVE_SCHEMA, new_positives
from reasonforge.corpus.loop.negatives import fit_as_negatives
from reasonforge.corpus.loop.overlap import converged, overlap
from reasonforge.corpus.packing.documents import Cut, cut
from reasonforge.corpus.pages import SCHEMA
from reasonforge.corpus.reasons import sentence
from reasonforge.corpus.scores import score_of
from reasonforge.corpus.selection.cut import cut as cut_at
from reasonforge.corpus.selection.cut import histogram, selected
from reasonforge.corpus.synthetic.truth import TRUTH, read_truth
from reasonforge.corpus.synthetic.web import BENCHMARK, SEED, synthesise
from reasonforge.corpus.units import Counts


@dataclass(frozen=True)
class Settings:
    """Those of recipes/toy/corpus.toml, on a smaller web."""

    pages: int = 600
    seed: int = 0
    max_rounds: int = 4
    threshold: float = 0.5  # collect from this score on; the paper takes the best 40B tokens
    min_collected_ratio: float = 0.10  # of a domain's pages, and it is mathematical
    min_pages: int = 5
    converged_overlap: float = 0.98


def extracted(folder: Path, say: Callable[[str], None]) -> pl.DataFrame:
    """Return the pages of the WARC files below a folder, formulas as $...$; of the captures of one URL the newest."""
    counts, rows = Counts(), []
    for path in sorted(folder.rglob("*.warc.gz")):
        source = WarcFiles(paths=(str(path),), crawl=path.parent.name, allow_truncated=True)
        found = pages(str(path), source, name=path.name, limits=Limits(), extract=ExtractConfig(), counts=counts)
        rows += [asdict(page) for page in found]
    counts.check("extraction")  # nothing is lost: what is not kept has a reason
    say(f"{counts.kept} of {counts.taken} pages have text; {counts.noted['formulas']} formulas")
    for reason, number in sorted(counts.dropped.items()):
        say(f"  dropped: {number} {reason}: {sentence(reason)}")
    return pl.DataFrame(rows, schema=SCHEMA).sort("url", "fetched_at", "id").unique("url", keep="last", maintain_order=True)


def trained(positives: pl.Series, negatives: pl.Series, folder: Path, seed: int) -> Classifier:
    """Train fastText on two kinds of texts, fold it to what scoring needs, and open that."""
    rows = [f"{label} {line}\n" for label, texts in ((POSITIVE, positives), (NEGATIVE, negatives)) for line in tokens_of(texts)]
    random.Random(seed).shuffle(rows)  # the library reads in order: one kind after the other would teach the second
    (folder / "train.txt").write_text("".join(rows), encoding="utf-8")
    train(folder / "train.txt", ClassifierConfig.tiny(seed=seed), folder / "model.bin")
    fold(folder / "model.bin", folder / "folded.bin")
    return Classifier(folder / "folded.bin")


def mine(crawl: pl.DataFrame, seeds: pl.Series, said: Annotations, settings: Settings, say: Callable[[str], None]) -> list[pl.DataFrame]:
    """Return what each round selected: train, score, select, look at domains, add positives, and again until nothing new comes in (2.1)."""
    selections: list[pl.DataFrame] = []
    positives, fit = pl.DataFrame(schema=POSITIVE_SCHEMA), pl.repeat(value=True, n=crawl.height, eager=True)
    for number in range(1, settings.max_rounds + 1):
        is_positive = crawl["id"].is_in(positives["id"].implode())
        added, negatives = crawl.filter(is_positive), crawl.filter(fit & ~is_positive)
        with tempfile.TemporaryDirectory() as folder:
            classifier = trained(pl.concat([seeds, added["text"]]), negatives["text"], Path(folder), settings.seed)
            found = score_of(classifier.log_odds(tokens_of(crawl["text"])))
        tokens = pl.Series(estimated_tokens(crawl["text"], 4.0))
        scores = crawl.select("id", "host", "path", score=pl.Series(found), num_tokens=tokens)
        chosen = selected(scores, cut_at(histogram(scores), threshold=settings.threshold)).select("id", "score", "num_tokens")
        selections.append(chosen)
        both = overlap(selections)
        kept = f", {both.share(number, number - 1):.0%} of them as in the round before" if number > 1 else ""
        say(f"round {number}: {len(seeds) + added.height} positives; {chosen.height} pages selected{kept}")
        if converged(both, threshold=settings.converged_overlap):
            break
        counted = scores.with_columns(selected=pl.col("id").is_in(chosen["id"].implode()))
        rated = rates([partial(counted.rename({"selected": "collected"}), key="host")])
        domains = mathematical(rated, min_ratio=settings.min_collected_ratio, min_pages=settings.min_pages)["name"]
        positives = new_positives(counted.filter(pl.col("host").is_in(domains.implode())), said, earlier=positives).pages
        asked = scores.with_columns(label=said.labels_of(scores)).select(pl.when(pl.col("host").is_in(domains.implode())).then("label"))
        fit = fit_as_negatives(scores, selected=chosen["id"], labels=asked["label"])  # people are asked about no other domain
    return selections


def cleaned(texts: list[str], index: Index) -> Iterator[tuple[str | None, list[Hit]]]:
    """Yield each text without the paragraphs that share ten words in a row with a benchmark; None = nothing is left (2.1)."""
    hits = find_hits(texts, index)
    for number, text in enumerate(texts):
        mine = [hit for hit in hits if hit.page == number]
        cuts = cuts_of(text, mine, DropSegment(), n=index.n)
        whole = any(entry.action == DROP_DOC for entry in cuts)
        yield cut(text, Cut(whole, tuple((entry.start, entry.end) for entry in cuts)) if cuts else None), mine


def main() -> int:
    """Do all of it and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=Settings.pages)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    settings = Settings(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as name:
        web = synthesise(Path(name) / "web", pages=settings.pages, seed=settings.seed).folder
        crawl, said, truth = extracted(web, print), Annotations.load(web / "annotations.jsonl"), read_truth(web / TRUTH)
        seeds = pl.read_ndjson(web / SEED)["text"]
        problems = [json.loads(line) for line in (web / BENCHMARK).read_text(encoding="utf-8").splitlines()]
    selections = mine(crawl, seeds, said, settings, print)
    maths = crawl.join(truth.filter("is_math"), left_on="found_url", right_on="url", how="semi")
    for number, chosen in enumerate(selections, start=1):
        hits = maths.join(chosen, on="id", how="semi").height
        print(f"round {number}: recall {hits / maths.height:.1%}, precision {hits / max(chosen.height, 1):.1%}")
    index = Index([BenchmarkText("made up", row["id"], "question", row["question"]) for row in problems], n=10, min_n=3)
    texts = crawl.join(selections[-1], on="id", how="semi")["text"].to_list()
    results = list(cleaned(texts, index))
    left = [text for text, _ in results if text is not None]
    print(f"{sum(bool(hits) for _, hits in results)} pages hold a problem of the benchmark; {len(left)} pages are left")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
