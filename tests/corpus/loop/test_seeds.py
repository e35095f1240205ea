"""A seed document that the crawl has, too, is never a negative."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.seeds import URLS, WORDS, hashes_of, read_hashes, seed_pages, words_of
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.loop.units import CANDIDATES
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import total
from tests.corpus.loop import web

_NAMES = st.sets(st.sampled_from([f"https://a.org/{number}" for number in range(12)]))


@given(_NAMES, _NAMES)
def test_a_page_is_a_seed_document_if_the_seed_has_its_url(crawl: set[str], seed: set[str]) -> None:
    pages = pl.DataFrame({"url": sorted(crawl), "text": [""] * len(crawl)}, schema={"url": pl.String, "text": pl.String})
    nothing = np.zeros(0, np.uint64)
    found = seed_pages(pages, urls=np.unique(hashes_of(sorted(seed))), words=nothing, max_chars=0)
    assert {url for url, is_seed in zip(pages["url"], found, strict=True) if is_seed} == crawl & seed


def test_a_page_is_a_seed_document_if_the_classifier_cannot_tell_their_texts_apart() -> None:
    words = np.unique(words_of(pl.Series(["Let $x = 3$.", "A long\n\nproof beyond what is read"]), max_chars=12))
    texts = ["let  $x=7$ .", "a long proof of something else", "Let $y = 3$."]
    pages = pl.DataFrame({"url": texts, "text": texts})
    assert seed_pages(pages, urls=np.zeros(0, np.uint64), words=words, max_chars=12).to_list() == [True, False, False]
    words = np.unique(words_of(pl.Series(["A long proof of this"]), max_chars=12))
    assert seed_pages(pages, urls=np.zeros(0, np.uint64), words=words, max_chars=12).to_list() == [False, True, False]


def test_texts_beyond_a_batch_are_hashed_alike() -> None:
    texts = pl.Series([f"text {'x' * number}" for number in range(4100)])
    whole = words_of(texts, max_chars=0)
    assert len(np.unique(whole)) == 4100
    assert whole[-1] == words_of(texts[-1:], max_chars=0)[0]


def test_a_broken_table_of_hashes_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / URLS).write_bytes(b"\x93NUMPY nothing")
    with pytest.raises(DataError, match="Delete its folder"):
        read_hashes(tmp_path / URLS)


@pytest.fixture
def sampled(tiny_web: Path, tmp_path: Path) -> CorpusReader:
    """Return a corpus whose seed has two pages of the crawl: one by its URL, one by its text; a second file of seeds is empty of pages."""
    folder = shutil.copytree(tiny_web, tmp_path / "web")
    rows = [json.loads(line) for line in (folder / "crawl-0.jsonl").read_text().splitlines()]
    shop, job = (next(row for row in rows if part in row["url"]) for part in ("shop1.com", "forum.org/jobs"))
    added = [
        {"url": shop["url"].replace("https://", "http://www.") + "#top", "text": "another text"},
        {"url": "https://elsewhere.org/", "text": job["text"].upper()},
    ]
    with (folder / "seeds.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in added)
    (folder / "seeds-2.jsonl").write_text('{"url": "https://nowhere.org/", "text": ""}\n')
    seeds = f'--seed_documents.inputs=[{{type="jsonl", paths=["{folder}/seeds*.jsonl"]}}]'
    root = tmp_path / "corpus"
    assert run_corpus(web.load(folder, seeds), root, InProcess, RunOptions(stage="sample", round=1, quiet=True)) == 0
    (tmp_path / "pages.json").write_text(json.dumps([shop["url"], job["url"]]))
    return CorpusReader(root)


def test_seed_documents_of_the_crawl_are_no_negatives(sampled: CorpusReader) -> None:
    urls = json.loads((sampled.root.parent / "pages.json").read_bytes())
    candidates, pages = sampled.table("sample", 1, CANDIDATES), sampled.table("pages", None, PAGES, ["id", "url"])
    assert candidates is not None
    assert pages is not None
    mine = pages.filter(pl.col("url").is_in(urls))
    assert mine.height == 2
    assert candidates.join(mine, on="id", how="semi").is_empty()
    counts = total(receipt for receipt in sampled.receipts("sample", 1) if CANDIDATES in receipt.outputs)
    assert counts.dropped["seed_document"] == 2
    known = [path for path in sampled.outputs("sample", 1, WORDS) if "known" in path.parts]
    assert [len(read_hashes(path)) for path in known] == [122]


def test_seed_documents_stay_positives(sampled: CorpusReader) -> None:
    candidates, seeds = sampled.table("sample", 1, CANDIDATES), sampled.table("seed", None, PAGES, ["id"])
    assert candidates is not None
    assert seeds is not None
    positives = candidates.filter("positive")
    assert (seeds.height, positives.join(seeds, on="id", how="semi").height) == (122, 122)
