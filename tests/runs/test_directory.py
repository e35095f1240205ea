from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError, InterruptedRun, RecipeError, StorageError, UnavailableError
from reasonforge.runs import files
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.info import RunSummary
from reasonforge.runs.metrics import is_reproducible
from tests.runs.fabricate import crashing, group, new_run, write_run

ROW = {"reward": 0.5, "perf/seconds": 0.1}


def holder(path: Path, *, fork: bool = False) -> subprocess.Popen[str]:
    """A process that creates a run at ``path`` and holds it."""
    code = f"""
    import os, sys, time
    from tests.runs.fabricate import new_run
    run = new_run({str(path)!r})
    log = run.stage("rl", 10)
    log.metrics(1, {{"reward": 0.1}})
    if {fork} and os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    print("ready", flush=True)
    time.sleep(30)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_new_run_has_its_files_and_says_that_it_runs(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        assert RunDirectory.read(run.path).status == "running"
        info = json.loads((run.path / "run.json").read_text())
        assert info["attempts"][0]["pid"] == os.getpid()
        assert info["attempts"][0]["versions"]["python"]
        assert info["attempts"][0]["argv"] == ["reasonforge", "train"]
        assert (run.path / "recipe.toml").read_text() == "seed = 0\n"
        assert json.loads((run.path / "recipe.resolved.json").read_text()) == {"seed": 0}
    assert RunDirectory.read(run.path).status == "done"


@pytest.mark.parametrize(
    ("error", "status"),
    [(InterruptedRun("saved", signal_number=15), "stopped"), (KeyboardInterrupt(), "stopped"), (KeyError("x"), "failed")],
)
def test_the_end_of_a_run_is_recorded(tmp_path: Path, error: BaseException, status: str) -> None:
    with crashing(new_run(tmp_path / "r"), error) as run:
        run.stage("rl", 5).metrics(3, ROW)
    reader = RunDirectory.read(tmp_path / "r")
    assert reader.status == status
    assert type(error).__name__ in reader.info.message
    assert reader.info.stages[0].step == 3


def test_a_second_writer_is_refused_in_one_line(tmp_path: Path) -> None:
    with new_run(tmp_path / "r"):
        for attempt in (lambda: new_run(tmp_path / "r"), lambda: RunDirectory.resume(tmp_path / "r")):
            with pytest.raises(UnavailableError, match=f"in use by process {os.getpid()}") as caught:
                attempt()
            assert caught.value.exit_code == 69
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fork", [False, True])
def test_kill_9_frees_the_lock_even_if_a_forked_worker_lives_on(tmp_path: Path, fork: bool) -> None:
    process = holder(tmp_path / "r", fork=fork)
    try:
        with pytest.raises(UnavailableError, match=f"process {process.pid} "):
            RunDirectory.resume(tmp_path / "r")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert RunDirectory.read(tmp_path / "r").status == "killed"
        with RunDirectory.resume(tmp_path / "r") as run:
            assert len(run.info.attempts) == 2
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()


def test_a_reader_never_makes_a_writer_fail(tmp_path: Path) -> None:
    write_run(tmp_path / "r", steps=2)
    reader = RunDirectory.read(tmp_path / "r")
    for _ in range(6):
        assert reader.status == "done"
        RunDirectory.resume(tmp_path / "r").finish("done")


def test_an_existing_run_is_not_touched_unless_asked(tmp_path: Path) -> None:
    write_run(tmp_path / "r", steps=2)
    before = (tmp_path / "r" / "metrics.jsonl").read_bytes()
    with pytest.raises(RecipeError, match="already there") as caught:
        new_run(tmp_path / "r")
    assert "--overwrite" in str(caught.value)
    assert (tmp_path / "r" / "metrics.jsonl").read_bytes() == before
    (tmp_path / "r" / "mine.txt").write_text("keep")
    with new_run(tmp_path / "r", overwrite=True) as run:
        assert run.metric_rows() == []
        assert not run.rollouts_dir("rl").exists()
        assert (run.path / "mine.txt").read_text() == "keep"


def test_a_folder_that_is_no_run_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RecipeError, match=r"thesis\.tex"):
        new_run(tmp_path, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.tex"]


@pytest.mark.parametrize("written", [(), ("recipe.toml",), ("recipe.toml", "recipe.resolved.json", ".tmp-run.json-ab")])
def test_a_start_that_was_killed_before_there_was_a_run_is_begun_anew(tmp_path: Path, written: tuple[str, ...]) -> None:
    for name in ("lock", *written):
        (tmp_path / name).write_text("{")
    with pytest.raises(DataError, match="no run here"):
        RunDirectory.resume(tmp_path)
    with new_run(tmp_path) as run:
        assert run.recipe_path.read_text() == "seed = 0\n"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("names", [("recipe.toml",), ("lock", "models"), ("lock", "recipe.toml", ".tmp-thesis-ab")])
def test_what_somebody_else_left_is_not_taken_for_a_killed_start(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(RecipeError, match="not empty, and not a run"):
        new_run(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(names, "mine")


def test_a_run_whose_deletion_was_killed_can_be_overwritten_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "r", steps=2)
    with monkeypatch.context() as patch:
        patch.setattr("reasonforge.runs.directory.shutil.rmtree", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            new_run(tmp_path / "r", overwrite=True)
    assert not (tmp_path / "r" / "metrics.jsonl").exists()
    with new_run(tmp_path / "r", overwrite=True) as run:
        assert not run.rollouts_dir("rl").exists()


def test_left_overs_are_swept_but_not_the_report_a_reader_is_writing(tmp_path: Path) -> None:
    path = write_run(tmp_path / "r", steps=2)
    for folder in (".tmp-final-1-ab", "models/.tmp-rl-1-ab", "models/.old-rl-1-ab", "evals/base"):
        (path / folder).mkdir(parents=True)
    for name in (".tmp-run.json-ab", "evals/base/.tmp-samples.parquet-ab", ".tmp-final-1-ab/model", ".tmp-report.html-ab"):
        (path / name).write_text("half")
    RunDirectory.resume(path).finish("done")
    assert [entry.name for entry in path.rglob(".*")] == [".tmp-report.html-ab"]


def test_a_sync_makes_every_row_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, int] = {}
    with new_run(tmp_path / "r") as run:
        log = run.stage("rl")
        log.metrics(1, ROW)
        log.event("note", "a word")
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "fsync", lambda descriptor: synced.update({os.fstat(descriptor).st_ino: os.fstat(descriptor).st_size}))
            run.sync()
        rows = [(path.stat().st_ino, path.stat().st_size) for path in (run.metrics_path, run.events_path)]
    assert synced == dict(rows)


def test_a_sync_that_the_disk_refuses_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_run(tmp_path / "r") as run, monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "refused")))
        run.sync()
    assert run.info.lost_rows == {"metrics": 1, "events": 1}


@pytest.mark.parametrize("name", ["with space", "日本語", "line\nbreak", "x" * 255])
def test_odd_names_work(tmp_path: Path, name: str) -> None:
    assert RunDirectory.read(write_run(tmp_path / name, name=name, steps=2)).info.name == name


def test_no_run_is_a_data_error(tmp_path: Path) -> None:
    for attempt in (RunDirectory.read, RunDirectory.resume):
        for path in (tmp_path, tmp_path / "missing", tmp_path / ("x" * 300)):
            with pytest.raises(DataError, match="no run here"):
                attempt(path)


@pytest.mark.parametrize(("content", "text"), [("{", "not valid JSON"), ('{"format": 99}', "newer"), ('{"format": 1}', "id")])
def test_a_broken_run_json_is_one_line(tmp_path: Path, content: str, text: str) -> None:
    write_run(tmp_path / "r", steps=2)
    (tmp_path / "r" / "run.json").write_text(content)
    with pytest.raises(DataError, match=text) as caught:
        RunDirectory.resume(tmp_path / "r")
    assert "\n" not in str(caught.value)
    assert "run.json" in str(caught.value)


def test_stage_names_stay_below_the_run(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        for name in ("../x", "a/b", "", ".hidden", "a\0b"):
            with pytest.raises(ValueError, match="stage"):
                run.stage(name)


def test_secrets_occur_in_no_file(tmp_path: Path) -> None:
    secret, quoted = "hunter2-very-secret", 'pass"word-with-quote'
    recipe = f'[hub]\napi_key = "{secret}"\nmax_new_tokens = 7\npassword = \'{quoted}\'\nurl = "https://me:{secret}@x.org"\n'
    resolved = {
        "hub": {"api_key": secret, "password": quoted, "max_new_tokens": 7, "url": f"https://me:{secret}@x.org", "pin": {"token": secret}}
    }
    with RunDirectory.create(
        tmp_path / "r",
        name="x",
        recipe_text=recipe,
        resolved=resolved,
        argv=["train", f"--hub.api_key={secret}", "--hub.token", "short", "--hub.url", f"https://me:{secret}@x.org"],
        seed=0,
    ) as run:
        run.stage("rl").event("note", f"called with {secret}", password_was=f"{quoted}!")
    for path in (p for p in (tmp_path / "r").rglob("*") if p.is_file()):
        text = path.read_text()
        assert secret not in text, path
        assert "word-with-quote" not in text, path
    kept = json.loads((tmp_path / "r" / "recipe.resolved.json").read_text())
    assert kept["hub"]["max_new_tokens"] == 7
    assert RunDirectory.read(tmp_path / "r").info.attempts[0].argv[3] == "<redacted>"


def run_rows(path: Path) -> list[dict[str, object]]:
    return [{k: v for k, v in row.items() if is_reproducible(k)} for row in RunDirectory.read(path).metric_rows()]


def train(run: RunDirectory, start: int, stop: int, *, resume_at: int | None = None) -> None:
    log = run.stage("rl", 8)
    if resume_at is not None:
        log.resume_at(resume_at)
    if start == 0:
        log.metrics(0, {"eval/pass@1": 0.0})
        start = 1
    for step in range(start, stop):
        log.metrics(step, {"reward": 1 / step, "perf/seconds": time.monotonic()})
        log.rollouts(step, [group(0, [0.0, 1.0], step=step)], [-1.0, 1.0])


@pytest.mark.parametrize("checkpoint", [None, 0, 2, 4])
@pytest.mark.parametrize("torn", [b"", b'{"schema":1,"stage":"rl","st', b"\xff\xfe"])
def test_an_interrupted_and_resumed_run_has_the_rows_of_an_uninterrupted_one(tmp_path: Path, checkpoint: int | None, torn: bytes) -> None:
    with new_run(tmp_path / "whole") as run:
        run.stage("sft").metrics(5, {"loss": 1.0})
        train(run, 0, 9)
    with crashing(new_run(tmp_path / "cut")) as run:
        run.stage("sft").metrics(5, {"loss": 1.0})
        train(run, 0, 6)
    with open(tmp_path / "cut" / "metrics.jsonl", "ab") as file:
        file.write(torn)
    (tmp_path / "cut" / "rollouts" / "rl" / ".tmp-step-000006.parquet-ab").write_bytes(b"half")
    with RunDirectory.resume(tmp_path / "cut") as run:
        train(run, 0 if checkpoint is None else checkpoint + 1, 9, resume_at=checkpoint)
    assert run_rows(tmp_path / "cut") == run_rows(tmp_path / "whole")
    cut, whole = (RunDirectory.read(tmp_path / name) for name in ("cut", "whole"))
    assert list(cut.rollout_steps("rl")) == list(whole.rollout_steps("rl")) == list(range(1, 9))
    assert not list((tmp_path / "cut").rglob(".*"))
    for step in range(1, 9):
        assert cut.rollout_steps("rl")[step].stat().st_size > 0
        assert [r.seed for r in cut.rollouts("rl", step)] == [r.seed for r in whole.rollouts("rl", step)]


def test_a_finished_stage_is_remembered_over_a_resume(tmp_path: Path) -> None:
    with crashing(new_run(tmp_path / "r")) as run:
        run.plan([("sft", "sft"), ("rl", "rl")])
        run.stage("sft").done()
    with RunDirectory.resume(tmp_path / "r") as run:
        run.plan([("rl", "rl"), ("eval", "eval")])
        assert [stage.name for stage in run.info.stages] == ["sft", "rl", "eval"]
        assert run.is_done("sft")
        assert not run.is_done("rl")


def test_values_that_are_not_finite_become_null_with_one_event(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        log = run.stage("rl")
        for step in (1, 2):
            log.metrics(step, {"loss": math.nan, "kl": math.inf, "reward": 1.0})
    text = (tmp_path / "r" / "metrics.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    reader = RunDirectory.read(tmp_path / "r")
    assert [(row["loss"], row["kl"], row["reward"]) for row in reader.metric_rows()] == [(None, None, 1.0)] * 2
    assert [event["data"]["metric"] for event in reader.event_rows() if event["kind"] == "not_finite"] == ["loss", "kl"]


def test_an_unregistered_metric_is_a_bug(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run, pytest.raises(ValueError, match="Did you mean 'reward'"):
        run.stage("rl").metrics(1, {"rewrd": 1.0})


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "r", steps=2)
    path = tmp_path / "r" / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b"{", b"<", 1))
    with pytest.raises(DataError, match=r"metrics\.jsonl:1:"):
        RunDirectory.read(tmp_path / "r").metric_rows()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_refuses_rows_does_not_stop_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = os.write
    with new_run(tmp_path / "r") as run:
        log = run.stage("rl", 10)
        log.metrics(1, ROW)

        def refuse(descriptor: int, data: bytes) -> int:
            if b'"reward"' in data:
                real(descriptor, data[:7])  # a full disk takes the beginning
                raise OSError(number, os.strerror(number))
            return real(descriptor, data)

        monkeypatch.setattr(files.os, "write", refuse)
        monkeypatch.setattr("reasonforge.core.files.os.replace", lambda *_: (_ for _ in ()).throw(OSError(number, "refused")))
        for step in (2, 3, 4):
            log.metrics(step, ROW)
            log.rollouts(step, [group(0, [1.0])], [0.0])
        monkeypatch.undo()
        log.metrics(5, ROW)
    reader = RunDirectory.read(tmp_path / "r")
    assert [row["step"] for row in reader.metric_rows()] == [1, 5]
    assert reader.info.lost_rows == {"metrics": 3, "rollouts": 3}
    assert len([event for event in reader.event_rows() if event["kind"] == "write_failed"]) == 2
    assert not list((tmp_path / "r").rglob(".*"))


def test_a_place_that_cannot_hold_a_run_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        new_run(tmp_path / "file" / "r")
    with pytest.raises(StorageError):
        new_run(tmp_path / ("x" * 300))


def test_an_evaluation_is_stored_with_its_samples(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        run.write_evaluation("base", [group(0, [0.0, 1.0])], {"pass@1": 0.5, "pass@1_ci": (0.4, 0.6)})
    folder = tmp_path / "r" / "evals" / "base"
    assert json.loads((folder / "summary.json").read_text()) == {"pass@1": 0.5, "pass@1_ci": [0.4, 0.6]}
    assert (folder / "samples.parquet").exists()


def test_a_summary_comes_back_as_written(tmp_path: Path) -> None:
    summary = RunSummary(name="x", seed=3, seconds=1.5, base={"pass@1": 0.5, "pass@1_ci": (0.4, 0.6)}, notes=["a"])
    with new_run(tmp_path / "r") as run:
        assert run.summary is None
        run.write_summary(summary)
        assert run.summary == summary


def test_floor_zero_loads_neither_torch_nor_pyarrow() -> None:
    code = """
    import sys
    from reasonforge.runs import console, directory, metrics, signals, trackers
    sys.exit(bool({"torch", "pyarrow", "rich", "tensorboard"} & set(sys.modules)))
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == 0
