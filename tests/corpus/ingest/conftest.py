"""A stand-in for the extraction: the text between tags. What these tests ask about happens before it."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import NamedTuple

import pytest


class _Extracted(NamedTuple):
    title: str
    text: str
    num_formulas: int
    flags: int


def _extract_html(html: str, *, url: str, config: object) -> _Extracted:
    html = re.sub(r"(?s)<script.*?</script>", "", html)
    title = re.search(r"(?s)<title>(.*?)</title>", html)
    body = re.sub(r"(?s)<title>.*?</title>", "", html)
    text = " ".join(re.sub(r"<[^>]*>", " ", body).split())
    return _Extracted(title[1] if title else "", text, text.count("$") // 2, 0)


@pytest.fixture(autouse=True)
def plain_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in where the unit looks for the extraction."""
    module = ModuleType("reasonforge.corpus.extract.page")
    module.extract_html = _extract_html  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reasonforge.corpus.extract.page", module)
