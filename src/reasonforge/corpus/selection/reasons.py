"""Why a scored page is not selected."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BELOW_CUT = "below_cut"
OTHER_SCORE = "other_score"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        BELOW_CUT: "the classifier ranks the page behind the cut: beyond the budget of tokens, or below the threshold",
        OTHER_SCORE: "the page's score is not that of the cut, so there is nothing to decide by hash",
    }
)
