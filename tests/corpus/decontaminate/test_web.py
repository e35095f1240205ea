from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from reasonforge.corpus.decontaminate.config import DecontaminateConfig, FileSource
from reasonforge.corpus.decontaminate.units import HITS, decontaminate
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.ingest.units import plan_pages
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.units import near_dedup
from reasonforge.corpus.pages import PAGES, read_table
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.synthetic.web import synthesise
from reasonforge.corpus.units import Store
from reasonforge.corpus.urls import NormalURL, normalise
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.corpus.urls.dedup import DROPPED, url_dedup
from tests.corpus.urls.made import driven


def normal(url: str) -> str | None:
    found = normalise(url)
    return found.url if isinstance(found, NormalURL) else None


@pytest.mark.slow
def test_on_a_web_with_known_truth_all_copies_and_all_leaks_are_found_and_no_clean_page(tmp_path: Path) -> None:
    web = tmp_path / "web"
    synthesise(web, pages=800, seed=0)
    store = Store(tmp_path / "corpus")
    inputs = {"inputs": [{"type": "warc", "paths": [str(web / "warc/*/*.warc.gz")], "crawl": "synthetic"}]}
    pages = run_all(plan_pages(IngestConfig.model_validate(inputs), store), store, InProcess())
    masks = driven(url_dedup(pages, store, UrlDedupConfig(partitions=2)), store)
    dropped = [[store.input(mask, DROPPED)] for mask in masks]
    near = driven(near_dedup(pages, store, NearDupConfig(partitions=2), drop=dropped), store)
    config = DecontaminateConfig(sources=(FileSource(name="made", path=str(web / "benchmark.jsonl"), id_column="id"),))
    clean = driven(decontaminate(pages, store, config, drop=dropped), store)

    url_of = dict(pl.concat([read_table(store.output(receipt, PAGES), ["id", "url"]) for receipt in pages]).iter_rows())
    gone = {identity for mask in masks for identity in read_table(store.output(mask, DROPPED))["id"]}
    left = [url for identity, url in url_of.items() if identity not in gone]
    assert sorted(left) == sorted(set(url_of.values()))

    truth = read_table(web / "truth.parquet")
    copies = truth.filter(pl.col("duplicate_of").is_not_null())
    expected = {frozenset((normal(url), normal(of))) for url, of in copies.select("url", "duplicate_of").iter_rows()}
    rows = [row for mask in near for row in read_table(store.output(mask, DROPPED)).iter_rows()]
    found = {frozenset((url_of[identity], url_of[kept])) for identity, _, kept in rows}
    honest = {normal(url) for url in truth.filter(pl.col("kind") != "hostile")["url"]}
    assert {pair for pair in expected if len(pair) == 2} == {pair for pair in found if pair <= honest}

    leaks = truth.filter(pl.col("leak") == "exact").select("url", "benchmark_item").iter_rows()
    hits = [row for receipt in clean for row in read_table(store.output(receipt, HITS), ["id", "item"]).iter_rows()]
    assert {(url_of[identity], item) for identity, item in hits} == {(normal(url), item) for url, item in leaks}
