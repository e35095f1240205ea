"""The recipe of a corpus: one table per stage. Imports nothing heavy: ``--help``, ``--settings`` and dry runs read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.decontaminate.config import DecontaminateConfig
from reasonforge.corpus.ingest.config import IngestConfig
from reasonforge.corpus.loop.config import Annotation, DomainsConfig, HumanAnnotation, RoundsConfig
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.text.config import BpeTokenizer, FolderTokenizer

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]

OWN_SOURCE = "mined"
"""Name of the source that the rounds bring."""


class NearDuplicates(NearDupConfig):
    """Whether near-duplicates are removed, and from what."""

    where: Literal["crawl", "selection", "off"] = "crawl"
    """``crawl``: before the rounds, as in the paper. ``selection``: only what the last round selected, which is a fraction of the work and
    leaves the rounds with copies. ``off``: nowhere."""


class SourceConfig(Section):
    """Documents that are packed beside the mined ones: code, papers, general text."""

    paths: tuple[str, ...] = Field(default=..., min_length=1)
    """JSON Lines or Parquet files, with ``*``, ``?``, ``[...]`` and ``**``."""
    weight: float = Field(default=..., gt=0)
    """Share of the training tokens, in any unit."""
    text_field: str = "text"
    """Column of the text."""
    decontaminate: bool = True
    """Look for benchmark text in its documents, as in the mined pages. False = it is packed unchecked, and the report says so."""


class PackConfig(Section):
    """Token shards."""

    tokenizer: Annotated[FolderTokenizer | BpeTokenizer, Field(discriminator="type")]
    """The ``folder`` of the model that is to be trained, or a ``bpe`` that is learned from the corpus itself."""
    tokenizer_documents: int = Field(default=100_000, ge=1)
    """Documents that a ``bpe`` tokenizer learns from, drawn by hash."""
    weight: float = Field(default=56.0, gt=0)
    """Share of the mined pages in the training mixture, in the unit of ``sources``. The paper's 56 of 100."""
    sources: dict[_Name, SourceConfig] = Field(default_factory=dict)
    """Other sources by name. The paper's 4 AlgebraicStack, 10 arXiv, 20 GitHub, 10 natural language."""
    total_tokens: int | None = Field(default=None, ge=1)
    """Tokens that are to be trained on: how often each source would be read is said beforehand. None = it is not said."""
    max_epochs: float = Field(default=4.0, gt=0)
    """Say so when a source would be read more often."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if OWN_SOURCE in self.sources:
            raise ValueError(f"sources.{OWN_SOURCE}: this name is that of the mined pages. Choose another")
        return self


class CorpusRecipe(Section):
    """From files of a crawl to packed shards.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1 to 2.3. Defaults are the paper's where it states one.
    """

    name: str = Field(default="corpus", min_length=1, max_length=100)
    """Shown in reports; names the folder where ``--out`` does not."""
    seed: int = Field(default=0, ge=0, le=(1 << 63) - 1)
    """Of every draw: which pages are negatives, which documents a tokenizer learns from."""
    crawl: IngestConfig
    """The pages to mine from."""
    seed_documents: IngestConfig
    """The first positives; in the paper OpenWebMath."""
    urls: UrlDedupConfig = UrlDedupConfig()
    """Captures of one URL."""
    near_duplicates: NearDuplicates = NearDuplicates()
    """Pages that are nearly the same."""
    classifier: ClassifierConfig = ClassifierConfig()
    """What tells mathematics from the rest; trained anew in every round."""
    rounds: RoundsConfig
    """How often, how much, until when."""
    domains: DomainsConfig = DomainsConfig()
    """Which domains are looked at."""
    annotation: Annotation = HumanAnnotation()
    """Who says which paths of them are mathematics."""
    decontamination: DecontaminateConfig | None = None
    """Which benchmarks must not be in the corpus. None = nothing is looked for."""
    pack: PackConfig | None = None
    """Token shards of the corpus and of the sources beside it. None = the selection is the end."""
    truth: Path | None = None
    """``truth.parquet`` of a synthetic web: ``status`` then shows recall and precision. Nothing else reads it."""

    @model_validator(mode="after")
    def _sources_are_checked_against_something(self) -> Self:
        if self.decontamination is None and self.pack is not None:
            for name, source in self.pack.sources.items():
                if not source.decontaminate:
                    raise ValueError(f"pack.sources.{name}.decontaminate = false has no effect: no decontamination is set")
        return self
