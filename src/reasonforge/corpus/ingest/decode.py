"""The body of an HTTP response as it was before it was sent: chunks joined, compression undone, each up to a limit.

Crawlers store the body as it came or undone already, and leave the headers as they were either way: a claim is tried, not believed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import brotli
import zstandard

from reasonforge.corpus.ingest.members import GZIP_MAGIC

_STEP_BYTES = 1 << 20
_ZSTD_PIECE_BYTES = 1 << 10
"""Of compressed bytes: a block of four bytes can stand for 128 KiB, so that this is 32 MiB at most."""
_MAX_CODINGS = 4
_MAX_HEADER_BYTES = 1 << 18
MAX_FOLDED_CHARS = 1 << 13
"""Of a header that goes on over lines: each copies what is there already."""
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"[0-9]{3}\Z")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<[!?a-zA-Z]")


class Response(NamedTuple):
    """An HTTP response as it was stored."""

    status: int
    """0 = there was no status line."""
    headers: Mapping[str, str]
    """By name in lower case; of repeated ones the first, encodings joined by commas."""
    body: bytes


class Body(NamedTuple):
    """A body with its encodings undone."""

    content: bytes
    is_cut: bool
    """Longer than the limit, or damaged on the way."""
    claims_false: bool
    """A header names an encoding that the body does not have."""
    is_bomb: bool = False
    """It inflates beyond all measure; ``content`` is empty."""


class _Broken(Exception):
    """These bytes are not in the encoding, or no longer."""


class _Bomb(Exception):
    """The body inflates beyond all measure."""


def parse_response(block: bytes) -> Response | None:
    """Take an HTTP message apart; None = it is none."""
    if not block.startswith(b"HTTP/"):
        return None
    end = _END_OF_HEADERS.search(block, 0, _MAX_HEADER_BYTES)
    head, body = (block, b"") if end is None else (block[: end.start()], block[end.end() :])
    lines = head.decode("latin-1").split("\n")
    words = lines[0].split(None, 2)
    status = int(words[1]) if len(words) > 1 and _STATUS.match(words[1]) else 0
    headers: dict[str, str] = {}
    name = ""
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and name:
            if len(headers[name]) < MAX_FOLDED_CHARS:
                headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon:
            name = ""
        elif name not in headers:
            headers[name] = value.strip()
        elif name in ("content-encoding", "transfer-encoding"):
            headers[name] += ", " + value.strip()
        else:
            name = ""
    return Response(status, headers, body)


def body(raw: bytes, headers: Mapping[str, str], *, max_bytes: int, max_inflated_bytes: int) -> Body:
    """Undo what the headers say was done to a body, as far as it was.

    Args:
        raw: as stored.
        headers: of the response, names in lower case.
        max_bytes: of the result; the rest is cut off.
        max_inflated_bytes: a body that is longer is a bomb.
    """
    claims_false = is_cut = False
    if "chunked" in headers.get("transfer-encoding", "").lower():
        joined = _dechunked(raw)
        claims_false = joined is None
        if joined is not None:
            raw, is_cut = joined
    codings = [name for part in headers.get("content-encoding", "").lower().split(",") if (name := part.strip())]
    for name in reversed(codings[:_MAX_CODINGS]):
        if name in ("identity", "none"):
            continue
        try:
            undone = _undone(raw, name, max_bytes, max_inflated_bytes)
        except _Bomb:
            return Body(b"", True, claims_false, is_bomb=True)
        if undone is None:
            claims_false = True
        else:
            raw, was_cut = undone
            is_cut |= was_cut
    claims_false |= len(codings) > _MAX_CODINGS
    if len(raw) > max_inflated_bytes:
        return Body(b"", True, claims_false, is_bomb=True)
    return Body(raw[:max_bytes], is_cut or len(raw) > max_bytes, claims_false)


def _dechunked(raw: bytes) -> tuple[bytes, bool] | None:
    """Return the chunks joined, and whether some are missing; None = there are no chunks."""
    pieces: list[bytes] = []
    at = 0
    while found := _CHUNK_SIZE.match(raw, at):
        size = int(found[1], 16)
        if size == 0:
            return b"".join(pieces), False
        start, end = found.end(), found.end() + size
        if not pieces and end < len(raw) and raw[end : end + 1] not in (b"\r", b"\n"):
            return None  # a body that begins with a number
        pieces.append(raw[start:end])
        at = end + (2 if raw[end : end + 2] == b"\r\n" else 1 if raw[end : end + 1] == b"\n" else 0)
    return (b"".join(pieces), True) if pieces else None


def _undone(raw: bytes, coding: str, max_bytes: int, max_inflated_bytes: int) -> tuple[bytes, bool] | None:
    """Return the body without one encoding, and whether it is cut; None = it does not have it."""
    readers = _READERS.get(coding)
    if readers is None or not raw:
        return None if raw else (raw, False)
    for reader in readers:
        pieces: list[bytes] = []
        size = 0
        is_whole = True
        try:
            for piece in reader(raw):
                size += len(piece)
                if size > max_inflated_bytes:
                    raise _Bomb
                if size - len(piece) < max_bytes:
                    pieces.append(piece)
        except (_Broken, zlib.error, brotli.error, zstandard.ZstdError):
            is_whole = False
        content = b"".join(pieces)
        # Plain text can pass for the start of a stream: what ends well is one, and what plainly was markup before is none.
        if content and (is_whole or not _MARKUP.match(raw)):
            return content, not is_whole
    return None


def _zlib_reader(window_bits: int) -> Callable[[bytes], Iterator[bytes]]:
    def read(raw: bytes) -> Iterator[bytes]:
        inflater = zlib.decompressobj(window_bits)
        while True:
            piece = inflater.decompress(raw, _STEP_BYTES)
            if piece:
                yield piece
            if inflater.eof:
                raw = inflater.unused_data
                if window_bits != 31 or not raw.startswith(GZIP_MAGIC):
                    return
                inflater = zlib.decompressobj(window_bits)
            elif not piece and not inflater.unconsumed_tail:
                raise _Broken
            else:
                raw = inflater.unconsumed_tail

    return read


def _brotli_reader(raw: bytes) -> Iterator[bytes]:
    inflater = brotli.Decompressor()
    piece = inflater.process(raw, output_buffer_limit=_STEP_BYTES)
    while True:
        if piece:
            yield piece
        if inflater.is_finished():
            return
        if not piece and inflater.can_accept_more_data():
            raise _Broken
        piece = inflater.process(b"", output_buffer_limit=_STEP_BYTES)


def _zstd_reader(raw: bytes) -> Iterator[bytes]:
    inflater = zstandard.ZstdDecompressor().decompressobj()
    for start in range(0, len(raw), _ZSTD_PIECE_BYTES):
        piece = inflater.decompress(raw[start : start + _ZSTD_PIECE_BYTES])
        if piece:
            yield piece
        if inflater.eof:
            return
    raise _Broken


_READERS: Mapping[str, tuple[Callable[[bytes], Iterator[bytes]], ...]] = {
    "gzip": (_zlib_reader(31),),
    "x-gzip": (_zlib_reader(31),),
    "deflate": (_zlib_reader(15), _zlib_reader(-15)),  # the standard says with a header, and half of the servers send none
    "br": (_brotli_reader,),
    "zstd": (_zstd_reader,),
}
