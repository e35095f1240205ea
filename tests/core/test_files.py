"""Files are whole and durable or absent, and a disk's refusal is one line."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from reasonforge.core.errors import StorageError
from reasonforge.core.files import fsync_dir, sha256_file, storage_errors, write_atomic, write_durable


@pytest.mark.parametrize("content", [b"", b"x", b"\0\xff" * 3_000_000])
def test_what_is_written_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    write_atomic(path, content)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_a_stream_of_chunks_is_hashed_on_the_way(tmp_path: Path) -> None:
    chunks = [b"", b"abc", memoryview(b"defg")[1:], memoryview(bytes(range(8))).cast("H")]
    written = write_durable(tmp_path / "file", chunks)
    assert (tmp_path / "file").read_bytes() == b"abcefg" + bytes(range(8))
    assert written == (14, sha256_file(tmp_path / "file"))


def test_a_write_in_small_bites_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    write_atomic(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_durable_write_never_overwrites(tmp_path: Path) -> None:
    write_durable(tmp_path / "file", [b"old"])
    with pytest.raises(FileExistsError):
        write_durable(tmp_path / "file", [b"new"])
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.ENAMETOOLONG])
def test_a_refused_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StorageError) as caught:
            write_atomic(path, b"new")
    assert str(caught.value).startswith(f"{path}: cannot write: {os.strerror(code)}; ")
    assert caught.value.exit_code == 74
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_bug_inside_a_write_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path):
        _ = 1 / 0


def test_the_file_is_on_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append(f"fsync {os.fstat(descriptor).st_mode >> 12:o}"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda source, target: (order.append("rename"), replace(source, target)))
    write_atomic(tmp_path / "file", b"x")
    assert order == ["fsync 10", "rename", "fsync 4"]  # 10 = regular file, 4 = folder


@pytest.mark.parametrize("name", ["with space", "zeile\nzwei", "数学", "x" * 255])
def test_any_name_that_the_file_system_takes_can_be_replaced(tmp_path: Path, name: str) -> None:
    write_atomic(tmp_path / name, b"old")
    write_atomic(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new"


def test_readers_see_the_old_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    versions = [bytes([number]) * 100_000 for number in range(20)]
    write_atomic(path, versions[0])
    seen: list[bool] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(path.read_bytes() in versions)

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        write_atomic(path, version)
    done.set()
    reader.join()
    assert seen
    assert all(seen)


def test_a_missing_folder_is_not_made_in_silence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory"):
        write_atomic(tmp_path / "absent" / "file", b"x")
    with pytest.raises(FileNotFoundError):
        fsync_dir(tmp_path / "absent")
