"""The recipe of a corpus: one table per stage. Imports nothing heavy: ``--help``, ``--settings`` and dry runs read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section
from reasonforge.corpus.classifier.config import ClassifierConfig
from reasonforge.corpus.decontaminate.config import DecontaminateConfig
from reasonforge.corpus.extract.config import ExtractConfig
from reasonforge.corpus.ingest.config import IngestConfig, Limits
from reasonforge.corpus.loop.config import Annotation, DomainsConfig, HumanAnnotation, RoundsConfig
from reasonforge.corpus.neardup.config import NearDupConfig
from reasonforge.corpus.packing.batches import SHARD_TOKENS
from reasonforge.corpus.urls.config import UrlDedupConfig
from reasonforge.text.config import BpeTokenizer, FolderTokenizer

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]

OWN_SOURCE = "mined"
"""Name of the source that the rounds bring."""


def _refuse_idle(section: Section, names: Iterable[str], why: str, *, inside: str = "") -> None:
    """Refuse settings that have no effect beside the others.

    Not by ``model_fields_set``: a corpus stores its recipe with all defaults written out, and reads it again.

    Args:
        section: that they are of.
        names: theirs.
        why: they have none.
        inside: dotted name of the section within the one that checks it.

    Raises:
        ValueError: one of them is not its default.
    """
    for name in names:
        default = type(section).model_fields[name].get_default(call_default_factory=True, validated_data={})
        if getattr(section, name) != default:
            key = f"{inside}.{name}" if inside else name
            shown = json.dumps(default) if isinstance(default, (bool, int, float, str)) else "its default"
            raise ValueError(f"{key}: has no effect: {why}. Leave it out (the same as {shown})")


class NearDuplicates(NearDupConfig):
    """Whether near-duplicates are removed, and from what."""

    where: Literal["crawl", "selection", "off"] = "crawl"
    """``crawl``: before the rounds, as in the paper. ``selection``: only what the last round selected, which is a fraction of the work and
    leaves the rounds with copies. ``off``: nowhere."""

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if self.where == "off":
            # Not the partitions: they never change what is dropped, and a recipe for a larger machine is to be switched off by a word.
            idle = [name for name in NearDupConfig.model_fields if name != "partitions"]
            _refuse_idle(self, idle, 'with where = "off" no near-duplicates are looked for')
        return self


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
    shard_tokens: int = Field(default=SHARD_TOKENS, ge=1)
    """Tokens of a shard, about: of neighbouring files as many become one shard as stay within it, and a file with more is one shard. A
    corpus of at least 64 files has at least about 64 shards, so that as many processes find work."""
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

    @model_validator(mode="after")
    def _settings_have_effect(self) -> Self:
        if self.total_tokens is None:
            _refuse_idle(self, ("max_epochs",), "without total_tokens nobody knows how often a source is read")
        if isinstance(self.tokenizer, FolderTokenizer):
            _refuse_idle(self, ("tokenizer_documents",), "a tokenizer of type 'folder' learns nothing")
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

    @model_validator(mode="after")
    def _settings_of_files_have_effect(self) -> Self:
        for name, config in (("crawl", self.crawl), ("seed_documents", self.seed_documents)):
            kinds = {source.type for source in config.inputs}
            for number, source in enumerate(config.inputs):
                if source.type == "parquet":
                    _refuse_idle(
                        source, ("allow_truncated",), "of a Parquet file that is cut nothing can be read", inside=f"{name}.inputs[{number}]"
                    )
            if not kinds & {"warc", "wet"}:
                _refuse_idle(
                    config.limits, Limits.model_fields, "it is about WARC and WET files, and there are none", inside=f"{name}.limits"
                )
            if all(source.type == "wet" or (source.type != "warc" and source.text is not None) for source in config.inputs):
                idle = [field for field in ExtractConfig.model_fields if field != "max_text_chars"]
                _refuse_idle(config.extract, idle, "no file holds HTML", inside=f"{name}.extract")
        return self
