"""Whole comparisons of the micro recipe, in processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reasonforge.pipelines.compare_run import share_done, state_of
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json
from tests.pipelines.conftest import Call
from tests.pipelines.micro import outcome
from tests.pipelines.test_compare_plan import RLOO, plan, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes with two seeds each, undisturbed. Look, do not touch."""
    folder = tmp_path_factory.mktemp("compared")
    done = subprocess.run(command(folder, "--parallel", "2"), capture_output=True, text=True, cwd=ROOT, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said.txt").write_text(done.stdout)
    return folder


def command(folder: Path, *more: str) -> list[str]:
    recipes = map(str, write(folder, grpo="", rloo=RLOO))
    return [sys.executable, "-m", "reasonforge", "compare", *recipes, "--seeds", "2", "--out", str(folder / "out"), *more]


@pytest.mark.slow
def test_a_comparison_leaves_a_run_per_recipe_and_seed_and_one_start(compared: Path) -> None:
    out = compared / "out"
    runs = sorted(path.name for path in out.iterdir() if (path / "run.json").exists())
    assert runs == ["grpo-s1", "grpo-s2", "rloo-s1", "rloo-s2", "start"]
    assert all(RunDirectory.read(out / name).status == "done" for name in runs)
    assert {stage.name for stage in RunDirectory.read(out / "rloo-s2").info.stages} == {"rl", "final"}


@pytest.mark.slow
def test_figures_page_picture_and_text_are_written_and_agree_with_the_runs(compared: Path) -> None:
    out = compared / "out"
    data = read_json(out / "compare.json")
    for recipe in data["recipes"]:
        finals = [read_json(out / run["folder"] / "evals" / "final" / "summary.json")["pass@1"] for run in recipe["runs"]]
        assert recipe["final"]["mean"] == pytest.approx(sum(finals) / 2)
        assert recipe["before"] == read_json(out / "start" / "evals" / "base" / "summary.json")["pass@1"]
        assert [run["rollouts"] for run in recipe["runs"]] == [96, 96]
        assert recipe["curve"]["rollouts"] == [0, 48, 96]
        assert recipe["peak_memory_mb"] > 50
        assert 0 < recipe["state_mb"] < 50
    said = (compared / "said.txt").read_text()
    assert data["findings"][0] in said
    assert data["findings"][0] in (out / "compare.txt").read_text()
    assert "beyond the noise" in (out / "compare.html").read_text()
    assert (out / "compare.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_the_same_command_again_runs_nothing_and_writes_the_same(compared: Path, call: Call) -> None:
    before = (compared / "out" / "compare.json").read_bytes()
    started = {path: path.stat().st_mtime_ns for path in (compared / "out").glob("*/run.json")}
    code, said, _ = call(*command(compared)[3:])
    assert code == 0
    assert (compared / "out" / "compare.json").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in started} == started
    assert "left" not in said


@pytest.mark.slow
def test_a_run_of_a_comparison_is_the_run_its_command_line_makes(compared: Path, tmp_path: Path, call: Call) -> None:
    run = plan(write(compared, grpo="", rloo=RLOO), num_seeds=2).runs[1]
    arguments = [part.replace("out/start", str(compared / "out" / "start")) for part in run.arguments]
    assert call("run", *arguments, "--out", tmp_path / "alone", "--quiet").code == 0
    assert outcome(tmp_path / "alone").metrics == outcome(compared / "out" / "grpo-s2").metrics


@pytest.mark.slow
def test_a_folder_with_other_settings_is_refused_before_anything_runs(compared: Path, call: Call) -> None:
    code, _, errors = call(*command(compared)[3:], "--stages.rl.prompts_per_step", "1")
    assert code == 2
    assert "stages.rl.prompts_per_step" in errors
    assert "choose another --out" in errors


@pytest.mark.slow
def test_another_figure_of_the_same_runs_needs_no_new_run(compared: Path, call: Call) -> None:
    assert call(*command(compared, "--metric", "eval/length")[3:]).code == 0
    data = read_json(compared / "out" / "compare.json")
    assert data["pairs"][0]["problems"] is None
    assert data["recipes"][0]["final"]["mean"] == pytest.approx(data["recipes"][0]["length"])
    assert call(*command(compared)[3:]).code == 0


@pytest.mark.slow
def test_an_interrupted_comparison_saves_and_goes_on_to_the_same_figures(compared: Path, tmp_path: Path) -> None:
    line = [*command(tmp_path), "--parallel", "2"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    end = time.monotonic() + 120
    while not list((tmp_path / "out").glob("*-s1/metrics.jsonl")) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the runs have saved" in said
    runs = [RunDirectory.read(path.parent) for path in (tmp_path / "out").glob("*/run.json")]
    assert {run.status for run in runs} <= {"done", "stopped"}
    assert not (tmp_path / "out" / "compare.json").exists()
    again = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False, timeout=240)
    assert again.returncode == 0, again.stdout + again.stderr
    assert figures(tmp_path) == figures(compared)


def figures(folder: Path) -> list[list[float]]:
    return [[run["final"] for run in recipe["runs"]] for recipe in read_json(folder / "out" / "compare.json")["recipes"]]


@pytest.mark.slow
def test_a_run_that_fails_keeps_no_other_from_going_on(compared: Path, tmp_path: Path) -> None:
    line = command(tmp_path, "--parallel", "1")
    (tmp_path / "out").mkdir()
    os.symlink(compared / "out" / "start", tmp_path / "out" / "start")
    broken = tmp_path / "out" / "grpo-s1"
    broken.mkdir()
    (broken / "notes.txt").write_text("not a run's file")  # the run refuses to begin here
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False, timeout=240)
    assert done.returncode == 70
    data = read_json(tmp_path / "out" / "compare.json")
    assert [len(recipe["runs"]) for recipe in data["recipes"]] == [1, 2]
    assert "grpo-s1 failed and is left out" in data["remarks"][-1]
    assert "notes.txt" in data["remarks"][-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("evals/final/summary.json", "[]", 70),
        ("evals/final/summary.json", "", 70),
        ("evals/final/samples.parquet", "PAR1", 70),
        ("summary.json", "[1]", 70),
        ("run.json", "{}", 65),
        ("recipe.resolved.json", "[]", 65),
        ("metrics.jsonl", '{"stage": "rl", "eval/pass@1": 0.5}\n', 0),
    ],
)
def test_a_damaged_file_of_a_run_is_named_in_a_line(compared: Path, tmp_path: Path, call: Call, name: str, content: str, code: int) -> None:
    shutil.copytree(compared / "out", tmp_path / "out", symlinks=True)
    (tmp_path / "out" / "rloo-s2" / name).write_text(content)
    # The start's folder is part of a run's settings.
    for file in (tmp_path / "out").glob("*/recipe.resolved.json"):
        file.write_text(file.read_text().replace(str(compared), str(tmp_path)))
    called = call(*command(tmp_path)[3:])
    assert called.code == code
    said = (called.out + called.err).replace("\n", "")
    assert "bug:" not in said
    assert "Traceback" not in said
    assert code == 0 or Path(name).name in said


