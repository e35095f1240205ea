"""The page as a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from reasonforge.corpus.report.page import write_corpus_page
from tests.corpus.report.fabricate import corpus_of


def data_of(path: Path) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_the_page_asks_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = write_corpus_page(tmp_path / "r.html", corpus_of()).read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:""", page)
    assert "default-src 'none'" in page


def test_the_page_carries_the_headline_and_all_rounds(tmp_path: Path) -> None:
    data = data_of(write_corpus_page(tmp_path / "r.html", corpus_of()))
    assert [entry["number"] for entry in data["rounds"]] == [1, 2, 3]
    assert data["headline"][0].startswith("3 rounds collected 300 pages")


def test_equal_facts_are_equal_bytes(tmp_path: Path) -> None:
    one, two = (write_corpus_page(tmp_path / name, corpus_of()).read_bytes() for name in ("a.html", "b.html"))
    assert one == two
