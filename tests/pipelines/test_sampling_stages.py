"""Sample once, let others use it: files that a kill does not change, fine-tuning on the very tokens, selection, where models go."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import RecipeError
from reasonforge.pipelines.config import Recipe
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.rollouts import list_steps, read_groups, step_file
from reasonforge.stages.select.score import accuracy_curves, impact_scores
from reasonforge.stages.sft.run import completion_samples
from reasonforge.tasks.config import SelectedSource
from reasonforge.tasks.sources import load_problems
from tests.pipelines.conftest import Call
from tests.pipelines.micro import MICRO, outcome
from tests.pipelines.processes import forked, rows, run_with_kills, wait_for_rows
from tests.runs.fabricate import group

PRETRAIN = MICRO[: MICRO.index("[stages.base]")]

SAMPLED = (
    PRETRAIN
    + """
[data.asked]
type = "task"
task = "labelled_arithmetic"
levels = [1, 1]
split = "train"
count = 10

[data.samples]
type = "rollouts"
stage = "sample"

[data.right]
type = "rollouts"
stage = "sample"
only = "correct"
distinct = "text"
max_per_problem = 2

[data.chosen]
type = "selected"
stage = "select"

[stages.sample]
type = "sample"
data = "asked"
samples = 8
problems_per_step = 3
sampling = { max_new_tokens = 6 }

[stages.select]
type = "select"
data = "samples"
levels = 5

[stages.sft]
type = "sft"
data = ["right", "asked"]
start = "start"
epochs = 1
examples_per_step = 4

[stages.rl]
type = "rl"
data = "chosen"
start = "pretrain"
steps = 1
prompts_per_step = 2
group_size = 4
sampling = { max_new_tokens = 6 }

