"""The plain bytes of a file that is compressed piece by piece, with a memory of where in the file they come from."""

from __future__ import annotations

import os
import re
import zlib
from typing import Any, BinaryIO, Protocol

import zstandard

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
HEAD = re.compile(rb"WARC/[01]\.[0-9]+[ \t]*\r?\n")
"""What a record begins with."""
NEXT_HEAD = re.compile(rb"\nWARC/[01]\.[0-9]+[ \t]*\r?\n(?=[A-Za-z][A-Za-z-]*:)")
"""The beginning of a record behind something else: stricter, for a page may speak of WARC."""
MAX_HEAD = 200
"""Bytes that the start of a record is recognised by."""
STEP_BYTES = 1 << 18
"""Inflated at once at least: a usual record in one call."""

_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""How a frame of zstandard begins that holds no data."""
_DICTIONARY_FRAME = b"\x5d\x2a\x4d\x18"
"""How the frame of them begins that holds the dictionary for all that follow: the first of a ``.warc.zst`` that has one."""
_MAX_DICTIONARY_BYTES = 64 << 20
_GZIP_MEMBER = GZIP_MAGIC + b"\x08"
_JUDGED_BYTES = 4096
"""Of a member, to tell whether it holds records."""
_READ_BYTES = 1 << 18
_GIVEN_BYTES = 1 << 15
_PADDING = b"\0\r\n"
_ZSTD_PIECE_BYTES = 1 << 10
"""Of compressed bytes: the library has no limit for what it returns, which for these is 32 MiB at most."""


class BadDictionary(Exception):
    """A file brings a dictionary that cannot be used."""


class Cut(Exception):
    """The file ends in the middle of a member."""


class _Inflater(Protocol):
    """What is used of zlib's objects. Raises ``zlib.error``."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


class _ZstdFrame:
    """A frame of zstandard, read as zlib reads a member."""

    def __init__(self, decompressor: zstandard.ZstdDecompressor) -> None:
        self._inflater = decompressor.decompressobj()
        self.eof = False
        self.unused_data = self.unconsumed_tail = b""

    def decompress(self, data: Any, max_length: int, /) -> bytes:
        pieces: list[bytes] = []
        have = at = 0
        while at < len(data) and have < max_length and not self.eof:
            given = bytes(data[at : at + _ZSTD_PIECE_BYTES])
            try:
                pieces.append(self._inflater.decompress(given))
            except zstandard.ZstdError as error:
                raise zlib.error(str(error)) from error
            self.eof = self._inflater.eof
            at += len(given) - len(self._inflater.unused_data)
            have += len(pieces[-1])
        self.unused_data = self.unconsumed_tail = bytes(data[at:])
        return b"".join(pieces)


def read_dictionary(file: BinaryIO) -> tuple[zstandard.ZstdCompressionDict | None, int]:
    """Return the dictionary that a file begins with, and where what comes behind it starts; None = it begins with none.

    Raises:
        BadDictionary: it is cut, damaged or larger than anybody needs.
    """
    file.seek(0)
    head = file.read(8)
    if not head.startswith(_DICTIONARY_FRAME):
        return None, 0
    size = int.from_bytes(head[4:], "little")
    if size > _MAX_DICTIONARY_BYTES:
        raise BadDictionary(f"is said to have {size} bytes")
    content = file.read(size)
    if len(head) < 8 or len(content) < size:
        raise BadDictionary("is cut")
    try:
        if content.startswith(ZSTD_MAGIC):
            with zstandard.ZstdDecompressor().stream_reader(content) as reader:
                content = reader.read(_MAX_DICTIONARY_BYTES + 1)
            if len(content) > _MAX_DICTIONARY_BYTES:
                raise BadDictionary("inflates beyond measure")
        dictionary = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_FULLDICT)
        zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj()
    except zstandard.ZstdError as error:
        raise BadDictionary(f"is damaged: {error}") from error
    return dictionary, 8 + size


