"""The mining loop on synthetic webs: recall and precision round by round against the known truth, and three controls.

    .venv/bin/python benchmarks/corpus/loop_seeds.py [--seeds 20] [--pages 2000] [--controls 3]

Every seed is another web, mined by recipes/toy/corpus.toml: the first positives are English textbook pages, paths are annotated by a
simulated person who knows the truth, and is asked only about domains that the loop has found. Controls: without annotation, how far do the
rounds come by themselves; with the first round's classifier and the last round's budget of tokens, how much is due to the larger selection
alone; and what the decontamination found of the benchmark problems that are planted in the selected pages, and would find in all pages.
Kept in results/corpus_loop.json.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "toy" / "corpus.toml"
sys.path.insert(0, str(ROOT / "benchmarks"))

from common import report

from reasonforge.config.loader import load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.decontaminate.find import find_hits
from reasonforge.corpus.decontaminate.index import Index
from reasonforge.corpus.decontaminate.sources import texts_of
from reasonforge.corpus.loop.drive import run_graph
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.ledger import Ledger
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.status import status_of
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.synthetic.web import synthesise
from reasonforge.corpus.units import Store


def mined(folder: Path, name: str, *settings: str) -> list[dict[str, Any]]:
    """Mine the web of a folder, in this process, and return a row per round."""
    recipe, root = folder / "toy.toml", folder / name
    recipe.write_text(RECIPE.read_text(encoding="utf-8").replace("corpus/web", str(folder / "web")), encoding="utf-8")
    loaded = load_recipe(CorpusRecipe, [recipe], settings)
    ledger, store = Ledger(root), Store(root)
    ledger.begin(text=loaded.text, resolved=loaded.resolved)
    outcome = run_graph(corpus_graph(loaded.recipe, store), store, InProcess(), ledger=ledger)
    ledger.end(outcome.steps, state="complete")
    return [
        {
            "recall": round(entry["quality"]["recall"], 4) if entry["quality"] else 0.0,
            "precision": round(entry["quality"]["precision"], 4) if entry["quality"] else None,
            "pages": entry["pages"],
            "tokens": entry["tokens"],
            "overlap": None if len(entry["overlap_pages"]) < 2 else round(entry["overlap_pages"][-2], 4),
        }
        for entry in status_of(root)["rounds"]
    ]


def first_classifier(reader: CorpusReader, tokens: int) -> float:
    """Return the recall of the first round's ranking, cut at so many tokens."""
    scores = reader.table("score", 1, "scores.parquet", ["id", "score", "num_tokens"])
    assert scores is not None
    assert reader.truth is not None
    ranked = scores.sort(["score", "id"], descending=[True, False]).filter(pl.col("num_tokens").cum_sum() <= tokens)
    maths = reader.truth.filter(pl.col("is_math"))
    return round(maths.join(ranked, on="id", how="semi").height / maths.height, 4)


def leaks(folder: Path, reader: CorpusReader) -> dict[str, int]:
    """Return what the decontamination found in the selected pages, beside what is planted in them."""
    last = reader.last_selected
    assert last is not None
    hits = reader.table("decontaminate", None, "hits.parquet", ["id", "item"])
    assert hits is not None
    pages = reader.selected(last).join(reader.crawl, on="id").with_columns(hit=pl.col("id").is_in(hits["id"].implode()))
    return compared(pages.join(_truth(folder), left_on="found_url", right_on="url"))


def leaks_of_the_web(folder: Path, reader: CorpusReader) -> dict[str, int]:
    """Return the same of every page of the web, selected or not: the loop looks at those that it has selected.

    A leak on a page without text counts as one that was not found.
    """
    config = reader.recipe.decontamination
    assert config is not None
    texts = [text for source in config.sources for text in texts_of(source, Path(source.path), config.fields)]
    index = Index(texts, n=config.n, min_n=config.min_n, short_min_words=config.short_min_words)
    pages = reader.table("pages", None, PAGES, ["found_url", "text"])
    assert pages is not None
    hits = {hit.page for hit in find_hits(pages["text"].to_list(), index, short_match=config.short_match)}
    marked = pages.select("found_url", hit=pl.Series([number in hits for number in range(pages.height)]))
    whole = _truth(folder).join(marked, left_on="url", right_on="found_url", how="left")
    seen = whole.filter(pl.col("hit").is_not_null() | (pl.col("leak") == "exact"))
    return compared(seen.with_columns(pl.col("hit").fill_null(value=False)))


