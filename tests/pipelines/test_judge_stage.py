"""A judge stage in a recipe: what it asks, what it leaves for others, and what a stop in between does not change."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.hf import save_folder
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.files import read_json
from reasonforge.tasks.config import PairSource
from reasonforge.tasks.pairs import Pair, load_pairs
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO
from tests.pipelines.test_sampling_stages import PRETRAIN
from tests.rewards.test_judge import sections
from tests.sampling.scripted_server import Reply, Server, refuses, says, serve
from tests.text.samples import bpe

RECIPE = (
    PRETRAIN
    + """
[data.asked]
type = "task"
task = "labelled_arithmetic"
levels = [1, 1]
split = "train"
count = 8

[data.samples]
type = "rollouts"
stage = "sample"

[stages.sample]
type = "sample"
data = "asked"
samples = 8
sampling = { max_new_tokens = 6 }

[stages.judge]
type = "judge"
data = "samples"
comparisons_per_step = 2
max_length_gap = 2.0
judge = { type = "endpoint", url = "URL", name = "m", concurrency = 2, retries = 0, input_price = 1e6 }
"""
)


def honest(body: dict[str, Any], number: int) -> Reply:
    """Prefers what comes later in the alphabet."""
    shown = sections(body)
    return says("[[A>>B]]" if shown["RESPONSE A"] > shown["RESPONSE B"] else "[[B>>A]]")


def recipe_of(folder: Path, server: Server, **changes: str) -> Path:
    path = folder / "judge.toml"
    text = RECIPE.replace("URL", server.url)
    for old, new in changes.items():
        text = text.replace(f"{old} = ", f"{new}\n{old} = ", 1)
    path.write_text(text)
    return path


def pairs_of(run: Path) -> list[Pair]:
    return load_pairs(PairSource(stage="judge"), run)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A run that nothing disturbed, and how many requests it made."""
    folder = tmp_path_factory.mktemp("judged")
    with serve(honest) as server:
        assert main(["run", str(recipe_of(folder, server)), "--out", str(folder / "run"), "--quiet"]) == 0
        return folder / "run", len(server.asked)


def test_the_pairs_are_those_the_judge_is_sure_of(judged: tuple[Path, int]) -> None:
    pairs = pairs_of(judged[0])
    assert len(pairs) >= 4
    assert all(pair.chosen > pair.rejected and pair.margin == 2.0 and pair.source == "judge:judge" for pair in pairs)


def test_responses_do_not_hold_the_token_that_ends_them(judged: tuple[Path, int]) -> None:
    assert not any("<|" in pair.chosen + pair.rejected for pair in pairs_of(judged[0]))


def test_the_yields_and_the_cost_are_in_the_event(judged: tuple[Path, int]) -> None:
    run, requests = judged
    (event,) = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines() if '"judged"' in line]
    yields = event["data"]["yields"]
    assert yields["compared"] == yields["judged"] >= yields["margin"] >= yields["length_balance"] == len(pairs_of(run))
    assert event["data"]["spent"]["requests"] == requests == 4 * yields["compared"]
    assert event["data"]["spent"]["cost"] == 3.0 * requests


def test_metrics_of_every_file_are_logged(judged: tuple[Path, int]) -> None:
    rows = [row for row in RunDirectory.read(judged[0]).metric_rows() if row["stage"] == "judge"]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["judge/kept"] == 1.0 and row["judge/first_place"] == 0.0 and row["judge/failed"] == 0.0 for row in rows)


