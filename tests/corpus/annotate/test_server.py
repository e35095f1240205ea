"""Who gets in, from where, with what: every door of the annotator's server that must stay shut."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.corpus.annotate.journal import Journal
from reasonforge.corpus.annotate.server import MOST_BODY_BYTES, AnnotationServer, _Handler
from tests.corpus.annotate.fabricate import session_of
from tests.corpus.annotate.served import log_in, post, send, serving

LABEL = {"pattern": "forum.example/questions/*", "label": "math", "known": "", "looked": True, "since": 0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations.jsonl"


@pytest.fixture
def server(path: Path) -> Iterator[AnnotationServer]:
    with serving(session_of(path)) as server:
        yield server


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_it_listens_on_this_machine_alone(server: AnnotationServer) -> None:
    # Every address below 127 is this machine, and only the one that was asked for answers.
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", server.port)) != 0
    with socket.socket() as own:
        assert own.connect_ex(("127.0.0.1", server.port)) == 0


@pytest.mark.parametrize("path_", ["/", "/annotate.js", "/annotate.css", "/api/state", "/api/samples?pattern=forum.example/", "/nothing"])
def test_nothing_is_shown_without_the_cookie(server: AnnotationServer, path_: str) -> None:
    for headers in ({}, {"Cookie": f"{server.cookie_name}=guess"}, {"Cookie": "other=1"}, {"Cookie": "=;;\x7f"}):
        reply = send(server, "GET", path_, headers=headers)
        assert reply.status == 401
        assert set(reply.json) == {"error"}


def test_the_link_works_once_and_leaves_a_cookie_that_no_script_reads(server: AnnotationServer) -> None:
    link = server.url.partition(str(server.port))[2]
    first = send(server, "GET", link)
    cookie = first.headers["Set-Cookie"]
    assert (first.status, first.headers["Location"]) == (303, "/")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert link.partition("=")[2] not in cookie
    assert send(server, "GET", link).status == 401
    assert send(server, "GET", link, headers={"Cookie": cookie.partition(";")[0]}).status == 303


def test_a_wrong_token_opens_nothing_and_spoils_nothing(server: AnnotationServer) -> None:
    for token in ("", "x", "é", "%00", server.url[-43:-1]):
        assert send(server, "GET", f"/?token={token.encode('ascii', 'ignore').decode()}").status == 401
    assert log_in(server)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", "127.0.0.1:{port}.evil.example", "0x7f000001:{port}"]
)
def test_another_host_name_is_refused(server: AnnotationServer, host: str) -> None:
    cookie = log_in(server)
    reply = send(server, "GET", "/api/state", headers=cookie, host=host.format(port=server.port))
    assert reply.status == 400


def test_localhost_is_this_machine(server: AnnotationServer) -> None:
    assert send(server, "GET", "/api/state", headers=log_in(server), host=f"localhost:{server.port}").status == 200


def test_every_answer_says_what_a_browser_may_do_with_it(server: AnnotationServer) -> None:
    cookie = log_in(server)
    for path in ("/", "/annotate.js", "/annotate.css", "/api/state", "/nothing"):
        headers = send(server, "GET", path, headers=cookie).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "trusted-types 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_page_holds_no_inline_script_or_style_and_asks_nobody_else(server: AnnotationServer) -> None:
    cookie = log_in(server)
    page = send(server, "GET", "/", headers=cookie).body.decode()
    assert page.count("<script") == page.count('<script src="/annotate.js" defer></script>') == 1
    assert "<style" not in page
    assert "style=" not in page
    assert "javascript:" not in page
    for name in ("/", "/annotate.js", "/annotate.css"):
        text = send(server, "GET", name, headers=cookie).body.decode()
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text


@pytest.mark.parametrize(
    "path_",
    [
        "/../journal.py",
        "/..%2fjournal.py",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/annotate.html",
        "/static/annotate.js",
        "/annotate.js/",
        "/\\..\\x",
    ],
)
def test_no_other_file_is_served(server: AnnotationServer, path_: str) -> None:
    assert send(server, "GET", path_, headers=log_in(server)).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_refused(server: AnnotationServer, path: Path, method: str) -> None:
    assert send(server, method, "/api/label", headers=log_in(server)).status == 405
    assert lines(path) == []


def test_what_writes_is_not_read_and_what_reads_is_not_written(server: AnnotationServer, path: Path) -> None:
    cookie = log_in(server)
    assert send(server, "GET", "/api/label?pattern=forum.example/&label=math", headers=cookie).status == 405
    assert send(server, "GET", "/api/undo", headers=cookie).status == 405
    assert post(server, "/api/state", {}, cookie).status == 405
    assert lines(path) == []


def test_a_label_is_on_disk_when_the_answer_comes(server: AnnotationServer, path: Path) -> None:
    reply = post(server, "/api/label", LABEL, log_in(server))
    assert reply.status == 200
    assert reply.json["label"] == "math"
    assert len(Journal(path).lines) == len(lines(path)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_origin_writes_nothing(server: AnnotationServer, path: Path, headers: dict[str, str]) -> None:
    assert post(server, "/api/label", LABEL, log_in(server), **headers).status == 403
    assert lines(path) == []


def test_a_form_of_another_site_cannot_write(server: AnnotationServer, path: Path) -> None:
    cookie = log_in(server)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert post(server, "/api/label", LABEL, cookie, Content_Type=kind).status == 415
    assert lines(path) == []


def test_nobody_writes_without_the_cookie(server: AnnotationServer, path: Path) -> None:
    assert post(server, "/api/label", LABEL, {}).status == 401
    assert post(server, "/api/stop", {}, {}).status == 401
    assert lines(path) == []


def test_sizes_are_limited(server: AnnotationServer, path: Path) -> None:
    cookie = log_in(server)
    assert post(server, "/api/label", LABEL | {"known": "x" * MOST_BODY_BYTES}, cookie).status == 413
    assert post(server, "/api/label", LABEL, cookie, Content_Length="9" * 40).status == 413
    assert post(server, "/api/label", LABEL, cookie, Content_Length="-1").status == 411
    assert post(server, "/api/label", LABEL, cookie, Transfer_Encoding="chunked").status == 411
    assert send(server, "GET", "/api/state?" + "x" * 9000, headers=cookie).status == 414
    assert send(server, "GET", "/api/state?" + "&".join(f"a{i}=1" for i in range(20)), headers=cookie).status == 400
    assert lines(path) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 10_000, b'"x"', b"NaN"])
def test_what_is_no_json_object_is_refused(server: AnnotationServer, path: Path, body: bytes) -> None:
    headers = {**log_in(server), "Origin": f"http://127.0.0.1:{server.port}", "Content-Type": "application/json"}
    assert send(server, "POST", "/api/label", body=body, headers=headers).status == 400
    assert lines(path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"label": "maths"},
        {"label": None},
        {"label": ["math"]},
        {"pattern": 1},
        {"pattern": ""},
        {"pattern": "forum.example/q?x"},
        {"pattern": "forum.example/\ud800"},
        {"pattern": "elsewhere.example/q"},
        {"pattern": "shop.example/item"},
        {"label": "accept"},
        {"why": 3},
        {"why": "x" * 1001},
        {"why": "\ud800"},
        {"since": "0"},
        {"since": -1},
        {"since": True},
    ],
)
def test_what_makes_no_sense_is_refused(server: AnnotationServer, path: Path, change: dict[str, object]) -> None:
    reply = post(server, "/api/label", LABEL | change, log_in(server))
    assert reply.status == 400
    assert reply.json["error"]
    assert lines(path) == []


def test_a_bug_is_an_answer_and_not_a_hung_browser(server: AnnotationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.api.session, "summary", lambda: 1 / 0)
    reply = send(server, "GET", "/api/summary", headers=log_in(server))
    assert (reply.status, reply.json["error"]) == (500, "ZeroDivisionError: division by zero")


def whole(server: AnnotationServer, request: bytes) -> bytes:
    """Send bytes as they are, and return all that comes until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def label_request(server: AnnotationServer, cookie: dict[str, str], length: int) -> bytes:
    lines = [
        "POST /api/label HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Cookie: {cookie['Cookie']}",
        f"Origin: http://127.0.0.1:{server.port}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_body_that_ends_too_early_is_no_label_even_if_it_could_be_one(server: AnnotationServer, path: Path) -> None:
    body = json.dumps(LABEL).encode()
    answer = whole(server, label_request(server, log_in(server), len(body) + 1) + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"ends too early" in answer
    assert lines(path) == []


def test_half_requests_of_many_slow_clients_hold_nobody_up_and_are_dropped(
    server: AnnotationServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Handler, "timeout", 0.5)
    cookie = log_in(server)
    halves = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0", label_request(server, cookie, 100) + b'{"pattern"']
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(40)]
    for number, client in enumerate(clients):
        client.sendall(halves[number % len(halves)])
    assert post(server, "/api/label", LABEL, cookie).status == 200
    answers = [b"".join(iter(lambda client=client: client.recv(65536), b"")) for client in clients]
    for client in clients:
        client.close()
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers[3::4])
    assert not any(answers[0::4] + answers[1::4] + answers[2::4])
    assert len(lines(path)) == 1


