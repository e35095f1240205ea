from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reasonforge.corpus.hashing import U64
from reasonforge.corpus.neardup.clusters import PAIRS, Shingles, bucket_pairs, clusters, components


def keys(rows: list[tuple[int, str, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"key": pl.UInt64, "id": pl.String, "file": pl.UInt32, "row": pl.UInt32}, orient="row")


def members(rows: list[tuple[int, int, str, str]]) -> pl.DataFrame:
    named = pl.DataFrame(rows, schema={"file": pl.UInt32, "row": pl.UInt32, "id": pl.String, "fetched_at": pl.String}, orient="row")
    return named.with_columns(crawl=pl.lit(""))


def edges(*pairs: tuple[int, int, int, int]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema=PAIRS, orient="row")


def connected(pairs: list[tuple[int, int]], count: int) -> list[int]:
    """Return the smallest thing that each one is connected to: by walking, the slow road."""
    found = []
    for start in range(count):
        seen, todo = {start}, [start]
        while todo:
            here = todo.pop()
            for one, other in pairs:
                for near in {one, other} if here in (one, other) else ():
                    if near not in seen:
                        seen.add(near)
                        todo.append(near)
        found.append(min(seen))
    return found


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=14), st.randoms(use_true_random=False))
def test_components_are_what_walking_along_the_edges_finds_in_any_order(pairs: list[tuple[int, int]], shuffle) -> None:
    expected = connected(pairs, 12)
    for _ in range(2):
        first, second = (np.array([pair[end] for pair in pairs], np.int64) for end in (0, 1))
        assert components(first, second, 12).tolist() == expected
        shuffle.shuffle(pairs)


def test_a_long_chain_is_one_component() -> None:
    draw = np.random.default_rng(0)
    names = draw.permutation(5000)
    assert components(names[:-1], names[1:], 5000).tolist() == [0] * 5000


def test_pages_that_share_a_key_are_paired_once_each() -> None:
    pairs, large = bucket_pairs(
        keys([(7, "a", 0, 0), (7, "b", 1, 0), (7, "c", 0, 5), (8, "a", 0, 0), (8, "b", 1, 0), (9, "d", 2, 2)]), max_bucket=64
    )
    assert pairs.rows() == [(0, 0, 0, 5), (0, 0, 1, 0), (0, 5, 1, 0)]
    assert large == 0


def test_of_a_large_bucket_the_first_by_id_are_paired_with_all_others() -> None:
    pairs, large = bucket_pairs(keys([(7, f"{number:02}", 0, number) for number in range(10)]), max_bucket=2)
    assert pairs.rows() == [(0, one, 0, other) for one in range(2) for other in range(one + 1, 10)]
    assert large == 1


def numbers(*stretches: tuple[int, int]) -> Shingles:
    """Return a reader of shingles: those of the page in row ``i`` are the numbers of stretch ``i``."""
    return lambda pages: [np.arange(*stretches[row], dtype=np.uint64) for row in pages["row"]]


def unread(pages: pl.DataFrame) -> list[U64]:
    raise AssertionError(f"the pairs say everything, and shingles of {len(pages)} pages are read")


def test_the_newest_of_a_cluster_is_kept_and_then_the_first_by_id() -> None:
    named = members([(0, 0, "a", "2021"), (0, 1, "b", "2023"), (1, 0, "c", "2022"), (1, 1, "d", "2020"), (1, 2, "e", "2020")])
    found = clusters(edges((0, 0, 0, 1), (0, 1, 1, 0), (1, 1, 1, 2)), named, unread, threshold=0.8)
    assert found.rows() == [(0, "a", "b"), (1, "c", "b"), (1, "e", "d")]


def test_a_page_that_no_pair_joins_to_the_one_kept_is_compared_with_it() -> None:
    named = members([(0, 0, "a", "2023"), (0, 1, "b", "2022"), (0, 2, "c", "2021")])
    chain = edges((0, 0, 0, 1), (0, 1, 0, 2))
    same = clusters(chain, named, numbers((0, 10), (0, 10), (0, 10)), threshold=0.8)
    assert same.rows() == [(0, "b", "a"), (0, "c", "a")]
    apart = clusters(chain, named, numbers((0, 10), (1, 11), (2, 12)), threshold=0.8)
    assert apart.rows() == [(0, "b", "a")]


def test_of_a_chain_of_twelve_pages_only_those_go_that_resemble_one_that_is_kept() -> None:
    # Each shares 49 of 51 shingles with the next, 0.96, and 39 of 61 with the twelfth.
    stretches = [(number, number + 50) for number in range(12)]
    pairs = [(0, one, 0, other) for one in range(12) for other in range(one + 1, min(one + 6, 12))]  # 45 of 55 = 0.82
    for order in (pairs, pairs[::-1], pairs[::2] + pairs[1::2], [pair for pair in pairs if pair[3] - pair[1] == 1]):
        named = members([(0, number, f"{number:02}", "") for number in range(12)])
        found = clusters(edges(*order), named, numbers(*stretches), threshold=0.8)
        assert found.rows() == [(0, f"{number:02}", f"{number // 6 * 6:02}") for number in range(12) if number % 6]


def near(one: tuple[int, int], other: tuple[int, int], threshold: float) -> bool:
    first, second = set(range(*one)), set(range(*other))
    return len(first & second) >= threshold * len(first | second)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_what_is_kept_is_what_taking_pages_one_by_one_keeps(drawn: list[tuple[int, int]], shuffle) -> None:
    stretches = [(start, start + size) for start, size in drawn]
    count = len(stretches)
    pairs = [(0, a, 0, b) for a in range(count) for b in range(a + 1, count) if near(stretches[a], stretches[b], 0.5)]
    shuffle.shuffle(pairs)
    kept: list[int] = []
    expected = []
    for number in range(count):
        keeper = next((other for other in kept if near(stretches[number], stretches[other], 0.5)), None)
        if keeper is None:
            kept.append(number)
        else:
            expected.append((0, str(number), str(keeper)))
    named = members([(0, number, str(number), "") for number in range(count)])
    assert clusters(edges(*pairs), named, numbers(*stretches), threshold=0.5).rows() == expected


def test_no_edges_drop_nothing() -> None:
    assert clusters(edges(), members([(0, 0, "a", "")]), unread, threshold=0.8).is_empty()
