"""An evaluation from a server to its page: resumed, interrupted, refused."""

from __future__ import annotations

import io
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from reasonforge.config.endpoint import EndpointConfig
from reasonforge.core.errors import InterruptedRun, RecipeError, UnavailableError
from reasonforge.core.records import Message, Problem
from reasonforge.evaluation.config import BudgetConfig, EvaluationConfig
from reasonforge.evaluation.folder import EvaluationFolder
from reasonforge.evaluation.grading import open_judge
from reasonforge.evaluation.job import Finished, complete, write_results
from reasonforge.evaluation.remote import RemoteSource
from reasonforge.runs.console import Console
from reasonforge.runs.signals import StopRequest
from reasonforge.sampling import http
from reasonforge.sampling.config import ToolConfig
from reasonforge.sampling.http import HttpModel
from tests.sampling.scripted_server import Reply, Server, refuses, says, serve

PROBLEMS = [Problem(id=f"p{i}", messages=(Message("user", f"what is {i}+1?"),), answer=str(i + 1), source="made") for i in range(6)]


def config(**settings: Any) -> EvaluationConfig:
    return EvaluationConfig.model_validate({"data": "d", "samples": 2, "temperature": 0.6, "max_new_tokens": 20} | settings)


def right(body: dict[str, Any], number: int) -> Reply:
    """Answers right under an even seed."""
    first = int(body["messages"][0]["content"].split("+")[0].split()[-1])
    return says(f"\\boxed{{{first + 1 + body['seed'] % 2}}}")


def evaluate(
    server: Server, folder: Path, settings: EvaluationConfig | None = None, *, stop: StopRequest | None = None, overwrite: bool = False
) -> Finished:
    settings = settings or config()
    model = HttpModel(EndpointConfig(url=server.url, name="m", retries=0, timeout_seconds=20, concurrency=1), sleep=lambda _: None)
    identity = settings.model_dump(mode="json", exclude={"ks"})
    with EvaluationFolder(folder, settings=identity, problems=PROBLEMS, overwrite=overwrite) as kept, open_judge(settings) as judge:
        source = RemoteSource(model, settings, PROBLEMS, judge, seed=3, folder=kept)
        return complete(
            kept,
            source,
            PROBLEMS,
            settings,
            name="m on d",
            seed=0,
            console=Console(file=io.StringIO()),
            stop=stop or StopRequest(),
            resume="go on",
        )


def test_an_evaluation_by_url_is_measured_and_kept(tmp_path: Path) -> None:
    with serve(right) as server:
        found = evaluate(server, tmp_path / "e")
    assert (found.measurement.num_problems, found.measurement.num_samples, len(server.asked)) == (6, 2, 12)
    rows = [json.loads(line) for line in (tmp_path / "e" / "samples.jsonl").read_text().splitlines()]
    accuracy = sum(sum(row["correct"]) for row in rows) / 12
    assert found.measurement.figures["pass@1"].value == pytest.approx(accuracy)
    assert all(
        body["seed"] % 2 == (0 if right else 1) for (body, _), right in zip(server.asked, [c for row in rows for c in row["correct"]])
    )


def test_a_second_attempt_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        return refuses(400, "broken") if "what is 4" in body["messages"][0]["content"] else right(body, number)

    with (
        serve(script) as server,
        pytest.raises(UnavailableError, match=r"2 samples could not be had; 5 of 6 problems are stored\. Go on with: go on"),
    ):
        evaluate(server, tmp_path / "e")
    with serve(right) as server:
        resumed = evaluate(server, tmp_path / "e")
        assert len(server.asked) == 2
        whole = evaluate(server, tmp_path / "f")
    assert resumed.measurement == whole.measurement
    assert [found.problem.id for found in resumed.problems] == [f"p{i}" for i in range(6)]


def test_a_finished_evaluation_asks_nothing(tmp_path: Path) -> None:
    with serve(right) as server:
        first = evaluate(server, tmp_path / "e")
        asked = len(server.asked)
        assert evaluate(server, tmp_path / "e").measurement == first.measurement
        assert len(server.asked) == asked


def test_a_signal_keeps_what_is_finished_and_what_is_on_its_way(tmp_path: Path) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        if len(server.asked) == 3:
            signal.raise_signal(signal.SIGTERM)  # handled by the main thread
        return right(body, number)

    with serve(script) as server:
        with StopRequest() as stop, pytest.raises(InterruptedRun, match=r"stopped after 1 of 6 problems.*go on") as caught:
            evaluate(server, tmp_path / "e", stop=stop)
        assert caught.value.exit_code == 143
        assert len((tmp_path / "e" / "samples.jsonl").read_text().splitlines()) == 1
        assert len((tmp_path / "e" / "answers.jsonl").read_text().splitlines()) == 1 + 1  # of the first problem, of the second
        assert evaluate(server, tmp_path / "e").measurement.num_problems == 6
        assert len(server.asked) == 12


def test_a_stop_waits_for_no_slow_server_and_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STOP_SECONDS", 0.1)
    released = threading.Event()
    said: list[str] = []

    def script(body: dict[str, Any], number: int) -> Reply:
        if not released.is_set() and len(server.asked) > 1:
            said.append(stop.waits_for())
            signal.raise_signal(signal.SIGINT)
            released.wait(20)
        return right(body, number)

    with serve(script) as server:
        with StopRequest() as stop, pytest.raises(InterruptedRun, match=r"stopped after 0 of 6 problems.*go on") as caught:
            evaluate(server, tmp_path / "e", stop=stop)
        assert caught.value.exit_code == 130
        released.set()
        assert said == ["asking nothing more; waiting at most 5 s for 1 answer on the way, then saving"]
        assert len((tmp_path / "e" / "answers.jsonl").read_text().splitlines()) == 1
        assert evaluate(server, tmp_path / "e").measurement.num_problems == 6
        assert len(server.asked) == 2 + 11