def test_headers_without_end_are_refused(server: AnnotationServer) -> None:
    start = f"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
    assert whole(server, b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 414 ")
    assert whole(server, start + b"A: b\r\n" * 200 + b"\r\n").startswith(b"HTTP/1.1 431 ")
    assert whole(server, start + b"A: " + b"x" * 70_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")


def test_a_request_hidden_in_the_body_of_a_refused_one_is_not_read(server: AnnotationServer, path: Path) -> None:
    body = json.dumps(LABEL).encode()
    hidden = label_request(server, log_in(server), len(body)) + body
    outer = f"POST /api/label HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {len(hidden)}\r\n\r\n".encode()
    answer = whole(server, outer + hidden)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert lines(path) == []


def test_two_host_names_are_none(server: AnnotationServer) -> None:
    twice = f"Host: 127.0.0.1:{server.port}\r\n"
    cookie = log_in(server)["Cookie"]
    for hosts in (twice + "Host: evil.example\r\n", twice + twice, ""):
        request = f"GET /api/state HTTP/1.1\r\n{hosts}Cookie: {cookie}\r\n\r\n"
        assert whole(server, request.encode()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("address", ["http://[/", "//[x", "http://evil.example/api/state", "*"])
def test_an_address_of_another_form_is_an_answer_and_no_bug(server: AnnotationServer, address: str) -> None:
    request = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
    answer = whole(server, request.encode())
    assert answer.split(b" ")[1] in (b"400", b"401")


def test_who_guesses_in_a_hurry_opens_nothing_and_the_link_still_works(server: AnnotationServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: send(server, "GET", f"/?token={n:043d}").status, range(100)))
        assert set(statuses) == {401}
        # Of many who have the link at once one gets in.
        link = server.url.partition(str(server.port))[2]
        assert sorted(pool.map(lambda _: send(server, "GET", link).status, range(8))) == [303, *[401] * 7]


def test_a_taken_port_is_said(server: AnnotationServer, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"port {server.port}: .*--port"):
        AnnotationServer(session_of(tmp_path / "b.jsonl"), port=server.port)


def test_stopping_ends_it(path: Path) -> None:
    with serving(session_of(path)) as server:
        assert post(server, "/api/stop", {}, log_in(server)).json == {"stopped": True}
