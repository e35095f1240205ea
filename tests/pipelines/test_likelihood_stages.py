"""Pre-training and fine-tuning: what they learn from, what they leave out, when they stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reasonforge.evaluation.evaluate import Evaluator
from reasonforge.runs.directory import RunDirectory
from reasonforge.training.learner import Learner
from tests.pipelines.conftest import Call
from tests.pipelines.micro import outcome
from tests.pipelines.test_resume import at_call, fail

ON_FILES = """
name = "on-files"

[model]
type = "fresh"
shape = { hidden_size = 32, num_layers = 1, num_heads = 1, num_kv_heads = 1, head_dim = 32, intermediate_size = 32, max_positions = 24 }
tokenizer = { type = "characters" }
tokenizer_data = "worked"

[data.texts]
type = "file"
path = "texts.jsonl"

[data.worked]
type = "file"
path = "worked.jsonl"
fields = { solution = "solution" }

[stages.pretrain]
type = "pretrain"
data = "texts"
steps = 6
documents_per_step = 2

[stages.sft]
type = "sft"
data = "worked"
epochs = 3
examples_per_step = 4
training = { checkpoint_every = 2, optimizer = { type = "adamw", lr = 1e-2 } }
"""


@pytest.fixture
def on_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe over two files; the commands are typed beside them."""
    monkeypatch.chdir(tmp_path)
    write("texts.jsonl", [{"text": "1" * 60}, {"text": "12"}])
    write("worked.jsonl", [{"question": f"{n}+1=", "answer": str(n + 1), "solution": f"{n}+1={n + 1}"} for n in range(8)])
    (tmp_path / "recipe.toml").write_text(ON_FILES)
    return tmp_path / "recipe.toml"


