"""A corpus folder read whole: what is damaged is named, and removing what is named and running again mends it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reasonforge.cli.main import main
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.loop.verify import Verification, bytes_of, unit_folders
from reasonforge.corpus.packing.manifest import MANIFEST, Manifest
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import RECEIPT, Receipt, file_digest
from tests.corpus.loop import web


def flip(path: Path) -> Path:
    """Change one bit in the middle of a file; its size and time stay."""
    state = path.stat()
    with path.open("r+b") as file:
        file.seek(state.st_size // 2)
        byte = file.read(1)[0]
        file.seek(state.st_size // 2)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return path


def first(root: Path, pattern: str) -> Path:
    return min(root.glob(pattern))


def contents(root: Path) -> dict[str, str]:
    folders = [*unit_folders(root), *(root / "shards").iterdir()]
    return {path.relative_to(root).as_posix(): file_digest(path) for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_corpus, tmp_path / "corpus"))


def test_a_whole_corpus_is_read_to_its_last_byte(tiny_corpus: Path) -> None:
    reading = Verification(tiny_corpus)
    assert list(reading.damages()) == []
    assert reading.num_bytes == bytes_of(tiny_corpus) > 100_000
    outputs = [path for folder in unit_folders(tiny_corpus) for path in folder.rglob("*") if path.is_file()]
    shards = [path for path in tiny_corpus.glob("shards/*/*") if path.is_file()]
    tokenizer = [path for path in tiny_corpus.glob("tokenizer/*") if path.is_file()]
    assert len(tokenizer) >= 2
    assert reading.files == len(outputs) + len(shards) + len(tokenizer)


def test_the_verb_says_how_far_it_is_megabyte_by_megabyte(tiny_corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "verify", str(tiny_corpus)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if "megabyte" in line and "/1" in line] == [
        f"1/1 verify {tiny_corpus}, 1 megabyte",
        f"verify {tiny_corpus} megabyte 1/1",
    ]
    assert out[-1].startswith(f"{tiny_corpus}: ")
    assert out[-1].endswith("bytes, as they were written")


def test_a_shard_that_is_the_file_of_its_unit_is_read_once(tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = first(tiny_corpus, "shards/mined/*.bin")
    assert shard.stat().st_nlink > 1
    read: list[int] = []
    monkeypatch.setattr("reasonforge.corpus.loop.verify.file_digest", lambda path: (read.append(path.stat().st_ino), file_digest(path))[1])
    assert not list(Verification(tiny_corpus).damages())
    assert read.count(shard.stat().st_ino) == 1


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (flip, "its bytes are not those that were written"),
        (lambda path: os.truncate(path, 5), "has 5 bytes"),
        (Path.unlink, "is missing"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read: Is a directory"),
    ],
    ids=["flipped", "cut", "missing", "a folder"],
)
def test_a_damaged_output_is_named_with_its_folder(corpus: Path, harm: Callable[[Path], object], what: str) -> None:
    path = first(corpus, "pages/*/pages.parquet")
    harm(path)
    (damage,) = Verification(corpus).damages()
    assert (damage.path, damage.remove) == (path, path.parent)
    assert what in damage.what


def test_a_receipt_that_says_something_else_is_damage(corpus: Path) -> None:
    missing, broken, changed, moved = sorted(corpus.glob(f"urls/*/*/{RECEIPT}"))[:4]
    missing.unlink()
    broken.write_text("{}")
    changed.write_text(changed.read_text().replace('"version": 1', '"version": 2'))
    moved.parent.rename(moved.parent.with_name("0" * 32))
    found = {damage.path: damage.what for damage in Verification(corpus).damages()}
    assert found == {
        missing: "is missing",
        broken: "is no receipt",
        changed: "is the receipt of another unit, or was changed",
        moved.parent.with_name("0" * 32) / RECEIPT: "is the receipt of another unit, or was changed",
        moved.parent: "is missing",
    }


@pytest.mark.parametrize(("old", "new"), [('"kept": ', '"kept": 1'), ('"size": ', '"size":  '), ('"xxh3": ', '"xxh2": ')])
def test_a_receipt_whose_counts_or_bytes_have_changed_is_damage(corpus: Path, old: str, new: str) -> None:
    path = first(corpus, f"pages/*/{RECEIPT}")
    text = path.read_text()
    at = text.rindex(old)
    path.write_text(text[:at] + new + text[at + len(old) :])
    (damage,) = Verification(corpus).damages()
    assert (damage.path, damage.what) == (path, "is the receipt of another unit, or was changed")


def test_a_receipt_of_an_early_program_has_no_digest_of_its_own_and_is_no_damage(corpus: Path) -> None:
    for path in corpus.rglob(RECEIPT):
        text = path.read_bytes()
        early = Receipt.from_json(text, path).to_json(is_sealed=False)
        assert len(early) < len(text)
        path.write_bytes(early)
    assert list(Verification(corpus).damages()) == []


def first_shard_alone(content: dict[str, Any]) -> None:
    del content["shards"][1:]
    content["num_tokens"], content["num_documents"] = (content["shards"][0][name] for name in ("num_tokens", "num_documents"))


@pytest.mark.parametrize(
    "change",
    [first_shard_alone, lambda content: content.update(vocab_size=content["vocab_size"] + 1), lambda content: content.update(units="0")],
    ids=["cut to its first shard", "vocabulary", "units"],
)
def test_a_manifest_that_does_not_say_what_was_packed_is_damage_and_is_made_again(
    tiny_web: Path, corpus: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    recipe = web.load(tiny_web, "--pack.shard_tokens", "200")
    assert run_corpus(recipe, corpus, InProcess, RunOptions(quiet=True)) == 0
    before = Manifest.read(corpus / "shards" / "mined")
    assert len(before.shards) > 1
    path = corpus / "shards" / "mined" / MANIFEST
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    Manifest.read(path.parent)  # by itself it is sound
    (damage,) = Verification(corpus).damages()
    assert (damage.path, damage.what, damage.remove) == (path, "does not say what was packed", path.parent)
    shutil.rmtree(damage.remove)
    assert run_corpus(recipe, corpus, InProcess, RunOptions(quiet=True)) == 0
    assert Manifest.read(path.parent) == before


def test_published_shards_are_looked_at_by_themselves(corpus: Path) -> None:
    flipped = flip(first(corpus, "shards/mined/*.idx"))
    manifest = corpus / "shards" / "code" / "manifest.json"
    manifest.unlink()
    found = {damage.path: damage.remove for damage in Verification(corpus).damages()}
    assert found == {flipped: flipped.parent, manifest: manifest.parent}


def test_the_published_tokenizer_is_looked_at_by_itself_and_a_run_makes_it_again(tiny_web: Path, corpus: Path) -> None:
    flipped = flip(corpus / "tokenizer" / "tokenizer.json")
    missing = next(path for path in sorted((corpus / "tokenizer").iterdir()) if path.is_file() and path != flipped)
    missing.unlink()
    found = list(Verification(corpus).damages())
    assert {damage.path: damage.what.split(":")[0] for damage in found} == {
        flipped: "its bytes are not those that were written",
        missing: "is missing",
    }
    for damage in found:
        damage.remove.unlink(missing_ok=True)
    assert run_corpus(web.load(tiny_web), corpus, InProcess, RunOptions(quiet=True)) == 0
    assert list(Verification(corpus).damages()) == []


def test_a_tokenizer_that_was_learned_before_is_none_that_must_be_there(corpus: Path) -> None:
    (learned,) = (folder for folder in (corpus / "tokenizer").iterdir() if folder.is_dir())
    other = learned.with_name("0" * 32)
    shutil.copytree(learned, other)
    receipt = other / RECEIPT
    receipt.write_text(receipt.read_text().replace('"xxh3": "', '"xxh3": "f'))
    assert [damage for damage in Verification(corpus).damages() if other not in damage.path.parents] == []
    for path in (corpus / "tokenizer").glob("*.json"):
        path.unlink()
    assert {damage.path.name for damage in Verification(corpus).damages() if damage.what == "is missing"} >= {"tokenizer.json"}


def test_a_corpus_that_is_under_way_misses_nothing(corpus: Path) -> None:
    (corpus / "plan" / "end.json").unlink()
    shutil.rmtree(first(corpus, "round-1/score/*"))
    shutil.rmtree(corpus / "shards" / "mined")
    for path in (corpus / "tokenizer").glob("*.json"):
        path.unlink()
    assert list(Verification(corpus).damages()) == []


def test_what_a_killed_worker_left_half_done_is_not_looked_at(corpus: Path) -> None:
    half = corpus / "pages" / f".tmp-{'a' * 32}-host-1-abcdef"
    half.mkdir()
    (half / "pages.parquet").write_text("half")
    shutil.copytree(corpus / "shards" / "code", corpus / "shards" / ".tmp-code")
    flip(first(corpus, "shards/.tmp-code/*.bin"))
    assert list(Verification(corpus).damages()) == []


def test_removing_what_is_named_and_running_again_makes_the_same_corpus(
    tiny_web: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(corpus)
    patterns = ("pages/*/pages.parquet", "urls/*/dropped.parquet", "neardup/shingles/*/*.parquet", "round-1/train/*/folded.bin")
    patterns += ("round-1/worklist/*/worklist.parquet", "decontaminate/*/actions.parquet", "pack/mined/*/shard.bin", "shards/mined/*.bin")
    harmed = [flip(first(corpus, pattern)) for pattern in patterns]
    assert run_corpus(web.load(tiny_web), corpus, InProcess, RunOptions(quiet=True)) == 0  # a run does not see it
    capsys.readouterr()
    assert main(["corpus", "verify", str(corpus)]) == 65
    out, error = capsys.readouterr()
    assert all(f"warning: {path}: its bytes are not those that were written" in out for path in harmed)
    assert f"{corpus}: damaged or missing: 8 of " in error
    remove = [Path(line.removeprefix("remove: ")) for line in out.splitlines() if line.startswith("remove: ")]
    assert {path if path.is_dir() else path.parent for path in remove} == {path.parent for path in harmed}
    for folder in remove:
        shutil.rmtree(folder)
    assert run_corpus(web.load(tiny_web), corpus, InProcess, RunOptions(quiet=True)) == 0
    assert contents(corpus) == before
    assert main(["corpus", "verify", str(corpus)]) == 0


@pytest.mark.slow
def test_a_unit_of_any_stage_can_be_removed_and_is_made_again(tiny_web: Path, corpus: Path) -> None:
    before = contents(corpus)
    stages = {folder.parent: folder for folder in unit_folders(corpus)}
    assert len(stages) > 40
    for folder in stages.values():
        flip(max((path for path in folder.rglob("*") if path.is_file() and path.name != RECEIPT), key=lambda path: path.stat().st_size))
        assert {damage.remove for damage in Verification(corpus).damages()} == {folder}
        shutil.rmtree(folder)
        assert run_corpus(web.load(tiny_web), corpus, InProcess, RunOptions(quiet=True)) == 0
        assert contents(corpus) == before, folder
