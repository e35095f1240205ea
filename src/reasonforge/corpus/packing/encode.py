"""Texts to token ids in batches, in memory that does not grow with the corpus. ``benchmarks/corpus/tokenise.py`` says what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonforge.core.errors import DataError
from reasonforge.corpus.packing.documents import Text
from reasonforge.corpus.packing.manifest import dtype_of, token_type
from reasonforge.corpus.reasons import NOT_ENCODABLE
from reasonforge.corpus.units import Counts
from reasonforge.text.tokenizer import Tokenizer

_BATCH_DOCUMENTS = 1024
_BATCH_CHARACTERS = 1 << 21
"""Of one batch; a longer text is a batch of its own, under its own name, so that one that kills a worker is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A batch of documents."""

    tokens: NDArray[Any]
    """One document after the other, each closed, in the type that lies on disk."""
    lengths: NDArray[np.int64]
    """Of each document, with the token that closes it."""
    num_characters: int
    num_bytes: int
    """Of the text as UTF-8."""


def encode_documents(
    texts: Iterable[Text], tokenizer: Tokenizer, counts: Counts, *, begin: Callable[[str], bool] = lambda name: True
) -> Iterator[Encoded]:
    """Yield the documents as ids. Text that looks like a control token stays text: nobody can end a document by writing its end.

    Args:
        texts: the documents.
        tokenizer: has a token that ends documents.
        counts: told of those that are kept, and of those that the tokenizer refuses.
        begin: asked before a long text; False = leave it out, it is counted already.

    Raises:
        DataError: the tokenizer has no token that ends a document.
    """
    eos_id = eos_of(tokenizer)
    dtype = dtype_of(token_type(tokenizer.vocab_size))
    for batch in _batches(texts):
        if len(batch) == 1 and len(batch[0].text) > _BATCH_CHARACTERS and not begin(batch[0].id):
            continue
        taken = [document.text for document in batch]
        try:
            tokens, lengths = tokenizer.encode_closed(taken, end=eos_id)
        except DataError:
            taken = _encodable(taken, tokenizer, counts)
            tokens, lengths = tokenizer.encode_closed(taken, end=eos_id)
        begin("")
        if not taken:
            continue
        counts.kept += len(taken)
        # A type that is too small would wrap round in silence.
        assert int(tokens.max()) < tokenizer.vocab_size
        num_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in taken)
        yield Encoded(tokens=tokens.astype(dtype), lengths=lengths, num_characters=sum(map(len, taken)), num_bytes=num_bytes)


def eos_of(tokenizer: Tokenizer) -> int:
    """Return the id that closes documents.

    Raises:
        DataError: there is none.
    """
    if tokenizer.eos_id is None:
        raise DataError("tokenizer: has no end-of-document token, which closes packed documents: name one as eos_token in its files")
    return tokenizer.eos_id


def _encodable(texts: list[str], tokenizer: Tokenizer, counts: Counts) -> list[str]:
    """Return the texts that the tokenizer takes."""
    taken: list[str] = []
    for text in texts:
        try:
            tokenizer.encode(text)
            taken.append(text)
        except DataError:
            counts.drop(NOT_ENCODABLE)
    return taken


def _batches(texts: Iterable[Text]) -> Iterator[list[Text]]:
    batch: list[Text] = []
    size = 0
    for document in texts:
        if batch and (len(batch) == _BATCH_DOCUMENTS or size + len(document.text) > _BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.text)
    if batch:
        yield batch
