"""Bytes per token: what the budgets reckon with before there is a tokenizer's word on it, and what packing found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reasonforge.corpus.config import OWN_SOURCE, CorpusRecipe
from reasonforge.corpus.units import Receipt, total

_NEAR = 1.25
"""Budgets that are off by less are not worth mining anew."""


class BytesPerToken(NamedTuple):
    """Of the mined pages, as UTF-8."""

    measured: float
    reckoned: float
    """``classifier.bytes_per_token``."""

    @property
    def is_near(self) -> bool:
        """True if the budgets were about what they said."""
        return 1 / _NEAR <= self.measured / self.reckoned <= _NEAR

    def words(self) -> str:
        """Say both, and what to set if they are far apart."""
        found = f"measured {self.measured:.1f} bytes per token, the budgets reckoned with {self.reckoned:g}"
        return found if self.is_near else f"{found}: set classifier.bytes_per_token = {min(max(self.measured, 1.0), 16.0):.1f}"


def bytes_per_token(receipts: Iterable[Receipt], recipe: CorpusRecipe) -> BytesPerToken | None:
    """Return what packing has measured; None = no mined page is packed, or there are no budgets that reckon with it.

    Args:
        receipts: of packing; those of sources beside the mined pages do not count.
        recipe: of the corpus.
    """
    noted = total(receipt for receipt in receipts if receipt.unit.stage == f"pack/{OWN_SOURCE}").noted
    if not recipe.rounds.token_budgets or not noted.get("tokens") or not noted.get("bytes"):
        return None
    return BytesPerToken(noted["bytes"] / noted["tokens"], recipe.classifier.bytes_per_token)
