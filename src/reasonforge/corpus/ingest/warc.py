"""Records of WARC files, whatever state the file is in: a corrupt span costs what lies in it, and is said.

Read member by member with zlib and not by FastWARC, which is faster, but passes over the end of a file that is cut, stops at the first
corrupt byte, lets a Content-Length that is too large swallow the records after it, and does not tell how many bytes of the file a record
takes. In the tests it is the oracle for files that are in order.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from reasonforge.corpus.ingest.decode import MAX_FOLDED_CHARS
from reasonforge.corpus.ingest.members import HEAD, MAX_HEAD, NEXT_HEAD, STEP_BYTES, BadDictionary, Cut, Stream
from reasonforge.corpus.reasons import BOMB, CORRUPT, TRUNCATED

_BOMB_RATIO = 100
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_MAX_HEADER_BYTES = 64 << 10
_WINDOW_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, its block perhaps not whole."""

    offset: int
    """Where it begins in the file. Where ``length`` is 0, in the inflated file."""
    length: int
    """Bytes of the file from ``offset`` on that are this record and nothing else; 0 = it cannot be cut out of the file."""
    kind: str
    """``WARC-Type``, lower case."""
    headers: Mapping[str, str]
    """By name in lower case; of repeated ones the first."""
    block: bytes
    """At most ``max_block_bytes`` of it."""
    is_cut: bool
    """``block`` is not all: longer than the limit, shorter than its Content-Length says, or the file ends in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Bytes of the file that no record could be read from."""

    offset: int
    """In the file."""
    length: int
    """Bytes up to the next record, or the end."""
    reason: str
    """``corrupt``, ``truncated`` (the file ends in the middle of a record) or ``bomb``."""


class _Corrupt(Exception):
    """What comes is no record."""


class _Junk(Exception):
    """What was passed over behind the last record is none."""


class _Bomb(Exception):
    """A record inflates beyond measure."""


def records(file: BinaryIO, *, max_block_bytes: int = 32 << 20, max_inflated_bytes: int = 256 << 20) -> Iterator[Record | Lost]:
    """Yield the records of a WARC file in order, and in place of those that cannot be read what was lost.

    Plain files, one gzip member or zstandard frame per record (the standard), one for many or all records, and blocks that have nothing to
    do with records are read alike; so are frames that need the dictionary which the file begins with.

    Args:
        file: opened at its start; seekable, for what comes after a corrupt span.
        max_block_bytes: what is beyond is passed over.
        max_inflated_bytes: a record that is larger and was compressed more than 100 to 1 is given up.
    """
    try:
        stream = Stream(file)
    except BadDictionary:  # without it nothing can be read
        yield Lost(offset=0, length=file.seek(0, os.SEEK_END), reason=CORRUPT)
        return
    reader = _Reader(stream, max_block_bytes, max_inflated_bytes)
    while True:
        try:
            try:
                record = reader.read()
                if record is None:
                    return
                yield record
                continue
            except _Corrupt:
                stream.skip_to_head()
                reader.part_gave_record = True  # what is found does not begin where its member does
                reason = CORRUPT
            except _Junk:
                reason = CORRUPT
        except zlib.error:
            stream.seek_member(stream.position if reader.part_gave_record else stream.part_start + 1)
            reason = CORRUPT
        except _Bomb:
            stream.seek_member(stream.position)
            reason = BOMB
        except Cut:
            begin = min(reader.begin, stream.size)
            yield Lost(offset=begin, length=stream.size - begin, reason=TRUNCATED)
            return
        yield Lost(offset=reader.begin, length=stream.position - reader.begin, reason=reason)


