"""Write the page about a corpus: one HTML file that opens anywhere, offline. What pages say is only ever text."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from reasonforge.corpus.report.facts import Corpus, headline
from reasonforge.report.page import write_page
from reasonforge.runs.text import clean_text

REPORT = "report.html"

_SCRIPTS = ("dom.js", "charts.js", "corpus.js")


def write_corpus_report(root: Path, output: Path | None = None) -> Path:
    """Write the page about a corpus folder, finished or not, and return where it lies.

    Args:
        root: the corpus folder.
        output: the file; None = ``report.html`` in the folder.

    Raises:
        DataError: there is no corpus in the folder, or its files are damaged.
        StorageError: the page cannot be written.
    """
    from reasonforge.corpus.report.read import read_corpus

    return write_corpus_page(output or root / REPORT, read_corpus(root))


def write_corpus_page(output: Path, corpus: Corpus) -> Path:
    """Write the page about facts that are known already, and return where it lies.

    Raises:
        StorageError: the page cannot be written.
    """
    shown = replace(corpus, samples=tuple(replace(sample, text=clean_text(sample.text, newlines=True)) for sample in corpus.samples))
    data = {**asdict(shown), "headline": headline(corpus)}
    return write_page(output, title=f"{clean_text(corpus.name)}: corpus", data=data, scripts=_SCRIPTS)
