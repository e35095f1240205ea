"""``grade`` and ``eval`` from the shell's side: finished samples, a URL, a folder, a run, a checkpoint."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reasonforge.cli.main import main
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.hf import save_folder
from tests.cli.conftest import Pipelines
from tests.config.schema import Recipe
from tests.pipelines.micro import MICRO
from tests.sampling.scripted_server import Reply, refuses, says, serve
from tests.text.samples import bpe

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def samples(name: str, *answers: list[str]) -> Path:
    rows = [
        {"id": str(i), "question": "<script>alert(1)</script>", "gold": "7", "samples": [f"\\boxed{{{a}}}" for a in row]}
        for i, row in enumerate(answers)
    ]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Path(name)


def results(folder: str) -> dict[str, Any]:
    return json.loads((Path(folder) / "results.json").read_text())


def next_commands(out: str) -> list[str]:
    return [line.removeprefix("next: ") for line in out.splitlines() if line.startswith("next: ")]


def test_graded_lines_are_measured_by_the_command_that_is_printed(call: Call) -> None:
    samples("s.jsonl", ["7", "8"], ["7", "7"])
    code, out, _ = call("grade", "s.jsonl", "--out", "g.jsonl", "--workers", "1")
    assert code == 0
    assert "accuracy  0.7500" in out
    (command,) = next_commands(out)
    code, out, errors = call(*shlex.split(command)[1:])
    assert (code, errors) == (0, "")
    assert "pass@1   75.0%" in out
    assert results("g.eval")["figures"]["pass@2"]["value"] == 1.0
    assert "<script>alert" not in Path("g.eval/report.html").read_text()


def test_graded_lines_go_beside_the_samples_where_nothing_is_said(call: Call) -> None:
    samples("s.jsonl", ["7"])
    code, _, errors = call("grade", "s.jsonl", "--workers", "1")
    assert (code, errors) == (0, "")
    assert json.loads(Path("s.graded.jsonl").read_text())["status"] == ["correct"]


def test_lines_that_cannot_be_read_are_exit_code_65_after_all_others_are_graded(call: Call) -> None:
    with samples("s.jsonl", ["7"]).open("a") as file:
        file.write("{\n")
    code, out, _ = call("grade", "s.jsonl", "--out", "g.jsonl", "--workers", "1")
    assert code == 65
    assert "s.jsonl:2: not valid JSON" in out
    assert len(Path("g.jsonl").read_text().splitlines()) == 2
    code, out, errors = call("eval", "g.jsonl", "--dry-run")
    assert code == 0
    assert "g.jsonl: left out: 1 line that could not be read when graded, such as s.jsonl:2: not valid JSON" in out + errors


def test_json_lines_are_all_that_is_printed_where_asked(call: Call) -> None:
    samples("s.jsonl", ["7", "8"])
    _, out, _ = call("grade", "s.jsonl", "--out", "g.jsonl", "--workers", "1", "--log", "json")
    assert all(isinstance(json.loads(line), dict) for line in out.splitlines())


def test_two_files_are_compared_by_problem(call: Call) -> None:
    samples("old.jsonl", ["8", "8"], ["7", "7"])
    samples("new.jsonl", ["7", "8"], ["7", "7"], ["7", "7"])
    code, out, _ = call("eval", "new.jsonl", "--against", "old.jsonl", "--workers", "1", "--out", "diff", "--ks", "2")
    assert code == 0
    assert "1 problem better, 0 worse, 1 in one file only" in out
    change = results("diff")["against"]["differences"]["pass@1"]
    low, high = (f"{100 * bound:+.1f}" for bound in change["bootstrap"])
    assert change["bootstrap"] != change["interval"]
    assert f"pass@1   +25.0  [{low}, {high}]" in " ".join(out.split()).replace("pass@1 +25.0 [", "pass@1   +25.0  [")
    assert "95 %, paired bootstrap over problems" in out
    assert "2 problems: of fewer than 30, intervals are rough" in out
    assert results("diff")["against"]["differences"]["pass@1"]["difference"] == 0.25
    assert set(results("diff")["figures"]) == {"pass@1", "pass@2", "maj@2"}


def test_lines_that_are_there_twice_are_warned_of(call: Call) -> None:
    row = json.dumps({"id": "1", "gold": "7", "text": "\\boxed{7}"}) + "\n"
    Path("s.jsonl").write_text(row * 3)
    code, out, errors = call("eval", "s.jsonl", "--workers", "1")
    assert code == 0
    assert "2 lines are copies of earlier ones (the first is s.jsonl:2) and count as further samples" in out + errors


def test_errors_are_listed_by_reason(call: Call) -> None:
    row = {"kind": "code", "gold": "", "text": "x"}
    Path("s.jsonl").write_text("".join(json.dumps({"id": str(i), **row}) + "\n" for i in range(2)))
    for verb in ("grade", "eval"):
        code, out, _ = call(verb, "s.jsonl", "--workers", "1")
        assert code == 0
        lines = out.splitlines()
        start = lines.index("errors, which are not the model's")
        reason, count = lines[start + 2].strip().rsplit(maxsplit=1)
        assert (count, reason.startswith("its tests cannot be read")) == ("2", True), reason


def test_the_profile_decides(call: Call) -> None:
    samples("s.jsonl", ["700\\%"])
    for profile, share in (("strict", 0.0), ("deepseek-math", 1.0)):
        assert call("eval", "s.jsonl", "--profile", profile, "--workers", "1", "--out", profile)[0] == 0
        assert results(profile)["figures"]["pass@1"]["value"] == share


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ("eval", 2, "what to evaluate? A recipe, finished samples (a .jsonl file), or --model"),
        ("eval s.jsonl --samples 4", 2, "--samples has no effect with finished samples"),
        ("eval s.jsonl --model m", 2, "--model has no effect with finished samples"),
        ("eval s.jsonl t.jsonl", 2, "t.jsonl: one file of samples at a time"),
        ("eval s.jsonl --ks 2,x", 2, "--ks 2,x: expected whole numbers of 1 or more"),
        ("eval s.jsonl --ks 64 --workers 1", 65, "s.jsonl: no figure for k = 64: problem 0 has 2 samples"),
        ("eval s.jsonl --profile loose", 2, "Invalid value for '--profile': 'loose' is not one of 'strict'"),
        ("grade s.jsonl --profile loose", 2, "Invalid value for '--profile': 'loose' is not one of 'strict'"),
        ("grade .", 65, ".: a folder, not a file. Name a file, for example s.jsonl"),
        ("grade ..", 65, "..: a folder, not a file"),
        ("grade /", 65, "/: a folder, not a file"),
        ("eval s.jsonl --against .", 65, ".: is a directory. Name the file"),
        ("eval .", 2, ".: this is a folder, not a recipe"),
        ("eval t.jsonl", 65, "t.jsonl: no such file"),
        ("eval s.json", 2, "s.json: neither a recipe (.toml) nor finished samples (.jsonl, .jsonl.gz)"),
        ("eval s.jsonl.zst", 2, "s.jsonl.zst: neither a recipe (.toml) nor finished samples (.jsonl, .jsonl.gz)"),
        ("grade s.jsonl --out g.gz", 2, "g.gz: graded lines are JSON Lines. Give --out a name that ends in .jsonl"),
        ("eval x.toml --against s.jsonl", 2, "--against has no effect with a recipe"),
        ("eval x.toml --profile strict", 2, "--profile: in a recipe this is a setting of the stage"),
        ("eval --model m", 2, "--data: where are the problems?"),
        ("eval --model m --data s.jsonl --task countdown", 2, "--task makes its own problems"),
        ("eval --model m --task countdwn", 2, "command line: source: no task named 'countdwn'. Did you mean 'countdown'?"),
        ("eval --model m --task countdown --sampels 3", 2, "command line: sampels: no such setting. Did you mean samples?"),
        ("eval --model m --task countdown --samples 3 --temperature 0", 2, "command line: temperature 0 draws the same completion"),
        ("eval --model m --task countdown --model-name x", 2, "--endpoint and --model-name have no effect with a model folder"),
        ("eval --model http://h/v1 --task countdown", 2, "--model-name: what is the model called on that server?"),
        ("eval --model http://h/v1 x.toml", 2, "http://h/v1: a recipe's stages need a model folder"),
        ("eval --model nowhere --task countdown", 65, "nowhere: no such folder"),
        ("eval --model m --task countdown --endpoint.concurrency 3", 2, "--endpoint and --model-name have no effect with a model folder"),
        (
            "eval --model http://h/v1 --model-name x --task countdown --endpoint.retries -1",
            2,
            "command line: endpoint.retries: must be at least 0",
        ),
        ("grade", 2, "Missing argument 'SAMPLES.jsonl'"),
        ("grade s.jsonl --out s.jsonl", 2, "s.jsonl: is the input itself"),
    ],
)
def test_what_cannot_be_meant_is_one_line(call: Call, pipelines: Pipelines, arguments: str, code: int, line: str) -> None:
    samples("s.jsonl", ["7", "8"])
    found, _, errors = call(*arguments.split())
    assert errors.startswith(f"error: {line}")
    assert (found, errors.count("\n")) == (code, 1)


def test_a_folder_that_holds_something_else_is_left_alone(call: Call) -> None:
    samples("s.jsonl", ["7"])
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("x")
    code, _, errors = call("eval", "s.jsonl", "--out", "mine", "--workers", "1")
    assert (code, errors) == (2, "error: mine: not empty, and holds no evaluation. Name another folder with --out\n")


def test_a_dry_run_on_finished_samples_counts_and_writes_nothing(call: Call) -> None:
    samples("s.jsonl", ["7", "8"], ["7", "8"])
    code, out, errors = call("eval", "s.jsonl", "--dry-run")
    assert (code, errors) == (0, "")
    assert "s.jsonl: 2 problems, 4 samples, 4 of them to grade" in out
    assert sorted(path.name for path in Path().iterdir()) == ["s.jsonl"]
    assert call("eval", "s.jsonl", "--dry-run", "--ks", "3")[0] == 65


def test_nothing_is_offered_next_where_no_line_could_be_read(call: Call) -> None:
    Path("s.jsonl").write_text('{"id": "1", "gold": null, "text": "x"}\n')
    code, out, errors = call("grade", "s.jsonl", "--out", "g.jsonl", "--workers", "1")
    assert (code, next_commands(out)) == (65, [])
    assert "nothing graded" in out
    assert "accuracy" not in out
    assert "verdicts" not in out
    assert 's.jsonl:1: "gold" is null' in out + errors


def questions(name: str, count: int = 4) -> Path:
    Path(name).write_text("".join(json.dumps({"question": f"{i}+1?", "answer": str(i + 1)}) + "\n" for i in range(count)))
    return Path(name)


def right(body: dict[str, Any], number: int) -> Reply:
    first = int(body["messages"][-1]["content"].split("+")[0].split()[-1])
    return says(f"\\boxed{{{first + 1}}}")


def test_a_model_behind_a_url_is_measured_and_gone_on_with(call: Call) -> None:
    questions("q.jsonl")
    with serve(lambda body, number: refuses(400, "no") if "3+1" in body["messages"][-1]["content"] else right(body, number)) as server:
        arguments = [
            "eval",
            "--model",
            server.url,
            "--model-name",
            "org/m",
            "--data",
            "q.jsonl",
            "--samples",
            "2",
            "--endpoint.input_price",
            "1",
        ]
        code, _, errors = call(*arguments)
    assert code == 69
    assert "3 of 4 problems are stored" in errors
    kept = json.loads(Path("evals/m-q/evaluation.json").read_text())
    assert kept["settings"]["evaluation"]["temperature"] == 0.6
    with serve(right) as server:
        kept["settings"]["model"] = server.url  # the port is another one
        Path("evals/m-q/evaluation.json").write_text(json.dumps(kept))
        arguments[2] = server.url
        code, out, errors = call(*arguments)
        assert (code, errors) == (0, "")
        assert len(server.asked) == 2
    assert "pass@1  100.0%" in out
    assert "cost now" in out
    assert "step by step" in server.asked[0][0]["messages"][-1]["content"]  # style cot is the default
    (command,) = next_commands(out)
    assert command.endswith("eval evals/m-q/samples.jsonl --against OTHER.jsonl")
    assert results("evals/m-q")["num_problems"] == 4


def test_a_prompt_file_is_what_is_asked(call: Call) -> None:
    questions("q.jsonl", 1)
    Path("p.txt").write_text("Say it in verse: {question}")
    with serve(lambda body, number: says("\\boxed{1}")) as server:
        assert call("eval", "--model", server.url, "--model-name", "m", "--data", "q.jsonl", "--prompt-file", "p.txt")[0] == 0
    assert server.asked[0][0]["messages"] == [{"role": "user", "content": "Say it in verse: 0+1?"}]
    Path("p.txt").write_text("no place")
    code, _, errors = call(
        "eval", "--model", "http://h/v1", "--model-name", "m", "--data", "q.jsonl", "--prompt-file", "p.txt", "--dry-run"
    )
    assert (code, errors) == (65, "error: p.txt: must contain {question} once, where the question goes\n")


@pytest.mark.parametrize("more", [(), ("--joined", "false")])
def test_a_completions_server_gets_examples_and_question_as_one_text(call: Call, more: tuple[str, ...]) -> None:
    questions("q.jsonl", 1)
    with serve(lambda body, number: says("\\boxed{1}")) as server:
        arguments = ["--model-name", "m", "--data", "q.jsonl", "--shots", "2", "--endpoint.api", "completions", *more]
        assert call("eval", "--model", server.url, *arguments)[0] == 0
    ((body, _),) = server.asked
    assert body["prompt"].count("Question:") == (3 if not more else 0)
    assert body.get("stop") == (["\n\nQuestion:"] if not more else None)


def test_programs_of_a_model_behind_a_url_are_run(call: Call) -> None:
    questions("q.jsonl", 2)

    def script(body: dict[str, Any], number: int) -> Reply:
        return says("```python\nprint(0 + 1)\n```" if "0+1" in body["messages"][-1]["content"] else "```python\n1 / 0\n```")

    with serve(script) as server:
        code, out, _ = call("eval", "--model", server.url, "--model-name", "m", "--data", "q.jsonl", "--style", "pot", "--out", "e")
    assert code == 0
    assert "Python program" in server.asked[0][0]["messages"][-1]["content"]
    assert results("e")["figures"]["pass@1"]["value"] == 0.5
    assert results("e")["uses"] == {"failed_programs": 0.5}
    assert "failed programs" in out


def test_a_killed_evaluation_is_gone_on_with_and_asks_nothing_twice(tmp_path: Path) -> None:
    questions("q.jsonl", 5)
    reached, go_on = threading.Event(), threading.Event()

    def script(body: dict[str, Any], number: int) -> Reply:
        if len(server.asked) == 8:
            reached.set()
            go_on.wait(20)
        return right(body, number)

    with serve(script) as server:
        arguments = f"eval --model {server.url} --model-name m --data q.jsonl --samples 3 --endpoint.concurrency 1 --out e".split()
        command = [sys.executable, "-m", "reasonforge", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        try:
            assert reached.wait(60)
            os.killpg(process.pid, signal.SIGKILL)
        finally:
            process.communicate()
            go_on.set()
        assert process.returncode == -signal.SIGKILL
        assert main([*arguments, "--quiet"]) == 0
        asked = [(body["messages"][-1]["content"], body["seed"]) for body, _ in server.asked]
        assert main([*arguments[:-1], "f", "--quiet"]) == 0
    # The eighth was on its way: the only one asked again.
    assert len(asked) == 16
    assert len(set(asked)) == 15
    assert results("e")["figures"] == results("f")["figures"]


def test_a_dry_run_shows_the_first_question_and_asks_nobody(call: Call) -> None:
    questions("q.jsonl")
    code, out, _ = call("eval", "--model", "http://127.0.0.1:1/v1", "--model-name", "m", "--data", "q.jsonl", "--dry-run")
    assert code == 0
    assert "first question: user: 0+1?" in out
    assert not Path("evals").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smallest recipe."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "micro.toml").write_text(MICRO)
    assert main(["pretrain", str(folder / "micro.toml"), "--out", str(folder / "r"), "--quiet"]) == 0
    return folder / "r"


@pytest.mark.parametrize("part", ["", "final", "models/pretrain", "checkpoints/pretrain/step-000012"])
def test_a_run_a_folder_and_a_checkpoint_of_one_model_draw_the_same_samples(call: Call, run: Path, part: str) -> None:
    def draw(model: Path, out: str) -> list[Any]:
        arguments = f"eval --model {model} --task labelled_arithmetic --source.levels [1,1] --source.count 6 --samples 3 --max-new-tokens 8"
        code, _, errors = call(*arguments.split(), "--seed", "1", "--out", out)
        assert (code, errors) == (0, "")
        return [json.loads(line)["samples"] for line in (Path(out) / "samples.jsonl").read_text().splitlines()]

    assert draw(run / part, "a") == draw(run / "models" / "pretrain", "b")
    assert results("a")["lengths"]["unit"] == "tokens"


@pytest.fixture(scope="module")
def hf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a few random weights with a chat template."""
    folder, tokenizer = tmp_path_factory.mktemp("hf"), bpe()
    shape = DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_layers=1,
        num_heads=1,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=16,
        max_positions=2_000,
    )
    decoder = Decoder(shape)
    decoder.reset_parameters(0)
    save_folder(
        decoder,
        folder,
        dtype=torch.float32,
        eos_ids=tokenizer.stop_ids,
        bos_id=tokenizer.bos_id,
        pad_id=tokenizer.pad_id,
        write_more=tokenizer.save,
    )
    return folder


