"""URLs: one normal form per page, its registered domain, and the pages of a crawl that are there more than once."""

from reasonforge.corpus.urls.normal import REASONS, NormalURL, Refused, normalise

__all__ = ["REASONS", "NormalURL", "Refused", "normalise"]
