from __future__ import annotations

import io
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError, StorageError
from reasonforge.core.records import Message, Problem
from reasonforge.core.rollouts import RolloutGroup
from reasonforge.report.page import write_report
from reasonforge.report.samples import embed, spread
from reasonforge.report.show import summarise
from reasonforge.runs.console import Console
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.info import RunSummary
from reasonforge.runs.text import program_name
from tests.report.hostile import HOSTILE
from tests.runs.fabricate import crashing, group, new_run, scored, write_run


def page_data(page: Path) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert match
    return json.loads(match[1])


def hostile_run(path: Path) -> Path:
    """A run in which everything that is text is hostile."""
    with new_run(path, name=HOSTILE[1]) as run:
        log = run.stage("rl", 1)
        groups = []
        for i, text in enumerate(HOSTILE):
            problem = Problem(id=text, messages=(Message("user", text),), answer=text, source=text)
            member = scored(problem, i, text, reward=float(i % 2))
            groups.append(RolloutGroup(problem=problem, rollouts=(member,)))
        log.metrics(1, {"reward": 0.5})
        log.rollouts(1, groups, [0.0] * len(groups))
        for text in HOSTILE:
            log.event("hostile", text, level="warning", detail=text)
        run.write_summary(RunSummary(name=HOSTILE[0], seed=0, seconds=1.0, notes=HOSTILE, base={HOSTILE[0]: 0.5}, final={HOSTILE[0]: 0.6}))
    rows = [{"schema": 1, "stage": text.encode("utf-8", "replace").decode(), "step": 1, "time": 0, text: 1.0} for text in HOSTILE]
    with open(path / "metrics.jsonl", "a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def test_the_page_carries_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r")
    page = write_report(run)
    assert page == run / "report.html"
    data = page_data(page)
    assert data["runs"][0]["name"] == "toy"
    assert data["runs"][0]["status"] == "done"
    assert data["runs"][0]["notes"] == ["Reward rose from 0.05 to 0.91.", "Completions grew longer by a fifth."]
    assert data["runs"][0]["final"]["pass@1_ci"] == [0.88, 0.94]
    rows = [row for row in RunDirectory.read(run).metric_rows("rl") if "reward" in row]
    curve = next(c for c in data["curves"] if c["name"] == "reward")
    assert curve["steps"] == [row["step"] for row in rows]
    assert curve["values"] == pytest.approx([row["reward"] for row in rows], rel=1e-5)
    entry = data["rollouts"][0]
    assert [step["step"] for step in entry["steps"]] == list(range(1, 31))
    stored = RunDirectory.read(run).rollouts("rl", 30)
    shown = [member for one in entry["steps"][-1]["groups"] for member in one["rollouts"]]
    assert [m["text"] for m in shown] == [row.completion for row in stored]
    assert [m["reward"] for m in shown] == [row.reward for row in stored]
    assert data["left_out"] == []


def test_every_panel_refers_to_curves_of_its_stage_and_every_curve_is_drawn_once(tmp_path: Path) -> None:
    data = page_data(write_report([write_run(tmp_path / "a"), write_run(tmp_path / "b", steps=12)], tmp_path / "page.html"))
    drawn = [index for panel in data["panels"] for index in panel["curves"]]
    assert sorted(drawn) == list(range(len(data["curves"])))
    assert all(data["curves"][i]["stage"] == panel["stage"] for panel in data["panels"] for i in panel["curves"])
    assert {curve["run"] for curve in data["curves"]} == {0, 1}


def test_the_page_loads_nothing_and_allows_only_its_own_script(tmp_path: Path) -> None:
    text = write_report(write_run(tmp_path / "r", steps=3)).read_text()
    assert "default-src 'none'; script-src 'sha256-" in text
    assert "unsafe" not in text.split("<style>")[0]
    shell = re.sub(r'(?s)<script type="application/json".*?</script>', "", text)
    assert not re.search(r"\bsrc\s*=|\bhref\s*=|url\(|@import|fetch\(|XMLHttpRequest|WebSocket|\bimport\s*\(", shell)
    assert set(re.findall(r"https?://[^\s\"'`]+", shell)) == {"http://www.w3.org/2000/svg"}


def test_our_scripts_never_turn_text_into_markup_or_code() -> None:
    for script in files("reasonforge.report").joinpath("static").iterdir():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc", script.read_text()
        )


def test_hostile_text_stays_data(tmp_path: Path) -> None:
    page = write_report(hostile_run(tmp_path / "r"))
    text = page.read_text()
    assert text.count("<script") == 2, "the data and our own"
    assert text.count("</script") == 2
    assert "<img" not in text
    assert "<!--" not in text
    assert "\x00" not in text
    data = page_data(page)
    prompts = [one["prompt"] for one in data["rollouts"][0]["steps"][0]["groups"]]
    assert prompts == [text.replace("\ud800", "?") for text in HOSTILE]
    assert len(data["runs"][0]["events"]) == len(HOSTILE)


