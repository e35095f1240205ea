"""Why pages are left out as duplicates or for benchmark text: codes and sentences of URLs, near-duplicates and decontamination."""

from __future__ import annotations

from typing import Final

DUPLICATE_URL: Final = "duplicate_url"
NEAR_DUPLICATE: Final = "near_duplicate"
NO_WORDS: Final = "no_words"
NOT_SIMILAR: Final = "not_similar"
LEFT_OUT: Final = "left_out_before"
BENCHMARK_TEXT: Final = "holds_benchmark_text"
TOO_SHORT: Final = "benchmark_text_too_short"

REASONS: Final = {
    DUPLICATE_URL: "another capture of the same URL is kept: the newest",
    NEAR_DUPLICATE: "a page with nearly the same text is kept: the newest of them",
    NO_WORDS: "the page has no word that could be compared with other pages",
    NOT_SIMILAR: "two pages that share a band of their signatures, and are less similar than near-duplicates",
    LEFT_OUT: "the page was dropped by an earlier step, or is not selected",
    BENCHMARK_TEXT: "the page holds benchmark text, and by the settings all of it goes",
    TOO_SHORT: "the benchmark text has too few words to be looked for",
}
"""Code to one sentence."""
