"""Which domains are mathematical: the share of their pages that a round collected, and what lies under which of their paths.

Everything here is a sum of partial tables, one per file of pages, so that no machine ever holds all URLs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from reasonforge.corpus.paths import ANY, MAX_DEPTH, PLAINLY_ITEM, collapsed
from reasonforge.corpus.scores import SHARES, shares_of

DomainKey = Literal["host", "domain"]
"""What the paper calls a domain, the pages of one base URL: those of a host, or of a registered domain."""

DOMAINS = pl.Schema({"name": pl.String, "pages": pl.UInt64, "collected": pl.UInt64, "tokens": pl.UInt64, "collected_tokens": pl.UInt64})
"""Columns of a partial table: pages and tokens of a domain, and those of them that the round collected."""

PATHS = pl.Schema(
    {"name": pl.String, "pattern": pl.String, "depth": pl.UInt8, "pages": pl.UInt64, "collected": pl.UInt64, "score": pl.UInt64}
)
"""Columns of a partial tree: ``pattern`` is a node of :func:`reasonforge.corpus.paths.prefixes`, ``score`` a sum of shares."""

_SUMMED_ROWS = 1 << 20
"""Rows of partial tables that are held before they are summed."""

_Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def partial(pages: pl.DataFrame, *, key: DomainKey) -> pl.DataFrame:
    """Count the pages of one file by domain.

    Args:
        pages: columns ``key``, ``num_tokens`` and ``collected`` (bool); only pages that count at all.

    Returns:
        :data:`DOMAINS`, sorted by name.
    """
    counted = pages.group_by(pl.col(key).alias("name")).agg(
        pages=pl.len().cast(pl.UInt64),
        collected=pl.col("collected").sum().cast(pl.UInt64),
        tokens=pl.col("num_tokens").cast(pl.UInt64).sum(),
        collected_tokens=pl.col("num_tokens").cast(pl.UInt64).filter(pl.col("collected")).sum(),
    )
    return counted.select(DOMAINS.names()).cast(DOMAINS).sort("name")


def rates(partials: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the sums of partial tables with what follows from them, sorted by name.

    Returns:
        :data:`DOMAINS` and ``share`` (collected / pages), ``wilson_low`` (lower end of its 95 % interval: what a share is worth on few
        pages) and ``expected`` (pages to win: those not collected, times the share).
    """
    total = _summed(partials, DOMAINS, by=["name"])
    share = pl.col("collected") / pl.col("pages")
    return total.with_columns(
        share=share,
        wilson_low=_wilson_low(pl.col("collected"), pl.col("pages")),
        expected=(pl.col("pages") - pl.col("collected")) * share,
    )


def mathematical(rated: pl.DataFrame, *, min_ratio: float, min_pages: int) -> pl.DataFrame:
    """Return the rows of :func:`rates` that are mathematical domains, the most to win first.

    Args:
        rated: what :func:`rates` returned.
        min_ratio: the share must be larger, not equal.
        min_pages: a domain with fewer pages is not judged.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: more than 10 % of a domain's pages. ``min_pages`` is ours: three pages are no domain.
    """
    # In whole numbers where the ratio is a percentage: 0.1 * 30 is not 3 in floating point, and "over" means over.
    kept = rated.filter((pl.col("share") > min_ratio) & (pl.col("pages") >= min_pages) & ~_equal_share(min_ratio))
    return kept.sort(["expected", "name"], descending=[True, False])


def wilson_low(successes: int, trials: int) -> float:
    """Return the lower end of the 95 % Wilson interval of a share; 0 where nothing was tried.

    >>> round(wilson_low(3, 3), 3)
    0.439
    """
    frame = pl.DataFrame({"successes": [successes], "trials": [trials]})
    return float(frame.select(_wilson_low(pl.col("successes"), pl.col("trials"))).item())


def path_partial(pages: pl.DataFrame, *, key: str, max_depth: int = MAX_DEPTH) -> pl.DataFrame:
    """Count the pages of one file by node of the path tree (:func:`reasonforge.corpus.paths.prefixes`).

    Args:
        pages: columns ``key``, ``host``, ``path``, ``score`` and ``collected``; only pages of the domains that are looked at.
        key: the column that names the domain.
        max_depth: segments.

    Returns:
        :data:`PATHS`, sorted by domain and pattern.
    """
    names = [f"segment_{place}" for place in range(max_depth)]
    parts = pages.select(segments=segments(pl.col("path")).list.head(max_depth)).to_series()
    # Python looks only at segments that are not plainly those of an item, and at each once: they repeat, where pages do not.
    plain = pl.element().str.contains(PLAINLY_ITEM)
    parts = parts.list.eval(pl.when(plain).then(pl.lit(ANY)).otherwise(pl.element()))
    known = parts.explode().drop_nulls().unique().to_list()
    folded = pl.Series([collapsed(segment) for segment in known], dtype=pl.String)
    placed = pages.select(
        pl.col(key).alias("name"),
        "host",
        pl.col("collected").cast(pl.UInt64),
        pl.Series("score", shares_of(pages["score"].to_numpy()), dtype=pl.UInt64),
        *(
            parts.list.get(place, null_on_oob=True).replace_strict(known, folded, default=None, return_dtype=pl.String).alias(column)
            for place, column in enumerate(names)
        ),
    )
    sums = {"pages": pl.len().cast(pl.UInt64), "collected": pl.col("collected").sum(), "score": pl.col("score").sum()}
    cells = placed.group_by("name", "host", *names).agg(**sums)
    sums["pages"] = pl.col("pages").sum()
    levels = [pl.DataFrame(schema=PATHS)]
    for depth in range(max_depth + 1):
        text = pl.concat_str(["host", *names[:depth]], separator="/") if depth else pl.col("host") + "/"
        here = cells.filter(pl.col(names[depth - 1]).is_not_null()) if depth else cells
        level = here.group_by("name", text.alias("pattern")).agg(**sums)
        levels.append(level.with_columns(depth=pl.lit(depth, pl.UInt8)).select(PATHS.names()).cast(PATHS))
    return pl.concat(levels).sort(["name", "pattern"])


