"""What a recipe of a corpus may say, and which stages it comes to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reasonforge.core.errors import RecipeError
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.config import DomainsConfig, RoundsConfig
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.outline import ends_stage, outline
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.steps import Step
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.units import Store
from tests.corpus.loop import web


def test_the_last_budget_holds_for_all_rounds_after_it() -> None:
    rounds = RoundsConfig(token_budgets=(10, 30))
    assert [rounds.budget(number) for number in (1, 2, 3, 9)] == [10, 30, 30, 30]


def test_with_a_threshold_there_is_no_budget() -> None:
    assert RoundsConfig(threshold=0.5).budget(1) is None


@pytest.mark.parametrize("settings", [{}, {"threshold": 0.5, "token_budgets": (5,)}, {"token_budgets": ()}, {"token_budgets": (0,)}])
def test_one_rule_selects_and_only_one(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RoundsConfig.model_validate(settings)


def test_the_defaults_of_the_domain_rule_are_the_papers() -> None:
    assert (DomainsConfig().key, DomainsConfig().min_collected_ratio) == ("host", 0.10)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["--pack.sources.mined.paths=['x.jsonl']", "--pack.sources.mined.weight=1"], "this name is that of the mined pages"),
        (["--annotation.type=auto", "--annotation.path=x"], "annotation.path"),
        (["--annotation=none"], "annotation"),
        (["--near_duplicates.where=nowhere"], "near_duplicates.where"),
    ],
)
def test_a_recipe_that_cannot_mean_anything_is_refused(tiny_web: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        web.load(tiny_web, *overrides)


JSONL = '[{type="jsonl", paths=["x"]}]'
TEXT = '[{type="jsonl", paths=["x"], text="body"}, {type="wet", paths=["y"]}]'


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["--near_duplicates.where=off", "--near_duplicates.jaccard=0.7"],
            r"near_duplicates\.jaccard: has no effect: with where = \"off\"",
        ),
        (["--near_duplicates.where=off", "--near_duplicates.bands=9"], r"near_duplicates\.bands: has no effect"),
        (["--pack.max_epochs=3"], r"pack\.max_epochs: has no effect: without total_tokens"),
        (["--pack.tokenizer={type='folder', path='x'}", "--pack.tokenizer_documents=5"], r"pack\.tokenizer_documents: has no effect"),
        (
            ["--decontamination.min_n=10", "--decontamination.action.short_drops_page=true"],
            "short_drops_page has no effect where min_n = n",
        ),
        (["--crawl.inputs=[{type='parquet', paths=['x'], allow_truncated=true}]"], r"crawl\.inputs\[0\]\.allow_truncated: has no effect"),
        ([f"--crawl.inputs={JSONL}", "--crawl.limits.max_html_bytes=5000"], r"crawl\.limits\.max_html_bytes: has no effect"),
        ([f"--seed_documents.inputs={TEXT}", "--seed_documents.extract.main_content=false"], r"extract\.main_content: has no effect"),
    ],
)
def test_a_setting_without_effect_beside_the_others_is_refused(tiny_web: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        web.load(tiny_web, *overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["--near_duplicates.where=off"],  # the recipe has partitions
        ["--near_duplicates.where=off", "--near_duplicates.jaccard=0.8"],
        ["--pack.max_epochs=3", "--pack.total_tokens=1000"],
        ["--pack.tokenizer_documents=5"],
        ["--decontamination.action.short_drops_page=true"],
        ["--crawl.inputs=[{type='jsonl', paths=['x'], allow_truncated=true}]"],
        [f"--crawl.inputs={JSONL}", "--crawl.extract.main_content=false"],
        [f"--crawl.inputs={TEXT}", "--crawl.limits.max_html_bytes=5000"],
        [f"--crawl.inputs={TEXT}", "--crawl.extract.max_text_chars=5000"],
    ],
)
def test_a_setting_that_has_an_effect_is_taken_and_read_again(tiny_web: Path, overrides: list[str]) -> None:
    loaded = web.load(tiny_web, *overrides)
    assert CorpusRecipe.model_validate_json(json.dumps(loaded.resolved)) == loaded.recipe


@given(st.integers(1, 6), st.sampled_from(["crawl", "selection", "off"]), st.booleans(), st.booleans())
def test_the_outline_has_every_stage_once_a_round_and_nothing_that_is_left_out(rounds: int, where: str, clean: bool, pack: bool) -> None:
    recipe = _recipe(rounds, where, clean, pack)
    stages = outline(recipe)
    assert len(set(stages)) == len(stages)
    assert [number for stage, number in stages if stage == "train"] == list(range(1, rounds + 1))
    assert [number for stage, number in stages if stage == "expand"] == list(range(1, rounds))
    names = [stage for stage, _ in stages]
    assert (("near_duplicates" in names), ("decontaminate" in names), ("pack" in names)) == (where != "off", clean, pack)
    if where != "off":
        assert (names.index("near_duplicates") < names.index("train")) == (where == "crawl")


def _recipe(rounds: int, where: str, clean: bool, pack: bool) -> CorpusRecipe:
    files = {"inputs": [{"type": "jsonl", "paths": ["x.jsonl"]}]}
    content = {
        "crawl": files,
        "seed_documents": files,
        "near_duplicates": {"where": where},
        "rounds": {"max_rounds": rounds, "threshold": 0.5},
        "decontamination": {"sources": [{"type": "file", "name": "x", "path": "x.jsonl"}]} if clean else None,
        "pack": {"tokenizer": {"type": "folder", "path": "x"}} if pack else None,
    }
    return CorpusRecipe.model_validate_json(json.dumps(content))


def test_the_graph_walks_along_the_outline(tiny_web: Path, tmp_path: Path) -> None:
    recipe, store = web.load(tiny_web, "--rounds.max_rounds=2").recipe, Store(tmp_path)
    walked: list[tuple[str, int | None]] = []
    graph = corpus_graph(recipe, store)
    step = next(graph)
    try:
        while True:
            assert isinstance(step, Step)
            if (step.stage, step.round) not in walked:
                walked.append((step.stage, step.round))
            step = graph.send(run_all(step.units, store, InProcess()))
    except StopIteration:
        pass
    assert walked == outline(recipe)


def test_the_last_step_of_a_stage_is_known(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    steps = reader.ledger.steps()
    assert len(steps) > len({(step.stage, step.round) for step in steps})
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        is_last = after is None or (after.stage, after.round) != (step.stage, step.round)
        assert ends_stage(reader.recipe, step.stage, [folder for folder, _ in step.units]) == is_last, step


def test_the_step_that_parts_ties_is_not_the_last_of_its_stage(tiny_web: Path) -> None:
    recipe = web.load(tiny_web).recipe
    assert not ends_stage(recipe, "select", ["round-12/ties"])
    assert ends_stage(recipe, "select", ["round-12/select"])