def compared(pages: pl.DataFrame) -> dict[str, int]:
    """Return how many of the pages with a problem word for word have a hit, and how many others."""
    planted = pl.col("leak").eq_missing(pl.lit("exact"))
    exact, clean = pages.filter(planted), pages.filter(~planted)
    return {
        "planted": exact.height,
        "missed": exact.height - int(exact["hit"].sum()),
        "clean_pages": clean.height,
        "clean_flagged": int(clean["hit"].sum()),
    }


def _truth(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "web" / "truth.parquet", columns=["url", "leak"])


def seed_row(seed: int, pages: int, *, controls: bool) -> dict[str, Any]:
    """Mine the web of one seed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesise(folder / "web", pages=pages, seed=seed)
        row: dict[str, Any] = {"seed": seed, "rounds": mined(folder, "toy")}
        reader = CorpusReader(folder / "toy")
        row["leaks"], row["leaks_of_the_web"] = leaks(folder, reader), leaks_of_the_web(folder, reader)
        row["first_classifier_at_last_budget"] = first_classifier(reader, row["rounds"][-1]["tokens"])
        if controls:
            (folder / "nothing.jsonl").touch()
            row["without_annotation"] = mined(folder, "alone", "--annotation.path", str(folder / "nothing.jsonl"))
        return row


def third(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the third round, or the last of fewer: a loop that has converged has no other."""
    return rounds[min(2, len(rounds) - 1)]


def main() -> None:
    """Run every seed and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--controls", type=int, default=3, help="seeds that are also mined without annotation")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'seed':>4}  {'recall by round':<32}{'precision':>10}{'overlap':>9}{'first classifier':>18}{'unannotated':>13}{'leaks':>8}")
    for seed in range(given.seeds):
        row = seed_row(seed, given.pages, controls=seed < given.controls)
        rows.append(row)
        rounds, alone = row["rounds"], row.get("without_annotation")
        recalls = " -> ".join(f"{entry['recall']:.3f}" for entry in rounds)
        last = f"{alone[-1]['recall']:.3f}" if alone else "-"
        found = f"{row['leaks_of_the_web']['planted'] - row['leaks_of_the_web']['missed']}/{row['leaks_of_the_web']['planted']}"
        figures = f"{rounds[-1]['precision']:>10.3f}{rounds[-1]['overlap'] or 0:>9.3f}{row['first_classifier_at_last_budget']:>18.3f}"
        print(f"{seed:>4}  {recalls:<32}{figures}{last:>13}{found:>8}", flush=True)
    gains = [third(row["rounds"])["recall"] - row["rounds"][0]["recall"] for row in rows]
    beyond = [row["rounds"][-1]["recall"] - row["first_classifier_at_last_budget"] for row in rows]
    result = {
        "pages": given.pages,
        "smallest_gain_of_recall_from_round_1_to_3": round(min(gains), 4),
        "median_gain_of_recall_from_round_1_to_3": round(statistics.median(gains), 4),
        "smallest_overlap_of_the_last_round": min(row["rounds"][-1]["overlap"] or 0.0 for row in rows),
        "smallest_recall_of_the_last_round": min(row["rounds"][-1]["recall"] for row in rows),
        "smallest_precision_of_the_last_round": min(row["rounds"][-1]["precision"] for row in rows),
        "median_gain_over_the_first_classifier_at_the_last_budget": round(statistics.median(beyond), 4),
        "smallest_gain_over_the_first_classifier_at_the_last_budget": round(min(beyond), 4),
        "webs": len(rows),
        **{where: {name: sum(row[where][name] for row in rows) for name in rows[0][where]} for where in ("leaks", "leaks_of_the_web")},
        "seeds": rows,
    }
    report("corpus_loop", result, packages=("polars", "fasttext-community", "reasonforge"))


if __name__ == "__main__":
    main()
