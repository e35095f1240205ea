"""The table of ``docs/benchmarks.md``, printed from what the loaders know: ``python -m reasonforge.tasks.benchmarks.listing``."""

from __future__ import annotations

import re
from itertools import groupby

from reasonforge.tasks.benchmarks.table import BENCHMARKS, Benchmark

_HEADER = ("name", "what", "file", "problems", "kind", "profile", "examples", "from")
_LANGUAGE = re.compile(r"(?<=^mgsm_).*")


def listing() -> str:
    """Return the table in Markdown, benchmarks that differ only in their language in one row."""
    rows = [_HEADER, ("---",) * len(_HEADER)]
    for _, group in groupby(BENCHMARKS.values(), key=lambda benchmark: _LANGUAGE.sub("", benchmark.name)):
        rows.append(_row(list(group)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(group: list[Benchmark]) -> tuple[str, ...]:
    first = group[0]
    description, files = first.description, first.files
    if len(group) > 1:
        description = description.replace(f"language {first.language}", f"languages {', '.join(other.language for other in group)}")
        files = files.replace(first.name, "mgsm_LANGUAGE")
    return (
        ", ".join(f"`{benchmark.name}`" for benchmark in group),
        description,
        files,
        str(first.rows),
        first.kind,
        f"`{first.profile}`",
        " or ".join(dict.fromkeys(f"`{benchmark.shots}`" if benchmark.shots else "none" for benchmark in group)),
        first.origin,
    )


if __name__ == "__main__":
    print(listing())
