"""What was said about a page: the longest pattern that matches it decides. For one page, or for millions at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import polars as pl

from reasonforge.corpus.annotate.journal import Journal, Label
from reasonforge.corpus.domains import segments
from reasonforge.corpus.paths import ANY, Pattern, segments_of

_Shape = tuple[bool, ...]
"""Of a pattern: which of its segments are literal. All patterns of a shape have one rank."""


class Annotations:
    """Labels of paths, ready to be looked up."""

    def __init__(self, labels: Mapping[Pattern, Label]) -> None:
        """Use these labels."""
        self.patterns = dict(labels)
        tables: dict[_Shape, dict[str, Label]] = {}
        for pattern, label in self.patterns.items():
            shape = tuple(segment != ANY for segment in pattern.segments)
            tables.setdefault(shape, {})["/".join((pattern.host, *pattern.segments))] = label
        # The rank of a pattern is that of its shape, so the first table that knows a page decides.
        self._tables = sorted(tables.items(), key=lambda item: (len(item[0]), *item[0]), reverse=True)

    @classmethod
    def load(cls, path: Path, *, up_to_round: int | None = None) -> Annotations:
        """Read a file; one that is not there says nothing.

        Args:
            path: ``annotations.jsonl``.
            up_to_round: leave out what was decided in later rounds, so that an old round can be done again; None = take all.

        Raises:
            DataError: a line is malformed, or people contradict each other.
        """
        decisions = Journal(path).decisions(up_to_round=up_to_round)
        return cls({pattern: cast(Label, line.decision.label) for pattern, line in decisions.items()})

    def __len__(self) -> int:
        """Return the number of patterns."""
        return len(self.patterns)

    def label_of(self, host: str, path: str) -> Label | None:
        """Return what was said about a page; None = nothing.

        >>> said = {Pattern("a.org", ("q",)): "math", Pattern("a.org", ("q", "tagged")): "not_math"}
        >>> [Annotations(said).label_of("a.org", path) for path in ("/q/17", "/q/tagged/x", "/quiz")]
        ['math', 'not_math', None]
        """
        mine = segments_of(path)
        for shape, table in self._tables:
            if len(shape) <= len(mine):
                key = "/".join((host, *(segment if literal else ANY for segment, literal in zip(mine, shape, strict=False))))
                if (label := table.get(key)) is not None:
                    return label
        return None

    def labels_of(self, pages: pl.DataFrame) -> pl.Series:
        """Return the label of every page, null where nothing was said.

        Args:
            pages: columns ``host`` and ``path``.
        """
        hosts = pl.Series("host", sorted({pattern.host for pattern in self.patterns}), dtype=pl.String)
        known = pages.select("host", "path").with_row_index("row").join(hosts.to_frame(), on="host", how="semi")
        known = known.with_columns(
            parts=segments(pl.col("path")),
            label=pl.lit(None, dtype=pl.String),
        )
        for shape, table in self._tables:
            parts = [pl.col("parts").list.get(place, null_on_oob=True) for place in range(len(shape))]
            if parts:  # a page with fewer segments has no key, and matches nothing
                named = [part if literal else pl.when(part.is_not_null()).then(pl.lit(ANY)) for part, literal in zip(parts, shape)]
                key = pl.concat_str([pl.col("host"), *named], separator="/", ignore_nulls=False)
            else:
                key = pl.col("host")
            said = key.replace_strict(list(table), list(table.values()), default=None, return_dtype=pl.String)
            known = known.with_columns(label=pl.coalesce("label", said))
        rows = pages.select("host").with_row_index("row").select("row")
        return rows.join(known.select("row", "label"), on="row", how="left", maintain_order="left")["label"]
