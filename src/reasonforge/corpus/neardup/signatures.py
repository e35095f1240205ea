"""MinHash: short signatures of sets of shingles that agree, position by position, as often as the sets are similar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.hashing import U64, GramHashes, hash_texts, mixed, portions

_BLOCK = 512
"""Shingles that are permuted at a time: the block stays in the processor's cache."""
_EMPTY = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Signatures of many texts."""

    values: NDArray[np.uint32]
    """One row per text. A text without shingles has 2^32 - 1 everywhere."""
    num_shingles: NDArray[np.int64]
    """Shingles of each text, those that repeat counted again; 0 = it has no word."""


def signatures(texts: Sequence[str], *, shingle: int, permutations: int) -> Signatures:
    """Return the MinHash signatures of texts over runs of ``shingle`` grams.

    A text with fewer grams is one shingle, all of it: it equals only itself.

    Source:
        Broder, On the resemblance and containment of documents (1997). Permutations are ``a x + b`` modulo 2^32 with odd ``a``.
    """
    values = np.full((len(texts), permutations), _EMPTY, np.uint32)
    num_shingles = np.zeros(len(texts), np.int64)
    factors, shifts = _permutations(permutations)
    block = np.empty((permutations, _BLOCK), np.uint32)
    for first, part in portions(texts):
        shingles, bounds = shingle_hashes(hash_texts(part), shingle)
        codes = (shingles >> np.uint64(32)).astype(np.uint32)
        num_shingles[first : first + len(part)] = bounds[:, 1] - bounds[:, 0]
        for number, (start, end) in enumerate(bounds.tolist(), start=first):
            for at in range(start, end, _BLOCK):
                some = codes[at : min(at + _BLOCK, end)]
                hashed = np.multiply(factors, some, out=block[:, : len(some)])
                hashed += shifts
                lowest = hashed.min(axis=1)
                if at > start:
                    np.minimum(lowest, values[number], out=lowest)
                values[number] = lowest
    return Signatures(values=values, num_shingles=num_shingles)


def shingle_hashes(grams: GramHashes, shingle: int) -> tuple[U64, NDArray[np.int64]]:
    """Return the hashes of all shingles, and for each text where its own begin and end."""
    counts = grams.counts()
    starts = grams.offsets[:-1]
    runs = grams.runs(shingle)
    bounds = np.stack((starts, np.maximum(starts, grams.offsets[1:] - shingle + 1)), axis=1)
    short = np.flatnonzero((counts > 0) & (counts < shingle))
    if short.size:
        # The hash of all it has, kept behind all others. Its length goes in, or two words would be the first two of a run.
        extra = np.zeros(short.size, np.uint64)
        for place in range(shingle - 1):
            inside = counts[short] > place
            extra[inside] = mixed(extra[inside] + grams.hashes[starts[short][inside] + place] + np.uint64(place + 1))
        bounds[short, 0] = len(runs) + np.arange(short.size)
        bounds[short, 1] = bounds[short, 0] + 1
        runs = np.concatenate((runs, extra))
    return runs, bounds


def shingle_sets(texts: Sequence[str], *, shingle: int) -> list[U64]:
    """Return the distinct shingles of each text as sorted hashes of 64 bits: what exact similarity is computed from."""
    found: list[U64] = []
    for _, part in portions(texts):
        hashes, bounds = shingle_hashes(hash_texts(part), shingle)
        found += [np.unique(hashes[start:end]) for start, end in bounds.tolist()]
    return found


def jaccard(first: U64, second: U64) -> float:
    """Return the exact similarity of two sets of shingles: what they share, of what they have together. 0 for two empty sets."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    together = first.size + second.size - shared
    return shared / together if together else 0.0


def band_keys(values: NDArray[np.uint32], *, bands: int, rows: int) -> U64:
    """Return one hash per text and band; equal only where the band's number and its values are equal (but for one chance in 2^64)."""
    keys = np.empty((len(values), bands), np.uint64)
    for band in range(bands):
        key = np.full(len(values), band + 1, np.uint64)
        for column in range(band * rows, (band + 1) * rows):
            key = mixed(key + values[:, column])
        keys[:, band] = key
    return keys


@lru_cache(maxsize=8)
def _permutations(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    numbers = np.array([derive_seed(0, "minhash", place) & 0xFFFFFFFFFFFFFFFF for place in range(count)], np.uint64)
    factors = (numbers & np.uint64(0xFFFFFFFF)).astype(np.uint32) | np.uint32(1)
    shifts = (numbers >> np.uint64(32)).astype(np.uint32)
    return factors[:, None], shifts[:, None]
