"""Receipts say which versions made them, and a stage that several versions made is named."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus import versions as versioning
from reasonforge.corpus.loop.drive import Outcome, run_graph
from reasonforge.corpus.loop.steps import Ended, Graph, Step
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import RECEIPT, Receipt, Store, Unit, digest_of, execute
from reasonforge.corpus.versions import mixture, versions
from reasonforge.runs.console import Console
from tests.corpus.probes import unit_of

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def receipt(made_by: dict[str, str], number: int = 0, stage: str = "pages") -> Receipt:
    unit = Unit(stage=stage, function="a:b", settings={"number": number})
    return replace(Receipt.from_json(_json(unit), Path("r")), made_by=made_by)


def _json(unit: Unit) -> str:
    return json.dumps({"key": unit.key, **unit.to_dict(), "counts": {}, "outputs": {}})


def test_a_receipt_keeps_the_versions_that_made_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = execute(unit_of("shouts"), store)
    assert made.made_by == {"python": HERE, "reasonforge": metadata.version("reasonforge")}
    assert store.receipt(made.unit) == made


def test_versions_are_no_part_of_the_key_nor_of_the_digest() -> None:
    old, new = receipt({}), receipt({"polars": "2"})
    assert old.key == new.key == old.unit.key
    assert digest_of([old]) == digest_of([new])


def test_a_receipt_of_before_is_still_one() -> None:
    old = receipt({})
    assert "made_by" not in json.loads(old.to_json())
    assert Receipt.from_json(old.to_json(), Path("r")) == old


@pytest.mark.parametrize("made_by", ["polars", ["polars"], 1])
def test_versions_that_are_none_are_no_receipt(made_by: object) -> None:
    with pytest.raises(DataError, match="not a receipt of a unit"):
        Receipt.from_json(json.dumps({**json.loads(_json(receipt({}).unit)), "made_by": made_by}), Path("r"))


@pytest.mark.parametrize(
    ("function", "libraries"),
    [
        ("reasonforge.corpus.ingest.units:extract_pages", {"resiliparse", "tldextract"}),
        ("reasonforge.corpus.classifier.train:train_unit", {"fasttext-community", "polars"}),
        ("reasonforge.corpus.packing.units:pack", {"tokenizers"}),
        ("reasonforge.corpus.neardup.units:sign", {"polars", "numpy"}),
        ("somewhere.else:f", set()),
    ],
)
def test_a_units_libraries_are_those_that_are_installed(function: str, libraries: set[str]) -> None:
    found = versions(function)
    assert libraries <= found.keys()
    assert all(found[name] == metadata.version(name) for name in found if name != "python")


def test_every_part_of_the_package_that_has_units_is_in_the_table() -> None:
    root = Path(versioning.__file__).parent
    having = {path.parent.name for path in root.rglob("*.py") if "(work: Work)" in path.read_text() and path.parent != root}
    assert having == set(versioning._USED)


def test_every_library_of_the_table_is_there_to_be_asked() -> None:
    names = {name for used in versioning._USED.values() for name in used} - {"fasttext"}
    assert {name for name in names if versioning._found(name) is None} == set()


def test_a_library_that_is_missing_is_left_out() -> None:
    assert versioning._versions(["no-such-library"]).keys() == {"python", "reasonforge"}


def test_asking_for_versions_imports_no_library() -> None:
    asked = "versions('reasonforge.corpus.ingest.units:extract_pages')"
    program = f"import sys; from reasonforge.corpus.versions import versions; {asked}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"polars", "resiliparse", "pyarrow", "numpy", "tokenizers"} & set(loaded)


def test_units_of_different_versions_are_told_with_numbers_and_what_to_do(tmp_path: Path) -> None:
    old, new = {"polars": "1.0", "numpy": "2", "python": "3.12"}, {"polars": "2.0", "numpy": "2", "python": "3.11"}
    line = mixture([receipt(old), receipt(new), receipt(new)], tmp_path / "pages")
    assert line == (
        "units of one stage were made by different versions: polars 1.0 (1) and polars 2.0 (2); python 3.11 (2) and python 3.12 (1). "
        f"To make them alike remove {tmp_path}/pages and run again"
    )


@pytest.mark.parametrize(
    "made_by", [[], [{}], [{}, {"polars": "1"}], [{"polars": "1"}, {"polars": "1"}], [{"reasonforge": "1"}, {"reasonforge": "2"}]]
)
def test_of_one_version_as_far_as_is_known_nothing_is_said(made_by: list[dict[str, str]]) -> None:
    assert mixture(map(receipt, made_by), Path("pages")) is None


def two_stages() -> Graph:
    """Return a graph of three steps, the first two of one stage."""
    yield Step(stage="a", units=[unit_of("shouts", number=1), unit_of("shouts", number=2)], warnings=("a file is named twice",))
    yield Step(stage="a", units=[unit_of("shouts", number=3), unit_of("shouts", number=4)])
    yield Step(stage="b", units=[unit_of("shouts", number=5)])
    return Ended(rounds=1, reason="converged", overlap=None)


def walked(store: Store) -> Outcome:
    with Console() as console:
        return run_graph(two_stages(), store, InProcess(), console=console)


def test_a_run_says_once_a_stage_that_its_units_are_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    before = walked(store)
    assert "different versions" not in "".join(capsys.readouterr())
    for number in (1, 3, 5):
        path = store.folder(unit_of("shouts", number=number)) / RECEIPT
        path.write_text(path.read_text().replace(f'"python": "{HERE}"', '"python": "2.7"'))
    after = walked(store)
    said = " ".join("".join(capsys.readouterr()).split())
    assert said.count("units of one stage were made by different versions") == 1
    assert f"a: units of one stage were made by different versions: python 2.7 (1) and python {HERE} (1)" in said
    assert after.digest == before.digest


def test_what_a_step_warns_of_is_said_at_every_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        walked(Store(tmp_path))
        assert "".join(capsys.readouterr()).count("warning: a file is named twice") == 1


def test_what_is_about_this_machines_files_is_no_part_of_the_digest(tmp_path: Path) -> None:
    def graph(number: int) -> Graph:
        yield Step(stage="inputs", units=[unit_of("shouts", number=number)], is_content=False)
        yield Step(stage="a", units=[unit_of("shouts", number=3)])
        return Ended(rounds=1, reason="converged", overlap=None)

    digests = {run_graph(graph(number), Store(tmp_path), InProcess()).digest for number in (1, 2)}
    assert len(digests) == 1
