"""Reward models in a recipe: trained on what the policy wrote, saved, scored with, refreshed; and the same again after a kill."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reasonforge.cli.main import main
from reasonforge.core.rollouts import TrainingSample
from reasonforge.evaluation.reward_models import load_reward_model
from reasonforge.models.hf import load_folder, load_scalar_folder
from reasonforge.rewards.model import Response
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.rollouts import list_steps, read_groups
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.training.config import TrainingConfig
from reasonforge.training.scalar import ScalarScorer
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO, outcome
from tests.pipelines.processes import forked, wait_for_rows

HEAD = MICRO[: MICRO.index("[stages.base]")].replace("max_positions = 24", "max_positions = 32")

RECIPE = (
    HEAD.replace("think_share = 0.0", "think_share = 1.0").replace("steps = 12", "steps = 40")
    + """
[data.drawn]
type = "rollouts"
stage = "sample"

[data.labels]
type = "rollouts"
stage = "label"

[stages.sample]
type = "sample"
data = "heldout"
samples = 8
problems_per_step = 2
sampling = { max_new_tokens = 10 }

[stages.outcome]
type = "reward_model"
kind = "outcome"
data = "drawn"
examples_per_step = 8
epochs = 2.0
held_out = 0.5
training = { checkpoint_every = 2, optimizer = { type = "adamw", lr = 1e-2 } }

[stages.label]
type = "label_steps"
data = "drawn"
steps = { at = "pattern", pattern = "[a-h][0-9]" }
completions = 2
groups_per_batch = 1
sampling = { max_new_tokens = 10 }

[stages.process]
type = "reward_model"
kind = "process"
data = "labels"
steps = { at = "pattern", pattern = "[a-h][0-9]" }
examples_per_step = 8
held_out = 0.5
training = { checkpoint_every = 2, optimizer = { type = "adamw", lr = 1e-2 } }

[stages.best]
type = "eval"
data = "heldout"
num_problems = 3
samples = 4
max_new_tokens = 10
reward_model = "outcome"

[stages.rl]
type = "rl"
data = "corpus"
steps = 4
prompts_per_step = 2
group_size = 4
sampling = { max_new_tokens = 10 }
kl = { coef = 0.05 }
training = { checkpoint_every = 1, optimizer = { type = "adamw", lr = 3e-3 } }

[stages.rl.iterations]
steps = 2

[stages.rl.iterations.reward_model]
part = "outcome"
examples = 16
examples_per_step = 8
training = { optimizer = { type = "adamw", lr = 1e-2 } }

