"""What fits the toy recipe to a web of any size and place: a recipe to lay over it."""

from __future__ import annotations

import glob
import json
from pathlib import Path

from reasonforge.corpus.annotate.journal import ANNOTATIONS
from reasonforge.corpus.synthetic.sources import SOURCES
from reasonforge.corpus.synthetic.truth import TRUTH
from reasonforge.corpus.synthetic.web import BENCHMARK, CRAWLS, SEED, Summary

OVERLAY = "toy.toml"
"""Its name in the web's folder."""

TOY_RECIPE = "recipes/toy/corpus.toml"

_PACKED_PER_PAGE = 100
"""Tokens of a mixture for each page of the web, as in the toy recipe: no source is read much more than four times."""


def toy_overlay(folder: Path, summary: Summary) -> str:
    """Return the overlay: where this web lies, and budgets that its mathematics fills.

    Args:
        folder: of the web, as the recipe is to name it.
        summary: what the web came to.
    """
    pattern = glob.escape(str(folder))
    parts = [
        f"# Lies over {TOY_RECIPE} for this web of {summary.pages} pages: where its files are, and budgets that its mathematics fills.",
        f"truth = {_text(folder / TRUTH)}",
        *(_inputs("crawl", "warc", f"{pattern}/warc/{name}/*.warc.gz", name) for name in CRAWLS),
        _inputs("seed_documents", "jsonl", f"{pattern}/{SEED}", "seed"),
        f"\n[rounds]\ntoken_budgets = {list(summary.token_budgets)}",
        f'\n[annotation]\ntype = "file"\npath = {_text(folder / ANNOTATIONS)}',
        f'\n[[decontamination.sources]]\ntype = "file"\nname = "synthetic"\npath = {_text(folder / BENCHMARK)}\nid_column = "id"',
        f"\n[pack]\ntotal_tokens = {_PACKED_PER_PAGE * summary.pages}",
        *(f"\n[pack.sources.{name}]\npaths = [{_text(f'{pattern}/sources/{name}.jsonl')}]" for name in SOURCES),
    ]
    return "\n".join(parts) + "\n"


def _inputs(table: str, kind: str, pattern: str, crawl: str) -> str:
    return f'\n[[{table}.inputs]]\ntype = "{kind}"\npaths = [{_text(pattern)}]\ncrawl = "{crawl}"'


def _text(value: Path | str) -> str:
    """Write a text as TOML: JSON's escapes are TOML's, but JSON lets DEL stand unescaped."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
