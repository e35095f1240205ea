"""A server of the OpenAI protocol that answers from a script, and misbehaves where the script says so. On the loopback alone."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What is sent back, as it stands."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    announced: int | None = None
    """Content-Length to announce; None = the true one."""
    drip_seconds: float = 0.0
    """Between two bytes."""
    delay_seconds: float = 0.0
    hang_up: bool = False
    """Close without a word."""


def says(text: str | None, *, finish: str = "stop", tokens: int | None = 5, **message: Any) -> Reply:
    """A well-formed answer."""
    usage = {} if tokens is None else {"usage": {"prompt_tokens": 3, "completion_tokens": tokens}}
    choice = {"message": {"role": "assistant", "content": text, **message}, "text": text, "finish_reason": finish}
    return Reply(body=json.dumps({"choices": [choice], **usage}).encode())


def refuses(status: int, message: str = "no", *, retry_after: str | None = None) -> Reply:
    """An error as such servers send it."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Reply(status=status, body=json.dumps({"error": {"message": message}}).encode(), headers=headers)


@dataclass
class Server:
    """A running server."""

    url: str
    asked: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)
    """(body, headers) of every request."""
    at_once: int = 0
    most_at_once: int = 0


@contextmanager
def serve(script: Callable[[dict[str, Any], int], Reply]) -> Iterator[Server]:
    """Serve; ``script`` gets the request's body and its number among the requests with the same body, from 0."""
    lock = threading.Lock()
    seen: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                key = json.dumps(body, sort_keys=True)
                number = seen.get(key, 0)
                seen[key] = number + 1
                server.asked.append((body, {name: value for name, value in self.headers.items()} | {"path": self.path}))
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                reply = script(body, number)
                time.sleep(reply.delay_seconds)
            finally:
                with lock:  # before the answer goes out: whoever has it may ask again at once
                    server.at_once -= 1
            with suppress(OSError):  # the client has left
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            if reply.hang_up:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.announced is None else reply.announced))
            self.send_header("Connection", "close")
            self.end_headers()
            if not reply.drip_seconds:
                self.wfile.write(reply.body)
                return
            for byte in reply.body:
                self.wfile.write(bytes([byte]))
                time.sleep(reply.drip_seconds)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}/v1")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(timeout=10)
