"""Bytes to text: which encoding they are in, and what was lost in reading them so."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_HEAD_BYTES = 4096
"""Where a page says its encoding; browsers look at 1024 bytes, and pages with long comments exist."""
_DETECTED_BYTES = 1 << 17
_MAX_LOSS_SHARE = 0.002
"""Of the characters: with more replaced ones the next guess is tried."""
_MIN_LOSSES = 2
"""So many are forgiven at any length: the last character of a page that was cut."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:\-]{2,40})", re.IGNORECASE)
_META = re.compile(rb"<meta\b[^>]{0,1000}?\bcharset\s*=\s*[\"']?\s*([A-Za-z0-9_.:\-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9_.:\-]{2,40})", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs", "iso8859-11": "cp874"}
"""What pages mean by a name: the set of characters that the name's successors have."""
_SINGLE_BYTE_DEFAULT = "cp1252"
_BEYOND_ASCII = ("iso2022", "utf-16")
"""Encodings that write other characters with the bytes of ASCII."""


class Decoded(NamedTuple):
    """A text and where it comes from."""

    text: str
    charset: str
    """Python's name of the encoding."""
    losses: int
    """Bytes, or groups of them, that have no meaning in it: each is U+FFFD in the text."""


def text(content: bytes, headers: Mapping[str, str]) -> Decoded:
    """Read the bytes of an HTML page.

    The order is that of trust: byte order mark, HTTP header, the page's own declaration, UTF-8 if it fits to the last byte, a guess by
    statistics. One that loses more than 0.2 % of the characters is passed over if a later one loses less. Windows-1252, which servers
    claim by default, is not believed where all is UTF-8: its text hardly ever happens to be.

    Args:
        content: never longer than memory allows: all of it is read at once.
        headers: of the response, names in lower case.
    """
    for mark, charset in _BOMS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], charset)
    if content[:2] in (b"<\0", b"\0<"):
        return _decoded(content, "utf-16-le" if content[0] else "utf-16-be")
    if content.isascii():
        claimed = next((charset for charset in _claimed(content, headers) if charset.startswith(_BEYOND_ASCII)), "utf-8")
        return _decoded(content, claimed)
    best: Decoded | None = None
    for charset in _candidates(content, headers):
        decoded = _decoded(content, charset)
        if decoded.losses <= max(_MIN_LOSSES, _MAX_LOSS_SHARE * len(decoded.text)):
            return decoded
        if best is None or decoded.losses < best.losses:
            best = decoded
    assert best is not None
    return best


def _candidates(content: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    is_utf8 = None
    for charset in _claimed(content, headers):
        if charset == _SINGLE_BYTE_DEFAULT:
            is_utf8 = _fits(content, "utf-8")
            if is_utf8:
                break
        yield charset
    if is_utf8 is None:
        is_utf8 = _fits(content, "utf-8")
    if is_utf8:
        yield "utf-8"
        return
    if detected := _known(detect_encoding(content, max_len=_DETECTED_BYTES) or ""):
        yield detected
    yield "utf-8"
    yield _SINGLE_BYTE_DEFAULT


def _claimed(content: bytes, headers: Mapping[str, str]) -> Iterator[str]:
    found = _HEADER_CHARSET.search(headers.get("content-type", ""))
    if found and (charset := _known(found[1])) and (not charset.startswith("utf-16") or b"\0" in content[:_HEAD_BYTES]):
        yield charset
    head = _COMMENT.sub(b"", content[:_HEAD_BYTES])
    declared = _META.search(head) or _XML.match(head)
    if declared and (charset := _known(declared[1].decode("ascii"))):
        # Who can read the declaration byte by byte knows that it is not UTF-16: browsers take UTF-8 then.
        yield "utf-8" if charset.startswith("utf-16") else charset


@lru_cache(maxsize=512)
def _known(label: str) -> str | None:
    """Return the codec that a page means by a name; None = no encoding of the web.

    Only those of the web's own list: Python has codecs of other kinds too, some of which take time that grows with the square of the input.
    """
    mapped = map_encoding_to_html5(label.strip().lower(), fallback_utf8=False)
    if not mapped:
        return None
    charset = mapped.lower()
    charset = _WIDER.get(charset, charset)
    if charset == "utf-16":
        charset = "utf-16-le"
    try:
        codecs.lookup(charset)
    except LookupError:
        return None
    return charset


def _fits(content: bytes, charset: str) -> bool:
    try:
        content.decode(charset)
    except UnicodeDecodeError as error:
        return error.end == len(content) and error.reason == "unexpected end of data"  # cut within its last character
    return True


def _decoded(content: bytes, charset: str) -> Decoded:
    try:
        return Decoded(content.decode(charset), charset, 0)
    except UnicodeDecodeError:
        decoded = content.decode(charset, "replace")
        return Decoded(decoded, charset, decoded.count("\ufffd"))
