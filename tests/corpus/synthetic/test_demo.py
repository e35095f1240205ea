"""``make demo-corpus``: its parts fit together, and it shows what it is to show."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from reasonforge.corpus.loop.status import status_of

ROOT = Path(__file__).parents[3]
TOY = ROOT / "recipes" / "toy" / "corpus.toml"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def test_every_file_that_the_toy_recipe_reads_is_one_that_the_generator_writes(folder: Path) -> None:
    named = [
        text.removeprefix("corpus/web/") for text in strings(tomllib.loads(TOY.read_text(encoding="utf-8"))) if text.startswith("corpus/")
    ]
    assert len(named) == 10
    for pattern in named:
        assert list(folder.glob(pattern)), pattern


def test_the_target_installs_by_the_pins_and_runs_the_toy_recipe() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([\w$()-]+):[^\n]*\n((?:\t[^\n]*\n)+)", text, re.MULTILINE))
    assert "recipes/toy/corpus.toml --out corpus/toy" in recipes["demo-corpus"]
    assert "-c constraints.txt -e '.[corpus]'" in recipes["$(CORPUS)"]


@pytest.mark.slow
def test_the_demo_finds_the_dialects_that_its_seed_does_not_speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["corpus", "synthesise", "--out", "corpus/web", "--pages", "2000"]) == 0
    assert main(["corpus", "run", str(TOY), "--out", "corpus/toy", "--workers", "1", "--quiet"]) == 0
    rounds = status_of(Path("corpus/toy"))["rounds"]
    recalls = [entry["quality"]["recall"] for entry in rounds]
    assert recalls[2] - recalls[0] >= 0.10
    assert recalls[2] >= 0.9
    assert rounds[2]["quality"]["precision"] >= 0.9
    assert rounds[3]["overlap_pages"][2] >= 0.95
    assert "recall" in Path("corpus/toy/report.html").read_text(encoding="utf-8")
