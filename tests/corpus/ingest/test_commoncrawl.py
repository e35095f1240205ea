"""Looking pages up in an index and fetching them, from a server on this machine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from reasonforge.core.errors import DataError, UnavailableError
from reasonforge.corpus.ingest import fetch
from reasonforge.corpus.ingest.commoncrawl import GIVE_UP_SECONDS, CommonCrawl, Place, fetch_pages
from reasonforge.corpus.ingest.warc import Record, records
from tests.corpus.warcs import members, page, starts

MEMBERS = members([page(f"<p>{number}", f"http://m.example/q/{number}") for number in range(7)])
FILE = b"".join(MEMBERS)
NAME = "crawl-data/CC-MAIN-2024-10/x.warc.gz"
PLACES = [
    {"url": f"http://m.example/q/{number}", "filename": NAME, "offset": str(start), "length": str(len(member))}
    for number, (start, member) in enumerate(zip(starts(MEMBERS), MEMBERS, strict=False))
]


@dataclass
class Server:
    """Answers by path; what is asked is kept."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    answer: Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes]] = lambda path, headers: (404, {}, b"")
    waits: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    now: float = 0.0

    def crawl(self) -> CommonCrawl:
        return CommonCrawl(
            crawl="CC-MAIN-2024-10",
            index=self.url,
            data=self.url,
            allow_private=True,
            sleep=self.sleep,
            say=self.said.append,
            clock=lambda: self.now,
        )

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def commoncrawl(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    if parts.path == "/CC-MAIN-2024-10-index":
        if query["url"] != ["m.example/q/*"]:
            return 404, {}, b'{"message": "No Captures found for: x"}'
        if "showNumPages" in query:
            return 200, {}, b'{"pages": 3, "pageSize": 5, "blocks": 9}'
        assert set(query["filter"]) == {"=status:200", "=mime-detected:text/html"}
        of_page = PLACES[3 * int(query["page"][0]) :][:3]
        return 200, {}, "".join(json.dumps(place) + "\n" for place in of_page).encode()
    if parts.path == f"/{NAME}":
        first, last = headers["range"].removeprefix("bytes=").split("-")
        return 206, {}, FILE[int(first) : int(last) + 1]
    return 404, {}, b"nothing here"


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(answer=commoncrawl)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            status, headers, content = state.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


def test_pages_below_a_prefix_become_a_warc_file(server: Server, tmp_path: Path) -> None:
    assert fetch_pages(server.crawl(), "m.example/q/", tmp_path / "q.warc.gz") == 7
    with (tmp_path / "q.warc.gz").open("rb") as file:
        found = [item.headers["warc-target-uri"] for item in records(file) if isinstance(item, Record)]
    assert found == [place["url"] for place in PLACES]


def test_no_more_is_asked_for_than_the_limit_needs(server: Server, tmp_path: Path) -> None:
    assert fetch_pages(server.crawl(), "m.example/q/*", tmp_path / "q.warc.gz", limit=2) == 2
    assert len(server.asked) == 2 + 2


def test_a_prefix_without_pages_is_an_error_and_leaves_no_file(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no HTML page"):
        fetch_pages(server.crawl(), "absent.example/", tmp_path / "q.warc.gz")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_busy_is_asked_again_after_a_while(server: Server) -> None:
    busy = [503, 429]
    server.answer = lambda path, headers: (busy.pop(), {}, b"SlowDown") if busy else commoncrawl(path, headers)
    assert len(list(server.crawl().places("m.example/q/"))) == 7
    assert server.waits == [1.0, 4.0]


def test_a_server_that_stays_busy_is_given_up(server: Server) -> None:
    server.answer = lambda path, headers: (503, {}, b"SlowDown")
    with pytest.raises(UnavailableError, match=r"status 503, the server is busy\. Given up after 5 tries"):
        list(server.crawl().places("m.example/q/"))
    assert server.waits == [1.0, 4.0, 16.0, 60.0]


def test_every_further_try_says_why_there_is_one(server: Server) -> None:
    server.answer = lambda path, headers: (503, {}, b"SlowDown")
    with pytest.raises(UnavailableError):
        server.crawl().record(Place("u", NAME, 0, 100))
    url = f"{server.url}/{NAME}"
    assert server.said == [f"{url}: status 503, the server is busy. Trying again in {seconds} s" for seconds in (1, 4, 16, 60)]


def test_without_a_network_it_is_given_up_within_seconds(server: Server, tmp_path: Path) -> None:
    nowhere = replace(server.crawl(), index="http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"cannot be fetched: .*refused\. Given up after 3 tries"):
        fetch_pages(nowhere, "m.example/q/", tmp_path / "q.warc.gz")
    assert server.waits == [1.0, 4.0]
    assert len(server.said) == 2
    assert list(tmp_path.iterdir()) == []


def test_all_tries_together_have_an_end(server: Server) -> None:
    def slow(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        server.now += 58.0
        return 503, {}, b"SlowDown"

    server.answer = slow
    with pytest.raises(UnavailableError, match="Given up after 3 tries"):
        list(server.crawl().places("m.example/q/"))
    assert server.now <= GIVE_UP_SECONDS


def test_what_is_tried_again_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnavailableError):
        CommonCrawl(crawl="x", index="http://127.0.0.1:1", allow_private=True, sleep=lambda seconds: None).places("a.example/").__next__()
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.rpartition(". ")[2] for line in said.err.splitlines()] == ["Trying again in 1 s", "Trying again in 4 s"]


def test_a_server_that_sends_a_byte_now_and_then_is_left_in_time() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    sent = 0

    def trickle() -> None:
        nonlocal sent
        with listening, listening.accept()[0] as connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
            while sent < 2000:
                connection.sendall(b"x")
                sent += 1
                time.sleep(0.01)

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(UnavailableError, match="took too long"):
        fetch.get(f"http://127.0.0.1:{listening.getsockname()[1]}/", max_bytes=10_000, seconds=0.3, allow_private=True)
    thread.join()
    assert sent < 2000


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"{}",
        b'{"url": "u", "filename": "f", "offset": "-1", "length": "5"}',
        b'{"url": "u", "filename": "f", "offset": "0", "length": "99999999999"}',
        b'{"url": "u", "filename": "../../etc/passwd", "offset": "0", "length": "5"}',
        b'{"url": "u", "filename": "http://127.0.0.1/", "offset": "0", "length": "5"}',
    ],
)
def test_a_line_of_the_index_that_makes_no_sense_is_refused(line: bytes, server: Server) -> None:
    server.answer = lambda path, headers: (200, {}, b'{"pages": 1}' if "showNumPages" in path else line)
    with pytest.raises(DataError, match="a line of the index"):
        list(server.crawl().places("m.example/q/"))


