"""Why a page is not in the corpus: every code that stands in a receipt, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reasonforge.corpus.loop.reasons import REASONS as LOOP_REASONS
from reasonforge.corpus.units import KILLS_WORKER
from reasonforge.corpus.urls.normal import REASONS as URL_REASONS

CORRUPT = "corrupt"
TRUNCATED = "truncated"
BOMB = "bomb"
REVISIT = "revisit"
CONTINUATION = "continuation"
NOT_HTTP = "not_http"
HTTP_STATUS = "http_status"
NOT_HTML = "not_html"
EMPTY_BODY = "empty_body"
NO_TEXT = "no_text"
SOFT_404 = "soft_404"
BAD_ROW = "bad_row"
MISSING_FIELD = "missing_field"
ALSO_POSITIVE = "also_positive"
NOT_DRAWN = "not_drawn"
REPEATED_EXAMPLE = "repeated_example"
MASKED = "masked"
DUPLICATE_URL = "duplicate_url"
NEAR_DUPLICATE = "near_duplicate"
NO_WORDS = "no_words"
NOT_SIMILAR = "not_similar"
LEFT_OUT = "left_out_before"
BENCHMARK_TEXT = "holds_benchmark_text"
TOO_SHORT = "benchmark_text_too_short"
NOT_SELECTED = "not_selected"
CONTAMINATED = "contaminated"
EMPTY_DOCUMENT = "empty_document"
NOT_ENCODABLE = "not_encodable"
BELOW_CUT = "below_cut"
OTHER_SCORE = "other_score"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        CORRUPT: "bytes of the file that no record could be read from; one per span, which may have held several pages",
        TRUNCATED: "the file ends in the middle of a record or row",
        BOMB: "content that inflates beyond the limit",
        REVISIT: "the crawler saw the same page before and stored no content",
        CONTINUATION: "a piece of a record that was stored in several",
        NOT_HTTP: "a record without an HTTP response: of a name server, or of another protocol",
        HTTP_STATUS: "an HTTP status other than 200: redirects, missing pages, errors",
        NOT_HTML: "content that is no HTML, whatever its header says: PDF, feeds, images, plain text",
        EMPTY_BODY: "a response without a body",
        NO_TEXT: "no text was left when scripts and navigation were taken away",
        SOFT_404: "a page that says it was not found, sent with status 200",
        BAD_ROW: "a row that is no JSON object, too long, or not UTF-8",
        MISSING_FIELD: "a row without URL or content, or with something else than text in their place",
        KILLS_WORKER: "two workers died of this page, or it took too much processor time",
        **URL_REASONS,
        ALSO_POSITIVE: "a candidate for a negative is a positive as well",
        NOT_DRAWN: "the page was not drawn as an example for the classifier or the tokenizer: there are more than it takes",
        REPEATED_EXAMPLE: "a candidate of the same id and kind stands before it",
        MASKED: "a mask names the document: it is a duplicate, say",
        DUPLICATE_URL: "another capture of the same URL is kept: the newest",
        NEAR_DUPLICATE: "a page with nearly the same text is kept: the newest of them",
        NO_WORDS: "the page has no word that could be compared with other pages",
        NOT_SIMILAR: "two pages that share a band of their signatures, and are less similar than near-duplicates",
        LEFT_OUT: "the page was dropped by an earlier step, or is not selected",
        BENCHMARK_TEXT: "the page holds benchmark text, and by the settings all of it goes",
        TOO_SHORT: "the benchmark text has too few words to be looked for",
        **LOOP_REASONS,
        NOT_SELECTED: "the selection does not name the document",
        CONTAMINATED: "the document holds benchmark text, or nothing is left when that is cut out",
        EMPTY_DOCUMENT: "the document's text is empty, or white space",
        NOT_ENCODABLE: "the tokenizer refuses the text: a character outside its alphabet, or a lone surrogate",
        BELOW_CUT: "the classifier ranks the page behind the cut: beyond the budget of tokens, or below the threshold",
        OTHER_SCORE: "the page's score is not that of the cut, so there is nothing to decide by hash",
    }
)
"""Code to one sentence."""


def sentence(code: str) -> str:
    """Return what a code means; a code that nobody described is its own description."""
    return REASONS.get(code, code)
