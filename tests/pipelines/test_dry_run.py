"""A dry run reads what the stages would read, and refuses what they would refuse, in the same words."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO

FROM_FILES = """
name = "from-files"

[model]
type = "fresh"
shape = { hidden_size = 16, num_layers = 1, num_heads = 1, num_kv_heads = 1, head_dim = 16, intermediate_size = 16, max_positions = 48 }
tokenizer = { type = "characters" }
tokenizer_data = "train"

[data.train]
type = "file"
path = "train.jsonl"
fields = { solution = "work" }

[data.other]
type = "file"
path = "other.jsonl"
fields = { solution = "work" }

[stages.pretrain]
type = "pretrain"
data = "train"
content = "solutions"
steps = 1
documents_per_step = 2
gate = { min_accuracy = 0.5, max_steps = 2, evaluation = { data = "train", skill_prefix = "1" } }

[stages.sft]
type = "sft"
data = "train"
epochs = 1
examples_per_step = 2

[stages.rl]
type = "rl"
data = "train"
steps = 1
prompts_per_step = 2
group_size = 2
sampling = { max_new_tokens = 4 }
evaluation = { data = "train", num_problems = 2, max_new_tokens = 4, samples = 2 }

[stages.final]
type = "eval"
data = "train"
num_problems = 2
max_new_tokens = 4
"""

READERS = [
    "stages.pretrain.data",
    "stages.pretrain.gate.evaluation.data",
    "stages.sft.data",
    "stages.rl.data",
    "stages.rl.evaluation.data",
    "stages.final.data",
]


@pytest.fixture
def from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose stages read files, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write("train.jsonl", [(f"{n}+1?", f"\\boxed{{{n + 1}}}") for n in range(1, 5)])
    path = Path("recipe.toml")
    path.write_text(FROM_FILES)
    return path


def write(name: str, rows: list[tuple[str, str]]) -> None:
    content = [{"question": question, "answer": work.strip("\\boxed{}"), "work": work} for question, work in rows]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in content))


def test_every_table_that_a_stage_reads_is_named_with_what_was_found(call: Call, from_files: Path) -> None:
    planned = call("run", from_files, "--dry-run")
    assert planned.code == 0, planned.err
    table = planned.out.partition("\ndata\n")[2]
    assert [line.split()[0] for line in table.splitlines()[1:7]] == ["pretrain", "pretrain.gate", "sft", "rl", "rl.evaluation", "final"]
    assert "4 examples, the first 4 of" in table
    assert "0 too long and dropped" in table
    assert not Path("runs").exists()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("content", "line"), [(None, "other.jsonl: no such file"), ("", "other.jsonl: no rows"), ("{", "other.jsonl:1: ")])
def test_each_table_is_read(call: Call, from_files: Path, reader: str, content: str | None, line: str) -> None:
    if content is not None:
        Path("other.jsonl").write_text(content)
    refused = call("run", from_files, "--dry-run", f"--{reader}", "other")
    assert (refused.code, refused.out) == (65, "")
    assert refused.err.startswith(f"error: {line}")
    assert refused.err.count("\n") == 1


def test_tables_of_stages_that_do_not_run_are_not_read(call: Call, from_files: Path) -> None:
    assert call("eval", from_files, "--dry-run", "--stages.rl.data", "other").code == 0


LONG_PROMPT = ("1" * 60, "\\boxed{2}")


@pytest.mark.parametrize("reader", ["pretrain.gate.evaluation", "rl", "rl.evaluation", "final"])
def test_a_prompt_that_does_not_fit_is_refused_wherever_it_is_read(call: Call, from_files: Path, reader: str) -> None:
    write("other.jsonl", [("1+1?", "\\boxed{2}"), LONG_PROMPT])
    refused = call("run", from_files, "--dry-run", f"--stages.{reader}.data", "other")
    assert refused.code == 65
    assert "1 of 2 prompts do not fit the context of 48 tokens" in refused.err


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
@pytest.mark.parametrize(
    ("verb", "settings", "line"),
    [
        ("sft", ["--model.shape.max_positions", "5"], "sft: none of 4 examples fits the context of 5 tokens"),
        ("final", ["--model.shape.max_positions", "3"], "prompts do not fit the context of 3 tokens"),
    ],
)
def test_a_dry_run_refuses_as_the_run_does(call: Call, from_files: Path, verb: str, settings: list[str], line: str, dry: list[str]) -> None:
    verbs = ["eval", "--stage", verb] if verb == "final" else [verb, "--stages.pretrain.gate", "none"]
    refused = call(verbs[0], from_files, *verbs[1:], *settings, "--out", "run", *dry)
    assert refused.code == 65
    assert line in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
@pytest.mark.parametrize("verb", ["pretrain", "sft"])
def test_problems_without_solutions_cannot_be_imitated(call: Call, from_files: Path, verb: str, dry: list[str]) -> None:
    from_files.write_text(FROM_FILES.replace('fields = { solution = "work" }', ""))
    refused = call(verb, from_files, "--out", "run", "--stages.pretrain.gate", "none", *dry)
    assert refused.code == 65
    assert refused.err.startswith("error: train.jsonl: problem ")
    assert "has no solution to imitate" in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_fine_tuning_on_an_endless_stream_is_refused(call: Call, tmp_path: Path, dry: list[str]) -> None:
    recipe = tmp_path / "sft.toml"
    recipe.write_text(MICRO + '[stages.sft]\ntype = "sft"\ndata = "corpus"\n')
    refused = call("sft", recipe, "--out", tmp_path / "run", *dry)
    assert refused.code == 2
    assert refused.err == "error: sft: data 'corpus' is an endless stream and has no epochs: give it a count\n"
    assert call("sft", recipe, "--data.corpus.count", "4", "--dry-run").code == 0


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_documents_of_a_stream_longer_than_the_context_are_refused(call: Call, micro: Path, tmp_path: Path, dry: list[str]) -> None:
    refused = call("pretrain", micro, "--out", tmp_path / "run", "--model.shape.max_positions", "5", *dry)
    assert refused.code == 65
    assert refused.err == ("error: pretrain: a document has 9 tokens, the model's context 5: raise max_positions or lower the levels\n")


def test_long_documents_of_a_file_are_cut_and_counted(call: Call, from_files: Path) -> None:
    write("other.jsonl", [("1+1?", "\\boxed{2}"), ("1+2?", "1" * 60)])
    planned = call("pretrain", from_files, "--dry-run", "--stages.pretrain.data", "other")
    assert planned.code == 0, planned.err
    assert "2 documents, the first 2 of" in planned.out
    assert "1 cut at 48" in planned.out


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_nothing_to_run_has_one_wording(call: Call, micro: Path, tmp_path: Path, dry: list[str]) -> None:
    refused = call("sft", micro, "--out", tmp_path / "run", *dry)
    assert refused.code == 2
    assert refused.err == "error: no stage to run: the recipe has pretrain (pretrain), base (eval), rl (rl), final (eval)\n"


def test_what_to_type_next_is_what_was_typed(call: Call, micro: Path, finished: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "an overlay.toml"
    overlay.write_text("[stages.rl]\nsteps = 2\n")
    typed = ["rl", str(micro), str(overlay), "--seed", "3", "--stages.rl.kl", "{coef = 0.1}", "--model", str(finished / "final")]
    planned = call(*typed, "--dry-run", "--out", tmp_path / "a run")
    assert planned.code == 0, planned.err
    last = planned.out.splitlines()[-1].removeprefix("next: ")
    words = shlex.split(last)
    assert words[words.index("rl") :] == [*typed, "--out", str(tmp_path / "a run")]


def test_a_limit_that_no_completion_can_reach_is_noted(call: Call, from_files: Path) -> None:
    overlong = ["--stages.rl.rewards.overlong", '{type = "overlong", cache_tokens = 4}']
    planned = call("rl", from_files, "--dry-run", "--stages.rl.sampling.max_new_tokens", "500", *overlong)
    assert planned.code == 0
    assert "warning: stages.rl.sampling.max_new_tokens is 500, but the model's context ends a completion at" in planned.err + planned.out
    assert "warning: stages.rl.rewards.overlong begins behind 496 tokens, but no completion is longer than" in planned.err + planned.out


def test_limits_within_the_context_are_not_noted(call: Call, from_files: Path) -> None:
    planned = call("rl", from_files, "--dry-run", "--stages.rl.sampling.max_new_tokens", "8")
    assert "context ends" not in planned.err + planned.out