def test_a_server_without_ranges_is_said_to_be_one(server: Server) -> None:
    server.answer = lambda path, headers: (200, {}, FILE[:50])
    with pytest.raises(UnavailableError, match="status 200 and 50 bytes where bytes 0-99 were asked for"):
        server.crawl().record(Place("u", NAME, 0, 100))


def test_what_is_no_record_is_refused(server: Server) -> None:
    server.answer = lambda path, headers: (206, {}, b"<html>no")
    with pytest.raises(DataError, match="are no record"):
        server.crawl().record(Place("u", NAME, 0, 8))


def test_an_answer_beyond_the_limit_is_not_read_on(server: Server) -> None:
    server.answer = lambda path, headers: (200, {}, b"x" * 10_000_000)
    with pytest.raises(UnavailableError, match="more than 1000 bytes"):
        fetch.get(server.url, max_bytes=1_000, allow_private=True)


def test_an_answer_that_ends_too_early_is_an_error(server: Server) -> None:
    server.answer = lambda path, headers: (200, {"Content-Length": "100", "Connection": "close"}, b"x" * 10)
    with pytest.raises(UnavailableError):
        fetch.get(server.url, max_bytes=1_000, allow_private=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "[fe80::1]",
        "100.64.0.1",
        "224.0.0.1",
    ],
)
def test_private_addresses_are_not_spoken_to(host: str) -> None:
    with pytest.raises((DataError, UnavailableError), match=r"not an address of the public internet|cannot find"):
        fetch.get(f"http://{host}:1/", max_bytes=10)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "http://",
        "http://user:pw@example.org/",
        "gopher://x/",
        "//x",
        "http://[::1",
        "http://x:99999/",
    ],
)
def test_what_is_no_web_address_is_not_fetched(url: str) -> None:
    with pytest.raises(DataError):
        fetch.get(url, max_bytes=10)


def test_a_redirect_into_the_private_network_is_not_followed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first address counts as public, the one behind the redirect does not.
    def lookup(host: str, port: int, **given: object) -> list[tuple]:  # type: ignore[type-arg]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14" if host == "public.example" else "127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: _connected(server))
    server.answer = lambda path, headers: (302, {"Location": "http://inside.example/"}, b"")
    with pytest.raises(DataError, match=r"inside\.example is 127\.0\.0\.1"):
        fetch.get("http://public.example/", max_bytes=1_000)
    assert len(server.asked) == 1


def test_the_connection_goes_to_the_address_that_was_judged(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1"])
    gone_to: list[str] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        gone_to.append(address[0])
        return _connected(server)

    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **given: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]
    )
    monkeypatch.setattr(socket, "create_connection", connect)
    fetch.get("http://rebinding.example/", max_bytes=1_000)
    assert gone_to == ["93.184.215.14"]


def _connected(server: Server) -> socket.socket:
    """Connect to the test's own server, whatever address was asked for."""
    host, port = server.url.removeprefix("http://").split(":")
    found = socket.socket()
    found.settimeout(5)
    found.connect((host, int(port)))
    return found


def test_redirects_come_to_an_end(server: Server) -> None:
    server.answer = lambda path, headers: (302, {"Location": "/again"}, b"")
    with pytest.raises(UnavailableError, match="more than 5 redirects"):
        fetch.get(server.url, max_bytes=1_000, allow_private=True)
    assert len(server.asked) == 6
