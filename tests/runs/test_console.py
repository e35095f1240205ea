from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from reasonforge.runs.console import Console
from reasonforge.runs.screens import PlainScreen
from reasonforge.runs.text import clean_text, format_number, shorten, text_table
from tests.runs.fabricate import new_run

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07x",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\x1bP+q544e\x1b\\x",
    "\x9b31mred",
    "a\rb\bc\x07",
    "abc\u202edcba\u2066x",
    "\x1b[2J\x1b[H",
    "unfinished \x1b[",
    "unfinished \x1b]0;never ends",
    "\ud800",
    "[bold red]markup[/] [link=http://x]y[/link] :smile:",
    "\x00\x01\x7f\x85",
]
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
STEP = {"reward": 0.43, "completions/mean_length": 12.1}


@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_survives_cleaning(text: str) -> None:
    cleaned = clean_text(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", cleaned)
    assert clean_text(cleaned) == cleaned


def test_cleaning_keeps_ordinary_text_of_any_language() -> None:
    for text in ("x² + ½ ≤ √2", "什么是数学?", "שלום", "naïve 😀", "[bold]"):
        assert clean_text(text) == text
    assert clean_text("a\tb\nc") == "a b c"
    assert clean_text("a\tb\nc", newlines=True) == "a b\nc"


def plain(file: io.StringIO, **options: object) -> Console:
    return Console(file=file, plain_seconds=0.0, **options)  # type: ignore[arg-type]


def test_a_step_is_one_plain_line_off_terminal() -> None:
    file = io.StringIO()
    console = plain(file)
    console.stage("rl", position=2, num_stages=4, total_steps=75)
    console.step(12, STEP)
    assert file.getvalue().splitlines() == ["2/4 rl, 75 steps", "rl step 12/75 reward 0.43 len 12.1"]


def test_the_time_left_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(t) for t in range(100))
    monkeypatch.setattr("reasonforge.runs.console.time.monotonic", lambda: next(clock))
    file = io.StringIO()
    console = plain(file)
    console.stage("rl", total_steps=75)
    for step in (10, 12, 14):  # two steps a second
        console.step(step, STEP)
    assert file.getvalue().splitlines()[-1].endswith("eta 0:00:30")  # 61 steps left, rounded to even


def test_lines_are_throttled_but_the_last_step_and_evaluations_show() -> None:
    file = io.StringIO()
    console = Console(file=file, plain_seconds=3600.0)
    console.stage("rl", total_steps=100)
    for step in range(1, 101):
        console.step(step, STEP | ({"eval/pass@1": 0.5, "eval/maj@16": 0.6} if step == 50 else {}))
    lines = file.getvalue().splitlines()[1:]
    assert [line.split(" eta")[0] for line in lines] == [
        "rl step 1/100 reward 0.43 len 12.1",
        "rl step 50/100 pass@1 0.5 maj@16 0.6",
        "rl step 100/100 reward 0.43 len 12.1",
    ]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"eval/pass@1": 0.5, "eval/best@8": 0.6, "eval/weighted@8": 0.7}, "pass@1 0.5 best@8 0.6 weighted@8 0.7"),
        ({"reward_model/auc": 0.7, "reward_model/pair_accuracy_matched": 0.5}, "auc 0.7 pairs of one length 0.5"),
        ({"judge/kept": 0.7, "judge/unanimous": 0.2, "judge/first_place": -0.1}, "kept 0.7 unanimous 0.2 place A -0.1"),
        ({"rewards/margins": 0.1, "rewards/accuracies": 0.6}, "margin 0.1 pairs right 0.6"),
    ],
)
def test_each_kind_of_stage_shows_its_figures(values: dict[str, float], line: str) -> None:
    file = io.StringIO()
    console = plain(file)
    console.stage("s", total_steps=1)
    console.step(1, values)
    assert file.getvalue().splitlines()[-1] == f"s step 1/1 {line}"


def test_quiet_prints_warnings_only() -> None:
    file = io.StringIO()
    console = plain(file, quiet=True)
    console.banner("x", [("a", "b")])
    console.stage("rl", total_steps=1)
    console.step(1, STEP)
    console.note("n")
    console.table("t", ["a"], [["b"]])
    console.warn("careful")
    console.stage_done()
    console.end("e", [("a", "b")], ["c"])
    assert file.getvalue() == "warning: careful\n"


