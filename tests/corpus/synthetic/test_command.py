"""``reasonforge corpus synthesise`` and ``report``."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.cli.main import main
from reasonforge.corpus.synthetic.truth import TRUTH, read_truth


def test_the_command_writes_a_web_and_says_what_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["corpus", "synthesise", "--out", str(tmp_path / "w"), "--pages", "250", "--seed", "9"])
    printed = capsys.readouterr().out
    assert code == 0
    assert "250 pages in 2 WARC files" in printed
    truth = read_truth(tmp_path / "w" / TRUTH)
    assert f"{truth.filter(truth['leak'] == 'exact').height} are planted word for word" in printed


def test_the_command_refuses_a_folder_with_files_by_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert main(["corpus", "synthesise", "--out", str(tmp_path), "--pages", "250"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_report_about_no_corpus_is_an_error_of_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "report", str(tmp_path)]) == 65
    assert "no corpus here" in capsys.readouterr().err
