"""fastText's model files, read and written in NumPy: checked before the library sees them, and folded to the size of the answer.

A text's hidden vector is the mean of the input rows of its features, ``h = mean(E[ids])``, and each label's logit is ``h . w``. The mean is
linear, so ``h . w = mean((E . w)[ids])``: with the matrix ``E Wt`` for input and the identity for output the library computes the same
logits from a file that is smaller by width / labels, 128 times for the paper's. That holds for softmax and hierarchical softmax; sums
are rounded otherwise, which moves a probability by less than 1e-6. Files whose matrices are quantised have no rows to multiply, and are
refused.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors

MAGIC = 793712314
VERSION = 12
SUPERVISED = 3
LOSSES = {1: "hs", 3: "softmax"}
"""By the number in the file. The others, negative sampling and one against all, are not trained here."""

_HEAD = struct.Struct("<2i12id")
_COUNTS = struct.Struct("<3i2q")
_ENTRY = struct.Struct("<qb")
_SHAPE = struct.Struct("<2q")
_COUNT = struct.Struct("<q")
_FLAG = struct.Struct("<B")
_MAX_WORD_BYTES = 1 << 20
_MAX_DIM = 1 << 14
_MAX_NGRAMS = 1 << 10
_MAX_COUNT = 10**12
_WORD, _LABEL = 0, 1
_CHUNK_ROWS = 1 << 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a model file holds and where, after every length in it was checked against the file's size."""

    path: Path
    dim: int
    word_ngrams: int
    loss: str
    bucket: int
    head: bytes
    """Everything before the input matrix, with its width."""
    labels: tuple[str, ...]
    num_words: int
    input_rows: int
    input_at: int
    """Offset of the first weight."""
    output_rows: int
    output_at: int


