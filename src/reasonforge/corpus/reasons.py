"""Why a page is not in the corpus: every code that stands in a receipt, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reasonforge.corpus.classifier.reasons import REASONS as CLASSIFIER_REASONS
from reasonforge.corpus.loop.reasons import REASONS as LOOP_REASONS
from reasonforge.corpus.packing.reasons import REASONS as PACKING_REASONS
from reasonforge.corpus.selection.reasons import REASONS as SELECTION_REASONS
from reasonforge.corpus.units import KILLS_WORKER
from reasonforge.corpus.urls.normal import REASONS as URL_REASONS
from reasonforge.corpus.urls.reasons import REASONS as DEDUP_REASONS

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
        **CLASSIFIER_REASONS,
        **DEDUP_REASONS,
        **LOOP_REASONS,
        **PACKING_REASONS,
        **SELECTION_REASONS,
    }
)
"""Code to one sentence."""


def sentence(code: str) -> str:
    """Return what a code means; a code that nobody described is its own description."""
    return REASONS.get(code, code)
