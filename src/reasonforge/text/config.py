"""Settings of tokenizers and prompt templates. Torch-free."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class CharacterTokenizer(Section):
    """One token per character of the task's or the data's alphabet; a tag such as ``<think>`` is one token too."""

    type: Literal["characters"] = "characters"
    tags: tuple[str, ...] = ("<think>", "</think>", "<answer>", "</answer>")
    """Strings that are one token each, wherever they stand."""
    eos: str = "<eos>"
    """The control token that ends a document and a completion."""


class BpeTokenizer(Section):
    """Byte-level BPE trained on the data: any text round-trips exactly."""

    type: Literal["bpe"] = "bpe"
    vocab_size: int = Field(default=4096, ge=260)
    """Ids in all: 256 bytes, learned merges, tags and control tokens. A small corpus may yield fewer."""
    min_frequency: int = Field(default=2, ge=1)
    """A pair seen fewer times than this is never merged."""
    split_digits: bool = True
    """Every digit is a token of its own, so a digit's place is its distance from the end of the number: arithmetic is learned sooner
    than over chunks such as ``123|45``, whose borders say nothing about place value."""
    tags: tuple[str, ...] = ("<think>", "</think>", "<answer>", "</answer>")
    """Strings that are one token each, wherever they stand."""
    eos: str = "<|endoftext|>"
    """The control token that ends a document."""


class FolderTokenizer(Section):
    """The tokenizer of a checkpoint folder in the Hugging Face layout."""

    type: Literal["folder"] = "folder"
    path: str
    """The folder that holds ``tokenizer.json``."""


TokenizerConfig = Annotated[CharacterTokenizer | BpeTokenizer | FolderTokenizer, Field(discriminator="type")]


class TemplateConfig(Section):
    """How a conversation becomes the text that the model reads."""

    name: str = "plain"
    """``plain``: the question alone. ``r1_zero``: a User/Assistant dialogue with think and answer tags, for base models.
    ``chat``: the tokenizer's own chat template. Anything else: the path of a text file that contains ``{prompt}``."""
    system: str | None = None
    """System prompt of conversations that bring none; None = none."""
    answer_instruction: str | None = None
    """Appended to every question on a line of its own, e.g. how to mark the final answer; None = nothing is appended."""
    variables: dict[str, bool | int | str] = Field(default_factory=dict)
    """Extra variables for a ``chat`` template, such as ``enable_thinking``."""


class StepsConfig(Section):
    """Where the steps of a completion end. What stands behind the last border is a step too."""

    at: Literal["newline", "sentence", "pattern"] = "newline"
    """``newline``: at the end of a line, blank lines included. ``sentence``: at a full stop, question or exclamation mark before white
    space, or at the end of a line. ``pattern``: at the end of every match of ``pattern``."""
    pattern: str | None = Field(default=None, min_length=1)
    """A regular expression of Python, for ``at = "pattern"``: ``(?=Step \\d+:)`` ends a step before the next one begins."""

    @model_validator(mode="after")
    def _is_an_expression(self) -> Self:
        if (self.at == "pattern") != (self.pattern is not None):
            raise ValueError("pattern belongs to at = 'pattern': set both or neither")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r} is not a regular expression: {error}") from error
        return self
