"""Settings of the classifier. Defaults are the paper's where it states one; :meth:`ClassifierConfig.tiny` is for laptops and tests."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class ClassifierConfig(Section):
    """fastText, trained on positives and negatives.

    Source:
        DeepSeekMath (arXiv:2402.03300), 2.1: 500,000 examples of each kind, dimension 256, learning rate 0.1, word n-grams up to 3, words
        that occur three times, three epochs. Loss, buckets and seed are ours.
    """

    num_positives: int = Field(default=500_000, ge=1)
    """Positives to train on, drawn by hash; fewer are taken where there are fewer."""
    num_negatives: int = Field(default=500_000, ge=1)
    """Negatives likewise."""
    negatives: Literal["random", "exclude_selected"] = "exclude_selected"
    """From round 2 on: any pages but the positives; or none under accepted paths, and of what the round before selected only what people
    have rejected."""
    dim: int = Field(default=256, ge=1, le=4096)
    """Width of the vectors. Costs time in training alone: for scoring the model is folded."""
    lr: float = Field(default=0.1, gt=0, le=10)
    """Learning rate at the start; it falls to 0."""
    word_ngrams: int = Field(default=3, ge=1, le=5)
    """Longest sequence of words that is a feature."""
    min_count: int = Field(default=3, ge=1)
    """Words that occur less often have no vector of their own."""
    epochs: int = Field(default=3, ge=1, le=1000)
    """Passes over the examples."""
    loss: Literal["softmax", "hs"] = "softmax"
    """``softmax`` or hierarchical softmax: with two labels they differ little. One against all is no choice: the library reads its
    sigmoid from a table of 512 entries, and thousands of pages would have one score."""
    bucket: int = Field(default=2_000_000, ge=0, le=1 << 28)
    """Rows that n-grams share by hash. Memory while training: ``4 * dim * (bucket + words)`` bytes, 2 GB by default."""
    minn: int = Field(default=0, ge=0, le=10)
    """Shortest sequence of letters that is a feature; 0 with ``maxn = 0`` = none."""
    maxn: int = Field(default=0, ge=0, le=10)
    """Longest sequence of letters that is a feature."""
    seed: int = Field(default=0, ge=0, le=(1 << 31) - 1)
    """Of the first weights, the order of the examples and the held-out domains."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads that train. With more than one the model is another one each time: the manifest says so."""
    max_chars: int = Field(default=0, ge=0)
    """Look at so many characters of a page, in training and scoring; 0 = at all."""
    held_out: float = Field(default=0.05, gt=0, lt=0.5)
    """Share of the domains that is kept for measuring: by domain, else remembering a domain's words would count as knowing mathematics."""
    keep_library_model: bool = False
    """Keep fastText's own model beside the folded one, ``4 * dim * (bucket + words)`` bytes on disk for every round, 2 GB by default: for
    looking at words and their neighbours with the library. Nothing here reads it."""
    bytes_per_token: float = Field(default=4.0, ge=1.0, le=16.0)
    """Of UTF-8: turns a page's length into tokens for the budgets. A run that packs says at its end how many the mined pages have by the
    tokenizer, and so does ``corpus status``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minn > self.maxn:
            raise ValueError(f"minn = {self.minn} is more than maxn = {self.maxn}: no sequence of letters would be a feature")
        if self.maxn and not self.minn:
            raise ValueError(f"maxn = {self.maxn} has no effect while minn = 0; set minn to 1 or more")
        if self.bucket == 0 and (self.word_ngrams > 1 or self.maxn):
            raise ValueError("bucket = 0 leaves no rows for n-grams; set bucket, or word_ngrams = 1 and maxn = 0")
        if self.bucket and self.word_ngrams == 1 and not self.maxn:
            raise ValueError(f"bucket = {self.bucket} has no effect without n-grams; set bucket = 0")
        return self

    @classmethod
    def tiny(cls, **changes: Any) -> Self:
        """Return what trains in a second and takes 13 MB: 32 wide, 100,000 buckets, 5,000 examples of each kind, more epochs."""
        return cls(**{"num_positives": 5000, "num_negatives": 5000, "dim": 32, "bucket": 100_000, "epochs": 10, "lr": 0.5, **changes})