[stages.rl.rewards]
outcome = { type = "reward_model", model = "outcome", transform = "sigmoid" }
process = { type = "reward_model", model = "process", weight = 0.5, aggregate = "mean", only_from_step = 1 }
"""
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the recipe that nothing disturbed. Look, do not touch."""
    folder = tmp_path_factory.mktemp("reward-models")
    (folder / "recipe.toml").write_text(RECIPE)
    assert main(["run", str(folder / "recipe.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def rows(run: Path, stage: str) -> list[dict[str, Any]]:
    return [row for row in RunDirectory.read(run).metric_rows() if row["stage"] == stage]


def test_a_reward_model_stage_leaves_a_model_and_the_policy_as_it_was(done: Path) -> None:
    model, scores = load_scalar_folder(done / "models" / "outcome")
    assert scores == {"kind": "outcome", "sees": "all", "steps": None}
    assert model.score.weight.abs().sum() > 0
    before = load_folder(done / "models" / "pretrain").state_dict()
    run = RunDirectory.read(done)
    assert not run.model_dir("sample").exists()
    assert any(not torch.equal(model.decoder.state_dict()[name], before[name]) for name in model.decoder.state_dict())


def test_held_out_figures_are_in_the_last_row(done: Path) -> None:
    last = rows(done, "outcome")[-1]
    assert {"reward_model/accuracy", "reward_model/brier", "reward_model/calibration_error"} <= last.keys()


def test_step_labels_are_stored_with_the_rollouts(done: Path) -> None:
    groups = read_groups(done / "rollouts" / "label")
    drawn = read_groups(done / "rollouts" / "sample")
    assert [g.problem for g in groups] == [g.problem for g in drawn]
    members = [member for group in groups for member in group.rollouts]
    assert all(member.reward.steps for member in members if len(member.rollout.completion))
    assert all(0 <= value <= 1 for member in members for _, value in member.reward.steps)
    assert {member.reward.steps[-1] for member in members} == {(len(m.rollout.completion) - 1, float(m.verdict.correct)) for m in members}


def test_model_rewards_are_parts_of_the_reward_and_begin_at_their_step(done: Path) -> None:
    for number, row in enumerate(rows(done, "rl")):
        assert 0 < row["rewards/outcome/mean"] < 1
        assert ("rewards/process/mean" in row) == (number >= 1)


def test_the_reward_model_is_refreshed_at_borders_and_replays_earlier_rollouts(done: Path) -> None:
    replayed = [row.get("reward_model/replayed") for row in rows(done, "rl")]
    assert replayed == [None, 0.0, None, 1 / 8]
    events = [event["message"] for event in RunDirectory.read(done).event_rows() if event["kind"] == "reference"]
    assert events == ["reference = policy after step 2", "reference = policy after step 4"]


def test_an_evaluation_with_a_reward_model_has_best_of_n_and_weighted_votes(done: Path) -> None:
    (row,) = rows(done, "best")
    assert {"eval/best@4", "eval/weighted@4", "eval/maj@4"} <= row.keys()


def test_the_command_line_scores_samples_with_a_reward_model(call: Call, done: Path, tmp_path: Path) -> None:
    problems = ["--task", "labelled_arithmetic", "--source.levels=[1, 1]", "--source.count=3"]
    sampling = ["--samples=2", "--max_new_tokens=10", f"--reward_model={done / 'models' / 'process'}"]
    found = call("eval", "--model", done / "models" / "pretrain", *problems, *sampling, "--out", tmp_path / "eval")
    assert found.code == 0, found.err
    assert "best@2" in found.out
    assert "weighted@2" in found.out


def test_a_server_shows_no_tokens_to_a_reward_model(call: Call, done: Path) -> None:
    server = ["--model", "http://localhost:1/v1", "--model-name", "x", "--task", "labelled_arithmetic"]
    found = call("eval", *server, f"--reward_model={done / 'models' / 'process'}")
    assert found.code == 2
    assert "--reward_model has no effect with a URL" in found.err


def test_a_saved_model_scores_as_in_transformers(done: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = done / "models" / "outcome"
    model, _ = load_scalar_folder(folder)
    tokenizer = Tokenizer.load(folder)
    ours = load_reward_model(folder, tokenizer)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    member = read_groups(done / "rollouts" / "sample")[0].rollouts[0]
    response = Response.of(member)
    ids = [*response.prompt_ids, *response.token_ids.tolist()]
    with torch.no_grad():
        expected = float(theirs(torch.tensor([ids])).logits)
    assert ours.scores([response])[0] == pytest.approx(expected, abs=1e-4)
    sample = TrainingSample(token_ids=np.array([*ids, 0], dtype=np.int32), loss_mask=np.arange(len(ids) + 1) == len(ids))
    assert float(ScalarScorer(model, TrainingConfig(), device="cpu").values([sample])[0][-1]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_run_killed_while_labelling_and_between_iterations_is_the_undisturbed_run(recipe: Path, done: Path, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    order = [row["stage"] for row in RunDirectory.read(done).metric_rows()]
    process = forked("run", recipe, "--out", run, log=log)
    for target in (order.index("label") + 1, order.index("process") + 1, order.index("rl") + 1, order.index("rl") + 3):
        wait_for_rows(process, run, target)
        process.send(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process = forked("run", "--resume", "--out", run, log=log)
    assert process.wait() == 0, process.said
    assert outcome(run) == outcome(done)
    files = list_steps(done / "rollouts" / "label")
    assert len(files) > 1
    assert all((run / "rollouts" / "label" / path.name).read_bytes() == path.read_bytes() for path in files.values())


def test_labelling_goes_on_at_the_first_file_that_is_missing(done: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(done, run)
    files = list_steps(run / "rollouts" / "label")
    files[1].unlink()
    info = json.loads((run / "run.json").read_text())
    names = [stage["name"] for stage in info["stages"]]
    info["stages"] = info["stages"][: names.index("label") + 1]
    info["stages"][-1]["state"] = "running"
    (run / "run.json").write_text(json.dumps(info))
    assert main(["run", "--resume", "--out", str(run), "--until", "label", "--quiet"]) == 0
    assert all(path.read_bytes() == (done / "rollouts" / "label" / path.name).read_bytes() for path in files.values())
    assert [row["step"] for row in rows(run, "label")] == [row["step"] for row in rows(done, "label")]


def test_the_plan_says_what_reward_models_read(call: Call, recipe: Path) -> None:
    found = call("run", recipe, "--dry-run")
    assert found.code == 0
    assert "what sample leaves" in found.out
    assert "every step x 2 completions" in found.out


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("--stages.rl.rewards.outcome.model=label", "'label' is no reward_model stage before rl"),
        ("--stages.rl.rewards.outcome.model=nowhere", "neither an earlier reward_model stage nor a folder"),
        ("--stages.outcome.kind=pairwise", "learns from 'pairs'"),
        ("--stages.rl.iterations.reward_model.part=odd", "rewards has no part 'odd'"),
        ("--stages.rl.iterations.steps=4", "leaves one iteration"),
        ("--stages.rl.reference_refresh_every=2", "both say when the reference is copied"),
    ],
)
def test_a_recipe_that_cannot_mean_anything_is_refused(call: Call, recipe: Path, setting: str, complaint: str) -> None:
    found = call("run", recipe, setting, "--dry-run")
    assert found.code == 2
    assert complaint in found.err


def test_a_policys_folder_is_no_reward_model_and_is_refused_before_the_run(call: Call, recipe: Path, done: Path) -> None:
    found = call("run", recipe, f"--stages.rl.rewards.process.model={done / 'models' / 'pretrain'}", "--dry-run")
    assert found.code == 2
    assert "holds no reward model" in found.err
    assert call("run", recipe, f"--stages.rl.rewards.process.model={done / 'models' / 'process'}", "--dry-run").code == 0


def test_a_reward_models_folder_without_weights_or_without_a_head_is_refused_before_the_run(
    call: Call, recipe: Path, done: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    setting = f"--stages.rl.rewards.process.model={folder}"
    (folder / "config.json").write_bytes((done / "models" / "process" / "config.json").read_bytes())
    assert f"{folder}: no model.safetensors" in call("run", recipe, setting, "--dry-run").err
    (folder / "model.safetensors").write_bytes((done / "models" / "pretrain" / "model.safetensors").read_bytes())
    assert "holds no score.weight: this is no reward model." in call("run", recipe, setting, "--dry-run").err
    (folder / "config.json").unlink()
    assert "config.json" in call("run", recipe, setting, "--dry-run").err


def test_a_reward_model_learns_from_pairs_and_from_labels(call: Call, tmp_path: Path) -> None:
    pairs = [{"prompt": f"{i}a+1=", "chosen": "<answer>1</answer>", "rejected": "<answer>2</answer>"} for i in range(8)]
    labels = [{"prompt": f"{i}a+1=", "response": f"<answer>{i % 2}</answer>", "label": i % 2} for i in range(10)]
    for name, content in (("pairs", pairs), ("labels", labels)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    stage = 'type = "reward_model"\nexamples_per_step = 4\nepochs = 10.0\nheld_out = 0.5\n'
    stage += 'training = { optimizer = { type = "adamw", lr = 2e-2 } }\n'
    path = tmp_path / "recipe.toml"
    path.write_text(
        HEAD.replace("steps = 12", "steps = 1")
        + f'[data.pairs]\ntype = "pairs"\npath = "{tmp_path}/pairs.jsonl"\n'
        + f'[data.labels]\ntype = "labelled"\npath = "{tmp_path}/labels.jsonl"\n'
        + f'[stages.helpful]\nkind = "pairwise"\nsees = "summary"\ndata = "pairs"\n{stage}'
        + f'[stages.safe]\nkind = "safety"\ndata = "labels"\n{stage}'
    )
    found = call("run", path, "--out", tmp_path / "run", "--quiet")
    assert found.code == 0, found.err
    assert rows(tmp_path / "run", "helpful")[-1]["reward_model/pair_accuracy"] == 1.0
    assert rows(tmp_path / "run", "safe")[-1]["reward_model/auc"] == 1.0
