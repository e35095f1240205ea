"""Whether bytes are an HTML page: by what the server said, and by what they look like where it said nothing or the untruth."""

from __future__ import annotations

import re
from collections.abc import Mapping

_HEAD_BYTES = 1024
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
_DOUBTFUL_TYPES = frozenset(
    {"", "application/xml", "text/xml", "application/octet-stream", "unknown/unknown", "application/unknown", "*/*"}
)
"""With these, the content decides."""
_OTHER_KINDS = (
    b"%PDF-", b"%!PS", b"{\\rtf", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"\0\0\1\0", b"RIFF", b"ID3", b"OggS",
    b"PK\x03\x04", b"Rar!", b"BZh", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"\x7fELF", b"MZ", b"wOFF", b"wOF2",
)  # fmt: skip
"""How documents, pictures, sounds, archives, programs and fonts begin."""
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_ROOT = re.compile(
    rb"(?>\s+|<\?(?>.*?\?>)|<!--(?>.*?-->)|<!doctype[^>[]*+(?:\[(?>.*?\]))?+\s*+>)*+<([A-Za-z_][\w.:-]*)", re.DOTALL | re.IGNORECASE
)
"""The first element. Nothing in it goes back on what it has read: pages exist that would make it try for years."""
_FEEDS = frozenset(
    {b"rss", b"feed", b"rdf:rdf", b"urlset", b"sitemapindex", b"svg", b"opml", b"wml", b"kml", b"methodresponse", b"soap:envelope"}
)
_JSON = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]\d-])")
_TEXT_CONTROLS = bytes(range(32)).translate(None, b"\t\n\r\f\x1b")  # escape is part of ISO-2022


def is_html(content: bytes, headers: Mapping[str, str]) -> bool:
    """Say whether a body, without its content encoding, is a page.

    Args:
        content: of the response.
        headers: of the response, names in lower case.
    """
    said = headers.get("content-type", "").split(";", 1)[0].split(",", 1)[0].strip().lower()
    if said not in _HTML_TYPES and said not in _DOUBTFUL_TYPES:
        return False
    start = content.lstrip()[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(_OTHER_KINDS):
        return False
    if start[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"):
        start = start.replace(b"\0", b"")
    elif len(start) - len(start.translate(None, _TEXT_CONTROLS)) > len(start) // 20:
        return False
    root = _ROOT.match(start)
    if root is not None and root[1].lower() in _FEEDS:
        return False
    if said in _HTML_TYPES:
        return not _JSON.match(start)
    return _HTML.search(start) is not None
