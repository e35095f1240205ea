"""Whatever is wrong with recipe, data or model: one line that says what and where, the right exit code, nothing lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from reasonforge.runs.directory import RunDirectory
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO

GOOD_ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(4)]

FROM_FILE = """
name = "from-file"

[model]
type = "fresh"
shape = { hidden_size = 16, num_layers = 1, num_heads = 1, num_kv_heads = 1, head_dim = 16, intermediate_size = 16, max_positions = 32 }
tokenizer = { type = "characters" }

[data.train]
type = "file"
path = "train.jsonl"

[stages.rl]
type = "rl"
data = "train"
steps = 2
prompts_per_step = 2
group_size = 2
sampling = { max_new_tokens = 4 }
"""


def lines(rows: Sequence[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def assert_one_line(errors: str, *parts: str) -> None:
    assert errors.count("\n") == 1, errors
    assert errors.startswith("error: "), errors
    for part in parts:
        assert part in errors, errors


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("seed = 4", "sed = 4", ["micro.toml:3: sed: no such setting. Did you mean seed?"]),
        ("steps = 6", 'steps = "six"', ["stages.rl.steps", "whole number"]),
        ("steps = 6", "steps = -6", ["stages.rl.steps", "greater than 0"]),
        ("group_size = 8", "group_size = 1", ["group_size 1"]),
        ('data = "heldout"', 'data = "held_out"', ["no data table named 'held_out'", "corpus, heldout"]),
        ("[stages.rl]", "[stages.'r/l']", ["'r/l' cannot name a stage"]),
        ("[stages.rl]", "[stages.start]", ["stages: 'start' is what a run calls"]),
        ("group_size = 8", "group_size = 8\nrewards = { 'my reward' = { type = 'accuracy' } }", ["rewards", "'my reward'"]),
        ('task = "labelled_arithmetic"', 'task = "no_such"', ["no_such"]),
        ("levels = [1, 1]", "levels = [1, 99]", ["levels [1, 99]"]),
        ("[data.corpus]", "[data.corpus", ["micro.toml:"]),
    ],
)
def test_a_recipe_that_cannot_mean_anything_is_refused(
    call: Call, micro: Path, tmp_path: Path, old: str, new: str, parts: list[str]
) -> None:
    assert old in MICRO
    micro.write_text(MICRO.replace(old, new, 1))
    refused = call("run", micro, "--out", tmp_path / "run")
    assert refused.code == 2
    assert_one_line(refused.err, *parts)
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_is_not_there_is_refused(call: Call, tmp_path: Path) -> None:
    refused = call("run", tmp_path / "none.toml")
    assert refused.code == 2
    assert_one_line(refused.err, "none.toml")


def test_a_verb_without_a_stage_of_its_kind_is_refused(call: Call, micro: Path, tmp_path: Path) -> None:
    refused = call("sft", micro, "--out", tmp_path / "run")
    assert refused.code == 2
    assert_one_line(refused.err, "no stage to run: the recipe has pretrain (pretrain), base (eval), rl (rl), final (eval)")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["train.jsonl: no such file"]),
        ("", ["train.jsonl: no rows"]),
        (lines(GOOD_ROWS)[:-9], ["train.jsonl:4: the last line is cut in the middle"]),
        (lines(GOOD_ROWS).replace("}\n", "\n", 1), ["train.jsonl:1: not valid JSON"]),
        (lines([*GOOD_ROWS, {"question": "What is 9 + 1?"}]), ["train.jsonl:5: no column 'answer'", "Set fields.answer"]),
        (lines([*GOOD_ROWS, {"question": "What is 9 + 1?", "answer": None}]), ["train.jsonl:5: column 'answer' (answer) is null"]),
        (lines([*GOOD_ROWS, GOOD_ROWS[1]]), ["train.jsonl:5 repeats id", "duplicates = 'drop'"]),
        (lines([*GOOD_ROWS, {"question": "x" * 40, "answer": "1"}]), ["train: ", "context", "32", "has 40"]),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_data_that_cannot_be_used_is_refused_before_training(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, parts: list[str], dry: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(FROM_FILE)
    if content is not None:
        Path("train.jsonl").write_text(content)
    refused = call("rl", "recipe.toml", "--out", "run", *dry)
    assert refused.code == 65
    assert_one_line(refused.err, *parts)
    assert not list(tmp_path.rglob("crash-*"))
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_prompt_of_a_stream_that_does_not_fit_stops_at_its_step(call: Call, micro: Path, tmp_path: Path) -> None:
    refused = call("rl", micro, "--out", tmp_path / "run", "--model.shape.max_positions", "4")
    assert refused.code == 65
    assert_one_line(refused.err, "prompts do not fit the context of 4 tokens")


def test_training_documents_longer_than_the_context_are_refused(call: Call, micro: Path, tmp_path: Path) -> None:
    refused = call("pretrain", micro, "--out", tmp_path / "run", "--model.shape.max_positions", "5")
    assert refused.code == 65
    assert_one_line(refused.err, "pretrain: a document has 9 tokens, the model's context 5")


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return act


def cut(name: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-7])

    return act


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def set_config(key: str, value: object) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))

    return act


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (shutil.rmtree, ["model: "]),
        (remove("model.safetensors"), ["model: no model.safetensors"]),
        (cut("model.safetensors"), ["model/model.safetensors: not a whole safetensors file"]),
        (overwrite("model.safetensors", b""), ["model/model.safetensors: not a whole safetensors file"]),
        (overwrite("model.safetensors", b"\xff" * 64), ["model/model.safetensors: not a whole safetensors file"]),
        (remove("tokenizer.json"), ["model/tokenizer.json: no such file"]),
        (cut("tokenizer.json"), ["model/tokenizer.json: not a tokenizer"]),
        (remove("config.json"), ["model/config.json: no such file"]),
        (overwrite("config.json", b"{"), ["model/config.json: not valid JSON"]),
        (set_config("model_type", "mamba"), ["model/config.json: model_type"]),
        (set_config("auto_map", {"AutoModel": "evil.Model"}), ["model/config.json", "auto_map"]),
        (set_config("num_hidden_layers", 2), ["layers.1"]),
        (set_config("hidden_size", 64), ["has shape"]),
        (set_config("vocab_size", 5), ["model", "5"]),
    ],
)
def test_a_damaged_model_folder_is_refused(
    call: Call, micro: Path, finished: Path, tmp_path: Path, damage: Callable[[Path], None], parts: list[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(finished / "final", model)
    damage(model)
    refused = call("eval", micro, "--model", model, "--out", tmp_path / "run")
    assert refused.code == 65
    assert_one_line(refused.err, *parts)
    # What can be seen without the weights is refused before there is a run.
    assert not (tmp_path / "run").exists() or RunDirectory.read(tmp_path / "run").status == "failed"


def test_pickled_weights_are_refused(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(finished / "final", model)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    refused = call("eval", micro, "--model", model, "--out", tmp_path / "run")
    assert refused.code == 65
    assert_one_line(refused.err, "pytorch_model.bin", "pickled weights run code")


def test_two_processes_cannot_work_in_one_run_directory(call: Call, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    with RunDirectory.resume(run):
        during = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
        refused = call("run", "--resume", "--out", run)
        assert refused.code == 69
        assert_one_line(refused.err, f"{run}: in use by process ")
        for path, content in during.items():
            assert path.read_bytes() == content, path
    assert before.keys() == during.keys()


def test_resuming_where_no_run_is_says_so(call: Call, tmp_path: Path) -> None:
    refused = call("run", "--resume", "--out", tmp_path)
    assert refused.code == 65
    assert_one_line(refused.err, f"{tmp_path}: no run here (run.json is missing)")
