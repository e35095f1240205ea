"""The annotator's page, served to this machine alone: no other user, web site or page on display can read or write a label.

The address that is printed holds a secret that works once and becomes a cookie no script can read. Requests that name another host
(DNS rebinding) or come from another origin are refused; the page runs one script, and shows what strangers wrote as text.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reasonforge.core.errors import ReasonforgeError, UnavailableError
from reasonforge.corpus.annotate.session import Contradiction, Session

ADDRESS = "127.0.0.1"
MOST_BODY_BYTES = 16 << 10
_MOST_URL_CHARS = 8 << 10
_IDLE_SECONDS = 30.0

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NOT_LET_IN = "open the address that the command printed; it works once. If you just did, reload; for another browser start again"
_FILES = {
    "/": ("annotate.html", "text/html; charset=utf-8"),
    "/annotate.js": ("annotate.js", "text/javascript; charset=utf-8"),
    "/annotate.css": ("annotate.css", "text/css; charset=utf-8"),
}


class _Refusal(Exception):
    """A request that gets no answer but a status and a line."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers


class AnnotationServer:
    """Serves a session until somebody stops it."""

    def __init__(self, session: Session, *, port: int = 0) -> None:
        """Take a port.

        Args:
            session: the work.
            port: 0 = any that is free.

        Raises:
            UnavailableError: the port is taken.
        """
        self.session = session
        self._token = secrets.token_urlsafe(32)
        self._token_lock = threading.Lock()
        self._cookie = secrets.token_urlsafe(32)
        try:
            self._http = _Http((ADDRESS, port), _handler(self))
        except OSError as error:
            raise UnavailableError(f"port {port}: {error.strerror or error}. Choose another with --port") from error
        self.port = int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Return the address to open; it works once."""
        return f"http://{ADDRESS}:{self.port}/?token={self._token}"

    def serve(self) -> None:
        """Answer requests until :meth:`stop`."""
        try:
            self._http.serve_forever(poll_interval=0.1)
        finally:
            self._http.server_close()

    def stop(self) -> None:
        """End :meth:`serve`, from another thread."""
        self._http.shutdown()

    @property
    def cookie_name(self) -> str:
        """Return the name of the cookie: the servers of one machine share cookies, whatever their port."""
        return f"reasonforge-{self.port}"

    def cookie_for(self, token: str) -> str | None:
        """Return the cookie for a token, the first time."""
        with self._token_lock:
            if not self._token or not hmac.compare_digest(token.encode(), self._token.encode()):
                return None
            self._token = ""
            return self._cookie

    def knows(self, cookie: str) -> bool:
        """Return whether this is the cookie."""
        return hmac.compare_digest(cookie.encode(), self._cookie.encode())


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 16

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that hangs up is no event."""


