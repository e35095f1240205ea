"""``reasonforge corpus run`` and what scripts ask it: settings that stick, the end of a dry run, ranks under a batch system."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import run_corpus
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.pool import InProcess
from tests.corpus.loop import web

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[..., tuple[int, str, str]]

SBATCH = """\
#!/bin/bash
[ "$1" = --wait ] && [ "$3" = --wrap ] || exit 2
range=${2#--array=}
for task in $(seq "${range%-*}" "${range#*-}"); do
    SLURM_ARRAY_TASK_ID=$task bash -c "$4" &
    tasks+=($!)
done
for task in "${tasks[@]}"; do wait "$task" || code=$?; done
exit ${code:-0}
"""
"""As much of Slurm as the script needs: all tasks of an array at once, and the exit code of one that failed."""


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = web.build(tmp_path_factory.mktemp("run") / "web")
    for annotation in ("file", "human"):
        web.load(folder, annotation=annotation)
    return folder


def test_settings_of_an_earlier_command_line_are_named_until_a_call_names_a_recipe(call: Call, crawl: Path, tmp_path: Path) -> None:
    recipe, out = str(crawl / "recipe-file.toml"), str(tmp_path / "corpus")
    stop = ("--until", "pages", "--workers", "1")
    said = "from an earlier command line: "
    code, text, _ = call("corpus", "run", recipe, "--out", out, *stop, "--rounds.max_rounds", "2", "--seed", "7")
    assert (code, said in text) == (0, False)
    for arguments in (stop, ("--dry-run",)):
        code, text, _ = call("corpus", "run", "--out", out, *arguments)
        assert code == 0
        assert f"{said}rounds.max_rounds = 2, seed = 7. They hold until a call names a recipe" in text
    code, text, _ = call("corpus", "run", "--out", out, *stop, "--seed", "8")
    assert f"{said}rounds.max_rounds = 2. " in text
    code, text, _ = call("corpus", "run", "--out", out, *stop)
    assert f"{said}rounds.max_rounds = 2, seed = 8. " in text
    code, text, _ = call("corpus", "run", recipe, "--out", out, *stop)
    assert "rounds.max_rounds: 2 -> 4" in text
    assert said not in text
    assert said not in call("corpus", "run", "--out", out, *stop)[1]


def test_a_dry_run_ends_with_its_own_command(call: Call, crawl: Path, tmp_path: Path) -> None:
    recipe, out = str(crawl / "recipe-file.toml"), str(tmp_path / "corpus")
    (tmp_path / "over.toml").write_text("seed = 3\n")
    given = f"corpus run {recipe} {tmp_path}/over.toml --out {out} --until pages --seed 7"
    code, text, _ = call(*given.split(), "--dry-run")
    assert code == 0
    assert text.splitlines()[-1].endswith(f" {given}")
    assert call(*given.split(), "--workers", "1", "--quiet")[0] == 0
    code, text, _ = call("corpus", "run", "--out", out, "--dry-run")
    assert text.splitlines()[-1].endswith(f" corpus run --out {out}")


def test_the_exit_code_of_status_says_whether_a_stage_is_whole(call: Call, crawl: Path, tmp_path: Path) -> None:
    recipe, out = str(crawl / "recipe-file.toml"), str(tmp_path / "corpus")
    assert call("corpus", "status", out, "--stage", "pages") == (1, f"pages: nothing is done: no corpus in {out} yet\n", "")
    for stage in ("inputs", "pages"):
        assert call("corpus", "run", recipe, "--out", out, "--stage", stage, "--workers", "1", "-q") == (0, "", "")
    assert call("corpus", "status", out, "--stage", "pages") == (0, "pages: done\n", "")
    assert call("corpus", "status", out, "--stage", "seed") == (1, "seed: 1 unit left to do\n", "")
    code, text, _ = call("corpus", "status", out, "--stage", "train", "--round", "2", "--json")
    assert (code, json.loads(text)) == (
        1,
        {"stage": "train", "round": 2, "whole": False, "message": "seed: 1 of 1 unit is not done, and train needs them"},
    )
    assert call("corpus", "status", out, "--stage", "nothing")[0] == 2
    assert call("corpus", "status", out, "--round", "2") == (2, "", "error: --round: of which stage? Name it with --stage\n")


def test_a_quiet_run_that_waits_for_a_person_says_so_and_is_no_failure(call: Call, crawl: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "corpus")
    code, text, errors = call("corpus", "run", str(crawl / "recipe-human.toml"), "--out", out, "--workers", "1", "-q")
    assert (code, errors) == (0, "")
    assert text.startswith("warning: round 1: a person has to say")
    assert len(text.splitlines()) == 1


def script() -> str:
    """Return the script of the page."""
    (found,) = re.findall(r"```bash\n(#!/bin/bash\n.*?)```", (ROOT / "docs" / "stages" / "corpus.md").read_text(), re.DOTALL)
    return found


def scripted(folder: Path, recipe: Path) -> subprocess.CompletedProcess[str]:
    """Run the page's script with two ranks."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    program = f'#!/bin/bash\nexec "{sys.executable}" -m reasonforge "$@"\n'
    lines, number = re.subn(r"(?m)^recipe=.*$", f"recipe={recipe} folder=corpus ranks=2", script())
    assert number == 1
    for name, text in {"sbatch": SBATCH, "reasonforge": program, "mine.sh": lines}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    paths = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([tools / "mine.sh"], cwd=folder, env=os.environ | paths, text=True, capture_output=True, check=False, timeout=600)


@pytest.mark.slow
def test_the_script_for_slurm_makes_the_corpus_that_one_process_makes(crawl: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    assert run_corpus(web.load(crawl), alone, InProcess) == 0
    done = scripted(tmp_path, crawl / "recipe-file.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert CorpusReader(tmp_path / "corpus").ledger.ended() == CorpusReader(alone).ledger.ended()
    shards = [Manifest.read(root / "shards" / "mined") for root in (alone, tmp_path / "corpus")]
    assert shards[0] == shards[1]
    assert "never comes: the rounds ended before" in done.stdout


@pytest.mark.slow
def test_the_script_for_slurm_stops_for_a_person_and_goes_on_after(crawl: Path, tmp_path: Path) -> None:
    first = scripted(tmp_path, crawl / "recipe-human.toml")
    assert first.returncode == 1
    assert first.stdout.splitlines()[-1].startswith("round 1: a person has to say")
    shutil.copy(crawl / "annotations.jsonl", tmp_path / "corpus")
    assert scripted(tmp_path, crawl / "recipe-human.toml").returncode == 0
    assert CorpusReader(tmp_path / "corpus").ledger.ended()["state"] == "complete"
