"""``python -m reasonforge.report.svg``: from a run to a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError
from reasonforge.report.svg import curve_svg, main
from tests.runs.fabricate import write_run


def test_the_command_writes_the_picture_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, output = write_run(tmp_path / "r"), tmp_path / "pictures" / "curve.svg"
    assert main([str(run), "reward", "entropy", "-o", str(output)]) == 0
    assert output.read_text(encoding="utf-8") == curve_svg(run, ["reward", "entropy"])
    assert capsys.readouterr().out.strip() == str(output)


def test_one_stage_is_drawn_alone_on_request(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r")  # both of its stages log a loss
    assert curve_svg(run, ["loss"]).count('class="line') == 2
    alone = curve_svg(run, ["loss"], stage="rl")
    assert alone.count('class="line') == 1
    ElementTree.fromstring(alone)
    with pytest.raises(DataError, match="no values of 'reward' of stage 'sft'"):
        curve_svg(run, ["reward"], stage="sft")


def test_what_cannot_be_drawn_is_one_line_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), "reward", "-o", str(tmp_path / "c.svg")]) == 65
    assert capsys.readouterr().err.splitlines() == [f"error: {tmp_path / 'none'}: no run here (run.json is missing)."]
    assert not (tmp_path / "c.svg").exists()
