"""What input files are known by, and who reads them for it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonforge.core.errors import DataError
from reasonforge.corpus.ingest import survey as surveying
from reasonforge.corpus.ingest.inputs import as_input
from reasonforge.corpus.ingest.survey import DIGEST, STAGE, Survey, read_digest
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.units import Store, execute, file_digest

LONG_AGO = 1_700_000_000


def crawl(folder: Path, *contents: bytes) -> str:
    """Write files and return their pattern."""
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        path = folder / f"{number}.warc"
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return str(folder / "*.warc")


def learned(store: Store, pattern: str) -> Survey:
    """Return a survey whose units are done."""
    survey = Survey(store)
    survey.learn(run_all(survey.plan([pattern]), store, InProcess()))
    return survey


@settings(max_examples=20)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4))
def test_a_file_is_known_by_what_reading_it_here_says(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("files")
    pattern, store = crawl(folder / "crawl", *contents), Store(folder / "corpus")
    survey = learned(store, pattern)
    assert [survey.input(found) for found in survey.find(pattern)] == [as_input(found, store.root) for found in survey.find(pattern)]


def test_whoever_plans_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, store = crawl(tmp_path / "crawl", b"a", b"b"), Store(tmp_path / "corpus")
    monkeypatch.setattr(surveying, "file_digest", lambda path: pytest.fail("read"))
    assert [unit.stage for unit in Survey(store).plan([pattern])] == [STAGE, STAGE]
    assert not store.root.exists()


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, store = crawl(tmp_path / "crawl", b"one", b"two"), Store(tmp_path / "corpus")
    read: list[str] = []
    monkeypatch.setattr(surveying, "file_digest", lambda path: (read.append(path.name), file_digest(path))[1])
    before = [learned(store, pattern) for _ in range(3)]
    assert sorted(read) == ["0.warc", "1.warc"]
    (tmp_path / "crawl/1.warc").write_bytes(b"owt")
    now = learned(store, pattern)
    assert sorted(read) == ["0.warc", "1.warc", "1.warc"]
    same = [now.input(found) == before[0].input(found) for found in now.find(pattern)]
    assert same == [True, False]


def test_a_file_that_was_touched_keeps_what_it_is_known_by(tmp_path: Path) -> None:
    pattern, store = crawl(tmp_path / "crawl", b"one"), Store(tmp_path / "corpus")
    before, (found,) = learned(store, pattern), Survey(store).find(pattern)
    os.utime(found.path, (LONG_AGO + 1, LONG_AGO + 1))
    assert learned(store, pattern).input(found) == before.input(found)


def test_a_file_that_changes_between_plan_and_reading_is_refused(tmp_path: Path) -> None:
    pattern, store = crawl(tmp_path / "crawl", b"one"), Store(tmp_path / "corpus")
    (unit,) = Survey(store).plan([pattern])
    (tmp_path / "crawl/0.warc").write_bytes(b"longer")
    with pytest.raises(DataError, match=r"0\.warc: has changed while it was read, or just before"):
        execute(unit, store)


def test_a_file_that_was_written_just_now_is_read_only_when_a_change_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(surveying.time, "sleep", slept.append)
    now_ns = 1_800_000_000_000_000_005
    monkeypatch.setattr(surveying.time, "time", lambda: now_ns / 1e9)
    for age_ns in (0, 5, 10**9, -(10**9)):  # a clock of another machine may be ahead
        surveying._settle(now_ns - age_ns)
    assert slept == [pytest.approx(0.02, abs=1e-6), pytest.approx(2.0, abs=1e-6), pytest.approx(0.02, abs=1e-6)]


@pytest.mark.parametrize("name", ["inside", "outside"])
def test_a_folder_that_is_moved_with_its_inputs_reads_none_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "corpus"
    folder = root if name == "inside" else tmp_path
    root.mkdir()
    learned(Store(root), crawl(folder / "crawl", b"one"))
    root.rename(tmp_path / "moved")
    folder = tmp_path / "moved" if name == "inside" else tmp_path
    monkeypatch.setattr(surveying, "file_digest", lambda path: pytest.fail("read"))
    survey = learned(Store(tmp_path / "moved"), str(folder / "crawl" / "*.warc"))
    (found,) = survey.find(str(folder / "crawl" / "*.warc"))
    assert survey.input(found).path == ("crawl/0.warc" if name == "inside" else found.path)


@pytest.mark.parametrize("damage", [b"", b"x" * 32, b"ab", b"\xff" * 32])
def test_a_damaged_digest_names_what_to_remove(damage: bytes, tmp_path: Path) -> None:
    pattern, store = crawl(tmp_path / "crawl", b"one"), Store(tmp_path / "corpus")
    survey = Survey(store)
    (receipt,) = run_all(survey.plan([pattern]), store, InProcess())
    path = store.output(receipt, DIGEST)
    assert read_digest(path) == file_digest(tmp_path / "crawl/0.warc")
    path.write_bytes(damage)
    with pytest.raises(DataError, match=f"delete {path.parent}"):
        survey.learn([receipt])


class _Server:
    """A file system that answers when two ask at once, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._together = threading.Barrier(2, timeout=20)

    def info(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        self._together.wait()
        return {"size": 3, "ETag": path}


def test_servers_are_asked_side_by_side_and_once_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = _Server()
    monkeypatch.setattr(surveying, "file_system", lambda url: (server, url.partition("://")[2]))
    monkeypatch.setattr("reasonforge.corpus.ingest.inputs.file_system", lambda url: (server, url.partition("://")[2]))
    urls, survey = ["s3://b/1", "s3://b/2"], Survey(Store(tmp_path))
    assert survey.plan([*urls, *urls]) == []
    given = [survey.input(found) for url in urls for found in survey.find(url)]
    assert sorted(server.asked) == ["b/1", "b/2"]
    assert [entry.path for entry in given] == urls
    assert given[0].digest != given[1].digest


def test_a_remote_file_is_known_by_the_same_in_a_plan_and_alone(tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/survey/x.warc", b"abc")
    survey = Survey(Store(tmp_path))
    survey.plan(["memory://survey/x.warc"])
    (found,) = survey.find("memory://survey/x.warc")
    assert survey.input(found) == as_input(found, tmp_path)


@pytest.mark.parametrize("pattern", ["memory://nowhere/x.warc", "absent.warc"])
def test_a_file_that_is_not_there_is_an_error_of_the_plan(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Survey(Store(tmp_path)).plan([pattern])


def test_an_empty_file_is_an_error_of_the_plan(tmp_path: Path) -> None:
    pattern = crawl(tmp_path / "crawl", b"one", b"")
    with pytest.raises(DataError, match=r"1\.warc: is empty"):
        Survey(Store(tmp_path / "corpus")).plan([pattern])
