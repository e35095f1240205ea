"""The normal form of a URL: equal = the same page, as far as the URL can tell. Whatever is not a page of the web is refused by name."""

from __future__ import annotations

import ipaddress
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES: Final = 2048
"""A longer URL is refused: no page needs one, and traps for crawlers make them."""

EMPTY: Final = "url_empty"
TOO_LONG: Final = "url_too_long"
OTHER_SCHEME: Final = "url_other_scheme"
BAD_HOST: Final = "url_bad_host"
BAD_PORT: Final = "url_bad_port"
RELATIVE: Final = "url_relative"

REASONS: Final = {
    EMPTY: "the URL is empty",
    TOO_LONG: f"the URL has more than {MAX_BYTES} bytes",
    OTHER_SCHEME: "the URL is no http or https (data:, javascript:, mailto:, dns: ...)",
    BAD_HOST: "the URL has a host that cannot exist, or none",
    BAD_PORT: "the URL has a port that cannot exist",
    RELATIVE: "the URL has no scheme, and what it starts with is no host",
}
"""Code to one sentence, for every :class:`Refused`."""


class NormalURL(NamedTuple):
    """A URL in normal form and its parts."""

    url: str
    """``https://host[:port]/path[?query]``: always https, for a page that is served by both is one page. ASCII, at most 2048 bytes."""
    host: str
    """Lower case, punycode, without port and without a leading ``www.``; an IPv6 address in brackets."""
    domain: str
    """Registered domain of the host by the public suffix list, with its private part (``alice.github.io``); the host where it has none."""
    path: str
    """With its leading slash, without the query."""


class Refused(NamedTuple):
    """Why there is no normal form."""

    reason: str
    """A key of :data:`REASONS`."""


class _Host(NamedTuple):
    host: str
    domain: str
    has_suffix: bool
    """Whether it ends in a public suffix or is an address: what a URL without a scheme must show."""