def test_a_judge_that_fails_in_between_is_asked_only_for_what_is_missing(judged: tuple[Path, int], tmp_path: Path) -> None:
    undisturbed, requests = judged
    with serve(lambda body, number: honest(body, number) if len(server.asked) <= 12 or is_up else refuses(401)) as server:
        is_up = False
        path = recipe_of(tmp_path, server)
        assert main(["run", str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 69
        assert len(list((tmp_path / "run" / "artefacts" / "judge").glob("step-*.json"))) == 1
        is_up, before = True, len(server.asked)
        assert main(["run", str(path), "--out", str(tmp_path / "run"), "--resume", "--quiet"]) == 0
        assert len(server.asked) - before == requests - 8
    assert pairs_of(tmp_path / "run") == pairs_of(undisturbed)


def test_the_policy_goes_on_unchanged(judged: tuple[Path, int]) -> None:
    run = judged[0]
    files = [run / "models" / "pretrain" / "model.safetensors", run / "final" / "model.safetensors"]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not (run / "models" / "judge").exists()


def test_a_judge_that_is_never_sure_leaves_no_pairs_and_says_so(tmp_path: Path, call: Call) -> None:
    with serve(lambda body, number: says("[[A=B]]")) as server:
        called = call("run", recipe_of(tmp_path, server), "--out", tmp_path / "run", "--quiet")
    assert called.code == 65
    assert "no pair is left (compared" in called.err
    assert not (tmp_path / "run" / "artefacts" / "judge" / "pairs.jsonl").exists()


def test_a_judge_that_always_names_one_place_is_said_to_compare_nothing(tmp_path: Path, call: Call) -> None:
    with serve(lambda body, number: says("[[A>B]]")) as server:
        called = call("run", recipe_of(tmp_path, server), "--out", tmp_path / "run", "--quiet")
    assert "The judge named place A in" in called.err
    assert "loosen" not in called.err


def test_the_dry_run_asks_nobody_and_names_the_judge(tmp_path: Path, call: Call) -> None:
    with serve(honest) as server:
        called = call("run", recipe_of(tmp_path, server), "--dry-run")
        assert server.asked == []
    assert called.code == 0
    assert f"m at {server.url}" in called.out.replace("\n", "")


def test_a_folder_that_is_not_there_is_refused_before_the_run(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "judge.toml"
    start = RECIPE.index("judge = {")
    path.write_text(RECIPE[:start] + 'judge = { type = "folder", path = "nowhere" }\n')
    called = call("run", path, "--dry-run")
    assert (called.code, "no folder nowhere" in called.err) == (2, True)


def test_an_odd_number_of_queries_is_refused(tmp_path: Path, call: Call) -> None:
    with serve(honest) as server:
        called = call("run", recipe_of(tmp_path, server, comparisons_per_step="queries = 3"), "--dry-run")
    assert (called.code, "give an even number" in called.err) == (2, True)


def reopened(judged: tuple[Path, int], folder: Path, content: str) -> Path:
    """A copy of the run that stands before its last stage's end, with other content in its first file."""
    run = folder / "run"
    shutil.copytree(judged[0], run)
    (run / "artefacts" / "judge" / "step-000001.json").write_text(content)
    info = read_json(run / "run.json")
    info["stages"][-1]["state"] = "running"
    (run / "run.json").write_text(json.dumps(info))
    return run


def test_files_about_other_responses_are_refused(judged: tuple[Path, int], tmp_path: Path, call: Call) -> None:
    content = read_json(judged[0] / "artefacts" / "judge" / "step-000001.json") | {"batch": "other"}
    run = reopened(judged, tmp_path, json.dumps(content))
    called = call("run", judged[0].parent / "judge.toml", "--out", run, "--resume", "--quiet")
    assert (called.code, "judges other responses" in called.err) == (65, True)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"batch": "b", "spent": {}, "rulings": [1]}', '{"batch": "b", "spent": 1, "rulings": []}']
)
def test_a_file_of_another_form_is_refused_in_one_line(judged: tuple[Path, int], tmp_path: Path, call: Call, content: str) -> None:
    run = reopened(judged, tmp_path, content)
    called = call("run", judged[0].parent / "judge.toml", "--out", run, "--resume", "--quiet")
    assert (called.code, "step-000001.json" in called.err.replace("\n", ""), "Traceback" in called.err) == (65, True, False)


READERS = """
[data.pairs]
type = "pairs"
stage = "judge"

[stages.helpful]
type = "reward_model"
kind = "pairwise"
data = "pairs"
held_out = 0.5
examples_per_step = 2
training = { checkpoint_every = 10, optimizer = { type = "adamw", lr = 1e-3 } }

[stages.dpo]
type = "preference"
data = "pairs"
pairs_per_step = 2
training = { checkpoint_every = 10, optimizer = { type = "adamw", lr = 1e-3 } }
"""


def test_the_pairs_train_a_reward_model_and_the_policy(tmp_path: Path) -> None:
    with serve(honest) as server:
        path = recipe_of(tmp_path, server)
        path.write_text(path.read_text() + READERS)
        assert main(["run", str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    stages = {row["stage"] for row in RunDirectory.read(tmp_path / "run").metric_rows()}
    assert {"judge", "helpful", "dpo"} <= stages


def test_a_model_on_this_machine_can_be_the_judge(tmp_path: Path, call: Call) -> None:
    # It has random weights and never gives a verdict: every comparison fails for that reason and no other.
    tokenizer = bpe("chatml")
    decoder = Decoder(
        DecoderConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=16,
            num_layers=1,
            num_heads=2,
            num_kv_heads=1,
            head_dim=8,
            intermediate_size=16,
            max_positions=4096,
        )
    )
    decoder.reset_parameters(0)
    save_folder(decoder, tmp_path / "judge", write_more=tokenizer.save)
    path = tmp_path / "judge.toml"
    judge = f'judge = {{ type = "folder", path = "{tmp_path / "judge"}" }}\nmax_new_tokens = 4\nrepeats = 0\nqueries = 2\n'
    path.write_text(RECIPE[: RECIPE.index("judge = {")] + judge)
    called = call("run", path, "--out", tmp_path / "run", "--quiet")
    assert called.code == 65
    assert "gave no verdict in its first 16 answers" in called.err


def test_a_signal_keeps_the_files_that_are_whole(judged: tuple[Path, int], tmp_path: Path) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        if len(server.asked) == 13:  # in the second file
            os.kill(os.getpid(), signal.SIGTERM)
        return honest(body, number)

    with serve(script) as server:
        path = recipe_of(tmp_path, server)
        assert main(["run", str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 128 + signal.SIGTERM
        files = sorted(file.name for file in (tmp_path / "run" / "artefacts" / "judge").iterdir())
        assert files == ["step-000001.json"]
        assert main(["run", str(path), "--out", str(tmp_path / "run"), "--resume", "--quiet"]) == 0
    assert pairs_of(tmp_path / "run") == pairs_of(judged[0])


def test_a_judge_pays_in_reinforcement_learning_and_its_requests_are_logged(tmp_path: Path, call: Call) -> None:
    def agrees(body: dict[str, Any], number: int) -> Reply:
        correct = sections(body)["REFERENCE"] in sections(body)["ANSWER"]
        return says(json.dumps({"analysis": "", "correctness": "correct" if correct else "incorrect"}))

    with serve(agrees) as server:
        endpoint = f'{{ url = "{server.url}", name = "m", concurrency = 2 }}'
        part = f'rewards = {{ judge = {{ type = "judge", kinds = ["math"], endpoint = {endpoint} }} }}\n'
        text = MICRO[: MICRO.index("[stages.final]")].replace("steps = 6\n", f"steps = 2\n{part}").replace("every = 3", "every = 2")
        path = tmp_path / "judge.toml"
        path.write_text(text)
        assert call("run", path, "--dry-run").code == 0
        assert server.asked == []
        assert call("run", path, "--out", tmp_path / "run", "--quiet").code == 0
        rows = [row for row in RunDirectory.read(tmp_path / "run").metric_rows() if row["stage"] == "rl" and row["step"]]
        assert sum(row["judge/requests"] for row in rows) == len(server.asked) > 0
    assert all(row["rewards/judge/mean"] == row["accuracy"] for row in rows)
