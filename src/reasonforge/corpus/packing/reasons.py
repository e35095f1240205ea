"""Why a document is not in the shards: the codes of packing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NOT_SELECTED = "not_selected"
MASKED = "masked"
CONTAMINATED = "contaminated"
EMPTY_DOCUMENT = "empty_document"
NOT_ENCODABLE = "not_encodable"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        NOT_SELECTED: "the selection does not name the document",
        MASKED: "a mask names the document: it is a duplicate, say",
        CONTAMINATED: "the document holds benchmark text, or nothing is left when that is cut out",
        EMPTY_DOCUMENT: "the document's text is empty, or white space",
        NOT_ENCODABLE: "the tokenizer refuses the text: a character outside its alphabet, or a lone surrogate",
    }
)