_PLAIN = re.compile(r"https?://([a-z0-9\-.]+)(/[A-Za-z0-9\-._~/!$'()*,=:@&+]*)?\Z")
"""What needs no work but the host's, if no dot segment hides in it: most URLs of a crawl."""
_EDGES = "".join(map(chr, range(0x21)))
_LINE_CHARS = re.compile(r"[\t\n\r]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_PORT_NEXT = re.compile(r"\d*(?:[/?#\\]|\Z)")
_AUTHORITY_END = re.compile(r"[/?#\\]")
_LABELS = re.compile(r"(?!-*\Z)[a-z0-9_\-]{1,63}(?:\.[a-z0-9_\-]{1,63})*\Z")
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)\Z")

_TO_QUOTE = re.compile(r"%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~/!$&'()*+,;=:@?\[\]|]")
"""A percent code, or a character that has to become one. ``[``, ``]`` and ``|`` may stand in a query; in a path they are quoted."""
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sessionid|aspsessionid[a-z]*|sid)=[^/;]*", re.IGNORECASE)
_AMP = re.compile(r"(?:amp;)+")

_TRACKING = re.compile(
    r"(?:utm_.*|gclid|gclsrc|dclid|wbraid|gbraid|fbclid|msclkid|yclid|twclid|ttclid|igshid|mc_cid|mc_eid|_ga|_gl|_hsenc|_hsmi|mkt_tok"
    r"|phpsessid|jsessionid|aspsessionid.*|sessionid|session_id|sessid|cfid|cftoken|zenid|oscsid)\Z",
    re.IGNORECASE,
)
"""Query keys that say who came and from where, never which page."""
_SESSION_BY_VALUE = re.compile(r"(?:s|sid|session|phpsid)=(?:[0-9a-f]{26,}|[0-9a-v]{26})\Z", re.IGNORECASE)
"""Keys that are a session in one forum and a story's number in another: the value tells."""


def normalise(url: str) -> NormalURL | Refused:
    """Return the normal form of a URL as a crawl or a person writes it.

    Scheme and ``www.`` fall away as differences; so do user names, the ports 80 and 443, fragments, dot segments, trailing dots of the
    host, keys for tracking and sessions, the order of the query's keys (those of one key stay in order), and ways to write a character.
    What may make another page stays: case of the path, slashes at its end or in a row, other ports, ``+``.

    ``normalise(normalise(x).url)`` is ``normalise(x)``.

    >>> normalise("HTTP://www.Example.org:80/a/./b/../%7Ec?utm_source=x&b=2&a=1#top").url
    'https://example.org/a/~c?a=1&b=2'
    >>> normalise("mailto:ada@example.org")
    Refused(reason='url_other_scheme')
    """
    if (plain := _PLAIN.match(url)) is not None and len(url) <= MAX_BYTES - 1:
        path = plain[2] or "/"
        if "/." not in path:
            found = _host(plain[1])
            return found if isinstance(found, Refused) else NormalURL(f"https://{found.host}{path}", found.host, found.domain, path)
    return _normalise(url)


def _normalise(url: str) -> NormalURL | Refused:
    if len(url) > 4 * MAX_BYTES and len(url.strip(_EDGES)) > 4 * MAX_BYTES:  # before anything that reads it more than once
        return Refused(TOO_LONG)
    text = _LINE_CHARS.sub("", _SURROGATE.sub("\ufffd", _bare(url)))
    if not text:
        return Refused(EMPTY)
    if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
        return Refused(TOO_LONG)
    scheme = _SCHEME.match(text)
    known = False
    if scheme is not None and scheme[1].lower() in ("http", "https"):
        known, text = True, text[scheme.end() :].lstrip("/\\")
    elif text.startswith(("//", "\\\\")):
        known, text = True, text.lstrip("/\\")
    elif scheme is not None and not ("." in scheme[1] and _PORT_NEXT.match(text, scheme.end())):  # host:8080/path is no scheme
        return Refused(OTHER_SCHEME)
    end = _AUTHORITY_END.search(text)
    authority, rest = (text[: end.start()], text[end.start() :]) if end else (text, "")
    host_text, port = _parted(authority.rpartition("@")[2])
    if port and not (port.isascii() and port.isdigit() and len(port.lstrip("0")) <= 5 and int(port) < 65536):
        return Refused(BAD_PORT)
    found = _host(host_text)
    if not known and (isinstance(found, Refused) or not found.has_suffix):
        return Refused(RELATIVE)
    if isinstance(found, Refused):
        return found
    number = int(port or 443)
    rest = rest.partition("#")[0]
    path, _, query = rest.partition("?")
    path = _path(path)
    query = _query(query)
    # 80 and 443 both fall away: the scheme that would tell which one is the default has fallen away before.
    normal = f"https://{found.host}{'' if number in (80, 443) else f':{number}'}{path}{'?' + query if query else ''}"
    if len(normal) > MAX_BYTES:
        return Refused(TOO_LONG)
    return NormalURL(normal, found.host, found.domain, path)


def _bare(url: str) -> str:
    """Take away blanks and the angle brackets that some writers of WARC put around the target."""
    text = url.strip(_EDGES)
    while len(text) >= 2 and text[0] == "<" and text[-1] == ">":
        text = text[1:-1].strip(_EDGES)
    return text


def _parted(authority: str) -> tuple[str, str]:
    """Return host and port."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        return host + bracket, rest.removeprefix(":") if rest.startswith(":") or not rest else "?"
    host, _, port = authority.partition(":")
    return host, port


@lru_cache(maxsize=1 << 17)
def _host(host: str) -> _Host | Refused:
    """Return host and registered domain of a host as a URL has it: cached, for a crawl has a hundred pages per host."""
    if host.startswith("["):
        return _ipv6(host)
    if "%" in host:
        host = re.sub(r"(?:%[0-9A-Fa-f]{2})+", lambda code: bytes.fromhex(code[0].replace("%", "")).decode("utf-8", "replace"), host)
    host = host.strip(_EDGES).lower().rstrip(".")
    if not host.isascii():
        if (ascii_host := _punycode(host)) is None:
            return Refused(BAD_HOST)
        host = ascii_host.rstrip(".")
    if len(host) > 253 or not _LABELS.match(host):
        return Refused(BAD_HOST)
    if _NUMBER.match(host.rpartition(".")[2]):
        try:
            address = str(ipaddress.IPv4Address(host))
        except ValueError:
            return Refused(BAD_HOST)
        return _Host(address, address, True)
    suffixes = _suffixes()
    domain = suffixes(host)
    while host.startswith("www.") and (inner := suffixes(host[4:])):
        host, domain = host[4:], inner
    return _Host(host, domain or host, bool(domain))


def _ipv6(host: str) -> _Host | Refused:
    try:
        address = ipaddress.IPv6Address(host[1:-1] if host.endswith("]") else "")
    except ValueError:
        return Refused(BAD_HOST)
    if address.scope_id:  # an interface of one machine: nobody else can mean the same
        return Refused(BAD_HOST)
    name = f"[{address.compressed}]"
    return _Host(name, name, True)


def _punycode(host: str) -> str | None:
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        pass
    try:  # hearts and the like, which registries of some countries sell against the rules
        labels = idna.uts46_remap(host, std3_rules=False).split(".")
        return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in labels)
    except (idna.IDNAError, UnicodeError):
        return None


@cache
def _suffixes() -> Callable[[str], str]:
    """Return the function host -> registered domain, empty = it has none; loaded when first used, from the list that the package brings."""
    import tldextract

    # No address to fetch a newer list from, no folder to find one in: the same host has the same domain on every machine.
    extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)
    return lambda host: extract(host).top_domain_under_public_suffix


def _path(path: str) -> str:
    if "\\" in path:
        path = path.replace("\\", "/")
    path = _TO_QUOTE.sub(_quoted, path)
    if "[" in path or "]" in path or "|" in path:
        path = path.replace("[", "%5B").replace("]", "%5D").replace("|", "%7C")
    if ";" in path:
        path = _PATH_SESSION.sub("", path)
    if "/." not in path:
        return path or "/"
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    if not query:
        return ""
    kept: list[tuple[str, str]] = []
    for part in _TO_QUOTE.sub(_quoted, query).split("&"):
        if part.startswith("amp;"):  # an address that was copied out of HTML
            part = _AMP.sub("", part, count=1)
        key = part.partition("=")[0]
        if part and not _TRACKING.match(key) and not _SESSION_BY_VALUE.match(part):
            kept.append((key, part))
    kept.sort(key=lambda pair: pair[0])  # stable: the values of one key keep their order
    return "&".join(part for _, part in kept)


def _quoted(found: re.Match[str]) -> str:
    """Return a percent code in its one form, a character as percent codes, and a lone ``%`` as the character that it is."""
    if (digits := found[1]) is not None:
        character = chr(int(digits, 16))
        return character if character in _UNRESERVED else f"%{digits.upper()}"
    return "".join(f"%{byte:02X}" for byte in found[0].encode())