@pytest.mark.parametrize("text", HOSTILE)
def test_embedded_json_cannot_leave_its_element(text: str) -> None:
    embedded = embed({text: [text]})
    assert not set(embedded) & set("<>&\u2028\u2029")
    clean = text.replace("\ud800", "?")
    assert json.loads(embedded) == {clean: [clean]}


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    with crashing(new_run(tmp_path / "r")):
        pass
    data = page_data(write_report(tmp_path / "r"))
    assert data["runs"][0]["status"] == "failed"
    assert data["curves"] == data["rollouts"] == data["panels"] == []


def test_a_run_without_rollouts_has_a_page(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        run.stage("sft").metrics(1, {"loss": 1.0})
    data = page_data(write_report(tmp_path / "r"))
    assert data["rollouts"] == []
    assert [curve["name"] for curve in data["curves"]] == ["loss"]


def test_a_corrupt_rollout_file_is_a_remark(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", steps=3)
    (run / "rollouts" / "rl" / "step-000002.parquet").write_bytes(b"PAR1 no longer")
    data = page_data(write_report(run))
    assert [step["step"] for step in data["rollouts"][0]["steps"]] == [1, 3]
    assert len(data["runs"][0]["problems"]) == 1
    assert "step-000002.parquet" in data["runs"][0]["problems"][0]


@pytest.mark.parametrize("name", ["metrics.jsonl", "events.jsonl", "summary.json"])
@pytest.mark.parametrize("content", [b"\xff\xfe garbage\n{}\n", b"[]\n[]\n", b'{"base": "x"}\n'])
def test_damaged_files_are_remarks_or_ignored(tmp_path: Path, name: str, content: bytes) -> None:
    run = write_run(tmp_path / "r", steps=2)
    (run / name).write_bytes(content)
    data = page_data(write_report(run))
    assert all(name in problem for problem in data["runs"][0]["problems"])
    assert data["rollouts"]


def test_a_page_stays_small_and_says_what_is_left_out(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        log = run.stage("rl")
        for step in range(1, 61):
            log.metrics(step, {"reward": 0.5})
            log.rollouts(step, [group(i, [0.0, 1.0], text="<think>" + "x" * 20_000 + " the end") for i in range(6)], [0.0] * 12)
    page = write_report(tmp_path / "r", max_bytes=1_000_000)
    assert page.stat().st_size <= 1_000_000
    assert page.stat().st_size > 600_000, "the room is used"
    data = page_data(page)
    steps = data["rollouts"][0]["steps"]
    assert {1, 31, 60} <= {step["step"] for step in steps}
    assert all(step["groups"] for step in steps)
    assert any("steps with rollouts" in remark for remark in data["left_out"])
    assert any("groups of these steps" in remark for remark in data["left_out"])
    assert any("shortened" in remark for remark in data["left_out"])
    assert all(one["rollouts"][0]["text"].endswith("the end") for step in steps for one in step["groups"])


def test_a_long_run_of_many_metrics_stays_small(tmp_path: Path) -> None:
    names = [f"rewards/part{i}/mean" for i in range(40)]
    rows = [json.dumps({"schema": 1, "stage": "rl", "step": step, "time": 0, **dict.fromkeys(names, 1 / step)}) for step in range(1, 3001)]
    with new_run(tmp_path / "r"):
        pass
    (tmp_path / "r" / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    page = write_report(tmp_path / "r")
    assert page.stat().st_size < 2_000_000
    curve = page_data(page)["curves"][0]
    assert (curve["steps"][0], curve["steps"][-1]) == (1, 3000)


@pytest.mark.parametrize("count", [1, 2, 3, 40, 41, 42, 1000])
def test_first_middle_and_last_step_are_always_chosen(count: int) -> None:
    steps = list(range(1, count + 1))
    chosen = spread(steps, 40)
    assert len(chosen) <= 40
    assert {steps[0], steps[count // 2], steps[-1]} <= set(chosen)
    assert chosen == sorted(chosen)


def test_no_run_and_no_place_are_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run here"):
        write_report(tmp_path)
    run = write_run(tmp_path / "r", steps=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_report(run, tmp_path / "file" / "x.html")


def test_a_run_that_goes_on_can_be_reported(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        run.stage("rl", 5).metrics(1, {"reward": 0.5})
        assert page_data(write_report(run.path))["runs"][0]["status"] == "running"
        assert "toy: running" in summarise(run.path)


def test_a_summary_in_text_has_stages_figures_scores_and_the_next_command(tmp_path: Path) -> None:
    text = summarise(write_run(tmp_path / "my run"))
    assert text.splitlines()[0] == "toy: done, seed 0, 0:01:01"
    assert re.search(r"rl +done +30/30 .*reward 1, eval/pass@1 0\.9", text)
    assert re.search(r"pass@1 +0\.05 \[0\.03, 0\.08\] +0\.91 \[0\.88, 0\.94\]", text)
    assert "Reward rose from 0.05 to 0.91." in text
    assert text.splitlines()[-1] == f"next: {program_name()} report '{tmp_path}/my run'"


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    with crashing(new_run(tmp_path / "r")) as run:
        run.stage("rl", 5).metrics(1, {"reward": 0.5})
    text = summarise(tmp_path / "r")
    assert "toy: failed" in text
    assert "Crash" in text
    assert f"next: {program_name()} run --resume --out {tmp_path}/r" in text


def test_a_summary_of_hostile_text_has_no_control_characters(tmp_path: Path) -> None:
    text = summarise(hostile_run(tmp_path / "r"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


ALARM = {"step": 20, "steps": [16, 20], "best_steps": [6, 10]}


def test_an_alarm_reaches_the_page_and_the_screen_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r")
    for _ in range(2):  # a resumed stage raises it again
        with RunDirectory.resume(run) as again:
            again.event("hack_alarm", "reward hacking suspected at step 20", "warning", stage="rl", **ALARM)
    data = page_data(write_report(run))
    assert data["runs"][0]["alarms"] == [{"stage": "rl", "step": 20, "message": "reward hacking suspected at step 20"}]
    assert summarise(run).count("reward hacking suspected at step 20") == 1


def test_the_page_and_the_screen_say_what_the_run_cost(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r")
    cost = page_data(write_report(run))["runs"][0]["cost"]
    assert cost["header"][:2] == ["cost", "hours"]
    assert [row[0] for row in cost["rows"]] == ["sft", "rl"]
    assert cost["text"] in summarise(run)


def test_a_stage_of_a_killed_run_is_interrupted_not_running(tmp_path: Path) -> None:
    with crashing(new_run(tmp_path / "r")) as run:
        run.stage("rl", 5).metrics(1, {"reward": 0.5})
    assert re.search(r"rl +interrupted +1/5", summarise(tmp_path / "r"))
    assert page_data(write_report(tmp_path / "r"))["runs"][0]["stages"][0]["state"] == "interrupted"


def test_every_evaluation_is_a_column_in_the_recipes_order(tmp_path: Path) -> None:
    names = ["2", "middle", "1"]
    with new_run(tmp_path / "r") as run:
        run.plan([(name, "eval") for name in names])
        for i, name in enumerate(names):
            log = run.stage(name, 1, type="eval")
            run.write_evaluation(name, [], {"pass@1": i / 4, "pass@1_ci": (0.0, 1.0), "best@8": 0.5})
            log.metrics(1, {"eval/pass@1": i / 4})
            log.done()
    text = summarise(tmp_path / "r")
    assert re.search(r"evaluation +2 +middle +1\n", text)
    assert re.search(r"pass@1 +0 \[0, 1\] +0\.25 \[0, 1\] +0\.5 \[0, 1\]\n", text)
    assert "best@8" in text
    data = page_data(write_report(tmp_path / "r"))
    assert [name for name, _ in data["runs"][0]["evaluations"]] == names
    # One figure is no curve.
    assert data["curves"] == []


def test_the_last_figures_say_with_which_weights_a_stage_ended(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        log = run.stage("rl", 5, type="rl")
        log.metrics(1, {"reward": 0.5})
        log.event("early_stop", "early stop after step 1")
        log.event("best", "the stage ends with the weights of step 0, held-out accuracy 0.500")
        log.done()
    assert "reward 0.5; the stage ends with the weights of step 0" in summarise(tmp_path / "r")


def test_an_ending_is_told_on_the_console(tmp_path: Path) -> None:
    file = io.StringIO()
    with new_run(tmp_path / "r") as run:
        run.attach(Console(file=file))
        run.stage("rl", 5).event("best", "the stage ends with the weights of step 3")
    assert "rl: the stage ends with the weights of step 3\n" in file.getvalue()


def test_the_figures_of_a_reward_model_and_of_a_judge_come_first(tmp_path: Path) -> None:
    with new_run(tmp_path / "r") as run:
        log = run.stage("rm", 1, type="reward_model")
        log.metrics(1, {"loss": 0.7, "reward_model/auc": 0.6, "reward_model/pair_accuracy_matched": 0.5})
        log.done()
        log = run.stage("judge", 1, type="judge")
        log.metrics(1, {"judge/requests": 3, "judge/kept": 0.6, "judge/unanimous": 0.5, "judge/first_place": 0.1})
        log.done()
    text = summarise(tmp_path / "r")
    assert "reward_model/auc 0.6, reward_model/pair_accuracy_matched 0.5, loss 0.7" in text
    assert "judge/kept 0.6, judge/unanimous 0.5, judge/first_place 0.1" in text


def test_a_folder_of_runs_points_at_them(tmp_path: Path) -> None:
    write_run(tmp_path / "grpo-s1", steps=1)
    with pytest.raises(DataError, match=r"no run here \(run.json is missing\)\. Its subfolders are runs: grpo-s1\. Name one of them\."):
        summarise(tmp_path)
