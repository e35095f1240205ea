"""What fits the toy recipe to a web of any size and place."""

from __future__ import annotations

import glob
import shlex
from pathlib import Path

import pytest

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.status import status_of
from reasonforge.corpus.synthetic.overlay import OVERLAY, toy_overlay
from reasonforge.corpus.synthetic.web import Written
from tests.corpus.synthetic.test_demo import ROOT, TOY, strings


def laid_over(tmp_path: Path, folder: Path, web: Written) -> CorpusRecipe:
    path = tmp_path / OVERLAY
    path.write_text(toy_overlay(folder, web.summary), encoding="utf-8")
    return load_recipe(CorpusRecipe, [TOY, path]).recipe


def test_every_file_of_the_recipe_is_then_one_of_the_web(tmp_path: Path, web: Written) -> None:
    named = list(strings(laid_over(tmp_path, web.folder, web).model_dump(mode="json")))
    assert not any("corpus/web" in text for text in named)
    patterns = [text for text in named if text.startswith(str(web.folder))]
    assert len(patterns) == 10
    assert all(glob.glob(pattern) for pattern in patterns)


def test_nothing_else_than_places_and_sizes_is_changed(tmp_path: Path, web: Written) -> None:
    toy = load_recipe(CorpusRecipe, [TOY]).recipe.model_dump(mode="json")
    fitted = laid_over(tmp_path, Path("corpus/web"), web).model_dump(mode="json")
    assert fitted["rounds"].pop("token_budgets") != toy["rounds"].pop("token_budgets")
    assert fitted["pack"].pop("total_tokens") != toy["pack"].pop("total_tokens")
    assert fitted == toy


def test_a_folder_of_any_name_is_read_as_it_is(tmp_path: Path, web: Written) -> None:
    folder = tmp_path / 'a "web" [1] \\ of ü\x7f*'
    folder.symlink_to(web.folder)
    recipe = laid_over(tmp_path, folder, web)
    assert recipe.truth == folder / "truth.parquet"
    patterns = [pattern for given in (recipe.crawl, recipe.seed_documents) for source in given.inputs for pattern in source.paths]
    assert [len(glob.glob(pattern)) for pattern in patterns] == [1, 1, 1]


def test_budgets_grow_as_the_papers_and_end_with_all_the_mathematics(web: Written) -> None:
    first, second, last = web.summary.token_budgets
    assert last == web.summary.math_tokens
    assert (first / last, second / last) == (pytest.approx(40 / 120, abs=1e-4), pytest.approx(89 / 120, abs=1e-4))


def test_from_a_web_of_500_pages_to_a_model_by_the_commands_that_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").symlink_to(ROOT / "recipes")
    assert main(["corpus", "synthesise", "--out", "my web", "--pages", "500"]) == 0
    said = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert said[0] == "next:"
    arguments = said[said.index("corpus") :]
    assert main([*arguments, "--workers", "1", "--quiet"]) == 0
    folder = Path(arguments[-1])
    rounds = status_of(folder)["rounds"]
    recalls = [entry["quality"]["recall"] for entry in rounds]
    assert recalls[0] < 0.5 < 0.9 < recalls[2]
    assert rounds[2]["quality"]["precision"] >= 0.9
    # And on: the recipe of a model reads what the corpus came to.
    Path("corpus").mkdir()
    Path("corpus/toy").symlink_to(folder.absolute())
    assert main(["run", "recipes/toy/mined_model.toml", "--dry-run"]) == 0
    assert "204,800 tokens in windows of 128: mined 114,688 (" in " ".join(capsys.readouterr().out.split())
