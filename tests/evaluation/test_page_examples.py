"""The commands that docs/stages/evaluation.md shows print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from reasonforge.cli.main import main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "stages" / "evaluation.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", blocks("console"), ids=lambda example: example.split()[2])
def test_an_example_prints_what_the_page_shows(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in zip(("samples.jsonl", "completions.jsonl"), blocks("jsonl"), strict=True):
        Path(name).write_text(content, encoding="utf-8")
    command, *shown = example.splitlines()
    assert main([*shlex.split(command.removeprefix("$ reasonforge ")), "--workers", "1"]) == 0
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    start = printed.index(" ".join(shown[0].split()))
    assert printed[start : start + len(shown)] == [" ".join(line.split()) for line in shown]
