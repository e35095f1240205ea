"""The plain bytes of a file that is compressed piece by piece, with a memory of where in the file they come from."""

from __future__ import annotations

import os
import re
import zlib
from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
HEAD = re.compile(rb"WARC/[01]\.[0-9]+[ \t]*\r?\n")
"""What a record begins with."""
NEXT_HEAD = re.compile(rb"\nWARC/[01]\.[0-9]+[ \t]*\r?\n(?=[A-Za-z][A-Za-z-]*:)")
"""The beginning of a record behind something else: stricter, for a page may speak of WARC."""
MAX_HEAD = 200
"""Bytes that the start of a record is recognised by."""
STEP_BYTES = 1 << 18
"""Inflated at once at least: a usual record in one call."""

_MEMBER = b"\x1f\x8b\x08"
_JUDGED_BYTES = 4096
"""Of a member, to tell whether it holds records."""
_READ_BYTES = 1 << 18


class Cut(Exception):
    """The file ends in the middle of a member."""


class Stream:
    """The plain bytes of a file, part by part: a part is a gzip member, or the whole of a plain file."""

    def __init__(self, file: BinaryIO, *, is_gzip: bool) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.is_gzip = is_gzip
        self._compressed = b""  # read and not yet inflated
        self._read_to = 0
        self._inflater = zlib.decompressobj(31)
        self.buffer = b""
        self.at = 0
        self._plain_end = 0  # plain position of the buffer's end
        self.part_start = 0
        self.ended = is_gzip
        """The buffer holds all that is left of the part."""
        self.failure: Cut | zlib.error | None = None
        """Why the part has no more bytes, though it did not end."""

    @property
    def position(self) -> int:
        """Return how far the file was used."""
        return self._read_to - (len(self._compressed) if self.is_gzip else len(self.buffer) - self.at)

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
            piece = self._inflate(max(size - have, STEP_BYTES)) if self.is_gzip else self._read(max(size - have, _READ_BYTES))
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
            self._compressed = self._file.read(_READ_BYTES)
            self._read_to += len(self._compressed)
        is_end = not self._compressed
        try:
            piece = self._inflater.decompress(self._compressed, size)
        except zlib.error as error:
            self.failure, self.ended = error, True
            return b""
        if self._inflater.eof:
            self.ended = True
            self._compressed = self._inflater.unused_data
        else:
            self._compressed = self._inflater.unconsumed_tail
            if is_end and not piece:
                self.failure, self.ended = Cut(), True
        return piece

    def next_part(self) -> bool:
        """Open the next member; False = the file ends here. Zeros and line ends between members are padding.

        Raises:
            Cut: the last one ends too early. ``zlib.error``: it is damaged.
        """
        if self.failure is not None:
            raise self.failure
        if not self.is_gzip:
            return False
        while True:
            self._compressed = self._compressed.lstrip(b"\0\r\n")
            if self._compressed:
                break
            self._compressed = self._file.read(_READ_BYTES)
            self._read_to += len(self._compressed)
            if not self._compressed:
                return False
        self._inflater = zlib.decompressobj(31)
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
        self.buffer, self.at, self._plain_end, self.ended, self._compressed = b"", 0, plain, True, b""
        self.failure = None
        self._read_to = self._next_member(position)
        self._file.seek(self._read_to)

    def _next_member(self, position: int) -> int:
        self._file.seek(position)
        window, base = b"", position
        while piece := self._file.read(_READ_BYTES):
            window += piece
            at = 0
            while (at := window.find(_MEMBER, at)) >= 0:
                if len(window) - at < _JUDGED_BYTES:
                    break  # judged with what follows it
                if _holds_record(window[at : at + _JUDGED_BYTES]):
                    return base + at
                at += 1
            keep = len(window) - at if at >= 0 else len(_MEMBER) - 1
            base += len(window) - keep
            window = window[len(window) - keep :]
        at = 0
        while (at := window.find(_MEMBER, at)) >= 0:
            if _holds_record(window[at:]):
                return base + at
            at += 1
        return base + len(window)


def _holds_record(member: bytes) -> bool:
    try:
        return bool(HEAD.match(zlib.decompressobj(31).decompress(member, MAX_HEAD).lstrip(b"\r\n")))
    except zlib.error:
        return False
