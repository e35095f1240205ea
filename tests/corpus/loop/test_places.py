"""Paths of a recipe hold wherever a later command is called from."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.places import anchored
from tests.corpus.loop import web


def recipe_at(tmp_path: Path, folder: Path, *overrides: str) -> CorpusRecipe:
    loaded = web.load(tmp_path, *overrides)
    found = anchored(loaded, folder)
    assert CorpusRecipe.model_validate(found.resolved) == found.recipe
    return found.recipe


def test_every_relative_path_is_below_the_folder(tmp_path: Path) -> None:
    inputs = '[{type="jsonl", paths=["a/*.jsonl", "/b.jsonl", "s3://c/*.jsonl"]}]'
    recipe = recipe_at(
        tmp_path,
        Path("/here"),
        f"--crawl.inputs={inputs}",
        f"--seed_documents.inputs={inputs}",
        "--truth=t.parquet",
        "--annotation.path=said.jsonl",
        '--decontamination.sources=[{type="file", name="x", path="x.jsonl"}]',
        '--pack.tokenizer={type="folder", path="model"}',
        "--pack.sources.code.paths=['code/**']",
    )
    for part in (recipe.crawl, recipe.seed_documents):
        assert part.inputs[0].paths == ("/here/a/*.jsonl", "/b.jsonl", "s3://c/*.jsonl")
    assert recipe.truth == Path("/here/t.parquet")
    assert recipe.annotation.type == "file"
    assert recipe.annotation.path == Path("/here/said.jsonl")
    assert recipe.decontamination is not None
    assert recipe.decontamination.sources[0].path == "/here/x.jsonl"
    assert recipe.pack is not None
    assert recipe.pack.tokenizer.type == "folder"
    assert recipe.pack.tokenizer.path == "/here/model"
    assert recipe.pack.sources["code"].paths == ("/here/code/**",)


def test_what_is_not_named_stays_so(tmp_path: Path) -> None:
    recipe = recipe_at(tmp_path, Path("/here"), "--decontamination=none", "--pack=none", "--annotation={type='human'}")
    assert (recipe.decontamination, recipe.pack) == (None, None)
    assert recipe.annotation.type == "human"
    assert recipe.annotation.path is None


def test_a_home_folder_is_meant_by_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert recipe_at(tmp_path, Path("/here"), "--truth=~/t.parquet").truth == Path("/home/ann/t.parquet")


def test_a_pattern_below_a_folder_with_wildcards_in_its_name_stays_relative(tmp_path: Path) -> None:
    inputs = '--crawl.inputs=[{type="jsonl", paths=["a/*.jsonl", "b.jsonl"]}]'
    assert recipe_at(tmp_path, Path("/data [old]"), inputs).crawl.inputs[0].paths == ("a/*.jsonl", "/data [old]/b.jsonl")