def read_layout(path: Path) -> Layout:
    """Return what a model file holds; the weights are not read.

    Raises:
        DataError: it is missing, cut, of another kind or version, not supervised, quantised, or its lengths do not agree.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise DataError(f"{path}: is empty, and no fastText model. Copy it again, or train it again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Reader(path, content).layout()
    except OSError as error:
        raise DataError(f"{path}: cannot read this fastText model: {error.strerror or error}. Train it again or name another") from error


def fold(source: Path, target: Path) -> Layout:
    """Write a model file that scores as ``source`` does, with one column per label in place of its width.

    Reads a few megabytes at a time. Products are summed in float64 and rounded once, so that other processors write the same bytes.

    Raises:
        DataError: as :func:`read_layout`, or a weight is not a number.
        StorageError: the disk refused.
    """
    layout = read_layout(source)
    with source.open("rb") as file:
        columns = np.concatenate(list(_rows(layout, file, layout.output_at, layout.output_rows))).astype(np.float64).T
        with storage_errors(target), target.open("xb") as out:
            _write_head(out, layout, dim=layout.output_rows)
            out.write(b"\0" + _SHAPE.pack(layout.input_rows, layout.output_rows))
            for rows in _rows(layout, file, layout.input_at, layout.input_rows):
                out.write((rows.astype(np.float64) @ columns).astype("<f4").tobytes())
            out.write(b"\0" + _SHAPE.pack(layout.output_rows, layout.output_rows))
            out.write(np.eye(layout.output_rows, dtype="<f4").tobytes())
    return read_layout(target)


def _write_head(out: BinaryIO, layout: Layout, *, dim: int) -> None:
    """Write what stands before the matrices, with another width."""
    at = 2 * 4
    out.write(layout.head[:at] + struct.pack("<i", dim) + layout.head[at + 4 :])


def _rows(layout: Layout, file: BinaryIO, at: int, count: int) -> Iterator[np.ndarray]:
    """Yield the rows of a matrix, some thousands at a time."""
    file.seek(at)
    for first in range(0, count, _CHUNK_ROWS):
        num = min(_CHUNK_ROWS, count - first)
        content = file.read(num * layout.dim * 4)
        if len(content) != num * layout.dim * 4:
            raise DataError(f"{layout.path}: fastText model ends at row {first} of {count}. Copy it again")
        rows = np.frombuffer(content, "<f4").reshape(num, layout.dim)
        if not np.isfinite(rows).all():
            raise DataError(f"{layout.path}: fastText model with weights that are not numbers. Train it again, with a smaller lr")
        yield rows


class _Reader:
    """Reads a model file up to its weights and believes nothing."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content
        self._at = 0

    def layout(self) -> Layout:
        magic, version, dim, _, _, _, _, word_ngrams, loss, model, bucket, _, maxn, *_ = self._take(_HEAD, "header")
        if magic != MAGIC:
            raise self._bad("is no fastText model", "Name a .bin file, not .vec, .ftz or text")
        if version != VERSION:
            raise self._bad(f"is a fastText model of format {version}, not {VERSION}", "Save it again with a current fastText")
        if model != SUPERVISED:
            raise self._bad("holds fastText word vectors, no classifier", "Train one with labels")
        if not 0 < dim <= _MAX_DIM or bucket < 0 or not 0 < word_ngrams <= _MAX_NGRAMS or loss not in LOSSES:
            raise self._bad(f"has impossible settings: dim {dim}, bucket {bucket}, wordNgrams {word_ngrams}, loss {loss}")
        if bucket == 0 and (word_ngrams > 1 or maxn > 0):
            raise self._bad("has n-grams and no buckets for them, which kills the library", "Train it again")
        size, num_words, num_labels, _, num_pruned = self._take(_COUNTS, "dictionary")
        if num_words < 1 or num_labels < 1 or size != num_words + num_labels or num_pruned < -1:
            raise self._bad(f"has an impossible dictionary: {num_words} words and {num_labels} labels are {size} entries")
        labels = self._entries(num_words, num_labels)
        if num_pruned >= 0:
            raise self._quantised()
        head = self._content[: self._at]
        input_at = self._matrix("input", dim, num_words + bucket)
        output_at = self._matrix("output", dim, num_labels)
        if self._at != len(self._content):
            raise self._bad(f"has {len(self._content) - self._at} bytes after its end")
        return Layout(
            path=self._path,
            dim=dim,
            word_ngrams=word_ngrams,
            loss=LOSSES[loss],
            bucket=bucket,
            head=head,
            labels=labels,
            num_words=num_words,
            input_rows=num_words + bucket,
            input_at=input_at,
            output_rows=num_labels,
            output_at=output_at,
        )

    def _entries(self, num_words: int, num_labels: int) -> tuple[str, ...]:
        """Pass over the dictionary and return its labels, which follow its words."""
        content, at, labels = self._content, self._at, []
        for index in range(num_words + num_labels):
            end = content.find(b"\0", at, at + _MAX_WORD_BYTES)
            if end < 0 or end + 1 + _ENTRY.size > len(content):
                raise self._bad(f"ends or is broken at word {index} of its dictionary")
            kind = content[end + _ENTRY.size]
            if kind != (_WORD if index < num_words else _LABEL):
                raise self._bad(f"has an impossible word {index} in its dictionary")
            if kind == _LABEL:
                (count,) = _COUNT.unpack_from(content, end + 1)
                if not 0 <= count < _MAX_COUNT:  # the library builds a tree by them, and walks out of it
                    raise self._bad(f"has a label that occurs {count} times")
                labels.append(content[at:end].decode("utf-8", "replace"))
            at = end + 1 + _ENTRY.size
        self._at = at
        return tuple(labels)

    def _matrix(self, name: str, dim: int, rows: int) -> int:
        """Pass over a matrix and return where its weights begin."""
        (quantised,) = self._take(_FLAG, f"{name} matrix")
        if quantised == 1:
            raise self._quantised()
        found = self._take(_SHAPE, f"{name} matrix")
        if quantised or found != (rows, dim):
            raise self._bad(f"has an {name} matrix of {found[0]} x {found[1]}, its settings say {rows} x {dim}")
        start = self._at
        self._at += rows * dim * 4
        if self._at > len(self._content):
            raise self._bad(f"ends {self._at - len(self._content)} bytes too early, in its {name} matrix")
        return start

    def _take(self, form: struct.Struct, what: str) -> tuple[int, ...]:
        if self._at + form.size > len(self._content):
            raise self._bad(f"ends in its {what}")
        values = form.unpack_from(self._content, self._at)
        self._at += form.size
        return values

    def _quantised(self) -> DataError:
        return self._bad("is quantised, which leaves no rows to multiply", "Name the .bin that it was made from")

    def _bad(self, what: str, remedy: str = "Copy it again, or train it again") -> DataError:
        return DataError(f"{self._path}: {what}. {remedy}")
