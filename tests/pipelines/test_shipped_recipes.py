"""What ships does what it says: recipes load, algorithms fit on top, the toy learns, and GSM8K's road leads to a model others can read."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.core.records import Message
from reasonforge.models.hf import load_folder
from reasonforge.pipelines.config import Recipe
from reasonforge.runs.files import read_json
from reasonforge.text.config import TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.render import render_prompt
from reasonforge.text.tokenizer import Tokenizer
from tests.models.build import batch
from tests.pipelines.conftest import Call
from tests.stages.policies import ALGORITHMS, CHAIN, METHODS, RECIPES, algorithm

TOY = RECIPES / "toy" / "r1_zero.toml"
GSM8K = RECIPES / "gsm8k" / "tiny.toml"


TWINS = {path.stem: path for path in sorted((RECIPES / "toy" / "algorithms").glob("*.toml"))}
"""Every method at a size for one core."""

_SIZES = {"data", "start", "steps", "prompts_per_step", "group_size", "sampling", "rewards", "training", "evaluation", "examples_per_step"}
_SIZES |= {"samples", "num_problems", "problems_per_step", "pairs_per_step", "epochs", "iterations", "context", "curriculum", "critic"}


def test_every_method_has_a_toy_twin() -> None:
    assert TWINS.keys() == METHODS.keys()
    assert len(METHODS) >= 25


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_can_run(name: str, call: Call, tmp_path: Path) -> None:
    found = call("run", TWINS[name], "--out", tmp_path / "run", "--dry-run")
    assert found.code == 0, found.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_the_stages_of_its_method_between_the_common_start_and_the_last_measurement(name: str) -> None:
    twin = load_recipe(Recipe, [TWINS[name]]).recipe
    start, laid_over = load_recipe(Recipe, [CHAIN]).recipe, load_recipe(Recipe, [CHAIN, METHODS[name]]).recipe
    assert list(twin.stages) == [*laid_over.stages, "final"]
    assert all(twin.stages[stage] == start.stages[stage] for stage in start.stages)
    assert twin.data["heldout"] == start.data["heldout"]
    assert twin.name == "chain-" + name.replace("_", "-")


@pytest.mark.parametrize("name", METHODS)
def test_a_twin_differs_from_its_method_in_sizes_only(name: str) -> None:
    twin, method = (load_recipe(Recipe, files).recipe.stages for files in ([TWINS[name]], [CHAIN, METHODS[name]]))
    for stage in method:
        assert twin[stage].model_dump(exclude=_SIZES) == method[stage].model_dump(exclude=_SIZES), stage
        # Of what has sizes inside: the same parts.
        for key in ("rewards", "iterations", "context", "curriculum", "critic"):
            ours, theirs = getattr(twin[stage], key, None), getattr(method[stage], key, None)
            assert (ours is None) == (theirs is None), (stage, key)
        assert getattr(twin[stage], "rewards", {}).keys() == getattr(method[stage], "rewards", {}).keys()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_the_same_whatever_it_lies_on(name: str) -> None:
    """GSM8K's recipe clips on two sides and has a divergence penalty: what an overlay leaves unsaid would shine through."""
    assert algorithm(name, over=GSM8K) == algorithm(name)


