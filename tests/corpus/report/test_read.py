"""Facts are read from a corpus folder as the loop leaves it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import DataError
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.drive import run_graph
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.ledger import Ledger
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.pool import QUARANTINE, InProcess
from reasonforge.corpus.report.facts import Corpus
from reasonforge.corpus.report.page import REPORT, write_corpus_report
from reasonforge.corpus.report.read import read_corpus
from reasonforge.corpus.synthetic.truth import TRUTH, read_truth
from reasonforge.corpus.synthetic.web import synthesise
from reasonforge.corpus.units import Store

TOY = Path(__file__).parents[3] / "recipes" / "toy" / "corpus.toml"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small web, and what the toy recipe makes of it in two rounds."""
    folder = tmp_path_factory.mktemp("corpus")
    web, root = folder / "web", folder / "toy"
    synthesise(web, pages=800, seed=1)
    recipe = folder / "toy.toml"
    recipe.write_text(TOY.read_text(encoding="utf-8").replace("corpus/web", str(web)), encoding="utf-8")
    settings = (
        "--rounds.max_rounds",
        "2",
        "--rounds.token_budgets",
        "[20000, 60000]",
        "--classifier.dim",
        "16",
        "--classifier.epochs",
        "5",
        "--pack.tokenizer.vocab_size",
        "300",
    )
    loaded = load_recipe(CorpusRecipe, [recipe], settings)
    ledger = Ledger(root)
    ledger.begin(text=loaded.text, resolved=loaded.resolved)
    store = Store(root)
    outcome = run_graph(corpus_graph(loaded.recipe, store), store, InProcess(), ledger=ledger)
    ledger.end(outcome.steps, state="complete")
    return web, root


@pytest.fixture(scope="module")
def corpus(folders: tuple[Path, Path]) -> Corpus:
    return read_corpus(folders[1])


@pytest.mark.slow
def test_every_round_has_its_figures(corpus: Corpus) -> None:
    assert [entry.number for entry in corpus.rounds] == [1, 2]
    first, second = corpus.rounds
    assert first.found is not None
    assert second.found is not None
    assert second.found.recall > first.found.recall
    assert first.overlap is None
    assert second.overlap == corpus.overlap[1][0] / corpus.overlap[1][1]
    assert corpus.overlap[1][1] == second.pages
    assert set(first.authors) == {"truth"}
    assert sum(first.authors.values()) == sum(first.paths.values())
    assert first.held_out is not None
    assert first.held_out.few == (first.held_out.positives < 20)


@pytest.mark.slow
def test_the_histogram_holds_every_scored_page_and_the_cut_parts_them(folders: tuple[Path, Path], corpus: Corpus) -> None:
    reader = CorpusReader(folders[1])
    for entry in corpus.rounds:
        assert entry.scores is not None
        bins, border = entry.scores.bins, int(64 * entry.scores.place)
        assert sum(found.pages for found in bins) == sum(receipt.counts.kept for receipt in reader.receipts("score", entry.number))
        assert sum(found.pages for found in bins[border + 1 :]) <= entry.pages <= sum(found.pages for found in bins[border:])
        assert all((found.math or 0) <= found.pages for found in bins)


@pytest.mark.slow
def test_in_is_out_and_dropped_in_every_stage(corpus: Corpus) -> None:
    assert {"pages", "urls", "decontaminate"} <= {stage.name for stage in corpus.stages}
    for stage in corpus.stages:
        assert stage.taken == stage.kept + sum(stage.dropped.values()), stage.name


@pytest.mark.slow
def test_samples_stand_on_their_side_of_the_cut(corpus: Corpus) -> None:
    last = corpus.rounds[-1].scores
    assert last is not None
    for sample in corpus.samples:
        is_collected = sample.group in ("collected", "just collected")
        assert sample.score >= last.cut if is_collected else sample.score <= last.cut  # of the very score of the cut, some are and some not
        assert sample.text


@pytest.mark.slow
def test_only_planted_problems_are_found_in_pages(folders: tuple[Path, Path], corpus: Corpus) -> None:
    truth = read_truth(folders[0] / TRUTH)
    exact = set(truth.filter(pl.col("leak") == "exact")["benchmark_item"])
    assert [entry.name for entry in corpus.benchmarks] == ["synthetic"]
    assert {hit.item for hit in corpus.benchmarks[0].top} <= exact
    assert corpus.shared == corpus.benchmarks[0].pages > 0


@pytest.mark.slow
def test_the_page_is_written_into_the_folder(folders: tuple[Path, Path]) -> None:
    assert write_corpus_report(folders[1]) == folders[1] / REPORT
    assert "recall" in (folders[1] / REPORT).read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_workers_died_of_is_listed_and_a_torn_line_is_not(folders: tuple[Path, Path]) -> None:
    path = folders[1] / QUARANTINE
    path.write_text(json.dumps({"key": "k", "stage": "pages", "item": "p-1"}) + '\n{"key": "k", "st')
    try:
        assert read_corpus(folders[1]).quarantine == (("pages", "p-1"),)
    finally:
        path.unlink()


def test_a_folder_without_a_corpus_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no corpus here"):
        read_corpus(tmp_path)
