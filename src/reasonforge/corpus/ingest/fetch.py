"""One HTTP request to a public server, and to nothing else: what a page of the index names must not lead into this machine's network."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from reasonforge.core.errors import DataError, UnavailableError

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5
_PIECE_BYTES: Final = 1 << 16
_AGENT: Final = "reasonforge (corpus fetch)"


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes


def get(
    url: str, *, max_bytes: int, seconds: float = 60.0, headers: Mapping[str, str] | None = None, allow_private: bool = False
) -> Answer:
    """Fetch a URL, over redirects.

    The name is resolved once and the connection goes to the address that was judged, so that a second answer of a name server changes
    nothing; every redirect is judged like the first address. No proxy is used.

    Args:
        url: ``http`` or ``https``.
        max_bytes: a longer answer is an error.
        seconds: for all of it.
        headers: to send.
        allow_private: also speak to addresses that are not of the public internet. For a mirror of one's own.

    Raises:
        DataError: a URL that is none, or leads to a private address.
        UnavailableError: nobody answers, too slowly, or too much.
    """
    deadline = time.monotonic() + seconds
    for _ in range(_MAX_REDIRECTS + 1):
        answer = _get(url, max_bytes, deadline, headers or {}, allow_private)
        if answer.status not in _REDIRECTS or "location" not in answer.headers:
            return answer
        url = urljoin(url, answer.headers["location"])
    raise UnavailableError(f"{url}: more than {_MAX_REDIRECTS} redirects")


def _get(url: str, max_bytes: int, deadline: float, headers: Mapping[str, str], allow_private: bool) -> Answer:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise DataError(f"{url}: not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise DataError(f"{url}: only http and https URLs without a user name are fetched")
    address = _address(url, host, port, allow_private)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    seconds = max(0.1, deadline - time.monotonic())
    connection = _Connection(host, port, address, is_tls=parts.scheme == "https", seconds=seconds)
    # The connection's own limit is for each piece of what comes: a server that sends a byte now and then never reaches it.
    guard = threading.Timer(seconds, connection.abort)
    guard.daemon = True
    guard.start()
    try:
        connection.request("GET", target, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers})
        response = connection.getresponse()
        pieces, size = [], 0
        while piece := response.read(_PIECE_BYTES):
            size += len(piece)
            if size > max_bytes:
                raise UnavailableError(f"{url}: the answer has more than {max_bytes} bytes")
            pieces.append(piece)
        if time.monotonic() > deadline:
            raise UnavailableError(f"{url}: the answer took too long")
        if response.length:
            raise UnavailableError(f"{url}: the answer ended {response.length} bytes too early")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, b"".join(pieces))
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() > deadline:
            raise UnavailableError(f"{url}: the answer took too long") from error
        raise UnavailableError(f"{url}: cannot be fetched: {error or type(error).__name__}") from error
    finally:
        guard.cancel()
        connection.close()


def _address(url: str, host: str, port: int, allow_private: bool) -> str:
    """Return the address to connect to; every address of the name must be public, or the name is a trap."""
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"{url}: cannot find {host}: {error}") from None
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address.sixtofour or address
        if not allow_private and (not address.is_global or address.is_multicast):
            raise DataError(f"{url}: {host} is {text}, which is not an address of the public internet")
    return found[0]


class _Connection(http.client.HTTPConnection):
    """Goes to one address, whatever the name resolves to by then."""

    def __init__(self, host: str, port: int, address: str, *, is_tls: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self._address = address
        self._is_tls = is_tls
        self.default_port = 443 if is_tls else 80

    def connect(self) -> None:
        """Open the connection."""
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=self.host) if self._is_tls else raw

    def abort(self) -> None:
        """End the connection from another thread: whoever reads from it is told that it is at its end."""
        with suppress(OSError, AttributeError):  # closed meanwhile, or never open
            self.sock.shutdown(socket.SHUT_RDWR)
