"""Shards read by memory map: any tokens, any window of any epoch, in any order, from any process. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.packing.manifest import INDEX_TYPE, Manifest, Shard, dtype_of
from reasonforge.corpus.packing.permutation import Permutation

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

_OPEN_FILES = 128
"""Files mapped at a time: a corpus has thousands, a process may open about a thousand."""
_CHECKED_TOKENS = 1 << 22
"""Read at a time where all tokens are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of tokens to learn from."""

    tokens: Int32
    """``seq_len + 1`` ids: all but the first are predicted."""
    ends: Int64
    """Where documents end inside it, each one behind its last token; the window's own end only where a document ends there."""

    def documents(self) -> list[Int32]:
        """Return the pieces of documents that the window holds, in order: what attention stays within if it is not to cross documents."""
        inner = [int(end) for end in self.ends if end < len(self.tokens)]
        return [piece.astype(np.int32) for piece in np.split(self.tokens, inner)]


class Shards:
    """The documents of one source, packed into one folder or several, as one stream of tokens."""

    def __init__(self, folders: Path | Sequence[Path]) -> None:
        """Open folders; sizes and the order of the documents' ends are checked, the tokens are not (:meth:`verify` does that).

        Args:
            folders: in this order. All must be packed by one tokenizer.

        Raises:
            DataError: a folder is no folder of shards, a file has another size than its manifest says, an index does not count up to its
                shard's tokens, or the folders do not go together.
        """
        self.folders = tuple(path.expanduser() for path in ([folders] if isinstance(folders, Path) else folders))
        assert self.folders, "no folder"
        self.manifests = tuple(Manifest.read(folder) for folder in self.folders)
        first = self.manifests[0]
        for folder, manifest in zip(self.folders, self.manifests, strict=True):
            if (manifest.tokenizer_sha256, manifest.eos_id) != (first.tokenizer_sha256, first.eos_id):
                raise DataError(f"{folder}: packed by another tokenizer than {self.folders[0]}: pack both by one, or read them apart")
        self._dtype = dtype_of(first.dtype)
        pairs = zip(self.folders, self.manifests, strict=True)
        self._shards = [(folder, shard) for folder, manifest in pairs for shard in manifest.shards if shard.num_tokens]
        for folder, shard in self._shards:
            _check_sizes(folder, shard, self._dtype)
        self._starts = np.cumsum([0, *(shard.num_tokens for _, shard in self._shards)], dtype=np.int64)
        self._bin = lru_cache(_OPEN_FILES)(self._map_tokens)
        self._idx = lru_cache(_OPEN_FILES)(self._map_ends)
        if not self.num_tokens:
            raise DataError(f"{self.folders[0]}: holds no token: there is nothing to train on")

    @property
    def num_tokens(self) -> int:
        """Tokens, those that close documents included."""
        return int(self._starts[-1])

    @property
    def num_documents(self) -> int:
        """Documents."""
        return sum(manifest.num_documents for manifest in self.manifests)

    @property
    def vocab_size(self) -> int:
        """Ids of the vocabulary it was packed with."""
        return self.manifests[0].vocab_size

    @property
    def tokenizer_sha256(self) -> str:
        """The tokenizer it was packed with."""
        return self.manifests[0].tokenizer_sha256

    @property
    def eos_id(self) -> int:
        """The token that closes documents."""
        return self.manifests[0].eos_id

    def tokens(self, start: int, stop: int) -> Int32:
        """Return the tokens from ``start`` to before ``stop``, counted over all shards.

        Raises:
            DataError: an id is outside the vocabulary: a model has no row for it.
        """
        self._check_range(start, stop)
        pieces: list[NDArray[Any]] = []
        for at, low, high in self._parts(start, stop):
            pieces.append(self._bin(at)[low:high])
            if int(pieces[-1].max()) >= self.vocab_size:
                raise self._outside(at, int(pieces[-1].max()))
        return np.concatenate(pieces).astype(np.int32) if pieces else np.empty(0, np.int32)

    def document_ends(self, start: int, stop: int) -> Int64:
        """Return where documents end in a range: every end ``e`` with ``start < e <= stop``, counted over all shards."""
        self._check_range(start, stop)
        found: list[Int64] = [np.empty(0, np.int64)]
        for at, low, high in self._parts(start, stop):
            ends = self._idx(at)
            inside = slice(*np.searchsorted(ends, np.array([low, high], INDEX_TYPE), side="right"))
            found.append(ends[inside].astype(np.int64) + self._starts[at])
        return np.concatenate(found)

    def document(self, index: int) -> Int32:
        """Return a document with the token that closes it."""
        for at, (_, shard) in enumerate(self._shards):
            if 0 <= index < shard.num_documents:
                ends = self._idx(at)
                start = int(ends[index - 1]) if index else 0
                return self._bin(at)[start : int(ends[index])].astype(np.int32)
            index -= shard.num_documents
        raise IndexError("no such document")

    def verify(self) -> None:
        """Read everything: digests, ids, ends.

        Raises:
            DataError: a byte is not what was packed.
            UnavailableError: the package that computes the digests is not there.
        """
        for at in range(len(self._shards)):
            for _ in self._checked_tokens(at, _CHECKED_TOKENS):
                pass
            self._check_index(at)
            self._verify_content(at)

    def checked_tokens(self, part: int) -> Iterator[NDArray[Any]]:
        """Yield all tokens as they lie on disk, so many at a time. Whoever has come to the end has read what was packed, byte by byte.

        Raises:
            DataError: at the end of a shard whose bytes are not what was packed; that of an index at the beginning.
            UnavailableError: the package that computes the digests is not there.
        """
        for at in range(len(self._shards)):
            self._check_index(at)
        for at in range(len(self._shards)):
            yield from self._checked_tokens(at, part)

    def _checked_tokens(self, at: int, part: int) -> Iterator[NDArray[Any]]:
        digest, tokens = _digest(), self._bin(at)
        for start in range(0, len(tokens), part):
            piece = tokens[start : start + part]
            digest.update(piece.data)
            yield piece
        if digest.hexdigest() != self._shards[at][1].bin_xxh3:
            raise _changed(self._path(at, ".bin"))

    def _check_index(self, at: int) -> None:
        digest = _digest()
        digest.update(self._idx(at).data)
        if digest.hexdigest() != self._shards[at][1].idx_xxh3:
            raise _changed(self._path(at, ".idx"))

    def _path(self, at: int, suffix: str) -> Path:
        folder, shard = self._shards[at]
        return folder / f"{shard.name}{suffix}"

    def _outside(self, at: int, token: int) -> DataError:
        path = self._path(at, ".bin")
        return DataError(f"{path}: id {token} is outside its vocabulary of {self.vocab_size} ids: copy or pack it again")

    def _verify_content(self, at: int) -> None:
        path, tokens, ends = self._path(at, ".bin"), self._bin(at), self._idx(at)
        closing = 0
        for start in range(0, len(tokens), _CHECKED_TOKENS):
            part = tokens[start : start + _CHECKED_TOKENS]
            if int(part.max()) >= self.vocab_size:
                raise self._outside(at, int(part.max()))
            closing += int((part == self.eos_id).sum())
        for start in range(0, len(ends), _CHECKED_TOKENS):
            part = ends[max(start - 1, 0) : start + _CHECKED_TOKENS]
            if np.any(tokens[part - np.uint64(1)] != self.eos_id):
                raise DataError(f"{path}: its documents do not end where its index says: pack it again")
        if closing != len(ends):
            raise DataError(f"{path}: {closing} tokens close a document, its index has {len(ends)} documents: pack it again")

    def _parts(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Return (shard, first token, end) of a range."""
        parts: list[tuple[int, int, int]] = []
        at = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            offset = int(self._starts[at])
            end = min(stop, int(self._starts[at + 1]))
            parts.append((at, start - offset, end - offset))
            start, at = end, at + 1
        return parts

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.num_tokens:
            raise IndexError(f"tokens {start} to {stop} of {self.num_tokens}")

    def _map_tokens(self, at: int) -> NDArray[Any]:
        folder, shard = self._shards[at]
        return np.memmap(folder / f"{shard.name}.bin", dtype=self._dtype, mode="r", shape=(shard.num_tokens,))

    def _map_ends(self, at: int) -> NDArray[Any]:
        folder, shard = self._shards[at]
        return np.memmap(folder / f"{shard.name}.idx", dtype=INDEX_TYPE, mode="r", shape=(shard.num_documents,))


class Windows:
    """The stream of a source cut into windows, in a new order every epoch. ``seq_len`` is a choice of who trains, not of who packs.

    Window ``n`` predicts tokens ``n * seq_len + 1`` to ``(n + 1) * seq_len``: neighbours share one token, so every token but the stream's
    first is predicted once an epoch. What is left at the end, less than a window, is not read.
    """

    def __init__(self, shards: Shards, *, seq_len: int, seed: int) -> None:
        """Cut.

        Args:
            shards: the source.
            seq_len: tokens that a window predicts.
            seed: of the order.

        Raises:
            DataError: there are not enough tokens for one window.
        """
        self.shards = shards
        self.seq_len = seq_len
        self._seed = seed
        self._count = (shards.num_tokens - 1) // seq_len
        if self._count < 1:
            raise DataError(
                f"{shards.folders[0]}: {shards.num_tokens} tokens are less than one window of {seq_len + 1}: pack more, or lower seq_len"
            )
        self._order = lru_cache(4)(self._make_order)

    def __len__(self) -> int:
        """Return the number of windows of an epoch."""
        return self._count

    def index(self, epoch: int, place: int) -> int:
        """Return which window stands at a place of an epoch."""
        return self._order(epoch)[place]

    def read(self, index: int) -> Window:
        """Return a window by its index in the stream."""
        if not 0 <= index < self._count:
            raise IndexError(f"window {index} of {self._count}")
        start = index * self.seq_len
        stop = start + self.seq_len + 1
        return Window(tokens=self.shards.tokens(start, stop), ends=self.shards.document_ends(start, stop) - start)

    def _make_order(self, epoch: int) -> Permutation:
        return Permutation(self._count, seed=derive_seed(self._seed, "epoch", epoch))


def _check_sizes(folder: Path, shard: Shard, dtype: np.dtype[Any]) -> None:
    """Compare the files' sizes, and the last end, with the manifest: what a copy that was cut short shows at once."""
    expected = {".bin": shard.num_tokens * dtype.itemsize, ".idx": shard.num_documents * INDEX_TYPE.itemsize}
    for suffix, size in expected.items():
        path = folder / f"{shard.name}{suffix}"
        try:
            found = path.stat().st_size
        except OSError as error:
            raise DataError(f"{path}: cannot read: {error.strerror or error}. Copy or pack the folder again") from None
        if found != size:
            raise DataError(f"{path}: has {found} bytes, its manifest says {size}: copy or pack it again")
    _check_ends(folder / f"{shard.name}.idx", shard)


def _check_ends(path: Path, shard: Shard) -> None:
    """See that the ends count up to the shard's tokens. An index has eight bytes a document, where the tokens have thousands."""
    last = 0
    for start in range(0, shard.num_documents, _CHECKED_TOKENS):
        ends = np.fromfile(path, INDEX_TYPE, count=min(_CHECKED_TOKENS, shard.num_documents - start), offset=start * INDEX_TYPE.itemsize)
        if int(ends[0]) <= last or np.any(ends[1:] <= ends[:-1]):
            raise DataError(f"{path}: its documents do not end one after the other: copy or pack it again")
        last = int(ends[-1])
    if last != shard.num_tokens:
        raise DataError(f"{path}: its last document ends at token {last} of {shard.num_tokens}: copy or pack it again")


def _digest() -> Any:
    try:
        import xxhash
    except ImportError:
        raise UnavailableError("checking digests needs xxhash: pip install 'reasonforge[corpus]'") from None
    return xxhash.xxh3_128()


def _changed(path: Path) -> DataError:
    return DataError(f"{path}: its bytes are not those that were packed: copy or pack it again")
