"""The units of a selection come to the cut of the tables in memory."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import polars as pl
import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.pages import read_table, write_table
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.selection.config import SelectionConfig
from reasonforge.corpus.selection.cut import Cut, empty, histogram, read_histograms, selected, write_histogram
from reasonforge.corpus.selection.units import (
    SELECTED,
    TIES,
    final_cut,
    first_cut,
    has_ties,
    plan_selection,
    plan_ties,
)
from reasonforge.corpus.units import Store, execute, file_input, total
from tests.corpus.selection.cuts import cut_of

DRAW = random.Random(0)
SCORES = pl.DataFrame(
    [{"id": f"{number:032x}", "score": DRAW.choice([3, 500, 60_000]), "num_tokens": DRAW.randint(1, 99)} for number in range(300)],
    schema={"id": pl.String, "score": pl.UInt16, "num_tokens": pl.UInt32},
)


def test_two_passes_over_the_files_select_what_one_table_would(tmp_path: Path) -> None:
    config, store = SelectionConfig(token_budget=7000), Store(tmp_path / "corpus")
    parts = [SCORES[:50], SCORES[50:51], SCORES[51:]]
    for number, part in enumerate(parts):
        write_table(tmp_path / f"{number}.parquet", part)
    files = [file_input(tmp_path / f"{number}.parquet") for number in range(3)]
    for number, part in enumerate(parts):
        write_histogram(tmp_path / f"h{number}.parquet", histogram(part))
    scores = read_histograms(str(tmp_path / f"h{number}.parquet") for number in range(3))
    where = first_cut(config, scores)
    assert has_ties(where)
    ties = run_all(plan_ties(where, files), store, InProcess())
    where = final_cut(config, scores, read_histograms(str(store.output(receipt, TIES)) for receipt in ties))
    receipts = run_all(plan_selection(where, files), store, InProcess())
    found = pl.concat([read_table(store.output(receipt, SELECTED)) for receipt in receipts])
    assert found.equals(selected(SCORES, cut_of([SCORES], token_budget=7000)))
    counts = total(receipts)
    assert (counts.taken, counts.kept, counts.dropped) == (300, found.height, {"below_cut": 300 - found.height})
    assert counts.noted["tokens"] == found["num_tokens"].sum() == where.tokens


def test_histograms_of_many_files_are_summed_without_holding_them(tmp_path: Path) -> None:
    parts = [SCORES[at : at + 3] for at in range(0, 300, 3)]
    for number, part in enumerate(parts):
        write_histogram(tmp_path / f"{number}.parquet", histogram(part))
    paths = [str(tmp_path / f"{number}.parquet") for number in range(100)]
    read_histograms(paths)  # what is loaded when first used is not counted
    tracemalloc.start()
    found = read_histograms(paths)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = sum((histogram(part) for part in parts), empty())
    assert (found.pages == whole.pages).all()
    assert (found.tokens == whole.tokens).all()
    assert most < 4 << 20  # a dense one is 1 MiB: all of them would be 100


def test_a_threshold_needs_one_pass() -> None:
    where = first_cut(SelectionConfig(token_budget=None, threshold=0.5), histogram(SCORES))
    assert not has_ties(where)
    assert selected(SCORES, where)["score"].unique().to_list() == [60_000]


def test_a_page_that_stands_twice_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "s.parquet", pl.concat([SCORES[:3], SCORES[:1]]))
    (unit,) = plan_selection(Cut(score=0, hash_below=1, tokens=0, pages=0), [file_input(tmp_path / "s.parquet")])
    with pytest.raises(DataError, match="an id stands there twice"):
        execute(unit, Store(tmp_path / "corpus"))
