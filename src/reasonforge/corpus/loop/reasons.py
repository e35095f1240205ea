"""Reason codes of the rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOT_OFFERED: Final = "not_offered"
NO_NEGATIVE: Final = "no_negative"
FEW_PAGES: Final = "few_pages"
LOW_SHARE: Final = "low_share"
OTHER_DOMAIN: Final = "other_domain"
TAKEN_BACK: Final = "taken_back"
SEED_DOCUMENT: Final = "seed_document"
NOT_ACCEPTED: Final = "not_under_accepted_path"

REASONS: Final[Mapping[str, str]] = {
    NOT_OFFERED: "the hash of the page is beyond what the classifier is offered to learn from",
    NO_NEGATIVE: "the round before selected the page, or it lies under an accepted path: no negative",
    SEED_DOCUMENT: "the page is a seed document, by its URL or by its words: no negative",
    FEW_PAGES: "the domain has too few pages to be judged (domains.min_pages)",
    LOW_SHARE: "too small a share of the domain's pages was collected (domains.min_collected_ratio)",
    OTHER_DOMAIN: "the page's domain is not mathematical",
    TAKEN_BACK: "a positive of an earlier round whose path is now called something else than mathematics",
    NOT_ACCEPTED: "the page was collected, or lies under no path that was called mathematics",
}
