"""What comes after the rounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reasonforge.corpus.ingest import inputs
from reasonforge.corpus.ingest.inputs import DIGESTS
from reasonforge.corpus.loop.finish import finish
from reasonforge.corpus.units import Store
from tests.corpus.loop import web


def test_sources_are_hashed_once_and_not_at_every_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crawl = web.build(tmp_path / "web")
    os.utime(crawl / "code.jsonl", (1_700_000_000, 1_700_000_000))  # written long ago
    recipe, store = web.load(crawl, "--decontamination=none").recipe, Store(tmp_path / "corpus")
    store.root.mkdir()
    next(finish(recipe, store, []))
    assert "code.jsonl" in (store.root / DIGESTS).read_text()
    monkeypatch.setattr(inputs, "file_input", lambda *_: pytest.fail("hashed again"))
    next(finish(recipe, store, []))