def test_one_outage_is_one_line(tmp_path: Path) -> None:
    with serve(right) as server:
        pass  # gone
    with pytest.raises(UnavailableError, match=r"refused \(1 try\): 6 samples could not be had; 0 of 6") as caught:
        evaluate(server, tmp_path / "e", config(samples=1, temperature=0))
    assert "\n" not in str(caught.value)


def test_a_torn_last_line_is_drawn_again(tmp_path: Path) -> None:
    with serve(right) as server:
        first = evaluate(server, tmp_path / "e")
        path = tmp_path / "e" / "samples.jsonl"
        path.write_bytes(path.read_bytes()[:-20])
        assert evaluate(server, tmp_path / "e").measurement == first.measurement


def test_answers_to_unfinished_problems_are_kept_too(tmp_path: Path) -> None:
    """Of each problem one sample fails at first: not one answer that came is asked for again."""

    def script(body: dict[str, Any], number: int) -> Reply:
        failed = number == 0 and len(server.asked) % 4 == 0
        return refuses(400, "broken") if failed else right(body, number)

    settings = config(samples=4)
    with serve(script) as server:
        with pytest.raises(UnavailableError, match="6 samples could not be had; 0 of 6 problems are stored"):
            evaluate(server, tmp_path / "e", settings)
        assert len((tmp_path / "e" / "answers.jsonl").read_text().splitlines()) == 18
        resumed = evaluate(server, tmp_path / "e", settings)
        assert len(server.asked) == 24 + 6
        assert not (tmp_path / "e" / "answers.jsonl").exists()
        assert resumed.measurement == evaluate(server, tmp_path / "f", settings).measurement


def test_a_kill_before_the_verdicts_of_a_problem_asks_nothing_again(tmp_path: Path) -> None:
    with serve(right) as server:
        whole = evaluate(server, tmp_path / "e")
        asked = len(server.asked)
        (tmp_path / "e" / "samples.jsonl").write_text("")
        rows = [
            {"id": found.problem.id, "index": i, "text": text, "truncated": False, "num_tokens": 5}
            for found in whole.problems
            for i, text in enumerate(found.samples)
        ]
        (tmp_path / "e" / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert evaluate(server, tmp_path / "e").measurement == whole.measurement
        assert len(server.asked) == asked


def test_a_server_that_refuses_everything_is_asked_once(tmp_path: Path) -> None:
    with (
        serve(lambda body, number: refuses(401, "who are you")) as server,
        pytest.raises(UnavailableError, match=r"who are you.*0 of 6 problems"),
    ):
        evaluate(server, tmp_path / "e")
    assert len(server.asked) <= 2


def test_a_server_that_fails_and_fails_is_given_up(tmp_path: Path) -> None:
    with serve(lambda body, number: refuses(500)) as server, pytest.raises(UnavailableError, match="0 of 6 problems"):
        evaluate(server, tmp_path / "e")
    assert len(server.asked) <= 10


def test_other_settings_or_problems_are_not_gone_on_with(tmp_path: Path) -> None:
    with serve(right) as server:
        evaluate(server, tmp_path / "e")
        with pytest.raises(RecipeError, match=r"other settings \(temperature 0\.6 there and 0\.7 here\).*--overwrite"):
            evaluate(server, tmp_path / "e", config(temperature=0.7))
        assert evaluate(server, tmp_path / "e", config(ks=(2,))).measurement.num_problems == 6  # measured otherwise, drawn alike
        evaluate(server, tmp_path / "e", config(temperature=0.7), overwrite=True)
    with pytest.raises(RecipeError, match="on other problems"):
        EvaluationFolder(tmp_path / "e", settings={}, problems=PROBLEMS[:3], overwrite=False)


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecipeError, match=r"not an evaluation \(notes\.txt is there\)"):
        EvaluationFolder(tmp_path, settings={}, problems=PROBLEMS, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "settings", [{"style": "tir"}, {"tools": ToolConfig()}, {"budget": BudgetConfig(extensions=1)}, {"skill_prefix": "<think>"}]
)
def test_what_a_url_cannot_do_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with serve(right) as server, pytest.raises(RecipeError, match="a URL cannot do it"):
        evaluate(server, tmp_path / "e", config(**settings))
    assert not server.asked


def test_results_say_how_two_runs_differ(tmp_path: Path) -> None:
    with serve(right) as server:
        found = evaluate(server, tmp_path / "e")
    with serve(lambda body, number: says("no idea")) as server:
        before = evaluate(server, tmp_path / "f")
    results, page, comparison = write_results(tmp_path / "r", found, facts={"model": "m"}, against=before)
    written = json.loads(results.read_text())
    assert comparison is not None
    assert written["against"]["figures"]["pass@1"] == 0.0
    assert written["against"]["differences"]["pass@1"]["difference"] == pytest.approx(written["figures"]["pass@1"]["value"])
    assert written["shares"]["correct"] == pytest.approx(written["figures"]["pass@1"]["value"])
    assert page.read_text().startswith("<!doctype html>")