[stages.final]
type = "eval"
data = "heldout"
num_problems = 3
samples = 2
max_new_tokens = 6
"""
)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of every stage. Look, do not touch."""
    folder = tmp_path_factory.mktemp("sampled")
    (folder / "recipe.toml").write_text(SAMPLED)
    assert main(["run", str(folder / "recipe.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(SAMPLED)
    return path


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    return [row for row in RunDirectory.read(run).event_rows() if row["kind"] == kind]


def weights(run: Path, stage: str) -> bytes:
    return (run / "models" / stage / "model.safetensors").read_bytes()


def load(tmp_path: Path, text: str) -> Recipe:
    (tmp_path / "r.toml").write_text(text)
    return load_recipe(Recipe, [tmp_path / "r.toml"]).recipe


# Sampling


def test_a_file_holds_a_batch_of_problems_and_all_of_their_completions(sampled: Path) -> None:
    files = list_steps(sampled / "rollouts" / "sample")
    assert [len(read_groups(path)) for path in files.values()] == [3, 3, 3, 1]
    assert {len(group.rollouts) for group in read_groups(sampled / "rollouts" / "sample")} == {8}


def test_metrics_of_a_file_are_those_of_its_completions(sampled: Path) -> None:
    rows = RunDirectory.read(sampled).metric_rows("sample")
    for row, path in zip(rows, list_steps(sampled / "rollouts" / "sample").values(), strict=True):
        right = [[member.verdict.correct for member in group.rollouts] for group in read_groups(path)]
        assert row["accuracy"] == pytest.approx(np.mean(right))
        assert row["sample/solved"] == pytest.approx(np.mean([any(found) for found in right]))
        assert row["sample/mixed"] == pytest.approx(np.mean([any(found) and not all(found) for found in right]))
    assert [row["num_rollouts"] for row in rows] == [24, 48, 72, 80]


def test_the_stage_ends_with_what_came_of_all_files(sampled: Path) -> None:
    right = [[m.verdict.correct for m in group.rollouts] for group in read_groups(sampled / "rollouts" / "sample")]
    data = events(sampled, "sampled")[0]["data"]
    assert (data["completions"], data["problems"], data["right"]) == (80, 10, int(np.sum(right)))
    assert data["solved"] == sum(any(found) for found in right)
    assert data["pass_rates"]["pass@8"] == pytest.approx(data["solved"] / 10)
    assert data["pass_rates"]["pass@1"] == pytest.approx(np.mean(right))


@pytest.mark.parametrize("after", [1, 2])
def test_a_killed_and_resumed_stage_leaves_the_same_bytes(recipe: Path, sampled: Path, tmp_path: Path, after: int) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    process = forked("run", recipe, "--until", "sample", "--out", run, log=log)
    wait_for_rows(process, run, 12 + after)
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(list_steps(run / "rollouts" / "sample"))
    assert done < 4
    assert forked("run", "--resume", "--out", run, log=log).wait() == 0
    for step in range(1, 5):
        here, there = (step_file(path / "rollouts" / "sample", step) for path in (run, sampled))
        assert here.read_bytes() == there.read_bytes()
    assert [row["step"] for row in RunDirectory.read(run).metric_rows("sample")] == [1, 2, 3, 4]


def test_files_that_are_there_are_not_drawn_again(recipe: Path, sampled: Path, tmp_path: Path, call: Call) -> None:
    assert call("run", recipe, "--until", "sample", "--out", tmp_path / "run").code == 0
    folder = tmp_path / "run" / "rollouts" / "sample"
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    next(stage for stage in info["stages"] if stage["name"] == "sample")["state"] = "running"
    (tmp_path / "run" / "run.json").write_text(json.dumps(info))
    kept = step_file(folder, 2).stat().st_mtime_ns
    step_file(folder, 3).unlink()
    assert call("run", "--resume", "--out", tmp_path / "run").code == 0
    assert step_file(folder, 2).stat().st_mtime_ns == kept
    assert step_file(folder, 3).read_bytes() == step_file(sampled / "rollouts" / "sample", 3).read_bytes()


def test_how_many_problems_share_a_file_does_not_change_what_is_drawn(recipe: Path, sampled: Path, tmp_path: Path, call: Call) -> None:
    assert call("run", recipe, "--until", "sample", "--out", tmp_path / "run", "--stages.sample.problems_per_step=10").code == 0

    def drawn(run: Path) -> list[tuple[str, list[int]]]:
        groups = read_groups(run / "rollouts" / "sample")
        return [(group.problem.id, [int(t) for m in group.rollouts for t in m.rollout.completion.token_ids]) for group in groups]

    assert drawn(tmp_path / "run") == drawn(sampled)


@pytest.mark.parametrize("setting", ["samples=4", "problems_per_step=2", "sampling.temperature=0.5"])
def test_files_of_other_settings_are_not_gone_on_from(recipe: Path, tmp_path: Path, call: Call, setting: str) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    process = forked("run", recipe, "--until", "sample", "--out", run, log=log)
    wait_for_rows(process, run, 14)
    process.send(signal.SIGTERM)
    assert process.wait() == 143
    ran = call("run", "--resume", "--out", run, f"--stages.sample.{setting}")
    assert ran.code == 65
    assert "step-000001.parquet: drawn from other problems, or with other settings than sample has now" in ran.err


def test_a_stop_finishes_the_file_and_says_how_to_go_on(recipe: Path, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    process = forked("run", recipe, "--until", "sample", "--out", run, log=log)
    wait_for_rows(process, run, 13)
    process.send(signal.SIGTERM)
    assert process.wait() == 143
    done = len(list_steps(run / "rollouts" / "sample"))
    assert f"stopped after file {done} of 4 of sample; saved. Go on with: " in process.said


def test_an_endless_stream_needs_a_number(recipe: Path, tmp_path: Path, call: Call) -> None:
    ran = call("run", recipe, "--dry-run", "--stages.sample.data=corpus")
    assert ran.code == 2
    assert "sample: data 'corpus' is an endless stream: set num_problems" in ran.err


def test_more_problems_than_there_are_are_refused(recipe: Path, call: Call) -> None:
    ran = call("run", recipe, "--dry-run", "--stages.sample.num_problems=11")
    assert ran.code == 2
    assert "num_problems is 11, but data 'asked' holds 10 problems" in ran.err


def test_greedy_completions_are_drawn_once_only(recipe: Path, call: Call) -> None:
    ran = call("run", recipe, "--dry-run", "--stages.sample.sampling.temperature=0")
    assert ran.code == 2
    assert "temperature 0 draws the same completion each time" in ran.err


# The plan


def test_a_dry_run_says_what_is_drawn_and_what_waits_for_it(recipe: Path, call: Call) -> None:
    ran = call("run", recipe, "--dry-run")
    assert ran.code == 0, ran.err
    assert "all problems x 8 completions" in ran.out
    assert "what sample leaves, read when that is there" in ran.out


def test_a_run_that_ends_with_samples_says_which_stage_takes_them(recipe: Path, tmp_path: Path, call: Call) -> None:
    ran = call("run", recipe, "--until", "sample", "--out", tmp_path / "run")
    assert f"--resume --out {tmp_path / 'run'} --stage select" in ran.out
    assert call("run", "--resume", "--out", tmp_path / "run", "--stage", "select").code == 0


# Models


def test_a_stage_that_does_not_train_leaves_no_model(sampled: Path) -> None:
    assert {path.name for path in (sampled / "models").iterdir()} == {"start", "pretrain", "sft", "rl"}


def test_sampling_only_writes_no_final_model(recipe: Path, tmp_path: Path, call: Call, sampled: Path) -> None:
    arguments = ("sample", recipe, "--stage", "sample", "--model", sampled / "models" / "pretrain", "--out", tmp_path / "run")
    assert call("run", *arguments[1:]).code == 0
    assert not (tmp_path / "run" / "final").exists()


def test_a_stage_trains_on_the_model_that_start_names(sampled: Path, tmp_path: Path, call: Call) -> None:
    without = tmp_path / "r.toml"
    without.write_text(SAMPLED.replace('start = "pretrain"\n', ""))
    assert call("run", without, "--out", tmp_path / "run").code == 0
    assert weights(tmp_path / "run", "sft") == weights(sampled, "sft")
    assert weights(tmp_path / "run", "rl") != weights(sampled, "rl")


def test_start_is_the_runs_first_model(sampled: Path, tmp_path: Path, call: Call) -> None:
    chained = tmp_path / "r.toml"
    chained.write_text(SAMPLED.replace('start = "start"\n', ""))
    assert call("run", chained, "--until", "sft", "--out", tmp_path / "run").code == 0
    assert weights(tmp_path / "run", "sft") != weights(sampled, "sft")


def test_the_last_trained_policy_is_what_is_evaluated_and_kept(sampled: Path) -> None:
    assert (sampled / "final" / "model.safetensors").read_bytes() == weights(sampled, "rl")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('start = "pretrain"', 'start = "sample"', "stages.rl.start: no earlier stage 'sample' trains the policy"),
        ('start = "start"', 'start = "rl"', "stages.sft.start: no earlier stage 'rl' trains the policy (there are: start, pretrain)"),
        ('data = ["right", "asked"]', 'data = "samples"', "data.samples.only is 'all': fine-tuning would imitate wrong completions"),
        ('data = ["right", "asked"]', 'data = "asked"\nreadable = {}', "readable has no effect"),
        ('data = "chosen"\nstart', 'data = "samples"\nstart', "'samples' holds rollouts, and problems are read here: read their problems"),
        ('data = "samples"\nlevels', 'data = "asked"\nlevels', "stages.select.data: 'asked' holds problems, and rollouts are read here"),
        ('data = "samples"\nlevels', 'data = "right"\nlevels', "data.right.only: a select stage measures over all completions"),
        ('stage = "select"', 'stage = "sample"', "'sample' is a stage of type sample, it must be select"),
        ('stage = "select"', 'stage = "final"', "no stage 'final' comes before rl"),
        ('type = "rollouts"\nstage = "sample"\n\n', 'type = "rollouts"\nstage = "pretrain"\n\n', "it must be sample or rl"),
    ],
)
def test_what_cannot_fit_is_refused_in_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in SAMPLED
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, SAMPLED.replace(old, new))
    assert words in str(caught.value)


def test_rl_completions_can_be_read_where_all_tokens_are_kept(tmp_path: Path) -> None:
    text = SAMPLED.replace(
        "[stages.final]",
        '[data.of_rl]\ntype = "rollouts"\nstage = "rl"\n\n[stages.later]\ntype = "select"\ndata = "of_rl"\nlevels = 2\n\n[stages.final]',
    )
    with pytest.raises(RecipeError, match=r"stage 'rl' must keep all its tokens: set run\.rollout_tokens = 'all'"):
        load(tmp_path, text)
    assert load(tmp_path, text + '\n[run]\nrollout_tokens = "all"\n')


def test_a_stage_whose_samples_are_not_there_is_refused_before_anything_runs(recipe: Path, tmp_path: Path, call: Call) -> None:
    for arguments in (("--dry-run",), ("--out", str(tmp_path / "run"))):
        ran = call("run", recipe, "--stage", "select", *arguments)
        assert ran.code == 2
        assert "stages.select needs stage 'sample', and it has not run here" in ran.err
    assert not (tmp_path / "run").exists()


def test_a_stage_continues_in_a_run_from_the_model_before_it(recipe: Path, sampled: Path, tmp_path: Path, call: Call) -> None:
    assert call("run", recipe, "--stage", "pretrain", "--out", tmp_path / "run").code == 0
    assert call("run", "--resume", "--out", tmp_path / "run", "--stage", "sample").code == 0
    for step, path in list_steps(tmp_path / "run" / "rollouts" / "sample").items():
        assert path.read_bytes() == step_file(sampled / "rollouts" / "sample", step).read_bytes()


# Fine-tuning


def test_fine_tuning_reports_how_many_completions_each_filter_left(sampled: Path) -> None:
    rows = [row for row in events(sampled, "data") if row["stage"] == "sft"]
    yields = rows[0]["data"]["yields"]
    assert list(yields) == ["drawn", "graded", "correct", "finished", "fits", "distinct", "max_per_problem"]
    members = [member for group in read_groups(sampled / "rollouts" / "sample") for member in group.rollouts]
    right = [member for member in members if member.verdict.correct]
    ended = [member for member in right if member.rollout.completion.finish_reason == "stop"]
    assert (yields["drawn"], yields["correct"], yields["finished"]) == (80, len(right), len(ended))
    assert list(yields.values()) == sorted(yields.values(), reverse=True)
    assert "10 examples of asked" in rows[1]["message"]


def test_completions_are_learned_from_token_by_token_as_they_were_drawn(sampled: Path) -> None:
    groups = read_groups(sampled / "rollouts" / "sample")
    members = [member.rollout for group in groups for member in group.rollouts]
    for sample, rollout in zip(completion_samples(groups), members, strict=True):
        prompt = len(rollout.prompt_ids)
        assert sample.token_ids.tolist() == [*rollout.prompt_ids, *rollout.completion.token_ids.tolist()]
        assert sample.loss_mask.tolist() == [False] * prompt + [True] * len(rollout.completion)


def test_what_a_tool_wrote_is_shown_and_not_learned_from() -> None:
    one = group(0, [1.0])
    member = one.rollouts[0]
    mask = np.array([True, False, False, True, True])
    completion = replace(member.rollout.completion, mask=mask)
    changed = replace(one, rollouts=(replace(member, rollout=replace(member.rollout, completion=completion)),))
    (sample,) = completion_samples([changed])
    assert sample.loss_mask.tolist() == [False] * 3 + mask.tolist()
    assert sample.token_ids.tolist() == [1, 2, 3, 0, 1, 2, 3, 4]


def test_a_run_of_another_tokenizer_is_refused(sampled: Path, tmp_path: Path, call: Call) -> None:
    text = SAMPLED.replace('type = "rollouts"\nstage = "sample"\nonly', f'type = "rollouts"\nrun = "{sampled}"\nstage = "sample"\nonly')
    path = tmp_path / "r.toml"
    path.write_text(text.replace('type = "characters"', 'type = "characters"\ntags = ["<think>", "</think>"]'))
    ran = call("run", path, "--stage", "sft", "--dry-run", "--stages.sft.data=right")
    assert ran.code == 65, ran.out + ran.err
    assert "of another tokenizer" in ran.err


def test_samples_of_another_run_are_counted_by_the_dry_run(sampled: Path, tmp_path: Path, call: Call) -> None:
    text = SAMPLED.replace('type = "rollouts"\nstage = "sample"\nonly', f'type = "rollouts"\nrun = "{sampled}"\nstage = "sample"\nonly')
    path = tmp_path / "r.toml"
    path.write_text(text)
    ran = call("run", path, "--stage", "sft", "--dry-run")
    assert ran.code == 0, ran.err
    kept = next(row for row in events(sampled, "data") if row["stage"] == "sft")["data"]["yields"]["distinct"]
    assert " completions of " in ran.out
    assert kept


def test_an_empty_artefact_is_refused(recipe: Path, tmp_path: Path, call: Call) -> None:
    assert call("run", recipe, "--until", "sample", "--out", tmp_path / "run").code == 0
    for path in (tmp_path / "run" / "rollouts" / "sample").iterdir():
        path.unlink()
    ran = call("run", "--resume", "--out", tmp_path / "run", "--stage", "sft")
    assert ran.code == 65
    assert "stage 'sample' has drawn no completions" in ran.err


def test_a_cut_artefact_is_named(recipe: Path, tmp_path: Path, call: Call) -> None:
    assert call("run", recipe, "--until", "sample", "--out", tmp_path / "run").code == 0
    path = step_file(tmp_path / "run" / "rollouts" / "sample", 2)
    path.write_bytes(path.read_bytes()[:-30])
    ran = call("run", "--resume", "--out", tmp_path / "run", "--stage", "sft")
    assert ran.code == 65
    assert "step-000002.parquet: cannot read rollouts" in ran.err


# Selection


def test_selected_problems_carry_their_measured_difficulty(sampled: Path) -> None:
    groups = read_groups(sampled / "rollouts" / "sample")
    rates = {one.problem.id: np.mean([member.verdict.correct for member in one.rollouts]) for one in groups}
    problems = load_problems(SelectedSource(stage="select", run=sampled), seed=0)
    assert isinstance(problems, list)
    assert {problem.id for problem in problems} == set(rates)
    for problem in problems:
        assert problem.difficulty == min(5, 1 + int(5 * (1 - rates[problem.id]) + 1e-9))


def test_a_selected_problem_is_the_problem_that_was_sampled(sampled: Path) -> None:
    problems = load_problems(SelectedSource(stage="select", run=sampled), seed=0)
    assert isinstance(problems, list)
    asked = {group.problem.id: group.problem for group in read_groups(sampled / "rollouts" / "sample")}
    assert [replace(problem, difficulty=asked[problem.id].difficulty) for problem in problems] == [asked[p.id] for p in problems]


def test_a_band_that_nothing_is_in_is_refused_with_counts(recipe: Path, tmp_path: Path, call: Call) -> None:
    arguments = ["--stages.select.pass_rate=[1.0, 1.0]", "--stages.select.min_samples=8"]
    ran = call("run", recipe, "--until", "select", "--out", tmp_path / "run", *arguments)
    assert ran.code == 65
    assert "select: no problem is left (problems 10, min_samples 10, pass_rate 0)" in ran.err


def test_difficulties_choose_selected_problems(sampled: Path) -> None:
    every = load_problems(SelectedSource(stage="select", run=sampled), seed=0)
    assert isinstance(every, list)
    level = every[0].difficulty
    assert level is not None
    chosen = load_problems(SelectedSource(stage="select", run=sampled, difficulty=(level, level)), seed=0)
    assert isinstance(chosen, list)
    assert [problem.id for problem in chosen] == [problem.id for problem in every if problem.difficulty == level]


def write_problems(folder: Path, *answers: str) -> Path:
    """A recipe whose stage samples problems of a file, and trains nothing before."""
    rows = [{"question": f"{i}+1=", "answer": answer} for i, answer in enumerate(answers)]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    start = SAMPLED.index("[stages.pretrain]")
    stop = SAMPLED.index("[stages.select]")
    stage = SAMPLED[SAMPLED.index("[stages.sample]") : stop]
    text = SAMPLED[:start] + f'[data.file]\ntype = "file"\npath = "{folder / "asked.jsonl"}"\n\n' + stage.replace('"asked"', '"file"')
    (folder / "file.toml").write_text(text)
    return folder / "file.toml"


def test_a_problem_whose_reference_fails_is_not_sampled(tmp_path: Path, call: Call) -> None:
    path = write_problems(tmp_path, "1", "2", "x" * 5000)
    shares = ("--stages.sample.max_quarantined_share=0.5", "--stages.sample.max_failed_share=0.5")
    ran = call("run", path, "--out", tmp_path / "run", "--model.tokenizer_data=file", *shares)
    assert ran.code == 0, ran.err
    assert "1 of 3 references fail" in ran.out
    assert len(read_groups(tmp_path / "run" / "rollouts" / "sample")) == 2


def test_problems_without_a_reference_are_sampled_for_a_judge_where_nothing_is_rewarded(tmp_path: Path, call: Call) -> None:
    path = write_problems(tmp_path, "-", "-")
    open_ones = ("--data.file.kind=open", "--stages.sample.rewards={}", "--model.tokenizer_data=file")
    ran = call("run", path, "--out", tmp_path / "run", *open_ones)
    assert ran.code == 0, ran.err
    groups = read_groups(tmp_path / "run" / "rollouts" / "sample")
    assert {member.verdict.status for one in groups for member in one.rollouts} == {"no_answer"}


def test_too_many_references_that_fail_are_refused_by_the_dry_run(tmp_path: Path, call: Call) -> None:
    path = write_problems(tmp_path, "1", "2", "x" * 5000)
    ran = call("run", path, "--dry-run", "--model.tokenizer_data=file")
    assert ran.code == 65
    assert "1 of 3 gold answers" in ran.err


def test_a_run_of_all_stages_killed_at_random_moments_is_the_undisturbed_run(recipe: Path, sampled: Path, tmp_path: Path) -> None:
    killed_at = run_with_kills(forked, recipe, tmp_path / "run", kills=4, total_rows=rows(sampled), seed=5)
    assert max(killed_at) > 12
    assert outcome(tmp_path / "run") == outcome(sampled)


def test_problems_are_chosen_by_their_learning_curve_over_the_epochs_of_a_stage(tmp_path: Path, call: Call) -> None:
    stages = """
[data.seen]
type = "rollouts"
stage = "rl"

[stages.rl]
type = "rl"
data = "asked"
steps = 4
prompts_per_step = 5
group_size = 4
sampling = { max_new_tokens = 6 }

[stages.select]
type = "select"
data = "seen"
learning_impact = { min_score = -100 }

[run]
rollout_tokens = "all"
"""
    (tmp_path / "r.toml").write_text(SAMPLED[: SAMPLED.index("[data.samples]")] + stages)
    ran = call("run", tmp_path / "r.toml", "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    curves = accuracy_curves(read_groups(tmp_path / "run" / "rollouts" / "rl"))
    assert {len(curve) for curve in curves.values()} == {2}
    written = [json.loads(line) for line in (tmp_path / "run" / "artefacts" / "select" / "problems.jsonl").read_text().splitlines()]
    assert {row["problem"]["id"]: row["learning_impact"] for row in written} == impact_scores(curves)


def test_an_evaluation_can_ask_selected_problems(recipe: Path, tmp_path: Path, call: Call) -> None:
    options = ("--stages.final.data=chosen", "--stages.rl.evaluation.data=chosen", "--stages.rl.evaluation.every=1")
    short = ("--stages.rl.evaluation.max_new_tokens=6", "--stages.rl.evaluation.samples=1", "--stages.rl.evaluation.num_problems=2")
    assert call("run", recipe, "--dry-run", *options, *short).code == 0
    ran = call("run", recipe, "--out", tmp_path / "run", *options, *short)
    assert ran.code == 0, ran.err
    assert RunDirectory.read(tmp_path / "run").summary
