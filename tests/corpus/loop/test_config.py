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
from reasonforge.corpus.loop.outline import outline
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
