"""One small corpus that many tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.corpus.loop.start import run_corpus
from reasonforge.corpus.pool import InProcess
from tests.corpus.loop import web


@pytest.fixture(scope="session")
def tiny_web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small web."""
    return web.build(tmp_path_factory.mktemp("tiny") / "web")


@pytest.fixture(scope="session")
def tiny_corpus(tiny_web: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the corpus that was made from it. Look, do not touch."""
    root = tmp_path_factory.mktemp("tiny") / "corpus"
    assert run_corpus(web.load(tiny_web), root, InProcess) == 0
    return root
