"""What a changed setting does again, said without looking at a page, is what a run then finds undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reasonforge.config.explain import explain
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.changes import STAGE_OF, redone
from reasonforge.corpus.loop.drive import run_graph
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.ledger import ABSENT, differences, stored_recipe
from reasonforge.corpus.loop.outline import outline
from reasonforge.corpus.loop.places import anchored
from reasonforge.corpus.units import Receipt, Store, Unit
from tests.corpus.loop import web


class Nobody:
    """Does no unit."""

    def run(self, units: Sequence[Unit], store: Store) -> Iterator[Receipt]:
        return iter(())


@pytest.mark.parametrize(
    ("settings", "stage"),
    [
        (["--name=other", "--truth=none"], None),
        (["--pack.weight=9", "--pack.total_tokens=5", "--pack.max_epochs=3", "--pack.sources.code.weight=9"], None),
        (["--crawl.extract.max_text_chars=5000"], "pages"),
        (["--seed_documents.extract.max_text_chars=5000"], "seed"),
        (["--urls.partitions=3"], "urls"),
        (["--near_duplicates.jaccard=0.7"], "near_duplicates"),
        (["--near_duplicates.where=off"], "round 1: sample"),
        (["--near_duplicates.where=selection"], "round 1: sample"),
        (["--seed=1"], "round 1: sample"),
        (["--classifier.num_positives=9"], "round 1: sample"),
        (["--classifier.negatives=random"], "round 2: sample"),
        (["--classifier.max_chars=50"], "round 1: sample"),
        (["--classifier.dim=9"], "round 1: train"),
        (["--classifier.keep_library_model=true"], "round 1: train"),
        (["--classifier.bytes_per_token=3"], "round 1: score"),
        (["--rounds.threshold=0.6"], "round 1: select"),
        (["--domains.key=domain"], "round 1: domains"),
        (["--domains.min_pages=11"], "round 1: domains"),
        (["--annotation={type='auto'}"], "round 1: annotate"),
        (["--rounds.max_rounds=2"], "decontaminate"),
        (["--decontamination.n=9"], "decontaminate"),
        (["--pack.sources.new={paths=['{web}/code.jsonl'], weight=1}"], "decontaminate"),
        (["--pack.sources.code.text_field=text2"], "decontaminate"),
        (["--pack.tokenizer.vocab_size=300"], "pack"),
        (["--pack.tokenizer_documents=5"], "pack"),
    ],
)
def test_the_first_stage_that_is_done_again_is_the_one_that_is_said(
    tiny_web: Path, tiny_corpus: Path, settings: list[str], stage: str | None
) -> None:
    loaded = anchored(web.load(tiny_web, *(setting.replace("{web}", str(tiny_web)) for setting in settings)), Path.cwd())
    before = stored_recipe(tiny_corpus)
    changes = differences(before, loaded.resolved)
    assert changes
    said = redone(loaded.recipe, changes)
    store = Store(tiny_corpus)
    outcome = run_graph(corpus_graph(loaded.recipe, store), store, Nobody(), outline=outline(loaded.recipe))
    found = (outcome.stopped_after or "").partition(" (")[0] or None
    assert found == stage
    first = next((name if number is None else f"round {number}: {name}" for name, number in said), None)
    assert first == stage


def test_every_setting_has_its_stage_and_every_stage_its_settings() -> None:
    settings = {setting.key for setting in explain(CorpusRecipe)}
    assert {*CorpusRecipe.model_fields} <= STAGE_OF.keys() <= settings


def test_a_setting_that_no_recipe_has_any_more_may_have_been_about_everything(tiny_web: Path) -> None:
    recipe = web.load(tiny_web).recipe
    assert redone(recipe, {"gone.long.ago": (1, ABSENT)})[0] == ("pages", None)


@pytest.mark.parametrize("key", ["annotation.type", "classifier.negatives", "domains.min_pages"])
def test_in_a_single_round_nobody_is_asked_and_nothing_is_learned_from(tiny_web: Path, key: str) -> None:
    recipe = web.load(tiny_web, "--rounds.max_rounds=1").recipe
    assert redone(recipe, {key: (1, 2)})[:1] == ([("domains", 1)] if key == "domains.min_pages" else [])


@pytest.mark.parametrize(
    ("before", "now", "number"), [([1, 2, 3], [1, 2, 4], 3), ([1, 2], [1, 2, 3], 3), ([1, 2, 2], [1, 2], None), ([5], [6], 1)]
)
def test_budgets_are_done_again_from_the_first_round_that_has_another(
    tiny_web: Path, before: list[int], now: list[int], number: int | None
) -> None:
    recipe = web.load(tiny_web, "--rounds.threshold=none", f"--rounds.token_budgets={now}").recipe
    said = redone(recipe, {"rounds.token_budgets": (before, now)})
    assert said[:1] == ([("select", number)] if number is not None else [])


def test_near_duplicates_of_the_selection_come_after_the_rounds(tiny_web: Path) -> None:
    recipe = web.load(tiny_web, "--near_duplicates.where=selection").recipe
    assert redone(recipe, {"near_duplicates.jaccard": (0.8, 0.7)}) == [("near_duplicates", None), ("decontaminate", None), ("pack", None)]
    assert redone(recipe, {"near_duplicates.where": ("off", "selection")})[0] == ("near_duplicates", None)


def test_nothing_is_said_of_a_stage_that_a_recipe_leaves_out(tiny_web: Path) -> None:
    recipe = web.load(tiny_web, "--decontamination=none", "--pack=none").recipe
    assert redone(recipe, {"rounds.max_rounds": (4, 3)}) == []
    assert redone(recipe, {"decontamination": ({}, None), "pack": ({}, None)}) == []