def test_no_two_methods_are_the_same() -> None:
    recipes = [load_recipe(Recipe, [TWINS[name]]).recipe.model_dump_json(exclude={"name", "description"}) for name in TWINS]
    assert len(set(recipes)) == len(TWINS)


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_toy_learns_to_think_and_only_sharpens_what_it_could(seed: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "reasonforge", "run", str(TOY), "--seed", str(seed), "--out", str(run), "--quiet"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    summary = read_json(run / "summary.json")
    base, final = summary["base"], summary["final"]
    assert final["pass@1"] - base["pass@1"] >= 0.40, summary
    assert abs(final["pass@16"] - base["pass@16"]) <= 0.03, summary


def run_in_a_process(*arguments: str | Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "reasonforge", "run", *map(str, arguments), "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def start_of_the_twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The common start, trained once."""
    run = tmp_path_factory.mktemp("chain") / "run"
    run_in_a_process(CHAIN, "--out", run)
    return run


LEAST_GAINS = {
    "dpo": 0.05,
    "dpo_online": 0.05,
    "rft": 0.05,
    "rejection_sft": 0.02,
    "gspo": 0.1,
    "gspo_token": 0.1,
    "limr": 0.1,
    # Its reward is a model as small as the policy, which tells right from wrong seven times in ten: accuracy must not be lost altogether.
    "grpo_iterative": -0.2,
}
"""What a method must add to held-out accuracy at the least, where that is less than the others' 0.2."""


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("name", TWINS)
def test_a_twin_learns(name: str, start_of_the_twins: Path, tmp_path: Path) -> None:
    twin = load_recipe(Recipe, [TWINS[name]]).recipe
    own = [stage for stage in twin.stages if stage not in ("pretrain", "base")]
    # A stage that goes back to what pre-training left begins with what this run starts from.
    back = [f"--stages.{stage}.start=start" for stage in own if getattr(twin.stages[stage], "start", None) == "pretrain"]
    model = start_of_the_twins / "models" / "pretrain"
    run_in_a_process(TWINS[name], "--from", own[0], "--model", model, "--out", tmp_path / "run", *back)
    before, after = (
        read_json(run / "evals" / stage / "summary.json") for run, stage in ((start_of_the_twins, "base"), (tmp_path / "run", "final"))
    )
    gain = after["pass@1"] - before["pass@1"]
    assert gain >= LEAST_GAINS.get(name, 0.2)


def write_word_problems(path: Path, *, num: int, seed: int) -> None:
    """Write made-up problems in GSM8K's form: a question, a worked answer with its calculations marked, and ``#### N``."""
    draws = random.Random(seed)
    rows = []
    for _ in range(num):
        name, thing = draws.choice(["Ada", "Ben", "Cleo", "Dara"]), draws.choice(["pears", "stamps", "marbles", "books"])
        boxes, each, more = draws.randint(2, 9), draws.randint(2, 9), draws.randint(1, 20)
        product = boxes * each
        rows.append(
            {
                "question": f"{name} has {boxes} boxes of {each} {thing} and finds {more} more. How many {thing} does {name} have?",
                "answer": f"In the boxes are {boxes}*{each}=<<{boxes}*{each}={product}>>{product} {thing}.\n"
                f"Together {product}+{more}=<<{product}+{more}={product + more}>>{product + more}.\n#### {product + more}",
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


SMALL = [
    "--model.shape.hidden_size=32",
    "--model.shape.num_layers=2",
    "--model.shape.num_heads=2",
    "--model.shape.num_kv_heads=1",
    "--model.shape.head_dim=16",
    "--model.shape.intermediate_size=48",
    "--model.tokenizer.vocab_size=320",
    "--stages.pretrain.steps=4",
    "--stages.pretrain.documents_per_step=4",
    "--stages.pretrain.training.schedule.warmup_steps=1",
    "--stages.sft.examples_per_step=16",
    "--stages.sft.training.schedule.warmup_steps=1",
    "--stages.rl.steps=1",
    "--stages.rl.prompts_per_step=2",
    "--stages.rl.group_size=2",
    "--stages.rl.sampling.max_new_tokens=12",
]
EVALUATIONS = [f"--stages.{name}.{key}" for name in ("base", "final") for key in ("num_problems=2", "samples=2", "max_new_tokens=12")]


@pytest.fixture(scope="module")
def gsm8k_arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The recipe on made-up problems, every stage cut down to a few steps."""
    folder = tmp_path_factory.mktemp("gsm8k")
    for seed, (name, num) in enumerate({"train": 32, "test": 4}.items()):
        write_word_problems(folder / f"{name}.jsonl", num=num, seed=seed)
    return [str(GSM8K), *(f"--data.{name}.path={folder / name}.jsonl" for name in ("train", "test")), *SMALL, *EVALUATIONS, "--quiet"]


@pytest.fixture(scope="module")
def gsm8k_run(gsm8k_arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole road, travelled once."""
    run = tmp_path_factory.mktemp("road") / "run"
    assert main(["run", *gsm8k_arguments, "--out", str(run)]) == 0
    return run


def test_every_stage_of_the_gsm8k_road_is_travelled(gsm8k_run: Path) -> None:
    summary = read_json(gsm8k_run / "summary.json")
    assert [stage["type"] for stage in summary["stages"]] == ["pretrain", "sft", "eval", "rl", "eval"]


def test_transformers_reads_the_end_of_the_road(gsm8k_run: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = gsm8k_run / "final"
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours, tokenizer = load_folder(folder), Tokenizer.load(folder)

    question = "Ada has 3 boxes of 4 pears and finds 5 more. How many pears does Ada have?"
    prompt = render_prompt([Message("user", question)], tokenizer, build_layout(TemplateConfig(name="chat"), tokenizer))
    conversation = [{"role": "user", "content": question}]
    assert their_tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False) == prompt

    ids = torch.tensor([prompt])
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(batch([[ids[0]]])), theirs(ids).logits, atol=1e-4, rtol=0)


def test_training_goes_on_from_the_end_of_the_road(gsm8k_run: Path, gsm8k_arguments: list[str], tmp_path: Path, call: Call) -> None:
    # A folder brings its own shape and tokenizer: settings of a fresh model would have nothing to act on.
    arguments = [argument for argument in gsm8k_arguments if not argument.startswith("--model.")]
    found = call("rl", *arguments, "--model", gsm8k_run / "final", "--out", tmp_path / "run")
    assert found.code == 0, found.err
    assert [stage["type"] for stage in read_json(tmp_path / "run" / "summary.json")["stages"]] == ["rl"]
