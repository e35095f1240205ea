"""Pre-training on packed shards: what a dry run says of them, what it refuses, and a killed run that goes on as if nothing had been."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.corpus.packing.units import PackInput, plan_pack, publish
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.units import Store, file_input
from reasonforge.pipelines.config import Recipe
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.metrics import metric_of
from reasonforge.stages.likelihood import LikelihoodTraining
from reasonforge.stages.pretrain.config import PretrainConfig
from reasonforge.tasks.config import DocumentMixture, ShardsSource, TaskSource
from reasonforge.tasks.registry import get_task
from reasonforge.tasks.streams import DocumentStream
from reasonforge.text.config import CharacterTokenizer
from reasonforge.text.train import build_tokenizer
from tests import oracle
from tests.pipelines.conftest import Call
from tests.pipelines.micro import FINAL, HELDOUT, SHAPE, outcome
from tests.pipelines.processes import forked, run_with_kills
from tests.pipelines.test_resume import at_call, fail

TASK = "labelled_arithmetic"
NUM_ROWS = 14
"""Of metrics.jsonl after the recipe below."""


def recipe_of(root: Path, source: str = "") -> str:
    """Return a recipe that reads two sources of a folder, or ``source`` in their place."""
    return f"""
name = "shards"
seed = 4

[model]
type = "fresh"
tokenizer = {{ type = "folder", path = "{root}/tokenizer" }}
{SHAPE}
[data.corpus]
type = "shards"
max_epochs = 4
{source or f'sources = {{ short = {{ path = "{root}/short", weight = 3 }}, long = {{ path = "{root}/long", weight = 1 }} }}'}
{HELDOUT}
[stages.pretrain]
type = "pretrain"
data = "corpus"
steps = 12
tokens_per_step = 192
training = {{ checkpoint_every = 3, optimizer = {{ type = "adamw", lr = 3e-2 }} }}
{FINAL}"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources with their tokenizer: 100 short documents of a task, and 50 long ones."""
    root = tmp_path_factory.mktemp("shards")
    build_tokenizer(CharacterTokenizer(), alphabet=get_task(TASK).alphabet()).save(root / "tokenizer")
    for name, levels, share, count in (("short", (1, 1), 0.0, 300), ("long", (2, 3), 1.0, 50)):
        source = TaskSource(task=TASK, levels=levels, split="train", documents=DocumentMixture(think_share=share))
        stream = DocumentStream(source, seed=1)
        path = root / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"text": stream[i].text}) + "\n" for i in range(count)))
        store = Store(root / "units" / name)
        receipts = run_all(plan_pack([PackInput(file=file_input(path))], root / "tokenizer"), store, InProcess())
        publish(receipts, store, root / name, source=name)
    (root / "recipe.toml").write_text(recipe_of(root))
    return root


@pytest.fixture(scope="module")
def undisturbed(root: Path) -> Path:
    assert main(["run", str(root / "recipe.toml"), "--out", str(root / "run"), "--quiet"]) == 0
    return root / "run"


def learned(run: Path) -> list[dict[str, Any]]:
    return [row for row in RunDirectory.read(run).metric_rows() if row["stage"] == "pretrain" and row["step"]]


def test_a_dry_run_says_tokens_and_epochs_of_every_source(call: Call, root: Path, tmp_path: Path) -> None:
    found = call("run", root / "recipe.toml", "--out", tmp_path / "run", "--dry-run")
    assert found.code == 0, found.err
    said = " ".join(found.out.split())
    assert "12 steps x 192 tokens" in said
    assert "2,304 tokens in windows of 24: short 1,728" in said
    assert "long 576 (" in said


def test_the_model_learns_what_is_packed(undisturbed: Path) -> None:
    rows = learned(undisturbed)
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]


def test_metrics_account_for_every_token_of_every_source(undisturbed: Path) -> None:
    rows = learned(undisturbed)
    for row in rows:
        assert row["sources/short/tokens"] + row["sources/long/tokens"] == row["num_tokens"] == 192 * row["step"]
    assert rows[-1]["sources/short/tokens"] == 3 * rows[-1]["sources/long/tokens"]
    assert 0 < rows[-1]["sources/short/epochs"] < 4


def test_the_losses_of_the_sources_are_the_loss(undisturbed: Path) -> None:
    before = {"short": 0.0, "long": 0.0}
    rows = learned(undisturbed)
    for row in rows:
        tokens = {name: row[f"sources/{name}/tokens"] - count for name, count in before.items()}
        before = {name: row[f"sources/{name}/tokens"] for name in before}
        weighted = sum(count * row[f"sources/{name}/loss"] for name, count in tokens.items() if count)
        assert weighted / sum(tokens.values()) == pytest.approx(row["loss"], rel=1e-5)
        assert all((f"sources/{name}/loss" in row) == bool(count) for name, count in tokens.items())
    assert rows[-1]["sources/short/loss"] != rows[-1]["sources/long/loss"]


