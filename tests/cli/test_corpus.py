"""``reasonforge corpus ...`` as people type it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reasonforge.config.loader import load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.ingest import commoncrawl
from reasonforge.corpus.ingest.commoncrawl import CommonCrawl
from tests.cli.test_start_up import loaded_by
from tests.corpus.loop import web

ROOT = Path(__file__).resolve().parents[2]
RECIPES = [ROOT / "recipes" / "toy" / "corpus.toml", *sorted((ROOT / "recipes" / "corpus").glob("*.toml"))]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = web.build(tmp_path_factory.mktemp("cli") / "web")
    web.load(folder)
    return folder / "recipe-file.toml"


@pytest.mark.parametrize("arguments", [["corpus", "--help"], ["corpus", "run", "--help"], ["corpus", "explain", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by(*arguments) == (0, set())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_dry_run_where_nothing_is_there_fails_and_makes_nothing(path: Path, tmp_path: Path) -> None:
    code, heavy = loaded_by("corpus", "run", str(path), "--dry-run", cwd=tmp_path)
    assert (code, heavy & {"torch", "transformers"}) == (65, set())
    assert not any(tmp_path.iterdir())


def test_a_dry_run_checks_what_the_recipe_names_without_torch(recipe: Path, tmp_path: Path) -> None:
    code, heavy = loaded_by("corpus", "run", str(recipe), "--dry-run", cwd=tmp_path)
    assert (code, "torch" in heavy) == (0, False)
    assert not any(tmp_path.iterdir())


def test_a_dry_run_has_a_line_for_everything_that_is_missing(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["corpus", "run", str(RECIPES[0])]
    code, text, errors = call(*given, "--dry-run")
    assert (code, "next:" in text) == (65, False)
    lines = errors.splitlines()
    assert len(lines) == 10
    assert all(line.startswith("error: ") for line in lines)
    assert lines[0].startswith(f"error: crawl.inputs (1): {tmp_path}/corpus/web/warc/SYN-2025-02/*.warc.gz: no file matches")
    assert call(*given, "--workers", "1")[::2] == (65, errors)


def test_a_setting_that_the_command_line_changes_stands_in_the_next_command(call: Call, recipe: Path, tmp_path: Path) -> None:
    given = f"corpus run {recipe} --out {tmp_path}/corpus --annotation.type human"
    code, text, _ = call(*given.split(), "--dry-run")
    assert (code, text.splitlines()[-1].endswith(f" {given}")) == (0, True)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("--annotation.type auto --annotation.path x", "annotation.path: no such setting. It belongs to type file, human"),
        ("--crawl.inputs.0.allow_truncated true", "A list is set whole: write it in a file and name that behind the recipe"),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(call: Call, recipe: Path, settings: str, line: str) -> None:
    code, _, errors = call("corpus", "run", str(recipe), *settings.split())
    assert (code, errors.rstrip().endswith(line)) == (2, True)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_read_again_as_it_was_stored(path: Path) -> None:
    loaded = load_recipe(CorpusRecipe, [path])
    assert CorpusRecipe.model_validate_json(json.dumps(loaded.resolved)) == loaded.recipe


def test_the_papers_recipe_has_the_papers_numbers() -> None:
    recipe = load_recipe(CorpusRecipe, [ROOT / "recipes" / "corpus" / "deepseek_math.toml"]).recipe
    classifier, rounds = recipe.classifier, recipe.rounds
    assert (classifier.num_positives, classifier.num_negatives) == (500_000, 500_000)
    options = (classifier.dim, classifier.lr, classifier.word_ngrams, classifier.min_count, classifier.epochs)
    assert options == (256, 0.1, 3, 3, 3)
    assert (rounds.max_rounds, rounds.converged_overlap, rounds.budget(1), rounds.budget(2)) == (4, 0.98, 40 * 10**9, 89 * 10**9)
    assert recipe.domains.min_collected_ratio == 0.10
    assert recipe.annotation.type == "human"
    assert recipe.decontamination is not None
    assert recipe.pack is not None
    assert (recipe.decontamination.n, recipe.decontamination.min_n) == (10, 3)
    assert [recipe.pack.weight, *(source.weight for source in recipe.pack.sources.values())] == [56, 4, 10, 20, 10]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("corpus run", "no recipe given. For example: reasonforge corpus run recipes/toy/corpus.toml --out corpus/toy"),
        ("corpus run RECIPE --rounds.treshold 0.5", "command line: rounds.treshold: no such setting. Did you mean rounds.threshold?"),
        ("corpus run RECIPE --round.max_rounds 2", "command line: round: no such setting. Did you mean rounds?"),
        ("corpus run RECIPE --worker 2", "--worker: no such option. Did you mean --workers?"),
        ("corpus run RECIPE --rounds.token_budgets [5]", "token_budgets or threshold selects the pages, one of them: both are given"),
        ("corpus run RECIPE --stage scor", "stage scor: no such stage. Did you mean score?"),
        ("corpus run RECIPE --stage score --until train", "--stage does one stage and --until all up to one: choose one"),
        ("corpus run RECIPE --round 2", "--round: of which stage? Name it with --stage or --until"),
        ("corpus run RECIPE --rank 1", "--rank and --world-size belong together: rank K of W shares"),
        ("corpus run RECIPE --rank 1 --world-size 2", "--rank does a share of one stage: name it with --stage"),
        ("corpus run RECIPE --stage pages --rank 2 --world-size 2", "--rank 2: of 2 ranks the last is 1"),
        ("corpus run RECIPE --executor ray --workers 2", "--workers is about this machine: with --executor ray the cluster's size decides"),
        (
            "corpus run --out nowhere",
            "nowhere: no corpus here to go on with, and no recipe given: reasonforge corpus run RECIPE --out nowhere",
        ),
        ("corpus extract . --out pages.jsonl", ".: is a folder. Name its files: ./**/*.warc.gz"),
        ("corpus fetch a.org/ --crawl CC-MAIN-2024-10 --out pages.jsonl", "pages.jsonl: its name must end in .warc.gz"),
        ("corpus fetch * --crawl CC-MAIN-2024-10 --out a.warc.gz", "'*': expected a host and the beginning of a path, as in"),
        ("corpus fetch a.org/ --crawl ../x --out a.warc.gz", "--crawl ../x: expected a name such as CC-MAIN-2024-10"),
        ("corpus rum", "No such command 'rum'."),
        ("corpus explain", "Missing argument"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    call: Call, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = call(*(str(recipe) if word == "RECIPE" else word for word in arguments.split()))
    assert code == 2
    assert line in errors
    assert not any(tmp_path.iterdir())


def test_settings_are_listed_with_their_meaning(call: Call) -> None:
    code, out, _ = call("corpus", "run", "--settings", "domains")
    assert code == 0
    assert "domains.min_collected_ratio  (a number, >= 0, < 1; default 0.1)" in out


def test_a_corpus_is_made_looked_at_and_gone_on_with(call: Call, recipe: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "corpus")
    code, _, errors = call("corpus", "run", str(recipe), "--out", out, "--until", "select", "--round", "1", "--workers", "2", "--quiet")
    assert (code, errors) == (0, "")
    code, text, _ = call("corpus", "status", out, "--json")
    status = json.loads(text)
    assert (code, status["state"], [entry["round"] for entry in status["rounds"]]) == (0, "stopped", [1])
    # Without a recipe it is the one of the folder, and settings lie on top of it.
    code, text, errors = call("corpus", "run", "--out", out, "--rounds.max_rounds", "1", "--workers", "1")
    assert (code, errors) == (0, "")
    assert "rounds.max_rounds: 4 -> 1" in text
    assert "the corpus is complete" in text
    assert call("corpus", "status", out)[0] == 0
    code, text, _ = call("corpus", "explain", out, "https://book.org/chapters/3", "--json")
    assert code == 0
    assert json.loads(text)["captures"][0]["page"]["host"] == "book.org"


def test_a_dry_run_shows_what_is_done_already_and_what_changes(call: Call, recipe: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "corpus")
    assert call("corpus", "run", str(recipe), "--out", out, "--until", "pages", "--workers", "1", "--quiet")[0] == 0
    code, text, _ = call("corpus", "run", str(recipe), "--out", out, "--dry-run", "--seed", "7")
    assert code == 0
    assert "3 of 3" in text
    assert "seed: 0 -> 7" in text
    assert "nothing was done: this was a dry run" in text


@pytest.mark.parametrize("verb", ["status", "report", "annotate", "verify"])
def test_a_missing_extra_is_one_line_that_says_how_to_get_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "polars" else real(name))
    code, _, errors = call("corpus", verb, str(tmp_path))
    assert (code, errors) == (69, 'error: polars: not installed. Corpora need: pip install "reasonforge[corpus]"\n')


def test_a_folder_without_a_corpus_is_exit_code_65(call: Call, tmp_path: Path) -> None:
    code, _, errors = call("corpus", "status", str(tmp_path))
    assert code == 65
    assert "no corpus here" in errors


@pytest.mark.parametrize("arguments", [["RECIPE"], ["RECIPE", "--dry-run"], []], ids=["run", "dry run", "go on"])
def test_a_file_in_place_of_the_folder_is_one_line(call: Call, recipe: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "file").write_text("mine")
    words = [str(recipe) if word == "RECIPE" else word for word in arguments]
    code, _, errors = call("corpus", "run", *words, "--out", str(tmp_path / "file"))
    assert (code, errors) == (2, f"error: {tmp_path}/file: is a file. A corpus is a folder: name one\n")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("arguments", [["run", "RECIPE"], ["run", "RECIPE", "--dry-run"], ["run"], ["status"], ["report"]])
def test_the_folder_of_a_training_run_is_left_alone(call: Call, recipe: Path, tmp_path: Path, arguments: list[str]) -> None:
    files = {"recipe.resolved.json": '{"stages": []}', "recipe.toml": "stages = []\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    words = [str(recipe) if word == "RECIPE" else word for word in arguments]
    code, _, errors = call("corpus", *words, *(["--out"] if words[0] == "run" else []), str(tmp_path))
    assert (code, errors) == (65, f"error: {tmp_path}: recipe.resolved.json in it is not the recipe of a corpus. Choose another folder\n")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_stored_recipe_that_is_torn_or_of_another_version_says_what_to_do(call: Call, recipe: Path, tmp_path: Path) -> None:
    stored = tmp_path / "recipe.resolved.json"
    stored.write_text('{"crawl": ')
    for arguments in (["status", str(tmp_path)], ["run", str(recipe), "--out", str(tmp_path)]):
        code, _, errors = call("corpus", *arguments)
        assert code == 65
        assert f"Remove it, and name the recipe: reasonforge corpus run RECIPE --out {tmp_path}" in errors
    stored.write_text('{"crawl": 3, "rounds": {}}')
    code, _, errors = call("corpus", "status", str(tmp_path))
    assert code == 65
    assert "crawl: Input should be an object. Run the corpus again with its recipe: it stores a new one" in errors


def test_a_torn_step_of_the_plan_says_what_to_do(call: Call, recipe: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "corpus")
    assert call("corpus", "run", str(recipe), "--out", out, "--until", "pages", "--workers", "1", "--quiet")[0] == 0
    (tmp_path / "corpus" / "plan" / "0000.json").write_text('{"stage')
    code, _, errors = call("corpus", "status", out)
    assert code == 65
    assert "Run the corpus again: it writes a new one" in errors
    assert call("corpus", "run", str(recipe), "--out", out, "--until", "pages", "--workers", "1", "--quiet")[0] == 0
    assert call("corpus", "status", out)[0] == 0


def test_fetch_says_whom_it_asks_and_what_came(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, int | None]] = []

    def fetch_pages(crawl: CommonCrawl, prefix: str, out: Path, *, limit: int | None) -> int:
        asked.append((crawl.crawl, prefix, limit))
        return 3

    monkeypatch.setattr(commoncrawl, "fetch_pages", fetch_pages)
    out = str(tmp_path / "a.warc.gz")
    code, text, errors = call("corpus", "fetch", "a.org/q/", "--crawl", "CC-MAIN-2024-10", "--out", out, "--limit", "5")
    assert (code, asked) == (0, [("CC-MAIN-2024-10", "a.org/q/", 5)])
    assert errors == "asking https://index.commoncrawl.org for CC-MAIN-2024-10\n"
    assert text == f"3 pages: {out}\n"


def test_an_annotator_without_a_name_is_refused(call: Call, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = str(tmp_path / "corpus")
    options = ["--annotation.type", "human", "--annotation.path", "none", "--until", "worklist", "--workers", "1", "--quiet"]
    assert call("corpus", "run", str(recipe), "--out", out, *options)[0] == 0
    assert not (Path.cwd() / "none").exists()
    code, _, errors = call("corpus", "annotate", out, "--by", "", "--accept")
    assert (code, "expected human:NAME" in errors) == (65, True)
