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
from urllib.parse import SplitResult, urlsplit

from reasonforge.core.errors import ReasonforgeError, UnavailableError
from reasonforge.corpus.annotate.api import Api, Refusal, read_query
from reasonforge.corpus.annotate.session import Contradiction, Session

ADDRESS = "127.0.0.1"
MOST_BODY_BYTES = 16 << 10
_MOST_URL_CHARS = 8 << 10
_IDLE_SECONDS = 30.0

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
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
        self.api = Api(session)
        self._token = secrets.token_urlsafe(32)
        self._token_lock = threading.Lock()
        self._cookie = secrets.token_urlsafe(32)
        try:
            self._http = _Http(port, self)
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
    request_queue_size = 128

    def __init__(self, port: int, owner: AnnotationServer) -> None:
        self.owner = owner
        super().__init__((ADDRESS, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that hangs up is no event."""


class _Answers(BaseHTTPRequestHandler):
    """How answers are sent."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server_version = "reasonforge"
    sys_version = ""

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


class _Checks(_Answers):
    """Who may ask, and for how much."""

    @property
    def _owner(self) -> AnnotationServer:
        assert isinstance(self.server, _Http)
        return self.server.owner

    def _hosts(self) -> tuple[str, str]:
        return f"{ADDRESS}:{self._owner.port}", f"localhost:{self._owner.port}"

    def _check_host(self) -> None:
        if len(self.path) > _MOST_URL_CHARS:
            raise Refusal(414, "address too long")
        if self.headers.get_all("Host") not in [[host] for host in self._hosts()]:
            raise Refusal(400, "this server answers to 127.0.0.1 alone")

    def _url(self) -> SplitResult:
        try:
            return urlsplit(self.path)
        except ValueError:  # the brackets of a host that is none, as in http://[
            raise Refusal(400, "no address") from None

    def _check_cookie(self) -> None:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self._owner.cookie_name)
        except CookieError:
            cookie = None
        if cookie is None or not self._owner.knows(cookie.value):
            raise Refusal(401, _NOT_LET_IN)

    def _check_origin(self) -> None:
        origins = {f"http://{host}" for host in self._hosts()}
        if self.headers.get("Origin") not in origins or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise Refusal(403, "sent by another site")
        if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "send JSON")

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            raise Refusal(411, "say how long it is")
        if len(length) > 9 or int(length) > MOST_BODY_BYTES:
            raise Refusal(413, f"more than {MOST_BODY_BYTES} bytes")
        try:
            content = self.rfile.read(int(length))
        except TimeoutError:
            raise Refusal(408, "it took too long") from None
        if len(content) < int(length):
            raise Refusal(400, "it ends too early")
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise Refusal(400, "not a JSON object")
        return body


class _Handler(_Checks):
    """Which request is answered by what."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_HEAD(self) -> None:
        self._answer(self._refuse_method)

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = do_HEAD

    def _answer(self, handle: Callable[[], None]) -> None:
        try:
            handle()
        except Refusal as refusal:
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

    def _get(self) -> None:
        self._check_host()
        url = self._url()
        query = read_query(url.query)
        if url.path == "/" and "token" in query:
            self._let_in(query["token"])
            return
        self._check_cookie()
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refusal(403, "asked for by another site")
        if url.path in _FILES:
            name, kind = _FILES[url.path]
            self._send(200, files("reasonforge.corpus.annotate").joinpath("static", name).read_bytes(), kind)
        elif (read := self._owner.api.reads.get(url.path)) is not None:
            self._send_json(200, read(query))
        elif url.path in self._owner.api.writes:
            raise Refusal(405, "send it with POST", Allow="POST")
        else:
            raise Refusal(404, "no such page")

    def _post(self) -> None:
        self._check_host()
        self._check_cookie()
        api, path = self._owner.api, self._url().path
        if path not in api.writes:
            raise Refusal(405, "read it with GET", Allow="GET") if path in api.reads or path in _FILES else Refusal(404, "no such page")
        self._check_origin()
        self._send_json(200, api.writes[path](self._body()))
        if path == "/api/stop":
            threading.Thread(target=self._owner.stop, daemon=True).start()

    def _let_in(self, token: str) -> None:
        cookie = self._owner.cookie_for(token)
        if cookie is None:
            self._check_cookie()  # a link that was opened again where it was opened first still leads in
        headers = {"Location": "/"}
        if cookie is not None:
            headers["Set-Cookie"] = f"{self._owner.cookie_name}={cookie}; Path=/; HttpOnly; SameSite=Strict"
        self._send(303, b"", "text/plain", **headers)

    def _refuse_method(self) -> None:
        raise Refusal(405, "only GET and POST", Allow="GET, POST")
