"""Randomness is derived, never stored: the same coordinates give the same draw, whatever the batch split or the number of restarts."""

from __future__ import annotations

import hashlib

_MAX_SEED = (1 << 63) - 1


def derive_seed(run_seed: int, purpose: str, *coordinates: int | str) -> int:
    """Derive a 63-bit seed from the run's seed, what it is for, and where it is used.

    >>> derive_seed(0, "rollout", 12, "p-1", 3) == derive_seed(0, "rollout", 12, "p-1", 3)
    True
    >>> derive_seed(0, "rollout", 12, "p-1", 3) == derive_seed(0, "rollout", 12, "p-1", 4)
    False
    """
    # Each part is written with its type and length, so ("a", "bc") and ("ab", "c"), or 1 and "1", never meet.
    digest = hashlib.blake2b(digest_size=8)
    for part in (run_seed, purpose, *coordinates):
        text = str(part)
        digest.update(f"{type(part).__name__}:{len(text)}:{text};".encode("utf-8", "backslashreplace"))
    return int.from_bytes(digest.digest(), "little") & _MAX_SEED
