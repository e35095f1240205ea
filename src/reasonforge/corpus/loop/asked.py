"""Which decisions hold in a round: those about domains that a round has found by then. Nobody would have been asked about others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeVar

from reasonforge.corpus.paths import Pattern
from reasonforge.corpus.urls.normal import Refused, normalise

_Decision = TypeVar("_Decision")
Key = Literal["host", "domain"]


def domain_of(host: str, *, key: Key) -> str:
    """Return the domain of a host: itself, or its registered domain.

    >>> domain_of("a.forum.org", key="domain"), domain_of("alice.github.io", key="domain")
    ('forum.org', 'alice.github.io')
    """
    if key == "host":
        return host
    found = normalise(f"https://{host}/")
    return host if isinstance(found, Refused) else found.domain


def holding(decisions: Mapping[Pattern, _Decision], found: Collection[str], *, key: Key) -> dict[Pattern, _Decision]:
    """Return the decisions that hold.

    Args:
        decisions: what was decided about patterns, whenever that was.
        found: domains that were mathematical in this round or in one before.
        key: what a domain is.
    """
    return {pattern: decision for pattern, decision in decisions.items() if domain_of(pattern.host, key=key) in found}
