"""The page of an evaluation: figures with error bars, pass@k and maj@k over k, tables, and the samples. Hostile text is only ever text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reasonforge.report.collect import PAGE_BYTES
from reasonforge.report.page import page_bytes, write_page
from reasonforge.report.samples import spread
from reasonforge.runs.text import clean_text

_SCRIPTS = ("dom.js", "charts.js", "text.js", "evaluation.js")
_MOST_CHARACTERS = 8_000
"""Of one completion: its beginning and its end."""
_MOST_SAMPLES = 16
"""Of one problem."""


def write_evaluation_page(
    output: Path, results: Mapping[str, Any], problems: Sequence[Mapping[str, Any]], *, max_bytes: int = PAGE_BYTES
) -> Path:
    """Write the page and return where it lies.

    Args:
        output: the file.
        results: the content of ``results.json``.
        problems: each with ``id``, ``question``, ``gold``, ``score`` and ``samples`` (text, status, prediction, ...); what does not fit
            into the page is left out, spread over the whole, and the page says so.
        max_bytes: of the whole page.

    Raises:
        StorageError: the page cannot be written.
    """
    data: dict[str, Any] = {"results": results, "problems": [], "left_out": []}
    room = max_bytes - page_bytes(_SCRIPTS) - _size(data)
    shown = [_cut(problem) for problem in problems]
    sizes = [_size(problem) for problem in shown]
    chosen = range(len(shown))
    while len(chosen) > 3 and sum(sizes[i] for i in chosen) > room:
        chosen = spread(range(len(shown)), max(3, len(chosen) * 3 // 4))
    while chosen and sum(sizes[i] for i in chosen) > room:
        chosen = chosen[:-1]
    data["problems"] = [shown[i] for i in chosen]
    if len(chosen) < len(problems):
        data["left_out"].append(f"{len(chosen)} of {len(problems)} problems are shown, spread over all. All are in the samples file.")
    if any(len(problem["samples"]) > _MOST_SAMPLES for problem in problems):
        data["left_out"].append(f"At most {_MOST_SAMPLES} samples of a problem are shown.")
    if any(len(sample["text"]) > _MOST_CHARACTERS for problem in problems for sample in problem["samples"][:_MOST_SAMPLES]):
        data["left_out"].append(f"Completions of more than {_MOST_CHARACTERS} characters have lost their middle here.")
    return write_page(output, title=clean_text(str(results["name"])), data=data, scripts=_SCRIPTS)


def _cut(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {**problem, "samples": [{**sample, "text": _shortened(sample["text"])} for sample in problem["samples"][:_MOST_SAMPLES]]}


def _shortened(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def _size(value: Any) -> int:
    # Escaping for a script element makes some characters longer, and few texts much longer.
    return int(1.1 * len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")))
