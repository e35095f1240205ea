"""Which versions of which libraries a unit's bytes come from: written into its receipt, and no part of its key.

A key says what was asked for. Libraries of other versions may answer otherwise, and a folder that was begun with one and finished with
another, or made on machines that differ, then holds both. That cannot be seen in the bytes; here it can.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reasonforge.core.errors import UnavailableError

if TYPE_CHECKING:
    from reasonforge.corpus.units import Receipt

OWN: Final = "reasonforge"
_FASTTEXT = "fasttext"
_USED: Mapping[str, tuple[str, ...]] = {
    "ingest": ("resiliparse", "tldextract", "brotli", "zstandard", "polars", "pyarrow"),
    "urls": ("numpy", "polars", "pyarrow"),
    "neardup": ("numpy", "polars"),
    "classifier": (_FASTTEXT, "numpy", "polars", "pyarrow"),
    "selection": ("numpy", "polars"),
    "loop": ("numpy", "polars", "tokenizers"),
    "decontaminate": ("numpy", "polars", "pyarrow"),
    "packing": ("numpy", "pyarrow", "tokenizers", "zstandard"),
}
"""Libraries that the bytes of a unit can depend on, by the part of the package that its function is in."""


def versions(function: str) -> dict[str, str]:
    """Return the versions of what a unit's function uses: of Python, of this package and of libraries, by name. Imports none of them.

    Args:
        function: as :attr:`reasonforge.corpus.units.Unit.function` has it.
    """
    parts = function.partition(":")[0].split(".")
    used = _USED.get(parts[2], ()) if parts[:2] == ["reasonforge", "corpus"] and len(parts) > 2 else ()
    return _versions(used)


@functools.cache
def _found(name: str) -> tuple[str, str] | None:
    """Return name and version of a library; None = it is not installed."""
    if name == _FASTTEXT:  # several distributions bring it
        from reasonforge.corpus.classifier.library import provider

        try:
            return provider()
        except UnavailableError:
            return None
    try:
        return name, metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions(used: Iterable[str]) -> dict[str, str]:
    found = dict(entry for name in (OWN, *used) if (entry := _found(name)) is not None)
    return dict(sorted({**found, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}.items()))


def mixture(receipts: Iterable[Receipt], folder: Path) -> str | None:
    """Say in a line that units were made by different versions; None = they were not, as far as their receipts tell.

    This package's own version counts for nothing: what it writes otherwise has another key.

    Args:
        receipts: of units of one kind.
        folder: in which they lie.
    """
    numbers: dict[str, Counter[str]] = {}
    for receipt in receipts:
        for name, version in receipt.made_by.items():
            if name != OWN:
                numbers.setdefault(name, Counter())[version] += 1
    mixed = [
        " and ".join(f"{name} {version} ({number:,})" for version, number in sorted(found.items()))
        for name, found in sorted(numbers.items())
        if len(found) > 1
    ]
    if not mixed:
        return None
    return f"units of one stage were made by different versions: {'; '.join(mixed)}. To make them alike remove {folder} and run again"
