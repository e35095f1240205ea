"""Pairs out of buckets, clusters out of pairs: the parts of near-duplicate detection that know nothing of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reasonforge.corpus.hashing import U64
from reasonforge.corpus.neardup.compare import whole_parts
from reasonforge.corpus.neardup.signatures import jaccard

PAIRS = pl.Schema({"file_a": pl.UInt32, "row_a": pl.UInt32, "file_b": pl.UInt32, "row_b": pl.UInt32})
"""Two pages, each by the number of its file and its row in it; the first is the smaller one."""

_OPEN_PAGES = 1 << 15
"""Of clusters that pairs leave open: so many, or one cluster, are held at a time."""

Shingles = Callable[[pl.DataFrame], Sequence[U64]]
"""Returns the distinct shingles, sorted, of each page of a table with columns ``file`` and ``row``."""


def bucket_pairs(keys: pl.DataFrame, *, max_bucket: int) -> tuple[pl.DataFrame, int]:
    """Return the distinct pairs of pages that share a key, and how many buckets were too large to be paired in full.

    Args:
        keys: columns ``key``, ``id``, ``file`` and ``row``.
        max_bucket: so many pages of a bucket, the first by id, are paired with all pages of it.

    Returns:
        :data:`PAIRS`, sorted.
    """
    members = keys.filter(pl.len().over("key") > 1).sort("key", "id", "file", "row")
    members = members.with_columns(place=pl.int_range(pl.len(), dtype=pl.UInt32).over("key"))
    large = members.filter(pl.col("place") == max_bucket).height
    first = members.filter(pl.col("place") < max_bucket)
    joined = first.lazy().join(members.lazy(), on="key", suffix="_b").filter(pl.col("place") < pl.col("place_b"))
    a, b = pl.struct("file", "row"), pl.struct(pl.col("file_b").alias("file"), pl.col("row_b").alias("row"))
    swapped = (pl.col("file") > pl.col("file_b")) | ((pl.col("file") == pl.col("file_b")) & (pl.col("row") > pl.col("row_b")))
    pairs = joined.select(
        file_a=pl.when(swapped).then(b).otherwise(a).struct.field("file"),
        row_a=pl.when(swapped).then(b).otherwise(a).struct.field("row"),
        file_b=pl.when(swapped).then(a).otherwise(b).struct.field("file"),
        row_b=pl.when(swapped).then(a).otherwise(b).struct.field("row"),
    )
    return pairs.cast(PAIRS).unique().sort(PAIRS.names()).collect(), large


def components(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return for each of ``count`` things the smallest one that edges connect it to, itself included.

    Union-find for whole arrays: every root takes the smallest root that an edge leads to, then every path is cut short, until no edge
    joins two roots. The answer does not depend on the order of the edges.
    """
    parents = np.arange(count, dtype=np.int64)
    while True:
        roots_a, roots_b = parents[first], parents[second]
        apart = roots_a != roots_b
        if not apart.any():
            return parents
        low, high = np.minimum(roots_a, roots_b)[apart], np.maximum(roots_a, roots_b)[apart]
        np.minimum.at(parents, high, low)
        while (shorter := parents[parents] != parents).any():
            parents[shorter] = parents[parents[shorter]]


def clusters(edges: pl.DataFrame, members: pl.DataFrame, shingles: Shingles, *, threshold: float) -> pl.DataFrame:
    """Return the pages that are dropped, each with the page that is kept in its place: one that it is a near-duplicate of itself.

    Pages are kept in an order of preference: the newest first, of those the smallest id. One that is kept drops its near-duplicates, and
    those that are reached through them if they, too, resemble the page that is kept. What is only like a page that was dropped stays for
    the next that is kept: a chain in which each page is like the next is no cluster.

    Args:
        edges: pairs of near-duplicates, as :data:`PAIRS`.
        members: columns ``file``, ``row``, ``id``, ``fetched_at`` and ``crawl`` of at least all pages in them.
        shingles: reads the shingles of pages; asked only where pairs leave something open.
        threshold: the least similarity of near-duplicates.

    Returns:
        Columns ``file``, ``id`` and ``kept_id``, sorted by file and id. The order of the edges changes nothing.
    """
    nodes = (
        pl.concat([edges.select(file="file_a", row="row_a"), edges.select(file="file_b", row="row_b")])
        .unique()
        .join(members, on=["file", "row"], how="inner")
        # The order of preference; of one page in two files, the first.
        .sort("fetched_at", "crawl", "id", "file", "row", descending=[True, True, False, False, False])
        .with_row_index("node")
    )
    ends = [
        edges.join(nodes, left_on=[f"file_{end}", f"row_{end}"], right_on=["file", "row"], how="left", maintain_order="left")["node"]
        for end in "ab"
    ]
    first, second = (end.cast(pl.Int64).to_numpy() for end in ends)
    low, high = np.minimum(first, second), np.maximum(first, second)
    kept = components(low, high, len(nodes))
    # Most clusters are stars: every page has a pair with the one that is kept, and nothing is open.
    direct = np.arange(len(nodes)) == kept
    direct[high[low == kept[high]]] = True
    is_open = np.zeros(len(nodes), np.bool_)
    is_open[kept[~direct]] = True
    is_open = is_open[kept]
    clusters_of = kept.copy()
    open_nodes = np.flatnonzero(is_open)
    for part in whole_parts(clusters_of[open_nodes], _OPEN_PAGES) if open_nodes.size else ():
        numbers = open_nodes[part]
        inside = np.isin(clusters_of[low], clusters_of[numbers])
        sets = dict(zip(numbers.tolist(), shingles(nodes[numbers].select("file", "row")), strict=True))
        for node, keeper in _assigned(numbers.tolist(), low[inside], high[inside], sets, threshold).items():
            kept[node] = keeper
    dropped = nodes.with_columns(kept_id=nodes["id"].gather(kept), keeper=pl.Series(kept)).filter(pl.col("keeper") != pl.col("node"))
    return dropped.select("file", "id", "kept_id").sort("file", "id")


def _assigned(
    nodes: Sequence[int], low: NDArray[np.int64], high: NDArray[np.int64], sets: Mapping[int, U64], threshold: float
) -> dict[int, int]:
    """Return for each node the one that is kept in its place, itself if it is kept; ``nodes`` come in the order of preference."""
    neighbours: dict[int, list[int]] = {node: [] for node in nodes}
    for one, other in zip(low.tolist(), high.tolist(), strict=True):
        neighbours[one].append(other)
        neighbours[other].append(one)
    keepers: dict[int, int] = {}
    for keeper in nodes:
        if keeper in keepers:
            continue
        keepers[keeper] = keeper
        direct = set(neighbours[keeper])
        seen, todo = {keeper}, [keeper]
        while todo:
            for node in neighbours[todo.pop()]:
                if node in seen or node in keepers:
                    continue
                seen.add(node)
                if node in direct or jaccard(sets[keeper], sets[node]) >= threshold:
                    keepers[node] = keeper
                    todo.append(node)
    return keepers
