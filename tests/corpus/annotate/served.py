"""A server on this machine for as long as a test needs it, and requests that say exactly what is sent."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reasonforge.corpus.annotate.server import AnnotationServer
from reasonforge.corpus.annotate.session import Session


@contextmanager
def serving(session: Session) -> Iterator[AnnotationServer]:
    server = AnnotationServer(session)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    server: AnnotationServer,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    host: str | None = None,
) -> Reply:
    """Send headers as they are given, and a length only where one is among them or there is a body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = {"Host": host if host is not None else f"127.0.0.1:{server.port}"} | (headers or {})
        if body is not None and "Content-Length" not in given and "Transfer-Encoding" not in given:
            given["Content-Length"] = str(len(body))
        for name, value in given.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def log_in(server: AnnotationServer) -> dict[str, str]:
    """Return the headers of somebody who opened the link."""
    reply = send(server, "GET", server.url.partition(str(server.port))[2])
    assert reply.status == 303
    return {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}


def post(server: AnnotationServer, path: str, content: Any, cookie: dict[str, str], **headers: str) -> Reply:
    given = {**cookie, "Origin": f"http://127.0.0.1:{server.port}", "Content-Type": "application/json"}
    return send(
        server, "POST", path, body=json.dumps(content).encode(), headers=given | {k.replace("_", "-"): v for k, v in headers.items()}
    )
