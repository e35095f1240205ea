"""``corpus pack``, ``export`` and ``verify`` as a user types them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as arrow
import pytest
import typer
from pyarrow import parquet
from typer.testing import CliRunner

from reasonforge.cli import corpus_pack, corpus_verify
from reasonforge.core.errors import DataError, RecipeError
from reasonforge.corpus.packing import batches
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.packing.megatron import check_megatron
from reasonforge.corpus.packing.reader import Shards
from tests.corpus.packing.made import letters, lines


def call(*arguments: object) -> str:
    """Run one command; return what it printed."""
    app = typer.Typer()
    for command in (corpus_pack.pack, corpus_pack.export, corpus_verify.verify):
        app.command()(command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    letters().save(tmp_path / "tokenizer")
    for name in "ab":
        lines(tmp_path / f"{name}.jsonl", [{"id": f"{name}{i}", "text": f"document {name} {i}"} for i in range(5)])
    return tmp_path


def test_pack_says_what_it_did_and_leaves_shards_alone(corpus: Path) -> None:
    said = call(
        "pack", corpus / "a.jsonl", corpus / "b.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "out", "--workers", 1
    )
    manifest = Manifest.read(corpus / "out")
    assert f"{manifest.num_tokens:,} tokens of 10 documents in 2 shards (uint16)" in said
    assert f"{corpus / 'b.jsonl'}: 5 of 5 documents\n" in said
    assert manifest.source == "out"
    assert sorted(path.name for path in corpus.iterdir()) == ["a.jsonl", "b.jsonl", "out", "tokenizer"]
    assert f"{manifest.num_tokens:,} tokens of 10 documents, as they were packed" in call("verify", corpus / "out")


def test_what_is_packed_is_not_packed_again_and_what_is_not_ours_is_left_alone(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["pack", corpus / "a.jsonl", "--tokenizer", corpus / "tokenizer", "--workers", 1, "--out"]
    call(*arguments, corpus / "out")
    monkeypatch.setattr("reasonforge.corpus.pool.run_all", lambda *arguments: pytest.fail("work was done"))
    assert call(*arguments, corpus / "out") == f"shards in {corpus / 'out'} already\n"
    (corpus / "mine").mkdir()
    (corpus / "mine" / "notes.txt").write_text("mine")
    for other in (corpus / "mine", corpus / "b.jsonl"):
        with pytest.raises(DataError, match="holds something else"):
            call(*arguments, other)
    with pytest.raises(DataError, match="holds something else"):
        call(*arguments, corpus / "out", "--name", "another")


def test_verify_goes_on_to_the_next_folder_and_says_what_is_none(corpus: Path) -> None:
    call("pack", corpus / "a.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "out", "--workers", 1)
    call("pack", corpus / "b.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "other", "--workers", 1)
    for folder in ("out", "other"):
        path = corpus / folder / "shard-00000.bin"
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DataError, match=r"(?s)out/shard-00000\.bin: its bytes.*other/shard-00000\.bin: its bytes"):
        call("verify", corpus / "out", corpus / "other")
    with pytest.raises(DataError, match=r"tokenizer: neither a corpus folder .* nor a folder of shards"):
        call("verify", corpus / "tokenizer")


def test_masks_go_with_the_files_in_order(corpus: Path) -> None:
    for name, kept in (("a", ["a1", "a2"]), ("b", ["b4"])):
        parquet.write_table(arrow.table({"id": kept}), corpus / f"keep_{name}.parquet")
    parquet.write_table(arrow.table({"id": ["a2"]}), corpus / "drop.parquet")
    files = [corpus / "a.jsonl", corpus / "b.jsonl"]
    tables = ["--keep", corpus / "keep_a.parquet", "--keep", corpus / "keep_b.parquet", "--drop", corpus / "drop.parquet"]
    said = call("pack", *files, "--tokenizer", corpus / "tokenizer", "--out", corpus / "out", "--workers", 1, *tables)
    shards = Shards(corpus / "out")
    assert [letters().decode(shards.document(i)[:-1].tolist()) for i in range(2)] == ["document a 1", "document b 4"]
    assert "left out: 1 masked" in said
    assert "left out: 7 not_selected" in said
    with pytest.raises(RecipeError, match="--keep: 1 tables for 2 files"):
        call("pack", *files, "--tokenizer", corpus / "tokenizer", "--out", corpus / "two", *tables[:2])


def test_a_file_named_twice_is_refused(corpus: Path) -> None:
    with pytest.raises(RecipeError, match=r"a\.jsonl: is named twice"):
        call("pack", corpus / "a.jsonl", corpus / "a.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "out")
    (corpus / "c.jsonl").symlink_to(corpus / "a.jsonl")
    with pytest.raises(RecipeError, match=r"c\.jsonl: is named twice"):
        call("pack", corpus / "a.jsonl", corpus / "c.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "out")


def test_export_writes_where_it_is_told(corpus: Path) -> None:
    call("pack", corpus / "a.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "out", "--workers", 1)
    call("export", corpus / "out", "--format", "megatron", "--out", corpus / "megatron" / "once")
    assert check_megatron(corpus / "megatron" / "once") == (Manifest.read(corpus / "out").num_tokens, 5)
    call("export", corpus / "out", corpus / "out", "--format", "megatron", "--out", corpus / "twice")
    assert check_megatron(corpus / "twice")[1] == 10
    with pytest.raises(DataError, match="is there already"):
        call("export", corpus / "out", "--format", "megatron", "--out", corpus / "twice")


def test_small_files_become_one_shard_and_are_named_by_the_first(corpus: Path) -> None:
    lines(corpus / "large.jsonl", [f"document {i}" for i in range(500)])
    files = [corpus / f"{name}.jsonl" for name in ("large", "a", "b")]
    arguments = ["--tokenizer", corpus / "tokenizer", "--workers", 1]
    said = call("pack", *files, *arguments, "--out", corpus / "out")
    assert "510 documents in 3 shards" in said
    more = [lines(corpus / f"{i}.jsonl", ["x" * 20]) for i in range(200)]
    said = call("pack", corpus / "large.jsonl", *more, *arguments, "--out", corpus / "many")
    assert f"{corpus / '0.jsonl'} and 7 more: 8 of 8 documents" in said
    said = call("pack", corpus / "large.jsonl", *more, *arguments, "--out", corpus / "told", "--shard-tokens", 25)
    assert f"{corpus / '0.jsonl'} and 2 more: 3 of 3 documents" in said


_PROGRAM = """
import sys, time
from reasonforge.cli import corpus_pack
from reasonforge.corpus.packing import batches, units
batches._LEAST_SHARDS = int(sys.argv[2])
from pathlib import Path
slow = units.encode_documents
def slowly(*arguments, **options):
    for encoded in slow(*arguments, **options):
        time.sleep(0.15)
        yield encoded
units.encode_documents = slowly
root = Path(sys.argv[1])
corpus_pack.pack(files=[root / "a.jsonl", root / "b.jsonl"], tokenizer=root / "tokenizer", out=root / "out", workers=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "least"), [(0.1, 64), (0.25, 64), (0.4, 64), (0.25, 1)], ids=["0.1", "0.25", "0.4", "one shard"])
def test_a_killed_packing_goes_on_and_leaves_the_same_bytes(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, least: int
) -> None:
    monkeypatch.setattr(batches, "_LEAST_SHARDS", least)
    call("pack", corpus / "a.jsonl", corpus / "b.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "whole", "--name", "out")
    assert len(Manifest.read(corpus / "whole").shards) == min(least, 2)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(corpus), str(least)], env=environment, stdout=subprocess.DEVNULL)
    units = corpus / ".out.units"
    while not units.exists() and killed.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    call("pack", corpus / "a.jsonl", corpus / "b.jsonl", "--tokenizer", corpus / "tokenizer", "--out", corpus / "out", "--workers", 2)
    whole, resumed = ({path.name: path.read_bytes() for path in (corpus / name).iterdir()} for name in ("whole", "out"))
    assert whole == resumed
