"""Write the report: one HTML file that opens anywhere, offline, and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.report.collect import PAGE_BYTES, collect
from reasonforge.report.samples import embed
from reasonforge.runs.text import clean_text

_SCRIPTS = ("dom.js", "charts.js", "overview.js", "text.js", "rollouts.js", "main.js")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main id="page"><noscript>This page draws its data with JavaScript of its own; please allow it.</noscript></main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def write_report(runs: Path | Sequence[Path], output: Path | None = None, *, max_bytes: int = PAGE_BYTES) -> Path:
    """Write the page about one run, or about several to compare, and return where it lies.

    Args:
        runs: run directories.
        output: the file; None = ``report.html`` in the first run's directory.
        max_bytes: of the whole page; what does not fit is left out, and the page says so.

    Raises:
        DataError: there is no run at a path.
        StorageError: the page cannot be written.
    """
    paths = [runs] if isinstance(runs, Path) else list(runs)
    data = collect(paths, max_bytes=max_bytes - page_bytes(_SCRIPTS))
    title = " · ".join(clean_text(run["name"]) for run in data["runs"])
    return write_page(output or paths[0] / "report.html", title=title, data=data, scripts=_SCRIPTS)


def write_page(output: Path, *, title: str, data: Mapping[str, Any], scripts: Sequence[str]) -> Path:
    """Write a page of the package's own style and scripts around data, and return where it lies.

    Args:
        output: the file; folders are made.
        title: of the page, as plain text.
        data: JSON-able; the scripts find it in the element ``data``.
        scripts: files of ``static``, in order.

    Raises:
        StorageError: the page cannot be written.
    """
    style, script = _asset("report.css"), _script(scripts)
    page = _PAGE.format(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        title=html.escape(title),
        style=style,
        data=embed(data),
        script=script,
    )
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(output, page.encode("utf-8", "replace"))
    return output


def page_bytes(scripts: Sequence[str]) -> int:
    """Return how large a page is beside its data."""
    return len(_asset("report.css")) + len(_script(scripts)) + len(_PAGE)


def _script(names: Sequence[str]) -> str:
    return "(() => {\n'use strict';\n" + "\n".join(_asset(name) for name in names) + "\n})();"


def _asset(name: str) -> str:
    return files("reasonforge.report").joinpath("static", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A source expression that allows this very text: no other script or style runs, wherever it comes from."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