def segments(path: pl.Expr) -> pl.Expr:
    """Return the segments of paths as :func:`reasonforge.corpus.paths.segments_of` does; an empty path has an empty list."""
    bare = path.str.replace_all("/+", "/").str.strip_chars("/")
    return pl.when(bare == "").then(pl.lit([], dtype=pl.List(pl.String))).otherwise(bare.str.split("/"))


def path_tree(partials: Iterable[pl.DataFrame], *, min_pages: int = 1) -> pl.DataFrame:
    """Return the sum of partial trees, sorted by domain and pattern.

    Args:
        partials: of :func:`path_partial`.
        min_pages: nodes with fewer pages are left out; a domain's roots stay.

    Returns:
        :data:`PATHS` without ``score``, with ``mean_score`` (0..1), ``share`` and ``gain`` (pages not collected).
    """
    total = _summed(partials, PATHS, by=["name", "pattern", "depth"])
    kept = total.filter((pl.col("pages") >= min_pages) | (pl.col("depth") == 0))
    return (
        kept.with_columns(
            mean_score=pl.col("score") / pl.col("pages") / SHARES,
            share=pl.col("collected") / pl.col("pages"),
            gain=pl.col("pages") - pl.col("collected"),
        )
        .drop("score")
        .sort(["name", "pattern"])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PathNode:
    """A node of the path tree of a domain."""

    pattern: str
    """``host/first/*``."""
    pages: int
    collected: int
    gain: int
    """Pages that are not collected."""
    mean_score: float
    children: list[PathNode] = field(default_factory=list)
    """The most to win first."""


def grown(tree: pl.DataFrame) -> dict[str, list[PathNode]]:
    """Return the rows of :func:`path_tree` as trees, one list of roots (hosts) per domain."""
    roots: dict[str, list[PathNode]] = {}
    nodes: dict[tuple[str, str], PathNode] = {}
    for row in tree.sort(["depth", "name", "pattern"]).iter_rows(named=True):
        node = PathNode(**{name: row[name] for name in ("pattern", "pages", "collected", "gain", "mean_score")})
        nodes[row["name"], row["pattern"]] = node
        parent = _parent(row["pattern"], row["depth"])
        siblings = roots.setdefault(row["name"], []) if parent is None else nodes[row["name"], parent].children
        siblings.append(node)
    for children in _all_lists(roots.values()):
        children.sort(key=lambda node: (-node.gain, node.pattern))
    return roots


def _parent(pattern: str, depth: int) -> str | None:
    if depth == 0:
        return None
    above = pattern.rpartition("/")[0]
    return f"{above}/" if depth == 1 else above


def _all_lists(lists: Iterable[list[PathNode]]) -> Iterator[list[PathNode]]:
    for nodes in lists:
        yield nodes
        yield from _all_lists(node.children for node in nodes)


def _summed(partials: Iterable[pl.DataFrame], schema: pl.Schema, *, by: list[str]) -> pl.DataFrame:
    """Sum tables as they come, so that a hundred thousand of them need no more memory than their sum."""
    waiting, num_rows = [pl.DataFrame(schema=schema)], 0
    for table in partials:
        waiting.append(table.select(schema.names()).cast(schema))
        num_rows += table.height
        if num_rows > max(_SUMMED_ROWS, waiting[0].height):
            waiting, num_rows = [_added(waiting, schema, by=by)], 0
    return _added(waiting, schema, by=by).sort(by)


def _added(tables: Iterable[pl.DataFrame], schema: pl.Schema, *, by: list[str]) -> pl.DataFrame:
    return pl.concat(tables).group_by(by).agg(pl.all().sum()).select(schema.names()).cast(schema)


def _equal_share(min_ratio: float) -> pl.Expr:
    """Say where collected / pages is the ratio itself, as a person would reckon it: a float comparison may call 10 of 100 "over"."""
    millionths = round(min_ratio * 1_000_000)
    return pl.col("collected") * 1_000_000 == pl.col("pages") * millionths


def _wilson_low(successes: pl.Expr, trials: pl.Expr) -> pl.Expr:
    share, square = successes / trials, _Z95**2
    middle = share + square / (2 * trials)
    spread = _Z95 * ((share * (1 - share) + square / (4 * trials)) / trials).sqrt()
    return pl.when(trials > 0).then(((middle - spread) / (1 + square / trials)).clip(0.0, 1.0)).otherwise(0.0)