def write(name: str, rows: list[dict[str, str]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def events(run: Path, kind: str) -> list[dict[str, object]]:
    return [row for row in RunDirectory.read(run).event_rows() if row["kind"] == kind]


def test_long_documents_are_cut_into_windows_of_the_context(call: Call, on_files: Path) -> None:
    assert call("pretrain", on_files, "--out", "run").code == 0
    (data,) = events(Path("run"), "data")
    # 60 digits and an end make windows of 24, 24 and 13; two digits and an end make one of 3.
    assert data["message"] == "2 documents, 64 tokens, 4 windows"
    seen = [row["num_tokens"] for row in RunDirectory.read("run").metric_rows()]
    per_epoch = 23 + 23 + 12 + 2  # the first token of a window has nothing to be predicted from
    assert seen[1::2] == [per_epoch, 2 * per_epoch, 3 * per_epoch]  # two steps see each window once


def test_fine_tuning_learns_the_solutions_and_goes_through_all_of_them(call: Call, on_files: Path) -> None:
    assert call("sft", on_files, "--out", "run").code == 0
    rows = RunDirectory.read("run").metric_rows()
    assert len(rows) == 6  # three epochs of eight examples, four a step
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["num_tokens"] == 3 * 8 * 6  # "n+1=m" and the end; the question is not learned from


def test_examples_longer_than_the_context_are_left_out_and_counted(call: Call, on_files: Path) -> None:
    rows = [{"question": "1+1=", "answer": "2", "solution": "2" * length} for length in (1, 30)]
    write("worked.jsonl", [row | {"question": row["question"] * (i + 1)} for i, row in enumerate(rows)])
    ran = call("sft", on_files, "--out", "run")
    assert ran.code == 0
    assert "warning: 1 examples" in ran.out
    (data,) = events(Path("run"), "data")
    assert data["data"] == {"dropped": 1}


def test_where_no_example_fits_there_is_nothing_to_learn(call: Call, on_files: Path) -> None:
    refused = call("sft", on_files, "--out", "run", "--model.shape.max_positions", "4")
    assert refused.code == 65
    assert refused.err == "error: sft: none of 8 examples fits the context of 4 tokens\n"


def test_several_files_are_read_as_one(call: Call, on_files: Path) -> None:
    write("more.jsonl", [{"question": f"{n}+2=", "answer": str(n + 2), "solution": f"{n}+2={n + 2}"} for n in range(4)])
    on_files.write_text(ON_FILES.replace('path = "worked.jsonl"', 'path = ["worked.jsonl", "more.jsonl"]'))
    assert call("sft", on_files, "--out", "run").code == 0
    assert len(RunDirectory.read("run").metric_rows()) == 9  # three epochs of twelve examples, four a step


def test_an_endless_stream_has_no_epochs(call: Call, micro: Path, tmp_path: Path) -> None:
    micro.write_text(micro.read_text() + '\n[stages.sft]\ntype = "sft"\ndata = "corpus"\n')
    refused = call("sft", micro, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "data 'corpus' is an endless stream and has no epochs: give it a count" in refused.err


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "--stages.sft.training.optimizer.type muon --stages.sft.training.dtype bfloat16",
        "--stages.sft.training.batching.type pack --stages.sft.training.batching.row_tokens 24 --stages.sft.weighting example",
    ],
    ids=["adamw", "muon in bfloat16", "packed"],
)
def test_fine_tuning_resumes_exactly(call: Call, on_files: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> None:
    on_files.write_text(ON_FILES.replace('optimizer = { type = "adamw", lr = 1e-2 }', "max_tokens_per_device = 48"))
    assert call("sft", on_files, "--out", "undisturbed", *settings.split()).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(4, fail, Learner.step))
        assert call("sft", on_files, "--out", "crashed", *settings.split()).code == 69
    assert call("run", "--resume", "--out", "crashed").code == 0
    assert outcome(Path("crashed")) == outcome(Path("undisturbed"))


GATE = {
    "evaluation.data": "heldout",
    "evaluation.num_problems": 3,
    "evaluation.max_new_tokens": 4,
    "evaluation.skill_prefix": "<answer>",
    "min_accuracy": 0.95,
    "every": 4,
    "max_steps": 15,
}


def gate() -> Iterator[str]:
    yield from ("--stages.pretrain.steps", "6")
    for name, value in GATE.items():
        yield from (f"--stages.pretrain.gate.{name}", str(value))


@pytest.mark.parametrize(
    ("skills", "steps"),
    [([0.95], [6]), ([0.2, 0.949, 1.0], [6, 10, 14]), ([0.0, 0.0, 0.0, 0.5], [6, 10, 14, 15])],
)
def test_pre_training_goes_on_until_the_skill_is_there_or_patience_ends(
    call: Call, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skills: list[float], steps: list[int]
) -> None:
    found = iter(skills)
    monkeypatch.setattr(Evaluator, "step_skill", lambda self, sampler: next(found))
    assert call("pretrain", micro, "--out", tmp_path / "run", *gate()).code == 0
    asked = [event for event in events(tmp_path / "run", "gate") if event["data"]]
    assert [event["data"] for event in asked] == [{"step": step, "skill": skill} for step, skill in zip(steps, skills)]
    assert RunDirectory.read(tmp_path / "run").metric_rows()[-1]["step"] == steps[-1]
    weak = [event for event in events(tmp_path / "run", "gate") if event["level"] == "warning"]
    assert len(weak) == (skills[-1] < 0.95)


def test_a_resumed_run_asks_the_gate_what_it_would_have_asked(
    call: Call, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("pretrain", micro, "--out", tmp_path / "undisturbed", *gate()).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", at_call(12, fail, Learner.step))
        assert call("pretrain", micro, "--out", tmp_path / "crashed", *gate()).code == 69
    assert call("run", "--resume", "--out", tmp_path / "crashed").code == 0
    assert outcome(tmp_path / "crashed") == outcome(tmp_path / "undisturbed")

    def answers(run: Path) -> dict[object, object]:
        return {event["data"]["step"]: event["data"]["skill"] for event in events(run, "gate") if event["data"]}  # type: ignore[index]

    assert answers(tmp_path / "crashed") == answers(tmp_path / "undisturbed")
