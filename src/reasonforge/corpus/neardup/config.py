"""Settings of near-duplicate detection. Imports nothing heavy."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from reasonforge.config.base import Section


class NearDupConfig(Section):
    """Which pages are nearly the same, and how they are found.

    The paper says that near-duplicates were removed and not how; the numbers are ours.
    """

    shingle: int = Field(default=5, ge=1, le=32)
    """Words in a row that are compared as one (in Chinese and Japanese: characters). A shorter text is one shingle."""
    jaccard: float = Field(default=0.8, gt=0, le=1)
    """Two pages are near-duplicates if they share at least this part of their distinct shingles; computed exactly, for every candidate. A
    page goes if it is one of the page that stays in its place: a chain of pages, each like the next, is thinned out, not lost."""
    permutations: int = Field(default=128, ge=1, le=1024)
    """Length of a signature."""
    bands: int = Field(default=18, ge=1, le=1024)
    """Two pages become candidates if one of so many bands of their signatures is equal."""
    rows: int = Field(default=7, ge=1, le=64)
    """Values in a band. Two pages of similarity s are found with probability 1 - (1 - s^rows)^bands: with 18 bands of 7, 0.986 at 0.8,
    0.99999 at 0.9, 0.40 at 0.6 and 0.13 at 0.5, where they cost a comparison and no more."""
    max_bucket: int = Field(default=64, ge=2, le=4096)
    """Of the pages that share a band, at most so many (by id) are paired with all others: ten thousand copies of one page are no fifty
    million pairs. Larger buckets are counted as ``large_buckets``."""
    partitions: int = Field(default=16, ge=1, le=65536)
    """Parts that bands are compared in, side by side: more = less memory for each. What is dropped does not depend on it."""

    @model_validator(mode="after")
    def _bands_fit(self) -> Self:
        if self.bands * self.rows > self.permutations:
            raise ValueError(
                f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} permutations, there are {self.permutations}"
            )
        return self

    def probability(self, similarity: float) -> float:
        """Return the probability that two pages of so much similarity become candidates (the S-curve).

        >>> round(NearDupConfig().probability(0.8), 3)
        0.986
        """
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands
