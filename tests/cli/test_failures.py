"""Whatever goes wrong ends in one line, the right exit code, and a file only for what is our fault."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError, InterruptedRun, NonFiniteError, RecipeError, StorageError, UnavailableError
from tests.cli.conftest import Pipelines

Call = Callable[..., tuple[int, str, str]]
Fail = Callable[[BaseException], None]


@pytest.fixture
def fail(pipelines: Pipelines) -> Fail:
    """Let the run end with an exception."""

    def prepare(error: BaseException) -> None:
        def act() -> int:
            raise error

        pipelines.act = act

    return prepare


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RecipeError("x.toml:3: a: wrong"), 2, "x.toml:3: a: wrong"),
        (DataError("d.jsonl:7: no answer"), 65, "d.jsonl:7: no answer"),
        (UnavailableError("runs/a is locked"), 69, "runs/a is locked"),
        (NonFiniteError("loss is nan at step 3"), 70, "loss is nan at step 3"),
        (StorageError("disk full"), 74, "disk full"),
        (InterruptedRun("stopped after step 3", signal_number=signal.SIGINT), 130, "stopped after step 3"),
        (InterruptedRun("stopped after step 3", signal_number=signal.SIGTERM), 143, "stopped after step 3"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/a/x"),
            74,
            "runs/a/x: No space left on device. Free space or choose another folder with --out",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "runs/a/x"),
            74,
            "runs/a/x: Read-only file system. Choose another folder with --out",
        ),
        (
            OSError(errno.EIO, "Input/output error", "data/x"),
            74,
            "data/x: Input/output error. The device reports an error: check it before you go on",
        ),
        (PermissionError(errno.EPERM, "Operation not permitted"), 74, "no permission: Operation not permitted"),
        (MemoryError(), 69, "out of memory. Lower training.max_tokens_per_device, sampling.max_slots or the model's size"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            69,
            "out of memory. Lower training.max_tokens_per_device, sampling.max_slots or the model's size",
        ),
    ],
)
def test_each_failure_has_its_line_and_its_exit_code(call: Call, fail: Fail, error: BaseException, code: int, line: str) -> None:
    fail(error)
    assert call("run", "x.toml") == (code, "", f"error: {line}\n")


WRITE = "no permission to write it. Change the permissions of the folder, or choose another with --out"


@pytest.mark.parametrize(
    ("path", "closed", "code", "line"),
    [
        ("secret.jsonl", {"secret.jsonl"}, 65, "secret.jsonl: no permission to read it. Change its permissions, or name another file"),
        ("out", {"out"}, 65, "out: no permission to read it. Change its permissions, or name another file"),
        ("out/new.bin", set(), 74, f"out/new.bin: {WRITE}"),
        ("secret.jsonl", set(), 74, f"secret.jsonl: {WRITE}"),
        ("closed/x", {"closed"}, 74, "closed/x: no permission to look into CLOSED"),
    ],
)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_permission_to_read_is_told_from_one_to_write(
    number: int, path: str, closed: set[str], code: int, line: str, call: Call, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out").mkdir()
    Path("secret.jsonl").touch()
    # Whoever runs the tests as root may read everything.
    monkeypatch.setattr(os, "access", lambda asked, mode: Path(asked).name not in closed)
    fail(PermissionError(number, "Permission denied", path))
    assert call("run", "x.toml") == (code, "", f"error: {line.replace('CLOSED', str(Path('closed').absolute()))}\n")


def test_a_rename_that_is_refused_is_writing(call: Call, fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a").touch()
    monkeypatch.setattr(os, "access", lambda asked, mode: Path(asked).name != "a")
    fail(PermissionError(errno.EACCES, "Permission denied", "a", None, "b"))
    assert call("run", "x.toml") == (74, "", f"error: a: {WRITE}\n")


def test_hostile_text_in_an_error_reaches_the_terminal_without_its_escapes(call: Call, fail: Fail) -> None:
    fail(DataError("row \x1b[31mred\x1b]0;title\x07 [bold]\u202e x"))
    assert call("run", "x.toml")[2] == "error: row red [bold] x\n"


def test_debug_shows_the_traceback_before_the_line(call: Call, fail: Fail) -> None:
    fail(DataError("broken"))
    code, _, errors = call("run", "x.toml", "--debug")
    assert code == 65
    assert "Traceback (most recent call last)" in errors
    assert errors.endswith("error: broken\n")


def test_a_bug_leaves_a_file_in_the_run_folder_and_no_traceback_on_the_terminal(
    call: Call, fail: Fail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghij")
    fail(ZeroDivisionError("division by zero with hf_abcdefghij"))
    Path("out").mkdir()
    code, _, errors = call("run", "x.toml", "--out", "out", "--name", "b")
    [file] = (tmp_path / "out").glob("crash-*.txt")
    assert code == 70
    assert errors == f"bug: ZeroDivisionError: division by zero with <redacted> (details: out/{file.name}). Please report it.\n"
    content = file.read_text()
    assert "Traceback (most recent call last)" in content
    assert '"reasonforge"' in content
    assert '"--name"' in content
    assert "hf_abcdefghij" not in content
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_bug_without_a_run_folder_is_written_to_the_temporary_folder(
    call: Call, fail: Fail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fail(AssertionError("no"))
    code, _, errors = call("run", "x.toml", "--out", "not-made")
    [file] = tmp_path.glob("crash-*.txt")
    assert (code, str(file) in errors) == (70, True)


def test_a_broken_pipe_that_is_not_stdout_is_a_bug(call: Call, fail: Fail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fail(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    code, _, errors = call("run", "x.toml")
    assert (code, errors[:21]) == (70, "bug: BrokenPipeError:")


def run(*arguments: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    source = Path(__file__).resolve().parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "reasonforge", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload]


def test_exit_codes_reach_the_shell(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).returncode == 0
    wrong = run("rl", "nowhere.toml", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "error: nowhere.toml: no such file\n")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-m", "reasonforge", "--version"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
