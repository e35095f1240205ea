"""What a folder of shards says of itself: ``manifest.json``, and the plainest of formats beside it.

``shard-00000.bin``
    Token ids one after the other, little endian, ``uint16`` where the vocabulary has room in it, else ``uint32``. Every document is closed
    by the end-of-document token.
``shard-00000.idx``
    Where each document ends, counted in tokens from the shard's start: ``uint64``, little endian.

No header in either: NumPy, C or anything else reads them with one call.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.runs.files import read_json

MANIFEST = "manifest.json"
FORMAT, VERSION = "reasonforge-shards", 1

TokenType = Literal["uint16", "uint32"]

INDEX_TYPE = np.dtype("<u8")
"""Of the ends of documents."""

_DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}
_MAX_VOCAB = 1 << 31
"""Training holds ids as signed 32-bit numbers."""


def token_type(vocab_size: int) -> TokenType:
    """Return the type that holds every id of a vocabulary.

    Raises:
        DataError: no type that training reads does.

    >>> token_type(65_536), token_type(65_537)
    ('uint16', 'uint32')
    """
    if not 0 < vocab_size <= _MAX_VOCAB:
        raise DataError(f"tokenizer: a vocabulary of {vocab_size} ids cannot be packed: 1 to {_MAX_VOCAB} ids have room")
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


def dtype_of(name: TokenType) -> np.dtype[Any]:
    """Return how ids of a type lie on disk: little endian on every machine."""
    return _DTYPES[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One pair of files."""

    name: str
    """Without ``.bin`` and ``.idx``."""
    num_tokens: int
    num_documents: int
    bin_xxh3: str
    idx_xxh3: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that a reader needs to know before it opens a shard."""

    source: str
    """Name of what was packed."""
    dtype: TokenType
    vocab_size: int
    tokenizer_sha256: str
    """``Tokenizer.encoding_sha256``: ids mean something under this tokenizer alone."""
    eos_id: int
    """Closes every document."""
    num_tokens: int
    num_documents: int
    num_characters: int
    """Of the text that was encoded: tokens per character tell how well the vocabulary fits it."""
    units: str
    """One digest of the units of work that made it: the same inputs and tokenizer give the same."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Documents left out, by reason."""
    shards: tuple[Shard, ...]

    def to_json(self) -> bytes:
        """Return canonical JSON."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder.

        Raises:
            DataError: there is none, it is of another version, or it contradicts itself.
        """
        path = folder / MANIFEST
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder of shards. Make it: {_made_by(folder)}")
        if not path.exists():
            raise DataError(
                f"{folder}: holds no {MANIFEST}, so it is no (whole) folder of shards. Pack it again, or name the folder inside"
            )
        content = read_json(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise DataError(f"{path}: not a manifest of shards. Name a folder that reasonforge corpus pack wrote")
        if content.get("version") != VERSION:
            raise DataError(f"{path}: version {content.get('version')!r}, this program reads {VERSION}: pack again or update the program")
        try:
            known = {name: content[name] for name in cls.__slots__ if name != "shards"}
            manifest = cls(**known, shards=tuple(Shard(**shard) for shard in content["shards"]))
            manifest._check()
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: broken manifest ({error}). Pack again") from None
        return manifest

    def _check(self) -> None:
        counts = [(shard.num_tokens, shard.num_documents) for shard in self.shards]
        numbers = [self.num_tokens, self.num_documents, self.vocab_size, self.eos_id, *(number for pair in counts for number in pair)]
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("a count is no whole number")
        if (sum(tokens for tokens, _ in counts), sum(documents for _, documents in counts)) != (self.num_tokens, self.num_documents):
            raise ValueError("the shards' counts do not add up to the folder's")
        if self.dtype != token_type(self.vocab_size):
            raise ValueError(f"dtype {self.dtype!r} does not go with a vocabulary of {self.vocab_size} ids")
        if self.eos_id >= self.vocab_size:
            raise ValueError(f"eos_id {self.eos_id} is outside the vocabulary of {self.vocab_size} ids")
        if any(not isinstance(shard.name, str) or not shard.name or "/" in shard.name or "\\" in shard.name for shard in self.shards):
            raise ValueError("a shard's name is no file name")
        if any(not isinstance(digest, str) for shard in self.shards for digest in (shard.bin_xxh3, shard.idx_xxh3)):
            raise ValueError("a shard's digest is no text")


def _made_by(folder: Path) -> str:
    """Return the command that makes a folder of shards: what lies in ``DIR/shards`` is made with the corpus ``DIR``."""
    pack = f"reasonforge corpus pack FILES --tokenizer FOLDER --out {shlex.quote(str(folder))}"
    corpus = folder.parent.parent
    if folder.parent.name != "shards" or not corpus.name:
        return pack
    return f"reasonforge corpus run RECIPE --out {shlex.quote(str(corpus))}, or {pack}"
