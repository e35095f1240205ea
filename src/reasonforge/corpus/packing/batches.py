"""Which files become one shard: a crawl has tens of thousands, each with a few hundred pages left, and training opens every shard."""

from __future__ import annotations

import os
from collections.abc import Sequence

from reasonforge.corpus.ingest.remote import is_url

SHARD_TOKENS = 250_000_000
"""Tokens of a shard, about: half a gigabyte where an id has two bytes."""

_LEAST_SHARDS = 64
"""Of files enough, so that a small corpus is packed by as many processes as a large one."""
_MOST_FILES = 1024
"""Of one shard: reading pages takes time also where none is kept, and what was in hand when a run was killed is read again."""
_BYTES_PER_TOKEN = 4.0
_INFLATES = {".gz": 4.0, ".zst": 4.0, ".parquet": 3.0}
"""How much larger text is than the file, about."""


def batches(tokens: Sequence[float | None], shard_tokens: int = SHARD_TOKENS) -> list[range]:
    """Return which neighbours of a list of files become one shard, in order: as many as stay within the size.

    The size is ``shard_tokens``, or a sixty-fourth of all where that is less. It follows from the list alone, so the shards of a corpus do
    not depend on the machines that pack them.

    Args:
        tokens: what each file has, about; None = not known, and the file is a shard of its own.
        shard_tokens: what a shard is to have at most. A file with more is one shard.

    >>> batches([30, 30, 50, 250, None, 10], shard_tokens=100)
    [range(0, 1), range(1, 2), range(2, 3), range(3, 4), range(4, 5), range(5, 6)]
    >>> [len(batch) for batch in batches([30] * 1000, shard_tokens=100)]  # doctest: +ELLIPSIS
    [3, 3, 3, ...]
    """
    size = min(shard_tokens, sum(number or 0 for number in tokens) / _LEAST_SHARDS)
    found: list[range] = []
    start, held = 0, 0.0
    for index, number in enumerate(tokens):
        is_full = number is None or tokens[start] is None or held + number > size or index - start >= _MOST_FILES
        if index > start and is_full:
            found.append(range(start, index))
            start, held = index, 0.0
        held += number or 0
    if tokens:
        found.append(range(start, len(tokens)))
    return found


def tokens_by_size(path: str) -> float | None:
    """Return how many tokens a local file of documents has, about, by its size alone; None = it is not here to be looked at."""
    if is_url(path):
        return None
    try:
        size = os.stat(path).st_size
    except OSError:
        return None
    return size * _INFLATES.get(os.path.splitext(path)[1].lower(), 1.0) / _BYTES_PER_TOKEN