def _handler(server: AnnotationServer) -> type[BaseHTTPRequestHandler]:
    session = server.session
    reads: dict[str, Callable[[dict[str, str]], Any]] = {
        "/api/state": lambda _: session.state(),
        "/api/changes": lambda query: session.changes(_number(query.get("since", "0"))),
        "/api/domain": lambda query: session.domain(query.get("name", "")),
        "/api/samples": lambda query: session.samples(query.get("pattern", "")),
        "/api/summary": lambda _: session.summary(),
    }
    writes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "/api/label": lambda body: session.label(
            _text(body, "pattern"), _text(body, "label"), known=_text(body, "known"), looked=body.get("looked") is True, since=_since(body)
        ),
        "/api/undo": lambda body: session.undo(since=_since(body)),
        "/api/stop": lambda _: {"stopped": True},
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS
        server_version = "reasonforge"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(self._get)

        def do_POST(self) -> None:
            self._answer(self._post)

        def do_HEAD(self) -> None:
            self._answer(self._refuse_method)

        do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = do_HEAD

        def _get(self) -> None:
            self._check_host()
            url = urlsplit(self.path)
            query = _query(url.query)
            if url.path == "/" and "token" in query:
                self._let_in(query["token"])
                return
            self._check_cookie()
            if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
                raise _Refusal(403, "asked for by another site")
            if url.path in _FILES:
                name, kind = _FILES[url.path]
                self._send(200, files("reasonforge.corpus.annotate").joinpath("static", name).read_bytes(), kind)
            elif url.path in reads:
                self._send_json(200, reads[url.path](query))
            elif url.path in writes:
                raise _Refusal(405, "send it with POST", Allow="POST")
            else:
                raise _Refusal(404, "no such page")

        def _post(self) -> None:
            self._check_host()
            self._check_cookie()
            path = urlsplit(self.path).path
            if path not in writes:
                raise _Refusal(405, "read it with GET", Allow="GET") if path in reads or path in _FILES else _Refusal(404, "no such page")
            origins = {f"http://{host}" for host in self._hosts()}
            if self.headers.get("Origin") not in origins or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
                raise _Refusal(403, "sent by another site")
            if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
                raise _Refusal(415, "send JSON")
            self._send_json(200, writes[path](self._body()))
            if path == "/api/stop":
                threading.Thread(target=server.stop, daemon=True).start()

        def _body(self) -> dict[str, Any]:
            length = self.headers.get("Content-Length", "")
            if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
                raise _Refusal(411, "say how long it is")
            if len(length) > 9 or int(length) > MOST_BODY_BYTES:
                raise _Refusal(413, f"more than {MOST_BODY_BYTES} bytes")
            try:
                body = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                body = None
            if not isinstance(body, dict):
                raise _Refusal(400, "not a JSON object")
            return body

        def _let_in(self, token: str) -> None:
            cookie = server.cookie_for(token)
            if cookie is None:
                self._check_cookie()  # a link that was opened again where it was opened first still leads in
            headers = {"Location": "/"}
            if cookie is not None:
                headers["Set-Cookie"] = f"{server.cookie_name}={cookie}; Path=/; HttpOnly; SameSite=Strict"
            self._send(303, b"", "text/plain", **headers)

        def _hosts(self) -> tuple[str, str]:
            return f"{ADDRESS}:{server.port}", f"localhost:{server.port}"

        def _check_host(self) -> None:
            if len(self.path) > _MOST_URL_CHARS:
                raise _Refusal(414, "address too long")
            if self.headers.get_all("Host") not in [[host] for host in self._hosts()]:
                raise _Refusal(400, "this server answers to 127.0.0.1 alone")

        def _check_cookie(self) -> None:
            try:
                cookie = SimpleCookie(self.headers.get("Cookie", "")).get(server.cookie_name)
            except CookieError:
                cookie = None
            if cookie is None or not server.knows(cookie.value):
                raise _Refusal(401, _NOT_LET_IN)

        def _refuse_method(self) -> None:
            raise _Refusal(405, "only GET and POST", Allow="GET, POST")

        def _answer(self, handle: Callable[[], None]) -> None:
            try:
                handle()
            except _Refusal as refusal:
                self.close_connection = True  # its body was not read
                self._send_json(refusal.status, {"error": str(refusal)}, **refusal.headers)
            except Contradiction as error:
                self._send_json(409, {"error": str(error)})
            except ReasonforgeError as error:
                self._send_json(400 if isinstance(error, ValueError) else 500, {"error": str(error)})
            except ConnectionError:
                self.close_connection = True  # the browser hung up
            except Exception as error:
                self.close_connection = True
                self._send_json(500, {"error": f"{type(error).__name__}: {error}"})

        def _send_json(self, status: int, content: Any, **headers: str) -> None:
            # ASCII: a lone surrogate in a page's text must not break the answer.
            self._send(status, json.dumps(content, ensure_ascii=True).encode(), "application/json; charset=utf-8", **headers)

        def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**_HEADERS, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the first address holds the secret."""

    return Handler


def _query(text: str) -> dict[str, str]:
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=8).items()}
    except ValueError:
        raise _Refusal(400, "too many fields") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _Refusal(400, "expected a number")
    return int(text)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise _Refusal(400, f"{name}: expected text")
    return value


def _since(body: dict[str, Any]) -> int:
    value = body.get("since", 0)
    if type(value) is not int or value < 0:
        raise _Refusal(400, "since: expected a number")
    return value
