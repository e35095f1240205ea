"""``reasonforge grade``: nothing is lost, whatever the lines hold and whenever it is stopped."""

from __future__ import annotations

import fcntl
import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError, InterruptedRun, RecipeError, UnavailableError
from reasonforge.evaluation import grade_file as module
from reasonforge.evaluation.grade_file import Graded, grade_file
from reasonforge.evaluation.samples import read_samples
from reasonforge.runs.console import Console
from reasonforge.runs.signals import StopRequest


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def line(number: int, answer: str = "7") -> dict[str, Any]:
    return {"id": str(number), "question": f"q{number}", "gold": "7", "text": f"so \\boxed{{{answer}}}", "mine": [number]}


def run(path: Path, out: Path, *, profile: Any = "strict", overwrite: bool = False, stop: StopRequest | None = None) -> tuple[Graded, str]:
    said = io.StringIO()
    found = grade_file(
        path,
        out,
        profile=profile,
        workers=1,
        overwrite=overwrite,
        console=Console(file=said),
        stop=stop or StopRequest(),
        resume="reasonforge grade again",
    )
    return found, said.getvalue()


def test_every_line_keeps_what_it_had_and_gets_its_verdict(tmp_path: Path) -> None:
    out = tmp_path / "sub" / "g.jsonl"
    several = {"id": "x", "gold": "1/2", "samples": ["\\boxed{0.5}", "\\boxed{2}", "hm"]}
    found, _ = run(write(tmp_path / "s.jsonl", [line(1), line(2, "8"), several]), out)
    first, second, third = rows_of(out)
    verdict = {"status": "correct", "correct": True, "prediction": "7", "reason": "", "profile": "strict"}
    assert first == line(1) | verdict
    assert (second["status"], second["correct"], second["prediction"]) == ("wrong", False, "8")
    assert third["status"] == ["correct", "wrong", "no_answer"]
    assert third["correct"] == [True, False, False]
    assert third["prediction"] == ["1/2", "2", None]
    assert found.statuses == {"correct": 2, "wrong": 2, "no_answer": 1}
    assert [len(problem.samples) for problem in read_samples(out)] == [1, 1, 3]


def test_bad_lines_are_reported_by_number_and_lose_nothing(tmp_path: Path) -> None:
    rows = [line(1), "{", {"id": "3"}, "", "[1]", line(5, "8"), '{"id": "6", "gold": "7", "text": "cut']
    out = tmp_path / "g.jsonl"
    found, said = run(write(tmp_path / "s.jsonl", rows), out)
    graded = rows_of(out)
    assert [row.get("status", "refused") for row in graded] == ["correct", "refused", "refused", "refused", "wrong", "refused"]
    assert [int(row["refused"].split(":")[1]) for row in graded if "refused" in row] == [2, 3, 5, 7]
    assert len(found.refused) == 4
    assert all(f"s.jsonl:{number}: " in said for number in (2, 3, 5, 7))


def test_a_stopped_attempt_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAMPLES_AT_ONCE", 2)
    path, out = write(tmp_path / "s.jsonl", [line(i, "7" if i % 2 else "8") for i in range(7)] + ["{"]), tmp_path / "g.jsonl"
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(InterruptedRun, match=r"stopped after 2 lines.*reasonforge grade again") as caught:
            run(path, out, stop=stop)
    assert caught.value.exit_code == 130
    with out.open("ab") as file:
        file.write(b'{"id": "2", "gold')  # a kill tore the line
    found, said = run(path, out)
    assert (found.num_found, found.num_lines, found.num_samples) == (2, 8, 7)
    assert "resumed at step 2" in said
    whole = out.read_bytes()
    run(path, tmp_path / "at_once.jsonl")
    assert (tmp_path / "at_once.jsonl").read_bytes() == whole
    found, _ = run(path, out)
    assert (found.num_found, found.num_samples, len(found.refused)) == (8, 7, 1)
    assert out.read_bytes() == whole


def test_an_output_of_another_file_or_profile_is_not_gone_on_with(tmp_path: Path) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1), line(2)]), tmp_path / "g.jsonl"
    run(path, out)
    with pytest.raises(RecipeError, match=r"g\.jsonl:1: was graded by profile 'strict'.*--overwrite"):
        run(path, out, profile="qwen-math")
    with pytest.raises(RecipeError, match=r"g\.jsonl:2: was graded from another file"):
        run(write(tmp_path / "t.jsonl", [line(1), line(3)]), out)
    with pytest.raises(RecipeError, match=r"g\.jsonl:2: was graded from another file"):
        run(write(tmp_path / "t.jsonl", [line(1)]), out)
    found, _ = run(path, out, profile="qwen-math", overwrite=True)
    assert (found.num_found, rows_of(out)[0]["profile"]) == (0, "qwen-math")


def test_of_many_lines_with_one_fault_few_are_shown(tmp_path: Path) -> None:
    found, said = run(write(tmp_path / "s.jsonl", [{"prompt": "q", "answer": "7"}] * 30), tmp_path / "g.jsonl")
    assert (len(found.refused), found.num_samples) == (30, 0)
    assert (said.count('columns here: "prompt", "answer"'), said.count("more lines cannot be read")) == (3, 1)


def test_an_id_with_two_reference_answers_is_warned_of_and_graded(tmp_path: Path) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1), line(1) | {"gold": "8"}, line(1) | {"gold": "8"}]), tmp_path / "g.jsonl"
    found, said = run(path, out)
    assert found.num_contradictions == 2
    assert found.statuses == {"correct": 1, "wrong": 2}
    assert said.count("s.jsonl:2: id '1' has another reference answer than in") == 1
    again, said = run(path, out)
    assert (again.num_found, again.num_contradictions) == (3, 2)
    assert "has another reference answer" in said


