"""The mining loop on one page finds what its first positives do not look like, and leaves no benchmark text in it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import polars as pl
import pytest

from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.decontaminate.find import find_hits
from reasonforge.corpus.decontaminate.index import BenchmarkText, Index
from reasonforge.corpus.synthetic.web import synthesise

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mine_a_corpus.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example, imported from its file."""
    spec = importlib.util.spec_from_file_location("mine_a_corpus", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Run(NamedTuple):
    """What the example made of a small web."""

    crawl: pl.DataFrame
    truth: pl.DataFrame
    benchmark: Index
    selections: list[pl.DataFrame]
    said: list[str]

    def recall(self, number: int) -> float:
        """Return the share of the mathematical pages that a round selected."""
        wanted = self.crawl.join(self.truth.filter("is_math"), left_on="found_url", right_on="url", how="semi")
        return wanted.join(self.selections[number - 1], on="id", how="semi").height / wanted.height


@pytest.fixture(scope="module")
def run(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The example on a web of 300 pages."""
    said: list[str] = []
    settings = example.Settings(pages=300)
    web = synthesise(tmp_path_factory.mktemp("mined") / "web", pages=settings.pages, seed=settings.seed).folder
    crawl = example.extracted(web, said.append)
    problems = [json.loads(line) for line in (web / "benchmark.jsonl").read_text(encoding="utf-8").splitlines()]
    index = Index([BenchmarkText("made up", row["id"], "question", row["question"]) for row in problems], n=10, min_n=3)
    seeds = pl.read_ndjson(web / "seed.jsonl")["text"]
    selections = example.mine(crawl, seeds, Annotations.load(web / "annotations.jsonl"), settings, said.append)
    return Run(crawl, pl.read_parquet(web / "truth.parquet"), index, selections, said)


def test_it_fits_on_a_few_screens() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 150


def test_rounds_find_mathematics_that_the_first_did_not(run: Run) -> None:
    assert run.recall(len(run.selections)) > run.recall(1) + 0.1


def test_what_is_selected_is_mathematics(run: Run) -> None:
    chosen = run.crawl.join(run.selections[-1], on="id", how="semi").join(run.truth, left_on="found_url", right_on="url")
    assert chosen["is_math"].mean() == 1.0


def test_every_page_that_is_left_out_has_its_reason(run: Run) -> None:
    kept, taken = (int(word) for word in run.said[0].split(" pages")[0].split(" of "))
    assert taken == 300
    dropped = [int(line.split()[1]) for line in run.said if line.startswith("  dropped: ")]
    assert kept + sum(dropped) == taken


def test_every_planted_problem_is_found_and_no_other_page_is_changed(example: ModuleType, run: Run) -> None:
    texts = run.crawl["text"].to_list()
    results = list(example.cleaned(texts, run.benchmark))
    changed = {url for url, text, (left, _) in zip(run.crawl["found_url"], texts, results, strict=True) if left != text}
    planted = run.crawl.join(run.truth.filter(pl.col("leak") == "exact"), left_on="found_url", right_on="url", how="semi")["found_url"]
    assert len(planted) >= 5
    assert changed == set(planted)
    assert find_hits([left for left, _ in results if left is not None], run.benchmark) == []


def test_the_command_ends_with_what_is_left(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mine_a_corpus.py", "--pages", "200"])
    assert example.main() == 0
    assert capsys.readouterr().out.strip().endswith("pages are left")
