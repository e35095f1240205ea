"""One small web that the tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.corpus.synthetic.web import Written, synthesise

PAGES = 600


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return synthesise(tmp_path_factory.mktemp("web") / "w", pages=PAGES, seed=3)


@pytest.fixture(scope="session")
def folder(web: Written) -> Path:
    return web.folder
