"""Published shards of sources that a recipe no longer has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reasonforge.config.loader import load_recipe
from reasonforge.core.errors import DataError
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.shards import retire
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.packing.manifest import Manifest
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import Store
from tests.corpus.loop import web
from tests.corpus.packing.made import packed


@pytest.fixture
def corpus(tiny_corpus: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_corpus, tmp_path / "corpus"))


def test_shards_of_a_source_that_is_gone_go_and_come_back_with_it_without_work(
    tiny_web: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Manifest.read(corpus / "shards" / "code")
    text = web.recipe_text(tiny_web).partition("[pack.sources.code]")[0]
    (tmp_path / "less.toml").write_text(text)
    assert run_corpus(load_recipe(CorpusRecipe, [tmp_path / "less.toml"], ()), corpus, InProcess) == 0
    assert f"{corpus}/shards/code: removed, the recipe has no such source any more" in capsys.readouterr().out
    assert [path.name for path in (corpus / "shards").iterdir()] == ["mined"]
    (tmp_path / "none.toml").write_text(text.partition("[pack]")[0])
    assert run_corpus(load_recipe(CorpusRecipe, [tmp_path / "none.toml"], ()), corpus, InProcess, RunOptions(quiet=True)) == 0
    assert list((corpus / "shards").iterdir()) == []
    assert run_corpus(web.load(tiny_web), corpus, InProcess) == 0
    assert " 0 done, " in capsys.readouterr().out
    assert Manifest.read(corpus / "shards" / "code") == before


def test_what_the_corpus_did_not_publish_itself_stays_and_is_named(corpus: Path, tmp_path: Path) -> None:
    shards = corpus / "shards"
    (shards / "code" / "megatron.bin").write_text("an export")
    shutil.move(packed(tmp_path, [["another", "corpus"]])[0], shards / "mine")
    (shards / "notes").mkdir()
    (shards / "linked").symlink_to(tmp_path)
    (shards / "readme.txt").write_text("a file")
    shutil.copytree(shards / "mined", shards / "broken")
    (shards / "broken" / "manifest.json").write_text("{")
    found = {retired.folder.name: retired.kept_because for retired in retire(Store(corpus), {"mined"})}
    assert found == {
        "broken": "its manifest.json cannot be read",
        "code": "it holds megatron.bin, which packing did not write",
        "linked": "it is no folder of shards that this corpus made",
        "mine": "this corpus has no units that packed it",
        "notes": "it is no folder of shards that this corpus made",
    }
    assert {path.name for path in shards.iterdir()} == {"mined", "readme.txt", *found}


def test_an_unreadable_receipt_keeps_shards_that_it_may_have_packed_and_no_run_fails(
    tiny_web: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = min(corpus.glob("pack/code/*/receipt.json"))
    broken.write_text("{")
    (tmp_path / "less.toml").write_text(web.recipe_text(tiny_web).partition("[pack.sources.code]")[0])
    assert run_corpus(load_recipe(CorpusRecipe, [tmp_path / "less.toml"], ()), corpus, InProcess, RunOptions(quiet=True)) == 0
    assert f"still there, for this corpus has no units that packed it ({broken} cannot be read): " in capsys.readouterr().out
    assert (corpus / "shards" / "code" / "manifest.json").exists()


def test_an_unreadable_receipt_of_an_older_plan_does_not_keep_shards_that_others_packed(corpus: Path) -> None:
    (corpus / "pack" / "code" / ("0" * 32)).mkdir()
    (corpus / "pack" / "code" / ("0" * 32) / "receipt.json").mkdir()
    assert [(found.folder.name, found.kept_because) for found in retire(Store(corpus), {"mined"})] == [("code", None)]
    assert not (corpus / "shards" / "code").exists()


def test_shards_from_elsewhere_do_not_give_way_to_a_new_source_of_their_name(tiny_web: Path, corpus: Path, tmp_path: Path) -> None:
    theirs, manifest = packed(tmp_path, [["another", "corpus"]])
    shutil.rmtree(corpus / "shards" / "code")
    shutil.move(theirs, corpus / "shards" / "code")
    with pytest.raises(DataError, match=r"/shards/code: is to hold other shards, .* no units that packed it: move it away"):
        run_corpus(web.load(tiny_web), corpus, InProcess, RunOptions(quiet=True))
    assert Manifest.read(corpus / "shards" / "code") == manifest


def test_sources_of_the_recipe_and_folders_under_way_are_left_alone(corpus: Path) -> None:
    shutil.copytree(corpus / "shards" / "code", corpus / "shards" / ".tmp-code")
    assert retire(Store(corpus), {"mined", "code"}) == []
    assert {path.name for path in (corpus / "shards").iterdir()} == {"mined", "code", ".tmp-code"}


def test_a_run_warns_of_a_folder_that_it_leaves(tiny_web: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(packed(tmp_path, [["another", "corpus"]])[0], corpus / "shards" / "mine")
    assert run_corpus(web.load(tiny_web), corpus, InProcess, RunOptions(quiet=True)) == 0
    assert f"warning: {corpus}/shards/mine: no source of this recipe, and still there" in capsys.readouterr().out
    assert (corpus / "shards" / "mine" / "manifest.json").exists()
