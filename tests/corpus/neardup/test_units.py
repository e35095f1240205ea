from __future__ import annotations

import random
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.neardup.units import near_dedup
from reasonforge.corpus.pages import Page
from reasonforge.corpus.pool import ProcessPool, run_all
from reasonforge.corpus.units import Receipt, Store, digest_of, file_input
from reasonforge.corpus.urls.dedup import DROPPED
from tests.corpus.neardup.test_signatures import exact, words
from tests.corpus.urls.made import driven, ids, page, rows, stored, table_of_ids


def crawl(seed: int) -> list[list[Page]]:
    """Return three files of pages: texts of their own, and copies of some with a few words changed, from none to many."""
    draw = random.Random(seed)
    originals = [words(draw, 150) for _ in range(10)]
    files: list[list[Page]] = [[], [], []]
    for number in range(30):
        text = list(originals[number % 10])
        for _ in range(number // 10 * draw.randrange(8)):
            text[draw.randrange(150)] = "changed"
        files[number % 3].append(page(number, text=" ".join(text), fetched_at=f"20{10 + number // 10}"))
    return files


def dropped(store: Store, masks: list[Receipt]) -> dict[str, str]:
    return {identity: kept for mask in masks for identity, _, kept in rows(store, mask, DROPPED)}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_dropped_is_what_comparing_all_pairs_finds(tmp_path: Path, seed: int) -> None:
    files = crawl(seed)
    store, pages = stored(tmp_path, files)
    # Bands so fine that no pair is missed: then nothing is left to chance.
    config = NearDupConfig(bands=64, rows=2, partitions=3)
    found = dropped(store, driven(near_dedup(pages, store, config), store))
    by_date = sorted((entry for file in files for entry in file), key=lambda entry: (-int(entry.fetched_at), entry.id))
    kept: list[Page] = []
    expected = {}
    for entry in by_date:
        keeper = next((other for other in kept if exact(entry.text, other.text, 5) >= 0.8), None)
        if keeper is None:
            kept.append(entry)
        else:
            expected[entry.id] = keeper.id
    assert found == expected
    assert expected


@pytest.mark.parametrize(("partitions", "backwards"), [(1, False), (5, True)])
def test_masks_depend_neither_on_partitions_nor_on_the_order_of_work(tmp_path: Path, partitions: int, backwards: bool) -> None:
    results = []
    for name, config, order in (("one", NearDupConfig(), False), ("other", NearDupConfig(partitions=partitions), backwards)):
        (tmp_path / name).mkdir()
        store, pages = stored(tmp_path / name, crawl(0))
        masks = driven(near_dedup(pages, store, config), store, backwards=order)
        results.append([mask.outputs[DROPPED].xxh3 for mask in masks])
    assert results[0] == results[1]


@pytest.mark.slow  # every step starts its processes anew
def test_the_same_on_worker_processes(tmp_path: Path) -> None:
    results = []
    for name in ("one", "pool"):
        (tmp_path / name).mkdir()
        store, pages = stored(tmp_path / name, crawl(0))
        chain = near_dedup(pages, store, NearDupConfig(partitions=2))
        if name == "one":
            results.append(digest_of(driven(chain, store)))
            continue
        units = next(chain)
        try:
            while True:
                units = chain.send(run_all(units, store, ProcessPool(2)))
        except StopIteration as ended:
            results.append(digest_of(ended.value))
    assert results[0] == results[1]


def test_pages_that_were_dropped_before_take_no_part(tmp_path: Path) -> None:
    text = " ".join(words(random.Random(0), 50))
    store, pages = stored(tmp_path, [[page(0, text=text, fetched_at="2024"), page(1, text=text, fetched_at="2023"), page(2, text=text)]])
    newest, older, oldest = ids(0, 1, 2)
    mask = file_input(table_of_ids(tmp_path / "mask.parquet", [newest]))
    assert dropped(store, driven(near_dedup(pages, store, NearDupConfig(), drop=[[mask]]), store)) == {oldest: older}
    selection = file_input(table_of_ids(tmp_path / "selection.parquet", [newest, oldest]))
    assert dropped(store, driven(near_dedup(pages, store, NearDupConfig(), keep=[[selection]]), store)) == {oldest: newest}
    assert dropped(store, driven(near_dedup(pages, store, NearDupConfig(), keep=[[]]), store)) == {}


def test_short_pages_are_duplicates_only_of_the_same_words_and_empty_ones_of_nothing(tmp_path: Path) -> None:
    texts = ["Not found", "not FOUND.", "found", "", " ", "!?"]
    store, pages = stored(tmp_path, [[page(number, text=text) for number, text in enumerate(texts)]])
    first, second = sorted(ids(0, 1))
    assert dropped(store, driven(near_dedup(pages, store, NearDupConfig()), store)) == {second: first}


def chain() -> list[str]:
    """Return twelve texts, each like the next, and the last not like the first."""
    draw = random.Random(0)
    text = words(draw, 400)
    return [" ".join([*(f"new{place}" for place in range(8 * number)), *text[8 * number :]]) for number in range(12)]


@pytest.mark.parametrize("partitions", [1, 5])
def test_of_a_chain_only_pages_go_that_resemble_the_one_that_is_kept(tmp_path: Path, partitions: int) -> None:
    texts = chain()
    assert all(exact(one, other, 5) >= 0.9 for one, other in pairwise(texts))
    assert exact(texts[0], texts[-1], 5) < 0.7
    store, pages = stored(tmp_path, [[page(number, text=texts[number]) for number in range(file, 12, 3)] for file in range(3)])
    text_of = dict(zip(ids(*range(12)), texts, strict=True))
    found = dropped(store, driven(near_dedup(pages, store, NearDupConfig(partitions=partitions)), store))
    assert found
    assert all(exact(text_of[identity], text_of[kept], 5) >= 0.8 for identity, kept in found.items())
    left = [identity for identity in text_of if identity not in found]
    assert set(found.values()) <= set(left)
    assert all(exact(text_of[one], text_of[other], 5) < 0.8 for one, other in combinations(left, 2))


@pytest.mark.parametrize("hidden", ["\N{SOFT HYPHEN}", "\N{ZERO WIDTH SPACE}"])
def test_what_is_not_seen_makes_no_other_page(tmp_path: Path, hidden: str) -> None:
    text = words(random.Random(0), 60)
    spelled = " ".join(word[:2] + hidden + word[2:] for word in text)
    store, pages = stored(tmp_path, [[page(0, text=" ".join(text)), page(1, text=spelled)]])
    assert len(dropped(store, driven(near_dedup(pages, store, NearDupConfig()), store))) == 1


def test_a_crawl_without_pages_has_empty_masks(tmp_path: Path) -> None:
    store, pages = stored(tmp_path, [[], []])
    assert dropped(store, driven(near_dedup(pages, store, NearDupConfig()), store)) == {}


def test_hundreds_of_copies_of_one_page_leave_one_and_are_not_all_paired(tmp_path: Path) -> None:
    text = " ".join(words(random.Random(0), 60))
    store, pages = stored(tmp_path, [[page(number, text=text) for number in range(300)]])
    config = NearDupConfig(max_bucket=4, partitions=1)
    chain = near_dedup(pages, store, config)
    found = dropped(store, driven(chain, store))
    assert set(found.values()) == {min(ids(*range(300)))}
    assert len(found) == 299
    (receipt,) = (Receipt.from_json(path.read_bytes(), path) for path in store.root.glob("neardup/pairs/*/receipt.json"))
    assert receipt.counts.noted["pairs"] < 4 * 300
    assert receipt.counts.noted["large_buckets"] == config.bands
