"""``benchmarks/bench_corpus.py``: what is held against a bound, and that a figure that is missed or missing fails."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "benchmarks"
AHEAD = {">=": 1.0, "<=": -1.0, "<": -1.0, "==": 0.0}
"""What a good figure has more than its bound; a bad one has as much less, or, where it must be equal, more."""


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        import bench_corpus  # pyright: ignore[reportMissingImports]

        yield bench_corpus


def placed(values: dict[str, float]) -> dict[str, Any]:
    """Return a result with values at dotted paths."""
    result: dict[str, Any] = {}
    for path, value in values.items():
        *outer, last = path.split(".")
        entry = result
        for name in outer:
            entry = entry.setdefault(name, {})
        entry[last] = value
    return result


def write_good(bench: ModuleType, folder: Path) -> dict[str, dict[str, float]]:
    """Write results in which every figure is as it must be; return the figures."""
    good = {name: {must.path: must.bound + AHEAD[must.comparison] for must in part.musts} for name, part in bench.PARTS.items()}
    for name, values in good.items():
        (folder / f"corpus_{name}.json").write_text(json.dumps(placed(values)))
    return good


def test_good_results_pass(bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_good(bench, tmp_path)
    assert bench.main(["--stored"], results=tmp_path) == 0
    assert "MISSED" not in capsys.readouterr().out


def test_each_figure_that_is_missed_fails_and_is_named(bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_good(bench, tmp_path)
    musts = [(name, must) for name, part in bench.PARTS.items() for must in part.musts]
    for name, must in musts:
        bad = {**good[name], must.path: must.bound - (AHEAD[must.comparison] or -1.0)}
        (tmp_path / f"corpus_{name}.json").write_text(json.dumps(placed(bad)))
        assert bench.main(["--stored"], results=tmp_path) == 1, must
        missed = [line for line in capsys.readouterr().out.splitlines() if line.endswith("MISSED")]
        assert [line.split(":")[0].strip() for line in missed] == [must.path]
        (tmp_path / f"corpus_{name}.json").write_text(json.dumps(placed(good[name])))


@pytest.mark.parametrize("value", [None, math.nan, {"ours": 7.0}, "7"], ids=["missing", "nan", "table", "text"])
def test_what_is_no_number_is_missed(bench: ModuleType, tmp_path: Path, value: object) -> None:
    good = write_good(bench, tmp_path)["neardup"]
    (tmp_path / "corpus_neardup.json").write_text(json.dumps({} if value is None else {**good, "ratio_unit": value}))
    assert bench.main(["--stored", "--only", "neardup"], results=tmp_path) == 1


def test_a_result_that_is_not_there_is_missed(bench: ModuleType, tmp_path: Path) -> None:
    write_good(bench, tmp_path)
    (tmp_path / "corpus_loop.json").unlink()
    assert bench.main(["--stored", "--only", "loop"], results=tmp_path) == 1


def test_only_the_parts_asked_for_are_judged(bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_good(bench, tmp_path)
    (tmp_path / "corpus_loop.json").unlink()
    assert bench.main(["--stored", "--only", "neardup", "tokenise"], results=tmp_path) == 0
    assert "ratio_unit: 21 (must be >= 20)" in capsys.readouterr().out


def test_what_must_be_equal_or_below_may_not_be_at_a_strict_bound(bench: ModuleType) -> None:
    strict = bench.Must("x", "<", 1e-5)
    assert not bench.Verdict(strict, 1e-5).is_met
    assert bench.Verdict(strict, 9e-6).is_met
    assert bench.Verdict(bench.Must("x", ">=", 0.95), 0.95).is_met


def test_every_part_has_its_script(bench: ModuleType) -> None:
    for name in bench.PARTS:
        assert (FOLDER / "corpus" / f"{bench.SCRIPTS.get(name, name)}.py").is_file()


KNOWN_MISSES = {"rate_of_encode_batch.packed", "smallest_overlap_of_the_last_round"}
"""Figures of the results that are kept which are not what they should be, by less than a hundredth of it. Said where they are shown."""


def test_the_results_that_are_kept_are_as_they_must_be(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--stored"])
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(":")[0].strip() for line in lines if line.endswith("MISSED")} == KNOWN_MISSES
