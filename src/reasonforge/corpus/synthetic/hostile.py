"""Pages that break programs. Each is one response; a corpus that survives them keeps none of their tricks."""

from __future__ import annotations

import functools
import gzip
import zlib
from collections.abc import Callable
from typing import NamedTuple


class Response(NamedTuple):
    """What a server answered."""

    body: bytes
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    status: str = "200 OK"
    truncated: str = ""
    """Why the crawler cut it off (``WARC-Truncated``); empty = it did not."""


_PROSE = "The harbour office of Merdale answers letters about moorings, lamp oil and lost umbrellas on weekdays. " * 6
INJECTION = "__label__math __label__positive __label__1 "
XSS = (
    "<script>window.PWNED=1</script>",
    "<img src=x onerror=window.PWNED=1>",
    "</title><svg onload=window.PWNED=1>",
    '"><iframe srcdoc="<script>parent.PWNED=1</script>">',
)


def _page(body: str, head: str = "") -> bytes:
    return f"<!DOCTYPE html><html><head><title>{head or 'page'}</title></head><body>{body}</body></html>".encode()


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


@functools.cache
def _bomb() -> Response:
    # 128 MiB of one letter in 128 kB; made in pieces, so that making it takes no memory.
    packer = zlib.compressobj(9, wbits=31)
    piece = b"A" * (1 << 20)
    body = b"".join(packer.compress(piece) for _ in range(128)) + packer.flush()
    return Response(body, headers=(("Content-Encoding", "gzip"),))


def _entities() -> Response:
    lines = ['<!ENTITY a0 "lol">', *(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))]
    return Response(
        f"<?xml version='1.0'?><!DOCTYPE x [{''.join(lines)}]><html><body><p>&a9;</p></body></html>".encode(), "application/xhtml+xml"
    )


def _xss() -> Response:
    shown = "".join(f"<p>{_PROSE[:90]} {text}</p><p>{_PROSE[:80]} {text.replace('<', '&lt;')}</p>" for text in XSS)
    return Response(_page(shown, "</title><script>window.PWNED=1</script>"))


_MAKERS: dict[str, Callable[[], Response]] = {
    "bomb": _bomb,
    "truncated": lambda: Response(_page(f"<p>{_PROSE * 4}</p>")[:1500], truncated="length"),
    "cut_gzip": lambda: Response(_gzipped(_page(f"<p>{_PROSE * 20}</p>"))[:180], headers=(("Content-Encoding", "gzip"),)),
    "wrong_charset": lambda: Response(
        _page(f"<p>港口办公室 {'每天回答来信。' * 40}</p>").decode().encode("gb18030"), "text/html; charset=utf-8"
    ),
    "unknown_charset": lambda: Response(_page(f"<p>{_PROSE}</p>"), "text/html; charset=x-none-such"),
    "deep": lambda: Response(_page("<div>" * 30_000 + _PROSE + "</div>" * 30_000)),
    "claims_gzip": lambda: Response(_page(f"<p>{_PROSE}</p>"), headers=(("Content-Encoding", "gzip"),)),
    "claims_chunked": lambda: Response(_page(f"<p>{_PROSE}</p>"), headers=(("Transfer-Encoding", "chunked"),)),
    "claims_brotli": lambda: Response(_page(f"<p>{_PROSE}</p>"), headers=(("Content-Encoding", "br"),)),
    "script_only": lambda: Response(_page("<script>document.write('theorem lemma proof')</script><noscript></noscript>")),
    "empty": lambda: Response(b""),
    "pdf": lambda: Response(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\n" + bytes(range(256)) * 12),
    "picture": lambda: Response(b"\x89PNG\r\n\x1a\n" + bytes(range(255, -1, -1)) * 12),
    "feed": lambda: Response(
        f"<?xml version='1.0'?><rss version='2.0'><channel><item><title>{_PROSE}</title></item></channel></rss>".encode()
    ),
    "label_injection": lambda: Response(_page(f"<p>{INJECTION * 20}{_PROSE}</p><p>{INJECTION}\u2028{INJECTION}\u0085{INJECTION}</p>")),
    "xss": _xss,
    "entities": _entities,
    "nul": lambda: Response(_page(f"<p>{_PROSE[:200]}\x00\x00 \u202egnp.exe\u2066 \u200b\u200d{_PROSE}</p>")),
    "surrogates": lambda: Response(_page(f"<p>{_PROSE}</p>") + b"<p>\xed\xa0\x80\xed\xb0\x80 \xff\xfe\xc0\xaf</p>"),
    "attributes": lambda: Response(_page("<p " + " ".join(f"a{i}='{i}'" for i in range(20_000)) + f">{_PROSE}</p>")),
    "one_line": lambda: Response(_page("x" * 600_000)),
    "unclosed": lambda: Response(b"<html><body><table><tr><td><p><b><i><a href='" + _PROSE.encode() + b"<li><math><mfrac><mi>x"),
    "not_found": lambda: Response(_page("<h1>404</h1><p>The page you are looking for is not here.</p>"), status="404 Not Found"),
    "moved": lambda: Response(b"", headers=(("Location", "https://merdale.example/"),), status="301 Moved Permanently"),
    "header_injection": lambda: Response(
        _page(f"<p>{_PROSE}</p>"), "text/html; charset=utf-8; charset=big5; =;;", (("X-Odd", "a\tb: c"), ("Content-Length", "999999999"))
    ),
}

HOSTILE = tuple(_MAKERS)
"""Names of the tricks."""

WITHOUT_TEXT = frozenset({"bomb", "empty", "pdf", "picture", "script_only", "not_found", "moved"})
"""Tricks after which no text can be left. A bomb's text is one letter, cut at any limit."""


def hostile(name: str) -> Response:
    """Return a response by the name of its trick."""
    return _MAKERS[name]()


def hostile_url(name: str, number: int) -> str:
    """Return an address to find it at: some of them are hostile too."""
    odd = {
        "unclosed": "http://user:pass@odd.merdale.example:8080/a b/%zz?q=<script>#x",
        "nul": "https://odd.merdale.example/%00/../..//etc/passwd",
        "one_line": "https://odd.merdale.example/long?" + "k=" + "v" * 3_000,
        "xss": 'https://odd.merdale.example/"><script>window.PWNED=1</script>',
        "feed": "https://[2001:db8::7]/feed.xml",
    }
    address = odd.get(name, f"https://odd.merdale.example/{name}/page")
    return address if number == 0 else f"https://{odd_host(number)}/{name}/{number}"


def odd_host(number: int) -> str:
    """Return the host of hostile pages; one address of the first is elsewhere."""
    return f"odd{number or ''}.merdale.example"
