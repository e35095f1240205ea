"""The smallest pipeline in which every stage has something to do, and how to look at what a run left behind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import parquet

from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json
from reasonforge.runs.metrics import is_reproducible

SHAPE = """
[model.shape]
hidden_size = 32
num_layers = 1
num_heads = 2
num_kv_heads = 1
head_dim = 16
intermediate_size = 48
max_positions = 24
"""

HELDOUT = """
[data.heldout]
type = "task"
task = "labelled_arithmetic"
levels = [1, 1]
split = "test"
count = 4
"""

FINAL = """
[stages.final]
type = "eval"
data = "heldout"
num_problems = 3
samples = 4
max_new_tokens = 6
"""

MICRO = f"""
name = "micro"
seed = 4

[model]
type = "fresh"
{SHAPE}
[model.tokenizer]
type = "characters"

# Direct answers to single steps: the form is learned in ten steps, the digit is a guess, so some completions earn and some do not.
[data.corpus]
type = "task"
task = "labelled_arithmetic"
levels = [1, 1]
split = "train"
documents = {{ think_share = 0.0 }}
{HELDOUT}
[stages.pretrain]
type = "pretrain"
data = "corpus"
steps = 12
documents_per_step = 8
training = {{ checkpoint_every = 3, optimizer = {{ type = "adamw", lr = 5e-2 }}, schedule = {{ type = "cosine", warmup_steps = 1 }} }}

[stages.base]
type = "eval"
data = "heldout"
num_problems = 3
samples = 4
max_new_tokens = 6

[stages.rl]
type = "rl"
data = "corpus"
steps = 6
prompts_per_step = 2
group_size = 8
sampling = {{ max_new_tokens = 6 }}
training = {{ checkpoint_every = 2, optimizer = {{ type = "adamw", lr = 3e-3 }} }}
evaluation = {{ every = 3, data = "heldout", num_problems = 2, samples = 2, max_new_tokens = 6 }}
{FINAL}"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that must be the same when a run is repeated or resumed. Compare two with ``==``."""

    weights: dict[str, str]
    """SHA-256 of each weights file, by path within the run."""
    metrics: list[dict[str, Any]]
    """Rows in the file's order, without the clock and speeds."""
    rollouts: dict[str, list[dict[str, Any]]]
    """Rows of each Parquet file, by path within the run, without the run's name."""
    summary: dict[str, Any]
    """Without the run's name and seconds."""

    @property
    def steps(self) -> list[tuple[str, int]]:
        return [(row["stage"], row["step"]) for row in self.metrics]


def outcome(path: Path) -> Outcome:
    """Read what a finished run came to."""
    run = RunDirectory.read(path)
    summary = read_json(run.summary_path)
    for timed in (summary, *summary["stages"]):
        del timed["seconds"]
    for timed in summary["cost"]["stages"]:
        del timed["seconds"], timed["phases"]
    del summary["name"]
    files = sorted(file for folder in (run.final_dir, path / "models") for file in folder.rglob("*.safetensors"))
    return Outcome(
        weights={str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        metrics=[{name: value for name, value in row.items() if is_reproducible(name)} for row in run.metric_rows()],
        rollouts={str(file.relative_to(path)): _rows(file) for file in sorted(path.rglob("*.parquet"))},
        summary=summary,
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    return parquet.read_table(file).drop_columns(["run"]).to_pylist()
