"""Settings of decontamination. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section

ProblemField = Literal["question", "options", "answer", "solution"]
"""A part of a problem. The options of a choice are no part of its question here."""


class BenchmarkSource(Section):
    """A benchmark that the package knows, in the files it is published in."""

    type: Literal["benchmark"] = "benchmark"
    name: str = Field(min_length=1)
    """As evaluations name it: gsm8k, math, cmath ..."""
    path: str = Field(min_length=1)
    """Its file or folder."""
    split: str | None = None
    """Which of its files; None = those that scores are given for."""


class FileSource(Section):
    """Texts of any other benchmark: JSON Lines or Parquet."""

    type: Literal["file"] = "file"
    name: str = Field(min_length=1)
    """What hits are listed under."""
    path: str = Field(min_length=1)
    """The file."""
    columns: tuple[str, ...] = Field(default=("question",), min_length=1)
    """Columns whose texts are looked for, each by itself."""
    id_column: str | None = None
    """Names the items in the list of hits; None = the row's number, counted from 1."""


Source = Annotated[BenchmarkSource | FileSource, Field(discriminator="type")]


class DropDoc(Section):
    """A page with a hit is dropped."""

    type: Literal["drop_doc"] = "drop_doc"


class DropSegment(Section):
    """Paragraphs with a hit are cut out. The paper's way."""

    type: Literal["drop_segment"] = "drop_segment"
    max_share: float = Field(default=0.5, ge=0, le=1)
    """If more than this part of a page's paragraphs would go, the page is dropped."""
    short_drops_page: bool = False
    """A benchmark text of fewer than ``n`` grams drops the page, and not only its paragraph: the paper speaks of segments for runs of ten
    and of pages for short texts. Off by default, which is ours: a page is worth more than the few words that it shares."""


class Excise(Section):
    """The hit and what stands around it are cut out."""

    type: Literal["excise"] = "excise"
    window: int = Field(default=200, ge=0, le=100_000)
    """Characters to cut on either side, and on to the end of a word."""


Action = Annotated[DropDoc | DropSegment | Excise, Field(discriminator="type")]


class AuditConfig(Section):
    """A list of paragraphs that resemble a benchmark text. It is a report: nothing is dropped by it."""

    n: int = Field(default=8, ge=1, le=32)
    """Grams in a row that are compared as one. Fewer find more of what was put in other words."""
    jaccard: float = Field(default=0.5, gt=0, le=1)
    """A paragraph is listed from this similarity to a benchmark text on: what they share, of what they have together."""


class DecontaminateConfig(Section):
    """Which text counts as benchmark text, and what becomes of pages that hold it.

    Source: DeepSeekMath (arXiv:2402.03300), section 2.1. What a gram is, is ours: see ``corpus.hashing``.
    """

    sources: tuple[Source, ...] = Field(min_length=1)
    """Benchmarks to keep out of the corpus."""
    fields: tuple[ProblemField, ...] = Field(default=("question",), min_length=1)
    """Parts of their problems that are looked for. The paper takes questions and answers; options and answers of a few words match all over
    the web, so they have to be asked for. It concerns sources of type ``benchmark``."""
    n: int = Field(default=10, ge=2, le=64)
    """A page that shares a run of so many grams with a benchmark text holds benchmark text."""
    min_n: int = Field(default=3, ge=1, le=64)
    """Benchmark texts of fewer than ``n`` grams but at least so many are looked for as a whole; shorter ones are not."""
    short_min_words: int = Field(default=1, ge=0, le=64)
    """Of the texts of fewer than ``n`` grams only those with so many words are looked for: grams of two letters or more, or Chinese or
    Japanese characters; numbers, single letters and LaTeX commands are none. 0 = all are, which is the paper's letter. Ours: answers such
    as ``1, 2, 3`` or ``x^3 + 3x - 6`` stand as paragraphs in clean pages all over the web, and the paper's rule would lose these."""
    short_match: Literal["whole_segment", "substring"] = "whole_segment"
    """A short benchmark text matches a paragraph that consists of it (``whole_segment``), or any place in a page (``substring``)."""
    action: Action = DropSegment()
    """What becomes of a page with a hit."""
    review_documents: int = Field(default=100, ge=1)
    """A run of grams that stands in more pages than this is listed for review: a famous formula, a template of instructions."""
    ignore_frequent: bool = False
    """Do not use the runs that are listed for review. False = they count like all others."""
    audit: AuditConfig | None = None
    """List paragraphs that resemble a benchmark text; None = no list."""

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if self.min_n > self.n:
            raise ValueError(f"min_n = {self.min_n} is more than n = {self.n}: min_n = n looks for no short texts")
        # Not ``model_fields_set``: a corpus stores its recipe with all defaults written out, and reads it again.
        if self.min_n == self.n and self.short_match != type(self).model_fields["short_match"].default:
            raise ValueError("short_match has no effect where min_n = n: no short texts are looked for")
        if self.min_n == self.n and self.short_min_words != type(self).model_fields["short_min_words"].default:
            raise ValueError("short_min_words has no effect where min_n = n: no short texts are looked for")
        if self.min_n == self.n and isinstance(self.action, DropSegment) and self.action.short_drops_page:
            raise ValueError("action.short_drops_page has no effect where min_n = n: no short texts are looked for")
        if self.min_n < self.n <= self.short_min_words:
            raise ValueError(
                f"short_min_words = {self.short_min_words} leaves no text of fewer than n = {self.n} grams to look for: lower it, "
                "or say min_n = n"
            )
        if len(set(self.fields)) < len(self.fields):
            raise ValueError("fields: one of them is named twice")
        if self.fields != type(self).model_fields["fields"].default and not any(source.type == "benchmark" for source in self.sources):
            raise ValueError("fields has no effect: no source is of type 'benchmark'. A file names its columns")
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"sources: {next(name for name in names if names.count(name) > 1)!r} is named twice")
        return self