@pytest.mark.parametrize(
    ("settings", "uses"),
    [
        ("--shots 2", set()),
        ("--budget.max_thinking_tokens 3", {"thinking_tokens", "within_budget"}),
        ("--style tir", {"tool_calls"}),
    ],
)
def test_a_hugging_face_folder_is_measured_in_every_way(call: Call, hf: Path, settings: str, uses: set[str]) -> None:
    questions("q.jsonl", 2)
    code, _, errors = call(*f"eval --model {hf} --data q.jsonl --max-new-tokens 9 --samples 2 --out e {settings}".split())
    assert (code, errors) == (0, "")
    found = results("e")
    assert (found["num_problems"], found["num_samples"], found["lengths"]["unit"]) == (2, 2, "tokens")
    assert set(found["uses"]) == uses
    assert "joined" not in found["facts"]["prompts"]  # it knows conversations


def test_a_base_model_gets_examples_and_question_as_one_text(call: Call, hf: Path) -> None:
    questions("q.jsonl", 1)
    shutil.copytree(hf, "base")
    path = Path("base/tokenizer_config.json")
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "chat_template"}))
    Path("base/chat_template.jinja").unlink(missing_ok=True)
    code, out, errors = call(*["eval", "--model", "base", "--data", "q.jsonl", "--shots", "1", "--dry-run"])
    assert (code, errors) == (0, "")
    assert "1 shot joined with the question" in out