def test_lines_without_an_id_contradict_nobody(tmp_path: Path) -> None:
    rows = [{"gold": gold, "text": "\\boxed{7}"} for gold in ("7", "8")]
    assert run(write(tmp_path / "s.jsonl", rows), tmp_path / "g.jsonl")[0].num_contradictions == 0


def test_errors_are_counted_by_reason_now_and_when_gone_on_with(tmp_path: Path) -> None:
    rows = [line(1), *({"id": f"c{i}", "kind": "code", "gold": "", "text": "x"} for i in range(2))]
    path, out = write(tmp_path / "s.jsonl", rows), tmp_path / "g.jsonl"
    first, _ = run(path, out)
    assert first.errors.total() == first.statuses["error"] == 2
    assert len(first.errors) == 1
    assert run(path, out)[0].errors == first.errors


def test_a_binary_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(bytes(range(128, 256)) + b"\x01\n" * 40)
    with pytest.raises(DataError, match=r"s\.jsonl: is no text file"):
        run(path, tmp_path / "g.jsonl")
    assert not (tmp_path / "g.jsonl").exists()


def test_verdicts_that_lines_bring_are_not_believed(tmp_path: Path) -> None:
    lied = line(1, "8") | {"status": "correct", "correct": True, "prediction": "7", "reason": 5}
    run(write(tmp_path / "s.jsonl", [lied]), tmp_path / "g.jsonl")
    assert (rows_of(tmp_path / "g.jsonl")[0]["status"], rows_of(tmp_path / "g.jsonl")[0]["prediction"]) == ("wrong", "8")


def test_hostile_text_costs_its_own_verdict_only(tmp_path: Path) -> None:
    hostile = ["\\boxed{" * 20_000, "9" * 100_000, "\ud800", "\x00", "\\boxed{9^{9^{9^9}}}", "__import__('os').system('true')"]
    rows = [line(0), *({**line(i), "text": text} for i, text in enumerate(hostile, 1)), line(99)]
    found, _ = run(write(tmp_path / "s.jsonl", rows), tmp_path / "g.jsonl")
    statuses = [row["status"] for row in rows_of(tmp_path / "g.jsonl")]
    assert (statuses[0], statuses[-1], found.num_samples) == ("correct", "correct", 8)
    assert "correct" not in statuses[1:-1]


def test_the_output_may_not_be_the_input(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", [line(1)])
    with pytest.raises(RecipeError, match="is the input itself"):
        run(path, path)
    assert rows_of(path) == [line(1)]


def test_a_missing_or_empty_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file"):
        run(tmp_path / "s.jsonl", tmp_path / "g.jsonl")
    with pytest.raises(DataError, match="no samples"):
        run(write(tmp_path / "s.jsonl", []), tmp_path / "g.jsonl")
    assert not (tmp_path / "g.jsonl").exists()


@pytest.mark.parametrize("foreign", ["my notes\nand no end", "my notes", '{"id": "1", "mine": true}\n', '{"id": "2"', "[1]\n"])
def test_a_file_that_it_did_not_write_is_left_as_it_is(tmp_path: Path, foreign: str) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1)]), tmp_path / "notes.jsonl"
    out.write_text(foreign)
    with pytest.raises(RecipeError, match=r"notes\.jsonl:1: not a graded line\..*--overwrite"):
        run(path, out)
    assert out.read_text() == foreign


@pytest.mark.parametrize("count", [1, 20, 95])
def test_an_attempt_that_was_killed_in_its_first_line_is_gone_on_with(tmp_path: Path, count: int) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1), line(2)]), tmp_path / "g.jsonl"
    run(path, out)
    whole = out.read_bytes()
    out.write_bytes(whole[:count])
    found, _ = run(path, out)
    assert (found.num_found, out.read_bytes()) == (0, whole)


def test_a_last_line_that_lacks_its_end_alone_is_graded_again(tmp_path: Path) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1), line(2)]), tmp_path / "g.jsonl"
    run(path, out)
    whole = out.read_bytes()
    out.write_bytes(whole[:-1])
    found, _ = run(path, out)
    assert (found.num_found, out.read_bytes()) == (1, whole)


def test_a_line_that_was_mended_since_asks_for_a_new_beginning(tmp_path: Path) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1), "{"]), tmp_path / "g.jsonl"
    run(path, out)
    with pytest.raises(RecipeError, match=r"g\.jsonl:2: this line of the input could not be read before and can be now.*--overwrite"):
        run(write(path, [line(1), line(2)]), out)


@pytest.mark.parametrize("name", ["g.jsonl.gz", "g.json", "g"])
def test_the_output_is_json_lines_by_name_too(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=r"ends in \.jsonl"):
        run(write(tmp_path / "s.jsonl", [line(1)]), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_two_graders_do_not_write_one_file(tmp_path: Path) -> None:
    path, out = write(tmp_path / "s.jsonl", [line(1)]), tmp_path / "g.jsonl"
    with out.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UnavailableError, match="another process is writing it"):
            run(path, out)
    assert run(path, out)[0].num_samples == 1


def test_a_slow_pace_is_taken_in_small_steps_and_a_quick_one_in_large() -> None:
    pace = module._Pace()
    for _ in range(9):
        pace.adjust(10.0)
    assert pace.at_once == 8
    for _ in range(20):
        pace.adjust(0.01)
    assert pace.at_once == 2048