class Stream:
    """The plain bytes of a file, part by part: a part is a gzip member, a frame of zstandard, or the whole of a plain file."""

    def __init__(self, file: BinaryIO) -> None:
        """Use a file.

        Raises:
            BadDictionary: it begins with one that is damaged.
        """
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        dictionary, self._read_to = read_dictionary(file)
        file.seek(0)
        start = file.read(len(ZSTD_MAGIC))
        file.seek(self._read_to)
        self._is_zstd = start == ZSTD_MAGIC or _SKIPPABLE.match(start) is not None
        self._decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
        self.is_packed = self._is_zstd or (bool(start) and GZIP_MAGIC.startswith(start[: len(GZIP_MAGIC)]))
        """Whether the file is compressed."""
        self.is_joined = False
        """Whether the file was compressed without regard to records: what is left of it is one part."""
        self._compressed = memoryview(b"")  # read and not yet inflated
        self._inflater = self._new_inflater()
        self.buffer = b""
        self.at = 0
        self._plain_end = 0  # plain position of the buffer's end
        self.part_start = 0
        self.ended = self.is_packed
        """The buffer holds all that is left of the part."""
        self.failure: Cut | zlib.error | None = None
        """Why the part has no more bytes, though it did not end."""

    @property
    def position(self) -> int:
        """Return how far the file was used."""
        return self._read_to - (len(self._compressed) if self.is_packed else len(self.buffer) - self.at)

    @property
    def plain_position(self) -> int:
        """Return the position in the inflated file."""
        return self._plain_end - (len(self.buffer) - self.at)

    @property
    def is_used_up(self) -> bool:
        """Say whether the part is at its end, as far as was read."""
        return self.ended and self.at == len(self.buffer)

    def need(self, size: int) -> int:
        """Have this many bytes in the buffer if the part has them; return how many are there."""
        have = len(self.buffer) - self.at
        if have >= size or self.ended:
            return have
        pieces = [self.buffer[self.at :]] if have else []
        while have < size and not self.ended:
            piece = self._inflate(max(size - have, STEP_BYTES)) if self.is_packed else self._read(max(size - have, _READ_BYTES))
            pieces.append(piece)
            have += len(piece)
            self._plain_end += len(piece)
        self.buffer, self.at = b"".join(pieces), 0
        return have

    def _read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.ended = not piece
        self._read_to += len(piece)
        return piece

    def _inflate(self, size: int) -> bytes:
        if not self._compressed:
            self._read_more()
        is_end = not self._compressed
        # Piece by piece: of what it does not use, the library makes a copy.
        given = self._compressed[:_GIVEN_BYTES]
        try:
            piece = self._inflater.decompress(given, size)
        except zlib.error as error:
            self.failure, self.ended = error, True
            return b""
        left = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        self._compressed = self._compressed[len(given) - len(left) :]
        if self._inflater.eof:
            self.ended = True
        elif is_end and not piece:
            self.failure, self.ended = Cut(), True
        if self.ended and self.is_joined and self.failure is None:
            self.next_part()
        return piece

    def _new_inflater(self) -> _Inflater:
        return _ZstdFrame(self._decompressor) if self._is_zstd else zlib.decompressobj(31)

    def join(self) -> bool:
        """Go on with the next member as if it were one with this, which ends in the middle of a record; False = a record begins there.

        Tools that compress in blocks make such files. Where the next member begins with a record, only this one is short.
        """
        if not self.is_packed or self.is_joined or not self.ended or self.failure is not None:
            return False
        while len(self._compressed) < _JUDGED_BYTES and (more := self._file.read(_READ_BYTES)):
            self._compressed = memoryview(bytes(self._compressed) + more)
            self._read_to += len(more)
        plain = self._start_of(bytes(self._compressed[:_JUDGED_BYTES]).lstrip(_PADDING))
        if not plain or HEAD.match(plain.lstrip(b"\r\n")):
            return False
        self.is_joined = True
        return self.next_part()

    def _read_more(self) -> None:
        read = self._file.read(_READ_BYTES)
        self._compressed = memoryview(read)
        self._read_to += len(read)

    def next_part(self) -> bool:
        """Open the next member; False = the file ends here. Zeros and line ends between members are padding.

        Raises:
            Cut: the last one ends too early. ``zlib.error``: it is damaged.
        """
        if self.failure is not None:
            raise self.failure
        if not self.is_packed:
            return False
        while True:
            if self._compressed and self._compressed[0] in _PADDING:
                self._compressed = memoryview(bytes(self._compressed).lstrip(_PADDING))
            if self._compressed:
                break
            self._read_more()
            if not self._compressed:
                return False
        self._inflater = self._new_inflater()
        self.ended = False
        self.part_start = self.position
        return True

    def take(self, size: int) -> bytes:
        """Return up to so many bytes; empty = the part ends here."""
        size = min(size, self.need(size))
        taken = self.buffer[self.at : self.at + size]
        self.at += size
        return taken

    def put_back(self, content: bytes) -> None:
        """Undo a :meth:`take`."""
        self.buffer, self.at = content + self.buffer[self.at :], 0

    def skip_to_head(self) -> bool:
        """Pass over what is left of the part up to the next head of a record in it; say whether there is one."""
        self.at += min(1, self.need(1))
        while True:
            self.need(STEP_BYTES)
            found = NEXT_HEAD.search(self.buffer, self.at)
            if found:
                self.at = found.start() + 1
                return True
            if self.ended:
                self.at = len(self.buffer)
                return False
            self.at = max(self.at, len(self.buffer) - MAX_HEAD)

    def seek_plain(self, position: int) -> None:
        """Go to a position of a plain file."""
        self._file.seek(position)
        self.buffer, self.at, self._read_to, self._plain_end, self.ended = b"", 0, position, position, False

    def seek_member(self, position: int) -> None:
        """Go to the next member from a position on that holds records, or to the end of the file."""
        plain = self.plain_position
        self.buffer, self.at, self._plain_end, self.ended, self._compressed = b"", 0, plain, True, memoryview(b"")
        self.failure = None
        self._read_to = self._next_member(position)
        self._file.seek(self._read_to)

    def _next_member(self, position: int) -> int:
        self._file.seek(position)
        window, base = b"", position
        member = ZSTD_MAGIC if self._is_zstd else _GZIP_MEMBER
        while piece := self._file.read(_READ_BYTES):
            window += piece
            at = 0
            while (at := window.find(member, at)) >= 0:
                if len(window) - at < _JUDGED_BYTES:
                    break  # judged with what follows it
                if self._may_begin(window[at : at + _JUDGED_BYTES]):
                    return base + at
                at += 1
            keep = len(window) - at if at >= 0 else len(member) - 1
            base += len(window) - keep
            window = window[len(window) - keep :]
        at = 0
        while (at := window.find(member, at)) >= 0:
            if self._may_begin(window[at:]):
                return base + at
            at += 1
        return base + len(window)

    def _may_begin(self, member: bytes) -> bool:
        """Say whether reading may go on here: a member that begins with a record, or any where records do not begin with members."""
        plain = self._start_of(member)
        return bool(plain) if self.is_joined else HEAD.match(plain.lstrip(b"\r\n")) is not None

    def _start_of(self, member: bytes) -> bytes:
        """Return how a member begins; empty = it is none."""
        try:
            return self._new_inflater().decompress(member, MAX_HEAD)
        except zlib.error:
            return b""