def test_a_dry_run_checks_the_data_and_runs_nothing(tmp_path: Path, call: Call) -> None:
    code, said, _ = call(*command(tmp_path, "--dry-run")[3:])
    assert code == 0
    assert "pretrain -> base" in said
    assert "rloo-s2" in said
    assert "grpo 96, rloo 96" in said
    assert not (tmp_path / "out").exists()


def test_data_that_a_recipe_cannot_read_is_refused_before_any_run_begins(tmp_path: Path, call: Call) -> None:
    overlay = '[data.corpus]\ntype = "file"\npath = "missing.jsonl"\n'
    paths = write(tmp_path, grpo="", other=f"{overlay}{RLOO}")
    code, _, errors = call("compare", *paths, "--out", tmp_path / "out")
    assert code == 65
    assert "missing.jsonl" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--metric", "eval/pas@1"), "Did you mean 'eval/pass@1'?"),
        (("--sead", "3"), "--sead: no such option"),
        (("--seed", "3"), "--seed: no such option. Did you mean --seeds?"),
        (("--stages.rl.stepps", "3"), "Did you mean"),
        (("--rollouts", "0"), "--rollouts"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, call: Call, more: tuple[str, ...], words: str) -> None:
    code, _, errors = call(*command(tmp_path, *more)[3:])
    assert code == 2
    assert words in errors


def test_every_training_step_says_how_much_memory_was_held_at_most(finished: Path) -> None:
    rows = RunDirectory.read(finished).metric_rows("rl")
    peaks = [row["perf/peak_memory_mb"] for row in rows if "perf/seconds" in row]
    assert len(peaks) == 6
    assert peaks == sorted(peaks)
    assert peaks[0] > 50  # Python with PyTorch


def test_progress_counts_steps_of_all_stages(tmp_path: Path) -> None:
    run = plan(write(tmp_path, grpo="", rloo=RLOO), out=tmp_path / "out").runs[0]
    assert (state_of(run), share_done(run)) == ("new", 0.0)
    with RunDirectory.create(run.path, name=run.name, recipe_text="", resolved=run.resolved, argv=[], seed=1) as directory:
        directory.plan([("rl", "rl"), ("final", "eval")])
        log = directory.stage("rl", 6, type="rl")
        for step in range(1, 7):
            log.metrics(step, {"reward": 0.0})
        log.done()
        assert share_done(run) == pytest.approx(6 / 7)
    assert (state_of(run), share_done(run)) == ("done", 1.0)


def test_where_steps_of_an_answer_end_is_no_number_of_steps(tmp_path: Path) -> None:
    run = plan(write(tmp_path, grpo="", rloo=RLOO), out=tmp_path / "out").runs[0]
    stages = {**run.resolved["stages"], "rl": {"type": "reward_model", "steps": {"at": "newline", "pattern": None}}}
    run = replace(run, resolved={**run.resolved, "stages": stages})
    with RunDirectory.create(run.path, name=run.name, recipe_text="", resolved=run.resolved, argv=[], seed=1) as directory:
        directory.plan([("rl", "reward_model"), ("final", "eval")])
        directory.stage("rl", 6, type="reward_model").done()
        assert share_done(run) == pytest.approx(6 / 7)