def test_one_source_alone_has_no_loss_of_its_own(call: Call, root: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.toml").write_text(recipe_of(root, f'path = "{root}/short"'))
    found = call("run", tmp_path / "alone.toml", "--out", tmp_path / "run", "--stages.pretrain.steps=1")
    assert found.code == 0, found.err
    assert [name for name in learned(tmp_path / "run")[-1] if name.endswith("/loss")] == []


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_on_shards_that_is_killed_and_resumed_is_the_undisturbed_run(
    root: Path, undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    killed_at = run_with_kills(forked, root / "recipe.toml", tmp_path / "run", kills=3, total_rows=NUM_ROWS, seed=seed)
    assert max(killed_at) > 0
    assert outcome(tmp_path / "run") == outcome(undisturbed)


def test_a_run_does_not_go_on_with_other_data(call: Call, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "short").symlink_to(root / "short")
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(LikelihoodTraining, "train_step", at_call(5, fail, LikelihoodTraining.train_step))
        arguments = [f"--data.corpus.sources.short.path={tmp_path / 'short'}", "--out", run]
        assert call("run", root / "recipe.toml", *arguments).code == 69
    (tmp_path / "short").unlink()
    (tmp_path / "short").symlink_to(root / "long")
    found = call("run", "--resume", "--out", run, "--quiet")
    assert found.code == 65
    assert "not what this run has trained on so far" in found.err
    (tmp_path / "short").unlink()
    (tmp_path / "short").symlink_to(root / "short")
    assert call("run", "--resume", "--out", run, "--quiet").code == 0


def test_windows_may_begin_anew_at_every_document(call: Call, root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    found = call("run", root / "recipe.toml", "--data.corpus.reset_at_documents=true", "--out", run, "--stages.pretrain.steps=2")
    assert found.code == 0, found.err
    rows = learned(run)
    # All are read; the first token of a document that begins inside a window is predicted by nothing.
    read = rows[-1]["sources/short/tokens"] + rows[-1]["sources/long/tokens"]
    assert 0 < rows[-1]["num_tokens"] < read == 2 * 192
    assert "predict nothing" in metric_of("sources/short/tokens").help
    assert {"sources/short/loss", "sources/long/loss"} < rows[-1].keys()


MEASURED = """
[data.apart]
type = "shards"
path = "{root}/long"

[stages.measured]
type = "pretrain"
data = "apart"
steps = 1
documents_per_step = 24
training = {{ optimizer = {{ type = "adamw", lr = {lr} }} }}
"""


def test_a_step_measures_what_it_reads_before_it_learns_from_it(call: Call, root: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    for lr in ("1e-9", "1.0"):
        recipe = tmp_path / f"{lr}.toml"
        recipe.write_text(recipe_of(root).partition("[stages.final]")[0] + MEASURED.format(root=root, lr=lr))
        found = call("run", recipe, "--out", tmp_path / lr, "--stages.pretrain.steps=2", "--quiet")
        assert found.code == 0, found.err
        losses += [row["loss"] for row in RunDirectory.read(tmp_path / lr).metric_rows() if row["stage"] == "measured" and row["step"]]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_corpora_are_compared_by_the_loss_of_held_out_text(call: Call, root: Path, tmp_path: Path) -> None:
    recipes: list[Path] = []
    for name in ("short", "long"):
        recipes.append(tmp_path / f"{name}.toml")
        text = recipe_of(root, f'path = "{root}/{name}"').partition("[stages.final]")[0].replace('name = "shards"', f'name = "{name}"')
        recipes[-1].write_text(text + MEASURED.format(root=root, lr="1e-9"))
    out = tmp_path / "out"
    found = call("compare", *recipes, "--metric", "loss", "--seeds", 2, "--parallel", 2, "--out", out)
    assert found.code == 0, found.err
    data = json.loads((out / "compare.json").read_text())
    for recipe in data["recipes"]:
        rows = [RunDirectory.read(out / run["folder"]).metric_rows() for run in recipe["runs"]]
        measured = [row["loss"] for run in rows for row in run if row["stage"] == "measured" and row["step"]]
        assert [run["final"] for run in recipe["runs"]] == measured
        assert recipe["tokens"] == 12 * 192 + 24 * 24
    assert "rollouts" not in (out / "compare.txt").read_text()


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        (["--stages.pretrain.tokens_per_step=200"], 2, "200 is no whole number of windows of 24: take 192 or 216"),
        (["--stages.pretrain.tokens_per_step=20"], 2, "20 is no whole number of windows of 24: take 24"),
        (["--stages.pretrain.seq_len=32"], 2, "seq_len 32 does not fit the model's context of 24 tokens"),
        (["--stages.pretrain.training.max_tokens_per_device=24"], 2, "a window has 25 tokens, training.max_tokens_per_device is 24"),
        (["--stages.pretrain.steps=4000"], 65, "max_epochs is 4"),
        (["--data.corpus.sources.long.weight=0.12345678"], 2, "give fewer digits"),
        (["--data.corpus.sources.long.path=/nowhere"], 65, "/nowhere: no such folder"),
        (["--stages.pretrain.documents_per_step=4"], 2, "give one of documents_per_step and tokens_per_step"),
        (["--stages.pretrain.content=solutions"], 2, "content = 'solutions' has no effect"),
        (["--data.corpus.path=/else"], 2, "give one of the two"),
        (["--stages.pretrain.data=heldout"], 2, "tokens_per_step has no effect: data 'heldout' is of type 'task'"),
        (["--stages.final.data=corpus"], 2, "'corpus' holds shards, and problems are read here"),
        (['--model.tokenizer={type = "bpe"}'], 2, "no tokenizer can be learned from data 'corpus', which is packed"),
    ],
)
def test_what_cannot_mean_anything_is_refused_before_the_run(
    call: Call, root: Path, tmp_path: Path, settings: list[str], code: int, message: str
) -> None:
    found = call("run", root / "recipe.toml", *settings, "--out", tmp_path / "run", "--dry-run")
    assert (found.code, message in found.err) == (code, True), found.err
    assert not (tmp_path / "run").exists()


def test_shards_of_another_tokenizer_are_refused(call: Call, root: Path, tmp_path: Path) -> None:
    alphabet = sorted(get_task(TASK).alphabet())
    more = build_tokenizer(CharacterTokenizer(), alphabet=[*alphabet, "\u00e9"])
    other = build_tokenizer(CharacterTokenizer(), alphabet=[*alphabet[:-1], "\u00e9"])
    for tokenizer, message in ((more, "packed with a vocabulary of"), (other, "packed by another tokenizer")):
        tokenizer.save(tmp_path / "tokenizer")
        arguments = [f"--model.tokenizer.path={tmp_path / 'tokenizer'}", "--out", tmp_path / "run"]
        for dry in (["--dry-run"], []):
            found = call("run", root / "recipe.toml", *arguments, *dry)
            assert found.code == 65
            assert message in found.err


CORPORA = Path(__file__).parents[2] / "recipes" / "toy" / "corpus_comparison"


def test_the_corpora_that_are_compared_differ_in_nothing_but_the_corpus(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(CORPORA / "make.py"))
    made["make"].__globals__["DOCUMENTS"] = 600
    made["make"](Path("runs/corpora"))
    made["make"](Path("runs/corpora"))  # again: what is there is left as it is
    whole = {"clean", "noisy", "off_topic", "small", "mix"}
    recipes = {path.stem: load_recipe(Recipe, [path]).recipe for path in CORPORA.glob("*.toml") if path.stem != "base"}
    assert recipes.keys() == whole
    rest = {recipe.model_dump_json(exclude={"name": True, "description": True, "data": {"corpus"}}) for recipe in recipes.values()}
    assert len(rest) == 1
    for name in whole:
        found = call("run", CORPORA / f"{name}.toml", "--out", tmp_path / "run", "--dry-run")
        assert found.code == 0, found.err
        assert "460,800 tokens in windows of 48" in " ".join(found.out.split())


def test_the_papers_mixture_is_the_recipes() -> None:
    recipe = load_recipe(Recipe, [CORPORA.parents[1] / "pretrain" / "math_mixture.toml"]).recipe
    row = oracle.case("schedules_and_selection", "mixture")
    source, stage = recipe.data["corpus"], recipe.stages["pretrain"]
    assert isinstance(source, ShardsSource)
    assert isinstance(stage, PretrainConfig)
    assert list(row.inputs["weights"].values()) == [folder.weight for folder in source.sources.values()]
    assert stage.tokens_per_step is not None
    assert stage.steps * stage.tokens_per_step == pytest.approx(row.inputs["total_tokens"], rel=1e-4)
    assert source.max_epochs is not None
    assert source.max_epochs > row.expected["epochs_over_120.2B_corpus"]


def test_one_folder_is_read_without_weights(call: Call, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_of(root, f'path = "{root}/short"'))
    found = call("run", path, "--out", tmp_path / "run", "--dry-run")
    assert found.code == 0, found.err
    assert "2,304 tokens in windows of 24: corpus 2,304" in " ".join(found.out.split())


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("shards/math", "reasonforge corpus pack FILES --tokenizer FOLDER --out shards/math"),
        ("corpus/toy/shards/mined", "reasonforge corpus run RECIPE --out corpus/toy, or reasonforge corpus pack FILES"),
        ("my corpus/shards/mined", "reasonforge corpus run RECIPE --out 'my corpus', or "),
    ],
)
def test_shards_that_are_not_there_are_told_with_the_command_that_makes_them_and_before_their_tokenizer(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(recipe_of(Path("nowhere"), f'path = "{folder}"'))
    found = call("run", "recipe.toml", "--dry-run")
    assert found.code == 65
    assert f"{folder}: no such folder of shards. Make it: {command}" in found.err
    assert found.err.strip().count("\n") == 0
