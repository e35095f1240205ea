"""The cut, beside the ranking that is never written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reasonforge.core.errors import DataError
from reasonforge.corpus.pages import write_table
from reasonforge.corpus.scores import score_of_probability
from reasonforge.corpus.selection.config import SelectionConfig
from reasonforge.corpus.selection.cut import (
    Cut,
    cut,
    empty,
    hashes,
    histogram,
    read_histograms,
    selected,
    tie_histogram,
    write_histogram,
)
from tests.corpus.selection.cuts import cut_of

ROWS = st.lists(st.tuples(st.sampled_from([0, 1, 7, 8, 40_000, 65_535]), st.integers(0, 50)), min_size=1, max_size=40)


def table(rows: list[tuple[int, int]]) -> pl.DataFrame:
    columns = {"id": [f"page-{number}" for number in range(len(rows))], "score": [s for s, _ in rows], "num_tokens": [n for _, n in rows]}
    return pl.DataFrame(columns, schema={"id": pl.String, "score": pl.UInt16, "num_tokens": pl.UInt32})


def slowly_selected(rows: pl.DataFrame, budget: int) -> set[str]:
    """Walk down the ranking, all pages of one score and hash at a time, until the budget does not hold the next."""
    ranking: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for (identity, score, tokens), hashed in zip(rows.iter_rows(), hashes(rows["id"]).tolist(), strict=True):
        ranking.setdefault((-score, hashed), []).append((identity, tokens))
    found: set[str] = set()
    for place in sorted(ranking):
        budget -= sum(tokens for _, tokens in ranking[place])
        if budget < 0:
            break
        found |= {identity for identity, _ in ranking[place]}
    return found


@given(ROWS, st.integers(1, 800))
def test_the_cut_takes_the_first_of_the_ranking(rows: list[tuple[int, int]], budget: int) -> None:
    pages = table(rows)
    where = cut_of([pages], token_budget=budget)
    chosen = selected(pages, where)
    assert set(chosen["id"]) == slowly_selected(pages, budget)
    assert (where.pages, where.tokens) == (chosen.height, chosen["num_tokens"].sum())


@given(ROWS, st.integers(1, 800))
def test_the_budget_is_never_exceeded(rows: list[tuple[int, int]], budget: int) -> None:
    pages = table(rows)
    assert selected(pages, cut_of([pages], token_budget=budget))["num_tokens"].sum() <= budget


@given(ROWS, st.integers(1, 400), st.integers(0, 400))
def test_a_larger_budget_takes_all_that_a_smaller_one_does(rows: list[tuple[int, int]], budget: int, more: int) -> None:
    pages = table(rows)
    small, large = (set(selected(pages, cut_of([pages], token_budget=size))["id"]) for size in (budget, budget + more))
    assert small <= large


@given(ROWS, st.integers(1, 800), st.integers(0, 40), st.integers(0, 99))
def test_files_and_their_order_do_not_matter(rows: list[tuple[int, int]], budget: int, at: int, seed: int) -> None:
    pages = table(rows)
    shuffled = pages.sample(fraction=1.0, shuffle=True, seed=seed)
    assert cut_of([shuffled[at:], shuffled[:at]], token_budget=budget) == cut_of([pages], token_budget=budget)


@given(ROWS, st.sampled_from([1e-8, 2.1e-9, 0.5, 0.9, 1.0]))
def test_a_threshold_takes_all_from_it_on(rows: list[tuple[int, int]], threshold: float) -> None:
    pages = table(rows)
    where = cut(histogram(pages), threshold=threshold)
    expected = pages.filter(pl.col("score") >= score_of_probability(threshold))
    assert selected(pages, where).equals(expected)
    assert (where.pages, where.tokens) == (expected.height, expected["num_tokens"].sum())


def test_ties_are_broken_by_id_until_the_budget_is_met() -> None:
    pages = table([(9, 10)] * 100)
    where = cut_of([pages], token_budget=555)
    chosen = selected(pages, where)
    assert chosen.height == 55
    assert set(chosen["id"]) == set(pages["id"].gather(np.argsort(hashes(pages["id"]))[:55]))


def test_without_ties_the_boundary_score_is_left_out() -> None:
    where = cut(histogram(table([(9, 10), (8, 10), (8, 10)])), token_budget=25)
    assert where == Cut(score=8, hash_below=0, tokens=10, pages=1)


def test_a_budget_for_everything_takes_everything() -> None:
    pages = table([(0, 10), (65_535, 10)])
    assert selected(pages, cut_of([pages], token_budget=20)).height == 2


def test_a_budget_below_the_first_page_takes_nothing() -> None:
    pages = table([(5, 10)])
    assert selected(pages, cut_of([pages], token_budget=9)).height == 0


def test_billions_of_tokens_are_summed_exactly() -> None:
    most = (1 << 32) - 1
    found = histogram(table([(3, most)] * 1000))
    assert int(found.tokens[3]) == 1000 * most
    assert int(sum([found] * 100, empty()).tokens[3]) == 100_000 * most


def test_nothing_to_select_from_is_said() -> None:
    with pytest.raises(DataError, match="no page has a score"):
        cut(empty(), token_budget=5)


def test_ties_of_another_corpus_are_refused() -> None:
    pages = table([(9, 10), (8, 10), (8, 10)])
    with pytest.raises(DataError, match="the ties have 20 tokens, the score 8 has 10"):
        cut(histogram(pages[:2]), token_budget=15, ties=tie_histogram(pages, 8))


@given(ROWS)
def test_a_histogram_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]]) -> None:
    path, found = tmp_path_factory.mktemp("h") / "histogram.parquet", histogram(table(rows))
    write_histogram(path, found)
    np.testing.assert_array_equal(read_histograms([path]), found)


def test_another_table_is_no_histogram(tmp_path: Path) -> None:
    write_table(tmp_path / "h.parquet", pl.DataFrame({"bin": [-1], "pages": [1], "tokens": [1]}))
    with pytest.raises(DataError, match="no histogram"):
        read_histograms([tmp_path / "h.parquet"])


def test_a_cut_survives_json() -> None:
    where = Cut(score=5, hash_below=65_536, tokens=1 << 40, pages=3)
    assert Cut.from_dict(where.to_dict()) == where


@pytest.mark.parametrize("options", [{"threshold": 0.5}, {"token_budget": None}])
def test_budget_and_threshold_exclude_each_other(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="either token_budget or threshold"):
        SelectionConfig.model_validate(options)
