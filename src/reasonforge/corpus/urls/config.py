"""Settings of URL deduplication. Imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from reasonforge.config.base import Section


class UrlDedupConfig(Section):
    """Which captures of one page are the same page: those whose URL has the same normal form. The newest is kept."""

    partitions: int = Field(default=16, ge=1, le=65536)
    """Parts that URLs are compared in, side by side: more = less memory for each. What is dropped does not depend on it."""
