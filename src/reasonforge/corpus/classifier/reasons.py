"""Why a candidate does not train the classifier: the codes of the draw."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ALSO_POSITIVE = "also_positive"
NOT_DRAWN = "not_drawn"
REPEATED_EXAMPLE = "repeated_example"
MASKED = "masked"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        ALSO_POSITIVE: "a candidate for a negative is a positive as well",
        NOT_DRAWN: "the page was not drawn as an example for the classifier: there are more than it takes",
        REPEATED_EXAMPLE: "a candidate of the same id and kind stands before it",
        MASKED: "a mask names the document: it is a duplicate, say",
    }
)
