"""Who gets in, from where, with what: every door of the annotator's server that must stay shut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reasonforge.core.errors import UnavailableError
from reasonforge.corpus.annotate.journal import Journal
from reasonforge.corpus.annotate.server import MOST_BODY_BYTES, AnnotationServer
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


def test_a_taken_port_is_said(server: AnnotationServer, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"port {server.port}: .*--port"):
        AnnotationServer(session_of(tmp_path / "b.jsonl"), port=server.port)


def test_stopping_ends_it(path: Path) -> None:
    with serving(session_of(path)) as server:
        assert post(server, "/api/stop", {}, log_in(server)).json == {"stopped": True}
