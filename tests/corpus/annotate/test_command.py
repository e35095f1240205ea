"""``reasonforge corpus annotate`` on a corpus folder that has come to a worklist."""

from __future__ import annotations

import csv
import http.server
import json
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from reasonforge.corpus.annotate.journal import Journal
from reasonforge.corpus.annotate.labels import Annotations
from reasonforge.corpus.loop.ledger import Ledger
from reasonforge.corpus.loop.steps import Step
from reasonforge.corpus.loop.units import WORKLIST
from reasonforge.corpus.pages import PAGES, write_table
from reasonforge.corpus.roles import unit_of
from reasonforge.corpus.units import Input, Store, Work, execute
from tests.corpus.annotate.fabricate import WEB, frame_of
from tests.corpus.annotate.served import Reply, post, send
from tests.corpus.loop.web import build, load

MODULE = "reasonforge.corpus.annotate_stand_in"


def _pages(work: Work) -> None:
    frame = frame_of(WEB)
    stored = frame.select("id", url="https://" + frame["host"] + frame["path"], title="Title of " + frame["path"], text="x" + frame["path"])
    write_table(work.output(PAGES), stored)


def _worklist(work: Work) -> None:
    write_table(work.output(WORKLIST), frame_of(WEB))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = types.ModuleType(MODULE)
    vars(module).update(pages=_pages, worklist=_worklist)
    monkeypatch.setitem(sys.modules, MODULE, module)
    root = tmp_path / "corpus"
    store, ledger = Store(root), Ledger(root)
    loaded = load(build(tmp_path / "web"), annotation="human")
    ledger.begin(text="", resolved=loaded.resolved)
    steps = [("pages", None, "pages"), ("worklist", 1, "round-1/worklist"), ("worklist", 2, "round-2/worklist")]
    inputs: dict[str, list[Input]] = {}
    for index, (stage, number, place) in enumerate(steps):
        unit = unit_of(place, f"{MODULE}:{stage}", inputs)
        ledger.record(index, Step(stage=stage, units=[unit], round=number))
        receipt = execute(unit, store)
        inputs = inputs or {"pages": [store.input(receipt, PAGES)]}
    return root


@pytest.fixture
def annotate(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["corpus", "annotate", str(folder), "--by", "ann", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_sheet_goes_out_and_comes_back(annotate: Any, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "work.csv"
    code, out, _ = annotate("--export", str(path), "--round", "1")
    assert (code, f"--import {path}" in out) == (0, True)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert annotate("--export", str(path))[0] == 65  # it may be filled in
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    rows[1]["label"] = "math"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    code, out, _ = annotate("--import", str(path), "--round", "1")
    assert (code, out.startswith("1 label of ")) == (0, True)
    line = Journal(folder / "annotations.jsonl").lines[0].decision
    assert (str(line.pattern), line.label, line.by, line.round) == ("forum.example/questions", "math", "human:ann", 1)


def test_a_bad_sheet_is_listed_row_by_row(annotate: Any, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "work.csv"
    path.write_text("pattern,label\nforum.example/,maths\nforum.example/q,math\n???,math\n")
    code, _, err = annotate("--import", str(path))
    assert code == 65
    assert [line.partition("work.csv")[2][:2] for line in err.splitlines()] == [":2", ":4", ": "]
    assert not (folder / "annotations.jsonl").exists() or not Journal(folder / "annotations.jsonl").lines
    assert annotate("--import", str(tmp_path / "none.csv"))[0] == 65


def test_the_automaton_says_that_it_is_not_the_papers_way(annotate: Any, folder: Path) -> None:
    code, out, _ = annotate("--auto", "min_ratio=0.5")
    assert (code, "not the paper's procedure" in out) == (0, True)
    assert Annotations.load(folder / "annotations.jsonl").label_of("forum.example", "/questions/1") == "math"
    assert Journal(folder / "annotations.jsonl").lines[0].decision.round == 2  # the last round that has a worklist


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--auto", "0.5"], "min_ratio=X"),
        (["--auto", "min_ratio=0"], "min_ratio=X"),
        (["--auto", "min_ratio=nan"], "min_ratio=X"),
        (["--accept", "--auto", "min_ratio=1"], "one at a time"),
        (["--endpoint", "http://x/v1"], "--model"),
        (["--model", "m", "--accept"], "--endpoint"),
        (["--endpoint", "ftp://x", "--model", "m"], "--endpoint"),
        (["--share", "0.8"], "--share: has no effect on the page, only with --export or with --endpoint"),
        (["--share", "0.8", "--accept"], "--share: has no effect with --accept, only with --export or with --endpoint"),
        (["--accept", "--port", "80"], "--port: has no effect with --accept, only when the page is opened"),
        (["--export", "w.csv", "--no-browser"], "--no-browser: has no effect with --export, only when the page is opened"),
        (["--auto", "min_ratio=1", "--seed", "1"], "--seed: has no effect with --auto"),
        (["--round", "3", "--accept"], "worklists are there of round 1, 2"),
    ],
)
def test_what_makes_no_sense_is_refused(annotate: Any, arguments: list[str], words: str) -> None:
    code, _, err = annotate(*arguments)
    assert (code, words in err) == (2, True)


def test_a_folder_without_a_worklist_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "annotate", str(tmp_path)]) == 65
    Ledger(tmp_path / "c").begin(text="", resolved=load(build(tmp_path / "web"), annotation="human").resolved)
    assert main(["corpus", "annotate", str(tmp_path / "c")]) == 65
    assert "--until worklist" in capsys.readouterr().err


class _Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        label = "not_math" if "forum.example/users" in asked else "math"
        reply = {"choices": [{"message": {"content": f"Pages.\nLABEL: {label}"}, "finish_reason": "stop"}], "usage": {}}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_proposes_and_a_person_accepts(annotate: Any, folder: Path, endpoint: str) -> None:
    path = folder / "annotations.jsonl"
    code, out, _ = annotate("--endpoint", endpoint, "--model", "judge")
    assert code == 0
    assert "8 of 8 paths have a proposal of model:judge" in out
    assert len(Annotations.load(path)) == 0
    assert "0 of 0 paths" in annotate("--endpoint", endpoint, "--model", "judge")[1]  # it is not asked twice
    code, out, _ = annotate("--accept")
    assert (code, out.startswith("8 proposals accepted by human:ann")) == (0, True)
    assert Annotations.load(path).label_of("forum.example", "/users/1") == "not_math"


def test_the_page_is_served_until_it_is_finished(folder: Path) -> None:
    command = [sys.executable, "-m", "reasonforge", "corpus", "annotate", str(folder), "--by", "ann", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        link = process.stdout.readline().split()[-1]
        port = int(link.split(":")[2].partition("/")[0])
        server = types.SimpleNamespace(port=port)
        let_in: Reply = send(server, "GET", link.partition(str(port))[2])  # type: ignore[arg-type]
        cookie = {"Cookie": let_in.headers["Set-Cookie"].partition(";")[0]}
        state = send(server, "GET", "/api/state", headers=cookie).json  # type: ignore[arg-type]
        assert (state["round"], state["by"]) == (2, "human:ann")
        assert post(server, "/api/stop", {}, cookie).status == 200  # type: ignore[arg-type]
        rest = process.stdout.read()
    assert process.returncode == 0
    assert f"corpus run --out {folder}" in rest
