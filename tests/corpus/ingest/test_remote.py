"""Files behind URLs: every way in which they are not there is one line and an exit code, and none is silent for long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fsspec
import pytest

from reasonforge.cli.main import main
from reasonforge.corpus.ingest import remote
from reasonforge.corpus.ingest.inputs import find, opened

URL = "far://bucket/a.warc.gz"


@dataclass
class Far:
    """What the file system of ``far://`` does when it is asked for anything."""

    act: Callable[[], Any] = lambda: {"size": 5}


@pytest.fixture
def far() -> Far:
    behaviour = Far()

    class FileSystem(fsspec.AbstractFileSystem):
        protocol = "far"
        cachable = False

        def info(self, *given: Any, **named: Any) -> Any:
            return behaviour.act()

        def glob(self, *given: Any, **named: Any) -> Any:
            return behaviour.act()

        def _open(self, *given: Any, **named: Any) -> Any:
            return behaviour.act()

    fsspec.register_implementation("far", FileSystem, clobber=True)
    return behaviour


class ResponseError(Exception):
    """What an HTTP client raises for a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, message='said so'\nand more")
        self.status = status


def failing(error: BaseException, cause: BaseException | None = None) -> Callable[[], Any]:
    def act() -> Any:
        raise error from cause

    return act


@pytest.mark.parametrize(
    ("act", "code", "line"),
    [
        (failing(FileNotFoundError("far")), 65, "no such file"),
        (failing(FileNotFoundError("far"), FileNotFoundError("far")), 65, "no such file"),
        (failing(FileNotFoundError("far"), ResponseError(404)), 65, "no such file"),
        (failing(FileNotFoundError("far"), ResponseError(503)), 69, "cannot be reached: 503, message='said so'"),
        (failing(FileNotFoundError("far"), ConnectionError("Connect call failed")), 69, "cannot be reached: Connect call failed"),
        (failing(ConnectionRefusedError(111, "Connection refused")), 69, "cannot be reached: [Errno 111] Connection refused"),
        (failing(PermissionError("Forbidden")), 65, "no permission to read it: Forbidden"),
        (failing(RuntimeError("\n  no credentials\nTraceback")), 69, "cannot be reached: no credentials"),
        (failing(TimeoutError()), 69, "cannot be reached: TimeoutError"),
        (lambda: {"size": 0}, 65, "is empty"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(
    act: Callable[[], Any], code: int, line: str, far: Far, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    far.act = act
    assert main(["corpus", "extract", URL, "--out", str(tmp_path / "pages.jsonl")]) == code
    assert capsys.readouterr().err == f"error: {URL}: {line}\n"


@pytest.mark.parametrize("reads", [lambda: opened(URL).__enter__(), lambda: find("far://bucket/*.warc.gz")], ids=["opened", "found"])
def test_a_file_that_cannot_be_opened_or_found_says_which_it_is(reads: Callable[[], Any], far: Far) -> None:
    far.act = failing(ConnectionError("nobody there"))
    with pytest.raises(remote.UnavailableError, match=r"far://bucket/\S+: cannot be reached: nobody there"):
        reads()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("https://a.org/x.warc.gz", "reading https:// needs the package aiohttp: pip install aiohttp"),
        ("s3://bucket/x.warc.gz", "reading s3:// needs the package s3fs: pip install s3fs"),
        ("gs://bucket/x.warc.gz", "reading gs:// needs the package gcsfs: pip install gcsfs"),
        ("odd://bucket/x.warc.gz", "reading odd:// needs another package: Install oddfs"),
    ],
)
def test_a_package_that_is_missing_is_named(
    url: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fsspec, "url_to_fs", lambda url, **given: failing(ImportError("Install oddfs\nor else"))())
    monkeypatch.setattr(remote, "_options", lambda kind: {})
    assert main(["corpus", "extract", url, "--out", str(tmp_path / "pages.jsonl")]) == 69
    assert capsys.readouterr().err == f"error: {url}: {line}\n"


def test_a_kind_of_url_that_nobody_knows_is_refused() -> None:
    with pytest.raises(remote.UnavailableError, match="nosuch://a/x: Protocol not known: nosuch"):
        find("nosuch://a/x")


def test_whoever_waits_long_is_told_for_whom(far: Far, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(remote, "SILENT_SECONDS", 0.0)
    said = ""

    def answer() -> Any:
        nonlocal said
        while not said:  # for as long as it takes
            said = capsys.readouterr().err
            time.sleep(0.001)
        return ["bucket/a.warc.gz"]

    far.act = answer
    assert [found.name for found in find("far://bucket/*.warc.gz")] == ["a.warc.gz"]
    assert said == "far://bucket/*.warc.gz: no answer for 0 s, still trying\n"


def test_whoever_is_answered_at_once_is_told_nothing(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    far.act = lambda: ["bucket/a.warc.gz"]
    find("far://bucket/*.warc.gz")
    assert capsys.readouterr().err == ""


def test_tracebacks_of_a_file_system_do_not_reach_the_terminal(
    far: Far, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("gcsfs"), "propagate", False)  # pytest listens above it
    far.act = lambda: logging.getLogger("gcsfs").exception("out of retries") or ["bucket/a.warc.gz"]
    find("far://bucket/*.warc.gz")
    assert capsys.readouterr().err == ""
