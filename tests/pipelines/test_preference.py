"""Preference learning within a recipe: what it reads, what it refuses, how it resumes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reasonforge.cli.main import main
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.rollouts import list_steps, read_groups
from reasonforge.training.learner import Learner
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO, outcome
from tests.pipelines.test_resume import at_call, fail

START = MICRO[: MICRO.index("[stages.base]")]

TRAINING = 'training = { checkpoint_every = 2, optimizer = { type = "adamw", lr = 1e-3 } }\n'

OFFLINE = f"""
[data.drawn]
type = "rollouts"
stage = "sample"

[stages.sample]
type = "sample"
data = "corpus"
num_problems = 12
samples = 12
sampling = {{ max_new_tokens = 6 }}

[stages.dpo]
type = "preference"
data = "drawn"
epochs = 4
pairs_per_step = 4
{TRAINING}
"""

ONLINE = f"""
[stages.dpo]
type = "preference"
data = "corpus"
epochs = 2
pairs_per_step = 4
iterations = {{ rounds = 3, prompts = 6, group_size = 12, sampling = {{ max_new_tokens = 6 }} }}
{TRAINING}
"""

FROM_A_FILE = f"""
[data.pairs]
type = "pairs"
path = "pairs.jsonl"

[stages.dpo]
type = "preference"
data = "pairs"
epochs = 6
pairs_per_step = 2
{TRAINING}
"""


def write(folder: Path, stages: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(START + stages)
    return path


@pytest.fixture
def pairs_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pairs beside which the commands are typed; the last does not fit the context."""
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": "1+1=", "chosen": chosen, "rejected": rejected} for chosen, rejected in (("2", "3"), ("4", "55"), ("2", "3" * 40))]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(run: Path) -> list[dict[str, float]]:
    return [row for row in RunDirectory.read(run).metric_rows() if row["stage"] == "dpo"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each kind. Look, do not touch."""
    found = {}
    for name, stages in (("offline", OFFLINE), ("online", ONLINE)):
        folder = tmp_path_factory.mktemp(name)
        assert main(["run", str(write(folder, stages)), "--out", str(folder / "run"), "--quiet"]) == 0
        found[name] = folder / "run"
    return found


@pytest.mark.parametrize(("name", "stages", "step"), [("offline", OFFLINE, 17), ("online", ONLINE, 15)], ids=["offline", "online"])
def test_preference_learning_resumes_exactly(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Path], name: str, stages: str, step: int
) -> None:
    assert len(rows_of(undisturbed[name])) > step - 12
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(step, fail, Learner.step))
        assert call("run", write(tmp_path, stages), "--out", tmp_path / "crashed").code == 69
    assert call("run", "--resume", "--out", tmp_path / "crashed").code == 0
    assert outcome(tmp_path / "crashed") == outcome(undisturbed[name])


def test_margins_grow_on_the_pairs_that_are_learned(undisturbed: dict[str, Path]) -> None:
    rows = rows_of(undisturbed["offline"])
    assert rows[0]["rewards/margins"] == 0
    assert rows[0]["rewards/accuracies"] == 0.5
    assert rows[0]["loss"] == pytest.approx(0.6931, abs=1e-4)
    assert rows[-1]["rewards/margins"] > 0
    assert rows[-1]["rewards/accuracies"] > 0.5


def test_each_round_stores_what_it_drew(undisturbed: dict[str, Path]) -> None:
    run, rows = RunDirectory.read(undisturbed["online"]), rows_of(undisturbed["online"])
    files = list_steps(run.rollouts_dir("dpo"))
    begun = [row["step"] for row in rows if "preference/pairs" in row]
    assert list(files) == begun
    assert len(begun) == 3
    assert all(len(group.rollouts) == 12 for path in files.values() for group in read_groups(path))
    assert [row["num_rollouts"] for row in rows if "preference/pairs" in row] == [72, 144, 216]


def test_pairs_come_from_a_file_too(call: Call, tmp_path: Path, pairs_file: Path) -> None:
    ran = call("run", write(tmp_path, FROM_A_FILE), "--out", tmp_path / "run")
    assert ran.code == 0
    (event,) = [row for row in RunDirectory.read(tmp_path / "run").event_rows() if row["kind"] == "data" and row["stage"] == "dpo"]
    assert event["message"] == "2 pairs of 2 problems; 1 longer than 24 tokens dropped"
    assert rows_of(tmp_path / "run")[-1]["rewards/accuracies"] == 1


@pytest.mark.parametrize(
    ("stages", "shown"),
    [
        (OFFLINE, ["4 epochs, 4 pairs a step", "what sample leaves, read when that is there"]),
        (ONLINE, ["3 rounds x 72 completions, 2 epochs, 4 pairs a step", "256 prompts of"]),
        (FROM_A_FILE, ["6 epochs, 2 pairs a step", "3 pairs"]),
    ],
    ids=["offline", "online", "file"],
)
def test_the_dry_run_says_what_will_be_done(call: Call, tmp_path: Path, pairs_file: Path, stages: str, shown: list[str]) -> None:
    told = call("run", write(tmp_path, stages), "--dry-run")
    assert told.code == 0
    for words in shown:
        assert words in re.sub(r"\s+", " ", told.out)


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        (OFFLINE.replace('stage = "sample"\n', 'stage = "sample"\nonly = "correct"\n', 1), "Set only = 'all'"),
        (OFFLINE.replace('data = "drawn"', 'data = "corpus"'), "pairs come from a table of type rollouts or pairs, or set iterations"),
        (
            OFFLINE.replace("epochs = 4", "epochs = 4\niterations = { rounds = 1, prompts = 1, group_size = 2, sampling = {} }"),
            "iterations draw completions themselves",
        ),
        (FROM_A_FILE.replace("epochs = 6", "epochs = 6\nmax_pairs_per_problem = 2"), "max_pairs_per_problem has no effect"),
    ],
    ids=["one sort only", "problems without rounds", "rollouts with rounds", "a cap on pairs"],
)
def test_data_that_makes_no_pairs_is_refused_before_anything_runs(
    call: Call, tmp_path: Path, pairs_file: Path, stages: str, reason: str
) -> None:
    refused = call("run", write(tmp_path, stages), "--out", tmp_path / "run")
    assert refused.code == 2
    assert reason in refused.err
    assert not (tmp_path / "run").exists()


def test_completions_of_one_sort_are_refused_in_words(call: Call, tmp_path: Path) -> None:
    one = OFFLINE.replace("samples = 12", "samples = 1")
    refused = call("run", write(tmp_path, one), "--out", tmp_path / "run")
    assert refused.code == 65
    assert "data 'drawn' makes no pair: none of 12 groups has a right completion that ended and a wrong one" in refused.err