class _Reader:
    """Reads one record after the other from a stream."""

    def __init__(self, stream: Stream, max_block_bytes: int, max_inflated_bytes: int) -> None:
        self._stream = stream
        self._max_block_bytes = max_block_bytes
        self._max_inflated_bytes = max_inflated_bytes
        self._is_end = False  # the file ended in the record that was read last
        self.begin = 0
        """Position in the file of what is being read."""
        self.part_gave_record = False
        self._line_ends = b""
        self._junk_begin: int | None = None

    def read(self) -> Record | None:
        """Return the next record; None = the file ends here.

        Raises:
            _Corrupt: what comes is none. The bytes are damaged: ``zlib.error``. The file is cut: ``Cut``. It inflates too far: ``_Bomb``.
        """
        stream = self._stream
        if self._junk_begin is not None:
            self.begin, self._junk_begin = self._junk_begin, None
            raise _Junk
        self.begin = stream.part_start if stream.is_packed and not self.part_gave_record else stream.position
        if self._is_end:
            raise Cut
        while not self._skip_line_ends():
            if not stream.next_part():
                return None
            self.part_gave_record = False
            self.begin = stream.part_start
        begin_plain = stream.plain_position
        if not stream.is_packed:
            self.begin = begin_plain
        headers = self._headers()
        length = _content_length(headers)
        block_start = stream.plain_position
        block = self._block(length)
        is_cut = len(block) < length
        end = None
        if not self._is_at_border(block, length):
            (block, end), is_cut = self._corrected(block, length, block_start), True
        if stream.is_used_up and stream.failure is not None:
            if isinstance(stream.failure, zlib.error):
                raise stream.failure  # whatever came before it in the member is not to be trusted
            self._is_end = True
        is_alone = not self.part_gave_record and stream.is_used_up and not stream.is_joined
        self.part_gave_record = True
        can_be_cut_out = is_alone or not stream.is_packed
        return Record(
            offset=self.begin if can_be_cut_out else begin_plain,
            length=(end or stream.position) - self.begin if can_be_cut_out else 0,
            kind=headers.get("warc-type", "").lower(),
            headers=headers,
            block=block,
            is_cut=is_cut,
        )

    def _headers(self) -> dict[str, str]:
        stream = self._stream
        if stream.need(MAX_HEAD) < MAX_HEAD and stream.join():
            stream.need(MAX_HEAD)
        if not HEAD.match(stream.buffer, stream.at):
            if stream.failure is not None and stream.ended and len(stream.buffer) - stream.at < MAX_HEAD:
                raise stream.failure
            raise _Corrupt
        stream.need(_MAX_HEADER_BYTES)
        found = _END_OF_HEADERS.search(stream.buffer, stream.at, stream.at + _MAX_HEADER_BYTES)
        if not found and stream.join():
            stream.need(_MAX_HEADER_BYTES)
            found = _END_OF_HEADERS.search(stream.buffer, stream.at, stream.at + _MAX_HEADER_BYTES)
        if not found:
            if stream.need(_MAX_HEADER_BYTES) >= _MAX_HEADER_BYTES:
                raise _Corrupt
            if not stream.is_packed:
                raise Cut
            raise stream.failure or _Corrupt
        lines = stream.buffer[stream.at : found.start()].decode("utf-8", "replace").split("\n")
        stream.at = found.end()
        headers: dict[str, str] = {}
        name = ""
        for line in lines[1:]:
            if line[:1] in (" ", "\t") and name:
                if len(headers[name]) < MAX_FOLDED_CHARS:
                    headers[name] += " " + line.strip()
                continue
            name, colon, value = line.partition(":")
            name = name.strip().lower()
            if colon and name not in headers:
                headers[name] = value.strip()
            else:
                name = ""
        return headers

    def _block(self, length: int) -> bytes:
        """Return the block up to the limit, and pass over the rest of it."""
        stream = self._stream
        keep = min(length, self._max_block_bytes)
        pieces, have, started = [], 0, stream.position
        while have < length:
            if not stream.is_packed and have == keep:
                stream.seek_plain(stream.plain_position + length - keep)
                break
            piece = stream.take(keep - have if have < keep else min(length - have, STEP_BYTES))
            if not piece:
                if stream.join():
                    continue
                break
            if have < keep:
                pieces.append(piece)
            have += len(piece)
            if have > self._max_inflated_bytes and have > _BOMB_RATIO * (stream.position - started):
                raise _Bomb
        return b"".join(pieces)

    def _is_at_border(self, block: bytes, length: int) -> bool:
        """Say whether a record, or the end of the part, comes next."""
        stream = self._stream
        if not self._skip_line_ends():
            return len(block) == min(length, self._max_block_bytes) and stream.position <= stream.size
        stream.need(MAX_HEAD)
        return bool(HEAD.match(stream.buffer, stream.at))

    def _corrected(self, block: bytes, length: int, block_start: int) -> tuple[bytes, int | None]:
        """Go to the next record behind one whose Content-Length is a lie, or that junk follows.

        Returns:
            Its block, and where it ends in the file; None = where the stream is now.
        """
        stream = self._stream
        if stream.is_packed and len(block) == self._max_block_bytes < length:
            raise _Corrupt  # what lies between cannot be read again
        behind = self._line_ends + stream.buffer[stream.at : stream.at + MAX_HEAD] if len(block) == length else b""
        found = NEXT_HEAD.search(block + behind, 0, len(block) + len(behind))
        if found and found.start() < len(block):
            if stream.is_packed:
                stream.put_back(block[found.start() + 1 :] + self._line_ends)
            else:
                stream.seek_plain(block_start + found.start() + 1)
            return block[: found.start()].rstrip(b"\r\n"), None
        if not stream.is_packed:
            stream.seek_plain(block_start + len(block))
        end, before = stream.position, stream.plain_position
        is_found = stream.skip_to_head()
        if not stream.is_packed and not is_found and len(block) < length:
            self._is_end = True
            return block, None
        if stream.is_packed and not is_found and (not self.part_gave_record or stream.plain_position == before):
            return block, None  # what was passed over is the rest of a member that is this record, or nothing
        self._junk_begin = end
        return block, end

    def _skip_line_ends(self) -> bool:
        """Say whether the part goes on after them."""
        stream = self._stream
        self._line_ends = b""
        while stream.need(1):
            window = stream.buffer[stream.at : stream.at + _WINDOW_BYTES]
            line_ends = len(window) - len(window.lstrip(b"\r\n"))
            stream.at += line_ends
            if len(self._line_ends) < _WINDOW_BYTES:
                self._line_ends += window[:line_ends]
            if line_ends < len(window):
                return True
        return False


def _content_length(headers: Mapping[str, str]) -> int:
    value = headers.get("content-length", "")
    if not (value.isascii() and value.isdigit()) or len(value) > 15:
        raise _Corrupt
    return int(value)
