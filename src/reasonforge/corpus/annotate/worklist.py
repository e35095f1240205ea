"""What to look at, in which order, and what it brings: domains by expected gain, rows of a path tree, pages gained so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from reasonforge.core.errors import DataError
from reasonforge.corpus import domains
from reasonforge.corpus.annotate.data import AnnotationData
from reasonforge.corpus.annotate.journal import Label
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.domains import PathNode
from reasonforge.corpus.paths import ANY, MAX_DEPTH, Pattern, collapsed, prefixes, read_pattern

COVERED = (0.80, 0.90, 0.95)
"""Shares of the expected gain that the budget view names."""

LEAST_PAGES = 5
"""A path with fewer pages is not worth a key."""
_LEAST_SHARE = 1 / 500


def worklist(table: pl.DataFrame) -> pl.DataFrame:
    """Return domains in the order to look at them, with ``expected`` pages to win and ``covered``, the share won down to there.

    Args:
        table: columns ``name``, ``pages`` and ``collected``.
    """
    share = pl.col("collected") / pl.col("pages")
    ranked = table.with_columns(share=share, expected=(pl.col("pages") - pl.col("collected")) * share)
    ranked = ranked.sort(["expected", "name"], descending=[True, False])
    total = float(ranked["expected"].sum())
    covered = pl.col("expected").cum_sum() / total if total > 0 else pl.lit(1.0)
    return ranked.with_columns(covered=covered)


def budget(ranked: pl.DataFrame, shares: Iterable[float] = COVERED) -> dict[float, int]:
    """Return for each share how many domains, from the first on, cover it.

    Args:
        ranked: of :func:`worklist`.
        shares: of the expected gain.
    """
    # The sum of floats in one order and its last partial sum may differ in the last bit.
    return {share: min(len(ranked), int((ranked["covered"] < share - 1e-12).sum()) + 1) for share in shares}


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """A line of the path tree that is worth a decision."""

    pattern: Pattern
    depth: int
    """How far it is indented: rows above it that it lies under."""
    pages: int
    collected: int
    gain: int
    mean_score: float

    @property
    def share(self) -> float:
        """Collected / pages."""
        return self.collected / self.pages if self.pages else 0.0


def path_rows(tree: pl.DataFrame, *, least_pages: int | None = None) -> list[PathRow]:
    """Return the rows of a domain's tree from the top, the most to win first among neighbours.

    A path that holds every page of the one above it is left out: the decision is the same, unless the one above is a whole host.

    Args:
        tree: of one domain, as :func:`reasonforge.corpus.domains.path_tree` returns it.
        least_pages: paths with fewer are left out; None = five, or more in a large domain. A host is never left out.
    """
    rows: list[PathRow] = []

    def walk(node: PathNode, depth: int, above: int | None) -> None:
        if (pattern := _readable(node.pattern)) is None:
            return
        is_shown = above is None or (node.pages >= least and (node.pages < above or len(pattern.segments) == 1))
        if is_shown:
            row = PathRow(
                pattern=pattern, depth=depth, pages=node.pages, collected=node.collected, gain=node.gain, mean_score=node.mean_score
            )
            rows.append(row)
        for child in node.children:
            walk(child, depth + is_shown, node.pages)

    roots = [root for trees in domains.grown(tree).values() for root in trees]
    least = least_pages if least_pages is not None else max(LEAST_PAGES, int(sum(root.pages for root in roots) * _LEAST_SHARE))
    for root in sorted(roots, key=lambda root: (-root.gain, root.pattern)):
        walk(root, 0, None)
    return rows


def rows_to_label(data: AnnotationData, *, share: float | None = None) -> Iterator[PathRow]:
    """Yield the rows of the domains, in the order to look at them.

    Args:
        data: the mathematical domains of the round.
        share: only the first domains that cover this share of the expected gain; None = all.
    """
    for name, before in _names_before(worklist(data.domains())):
        if share is None or before < share:
            yield from path_rows(data.paths(name))


def _names_before(ranked: pl.DataFrame) -> Iterator[tuple[str, float]]:
    """Yield each domain with the share that those before it cover."""
    yield from zip(ranked["name"], [0.0, *ranked["covered"]], strict=False)


def _readable(text: str) -> Pattern | None:
    """Return the pattern of a node; None = a file of annotations could not name it: a host or path that no normal URL has."""
    try:
        pattern = read_pattern(text)
    except DataError:
        return None
    return pattern if str(pattern) == text else None


class Gains:
    """How many pages of one domain the labels win: counted on what each node of its tree holds beside its children.

    Such a cell stands for all pages whose segments collapse to its path, and most patterns match all of them or none. The pages of patterns
    finer than the tree, one question of ten thousand, say, are taken out of their cells and counted one by one.
    """

    def __init__(self, tree: pl.DataFrame, pages: Callable[[Pattern], pl.DataFrame]) -> None:
        """Read a domain's tree.

        Args:
            tree: all its nodes.
            pages: finds the pages that a pattern matches: ``id``, ``host``, ``path`` and ``collected``.
        """
        self._pages = pages
        self._split: set[Pattern] = set()
        self._taken_out: set[str] = set()
        own: dict[str, int] = {}
        for pattern, gain in tree.select("pattern", "gain").iter_rows():
            own[pattern] = own.get(pattern, 0) + int(gain)
        for pattern, gain in tree.filter(pl.col("depth") > 0).select("pattern", "gain").iter_rows():
            above = pattern.rpartition("/")[0]
            own[above if above in own else f"{above}/"] -= int(gain)
        kept = sorted((pattern, gain) for pattern, gain in own.items() if gain > 0)
        parts = [pattern.partition("/") for pattern, _ in kept]
        self._cells = pl.DataFrame(
            {"host": [host for host, _, _ in parts], "path": ["/" + path for _, _, path in parts], "gain": [gain for _, gain in kept]},
            schema={"host": pl.String, "path": pl.String, "gain": pl.Int64},
        )
        self.hosts = frozenset(self._cells["host"])
        self.total = sum(gain for _, gain in kept)

    def won(self, labels: Mapping[Pattern, Label]) -> int:
        """Return how many uncollected pages are mathematics by these labels."""
        return self._sums(labels).get("math", 0)

    def decided(self, labels: Mapping[Pattern, Label]) -> int:
        """Return how many uncollected pages have a label that settles them."""
        sums = self._sums(labels)
        return sums.get("math", 0) + sums.get("not_math", 0)

    def _sums(self, labels: Mapping[Pattern, Label]) -> dict[str, int]:
        mine: dict[Pattern, Label] = {pattern: label for pattern, label in labels.items() if pattern.host in self.hosts}
        if not mine:
            return {}
        for pattern in sorted(pattern for pattern in mine if pattern not in self._split and _is_finer(pattern)):
            self._take_out(pattern)
        labelled = self._cells.with_columns(label=Annotations(mine).labels_of(self._cells))
        sums = labelled.drop_nulls("label").group_by("label").agg(pl.col("gain").sum())
        return {label: int(gain) for label, gain in sums.select("label", "gain").iter_rows()}

    def _take_out(self, pattern: Pattern) -> None:
        """Count the pages of a pattern one by one from now on."""
        self._split.add(pattern)
        found = self._pages(pattern).filter(~pl.col("collected")).select("id", "host", "path")
        single: dict[tuple[str, str], int] = {}
        for name, host, path in found.iter_rows():
            if name in self._taken_out:
                continue
            self._taken_out.add(name)
            *_, cell = prefixes(host, path)
            for place, change in (((host, "/" + "/".join(cell.segments)), -1), ((host, path), 1)):
                single[place] = single.get(place, 0) + change
        changes = pl.DataFrame([(*place, change) for place, change in single.items()], schema=self._cells.schema, orient="row")
        self._cells = pl.concat([self._cells, changes]).group_by("host", "path", maintain_order=True).agg(pl.col("gain").sum())


def _is_finer(pattern: Pattern) -> bool:
    """Say whether a pattern may match some pages of a cell and not others."""
    return len(pattern.segments) > MAX_DEPTH or any(segment != ANY and collapsed(segment) == ANY for segment in pattern.segments)


def lies_under(pattern: Pattern, above: Pattern) -> bool:
    """Say whether all that a pattern matches is matched by another.

    >>> lies_under(Pattern("a.org", ("q", "17")), Pattern("a.org", ("q", "*")))
    True
    """
    return pattern.host == above.host and above.matches_segments(pattern.segments)
