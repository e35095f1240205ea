"""Stable ids: the same content has the same id on every machine and in every run."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def content_id(content: Any, *, length: int = 16) -> str:
    """Return a hex id of JSON-able content; key order and spacing do not matter.

    >>> content_id({"a": 1, "b": [2]}) == content_id({"b": [2], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate (a broken data set) must not stop the run: it hashes as its own escape.
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=length // 2).hexdigest()
