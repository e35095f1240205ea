"""Settings: which files the corpus is made from, and what of a page is too much."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.corpus.extract.config import ExtractConfig


class _Files(Section):
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files: paths or URLs (``s3://``, ``https://`` ... whatever fsspec has), with ``*``, ``?``, ``[...]`` and ``**``."""
    crawl: Annotated[str, Field(max_length=200, pattern=r"^[^\s/\\][^/\\\n]*$")] = "crawl"
    """Name of the crawl or source: stands beside every page; of two captures of a page the later name wins."""
    allow_truncated: bool = False
    """Take what is there of a file that ends in the middle of a record. False = such a file is an error: fetch it again. Kind by kind,
    so that the cut files can stand by themselves and the pages of the others stay what they are."""


class WarcFiles(_Files):
    """WARC files, ``.warc``, ``.warc.gz`` or ``.warc.zst``."""

    type: Literal["warc"] = "warc"
    """WARC: responses as a crawler stored them."""


class WetFiles(_Files):
    """WET files: WARC files of text that somebody else extracted; formulas are what is left of them."""

    type: Literal["wet"] = "wet"
    """WARC records of type ``conversion``."""


class _Columns(_Files):
    url: str | None = None
    """Column of the URL; ``a.b`` is ``b`` within ``a``. None = ``url``, or ``metadata.url`` as datatrove writes it."""
    html: str | None = None
    """Column of HTML to extract text from. None = ``html`` where there is no ``text``."""
    text: str | None = None
    """Column of text that is taken as it is. None = ``text``."""
    date: str | None = None
    """Column of the time of the capture, ISO 8601. None = ``date``, or ``metadata.date``, if there is one."""

    @model_validator(mode="after")
    def _one_content(self) -> _Columns:
        if self.html is not None and self.text is not None:
            raise ValueError("html and text: a page has one content: name the column of one of them")
        return self


class JsonlFiles(_Columns):
    """JSON Lines: ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst``."""

    type: Literal["jsonl"]
    """One object per line."""


class ParquetFiles(_Columns):
    """Parquet files."""

    type: Literal["parquet"]
    """Columns of strings."""


Files = Annotated[WarcFiles | WetFiles | JsonlFiles | ParquetFiles, Field(discriminator="type")]


class Limits(Section):
    """What of a file or body is too much. Counted in bytes, never in seconds: the same pages on a busy machine."""

    max_html_bytes: Annotated[int, Field(ge=1 << 10, le=1 << 30)] = 10 << 20
    """HTML beyond this is cut off, and the page flagged."""
    max_inflated_bytes: Annotated[int, Field(ge=1 << 10, le=1 << 34)] = 100 << 20
    """A body that is larger when it is inflated is a bomb and dropped."""

    @model_validator(mode="after")
    def _in_order(self) -> Limits:
        if self.max_inflated_bytes < self.max_html_bytes:
            raise ValueError("max_inflated_bytes is below max_html_bytes: pages would be bombs before they are too long")
        return self


class IngestConfig(Section):
    """From files to pages."""

    inputs: Annotated[tuple[Files, ...], Field(min_length=1)]
    """The files, kind by kind."""
    limits: Limits = Limits()
    """What is too much."""
    extract: ExtractConfig = ExtractConfig()
    """How HTML becomes text. Its ``max_text_chars`` holds for text that comes as such, too."""