def drive(console: Console, text: str) -> None:
    console.banner(text, [(text, text)])
    console.stage(text, total_steps=3, unit=text)
    console.step(1, STEP)
    console.note(text)
    console.warn(text)
    console.table(text, [text, "n"], [[text, "1"]])
    console.stage_done(text)
    console.end(text, [(text, text)], [text])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_prints_no_escape(text: str) -> None:
    file = io.StringIO()
    drive(plain(file), text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", file.getvalue())


@pytest.mark.parametrize("text", HOSTILE)
def test_json_lines_are_json(text: str) -> None:
    file = io.StringIO()
    console = plain(file, log="json")
    drive(console, text)
    console.stage("rl", total_steps=3)
    console.step(2, {"reward": float("nan"), "kl": 0.5})
    rows = [json.loads(line, parse_constant=pytest.fail) for line in file.getvalue().splitlines()]
    assert rows[-1] | {"time": 0} == {
        "time": 0,
        "kind": "step",
        "stage": "rl",
        "step": 2,
        "total_steps": 3,
        "eta_seconds": None,
        "figures": {"reward": None, "kl": 0.5},
    }
    assert {row["kind"] for row in rows} == {"banner", "stage", "step", "note", "warning", "table", "stage_done", "end", "next"}


def test_a_reader_that_went_away_does_not_stop_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as file:
        drive(Console(file=file, plain_seconds=0.0), "x")


def test_a_terminal_of_ascii_gets_what_it_can_show() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    drive(Console(file=file, plain_seconds=0.0), "数学")
    assert b"??" in raw.getvalue()


def in_terminal(tmp_path: Path, columns: int, **environment: str) -> str:
    """What a small run prints on a pseudo-terminal."""
    code = f"""
    import time
    from tests.runs.fabricate import new_run
    from reasonforge.runs.console import Console
    with new_run({str(tmp_path / "r")!r}) as run, Console() as console:
        run.attach(console)
        run.plan([("sft", "sft"), ("rl", "rl")])
        console.banner("toy", [("model", "tiny")])
        log = run.stage("rl", 4)
        for step in (1, 2, 3, 4):
            log.metrics(step, {{"reward": step / 4, "completions/mean_length": 12.1, "kl": 0.1, "entropy": 1.0, "grad_norm": 1.0}})
            time.sleep(0.31)
        log.done()
        console.end("finished", [("pass@1", "0.9")], ["reasonforge show r"])
    """
    main, child = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": "24", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=child, stderr=child, stdin=child, env={**os.environ, **size, **environment}
    )
    os.close(child)
    output = b""
    while select.select([main], [], [], 20)[0]:
        try:
            chunk = os.read(main, 65536)
        except OSError:  # Linux says EIO when the other end has closed
            break
        output += chunk
    assert process.wait(10) == 0, output.decode()
    os.close(main)
    return output.decode()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_shows_stage_progress_time_left_and_the_last_steps(tmp_path: Path, columns: int) -> None:
    output = in_terminal(tmp_path, columns)
    assert COLOUR.search(output)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "\n", output)
    lines = [line.rstrip() for line in text.splitlines()]
    assert any(line.startswith("2/2 rl") for line in lines)
    assert "━" in text
    assert re.search(r"3/4 eta 0:00:0\d", text)
    assert any(re.match(r"step +reward +len", line) for line in lines)
    assert any(re.match(r"3 +0\.75 +12\.1", line) for line in lines)
    assert max(map(len, lines)) <= max(columns, len("rl step 4/4 reward 1 len 12.1 kl 0.1 entropy 1 grad 1"))
    assert output.count("\x1b[?25h") >= output.count("\x1b[?25l") > 0, "the cursor comes back"
    assert lines[-1] == "next: reasonforge show r"


def test_no_color_means_no_colour(tmp_path: Path) -> None:
    assert not COLOUR.search(in_terminal(tmp_path, 80, NO_COLOR="1"))


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    assert "\x1b" not in in_terminal(tmp_path, 80, TERM="dumb")


def test_a_logged_step_costs_less_than_a_hundredth_of_ten_milliseconds(tmp_path: Path) -> None:
    names = [
        "reward",
        "accuracy",
        "loss",
        "kl",
        "entropy",
        "grad_norm",
        "lr",
        "completions/mean_length",
        "clip_ratio/low_mean",
        "perf/seconds",
    ]
    values = dict.fromkeys(names, 0.5)
    best = float("inf")
    with new_run(tmp_path / "r") as run:
        run.attach(Console(file=io.StringIO()))
        log = run.stage("rl", 10_000)
        step = 0
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(200):
                step += 1
                log.metrics(step, values)
            best = min(best, (time.perf_counter() - started) / 200)
    assert best < 1e-4, f"{best * 1e6:.0f} microseconds"


def test_numbers_are_short() -> None:
    assert [format_number(x) for x in (0.43, 12.0, 12345.0, 1234567.0, 3e-5, -2e9, 0.0, float("nan"), None)] == [
        "0.43", "12", "12.35k", "1.235M", "3e-05", "-2G", "0", "-", "-",
    ]  # fmt: skip


def test_tables_fit_and_align_wide_characters() -> None:
    lines = text_table(["name", "n"], [["数学题", "1"], ["x" * 60, "22"]], width=40)
    assert lines[0].endswith(" n")
    assert lines[2].startswith("x" * 10)
    assert "…" in lines[2]
    assert len(lines[2]) <= 40
    assert shorten("数学题", 5) == "数学…"


def test_a_long_fact_is_told_in_lines_and_a_path_is_never_broken() -> None:
    out = io.StringIO()
    path = "/somewhere/" + "deep/" * 20
    PlainScreen(out, 40).facts("plan", "what is done", [("corpus", "mined 10, arxiv 20, github 30, natural_language 40"), ("folder", path)])
    lines = out.getvalue().splitlines()
    assert " ".join(" ".join(lines[1:]).split()) == f"corpus mined 10, arxiv 20, github 30, natural_language 40 folder {path}"
    assert all(len(line) <= 40 for line in lines if path not in line)