def test_a_dry_run_looks_for_the_model(call: Call) -> None:
    questions("q.jsonl")
    code, _, errors = call("eval", "--model", "nowhere", "--data", "q.jsonl", "--dry-run")
    assert (code, errors) == (65, "error: nowhere: no such folder\n")


def test_a_local_evaluation_that_is_done_draws_nothing_again(call: Call, run: Path) -> None:
    arguments = f"eval --model {run} --task labelled_arithmetic --source.levels [1,1] --source.count 6 --max-new-tokens 8 --out e"
    assert call(*arguments.split())[0] == 0
    before = Path("e/samples.jsonl").read_bytes()
    code, out, _ = call(*arguments.split())
    assert (code, Path("e/samples.jsonl").read_bytes()) == (0, before)
    assert "resumed at step 6" in out
    code, _, errors = call(*arguments.split(), "--seed", "2")
    assert (code, "holds an evaluation" in errors) == (2, True)


def test_a_recipe_takes_a_run_as_its_model(call: Call, pipelines: Pipelines, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithModel(Recipe):
        model: dict[str, str] | None = None

    monkeypatch.setattr(sys.modules["reasonforge.pipelines.config"], "Recipe", WithModel)
    assert call("eval", "x.toml", "--model", str(run))[0] == 0
    assert pipelines.loaded.recipe.model == {"type": "folder", "path": str(run / "final")}
