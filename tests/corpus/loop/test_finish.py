"""What comes after the rounds."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.decontaminate.units import ACTIONS, HITS, STAGE
from reasonforge.corpus.ingest import inputs
from reasonforge.corpus.ingest.survey import Survey
from reasonforge.corpus.loop.finish import finish
from reasonforge.corpus.loop.graph import corpus_graph
from reasonforge.corpus.loop.shards import publish_all, publish_tokenizer
from reasonforge.corpus.loop.steps import Step
from reasonforge.corpus.packing.reader import Shards
from reasonforge.corpus.pages import read_table
from reasonforge.corpus.pool import InProcess, run_all
from reasonforge.corpus.report.read import read_corpus
from reasonforge.corpus.units import Counts, Input, Receipt, Store, Unit, total
from tests.corpus.loop import web
from tests.corpus.packing.made import EOS, lines, pairs

NOISE = "one two three four five six seven eight nine ten"
LEAK = f"a remark\n\n{web.PROBLEM}\n\nanother remark\n\nthe end"


def finished(tmp_path: Path, sources: dict, **changes: object) -> tuple[Store, dict[str, list[Receipt]], dict[str, list[Receipt]]]:
    """Pack other sources alone; return what was done by stage of the unit, and by source."""
    crawl = tmp_path / "web"
    crawl.mkdir(exist_ok=True)
    lines(crawl / "benchmark.jsonl", [{"id": "hens", "question": web.PROBLEM}])
    pairs().save(tmp_path / "tokenizer")
    recipe = web.load(crawl).recipe
    assert recipe.pack is not None
    pack = {"tokenizer": {"type": "folder", "path": str(tmp_path / "tokenizer")}, "sources": sources}
    content = {**recipe.model_dump(mode="json"), "pack": pack, **changes}
    store = Store(tmp_path / "corpus")
    store.root.mkdir(exist_ok=True)
    graph = finish(CorpusRecipe.model_validate(content), store, [])
    by_stage: dict[str, list[Receipt]] = {}
    receipts: list[Receipt] | None = None
    while True:
        try:
            step = next(graph) if receipts is None else graph.send(receipts)
        except StopIteration as ended:
            return store, by_stage, ended.value
        receipts = run_all(step.units, store, InProcess())
        for receipt in receipts:
            by_stage.setdefault(receipt.unit.stage, []).append(receipt)


def packed_texts(store: Store, packed: dict[str, list[Receipt]], name: str) -> list[str]:
    publish_all(store, {name: packed[name]})
    shards = Shards([store.root / "shards" / name])
    return [pairs().decode(shards.document(number).tolist()).removesuffix(EOS) for number in range(shards.num_documents)]


def test_other_sources_are_decontaminated_by_their_rows(tmp_path: Path) -> None:
    rows = [
        {"text": NOISE, "id": "same"},
        {"text": LEAK, "id": "same"},
        "no object",
        {"text": None},
        {"text": f"{web.PROBLEM}"},
        {"text": NOISE + " again", "id": "\ud800" + 5000 * "x"},
    ]
    lines(tmp_path / "first.jsonl", [row for row in rows if isinstance(row, dict)])
    path = tmp_path / "first.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines(tmp_path / "second.jsonl", [LEAK.replace("remark", "comment")])
    store, done, packed = finished(tmp_path, {"code": {"paths": [str(tmp_path / "*.jsonl")], "weight": 1}})
    counts = total(done[f"{STAGE}/sources/code"])
    assert (counts.taken, counts.kept) == (7, 4)
    assert counts.dropped == {"bad_row": 1, "missing_field": 1, "holds_benchmark_text": 1}
    hits = pl.concat([read_table(store.output(receipt, HITS), ["id", "item"]) for receipt in done[f"{STAGE}/sources/code"]])
    assert hits.rows() == [("1", "hens"), ("4", "hens"), ("0", "hens")]
    clean = LEAK.replace(f"{web.PROBLEM}\n\n", "")
    assert packed_texts(store, packed, "code") == [NOISE, clean, NOISE + " again", clean.replace("remark", "comment")]
    assert total(packed["code"]).dropped == {"bad_row": 1, "missing_field": 1, "contaminated": 1}


def test_a_source_can_be_left_unchecked_and_others_are_checked(tmp_path: Path) -> None:
    path = str(lines(tmp_path / "text.jsonl", [LEAK]))
    sources = {"code": {"paths": [path], "weight": 1, "decontaminate": False}, "prose": {"paths": [path], "weight": 1}}
    store, done, packed = finished(tmp_path, sources)
    assert f"{STAGE}/sources/code" not in done
    assert packed_texts(store, packed, "code") == [LEAK]
    assert web.PROBLEM not in packed_texts(store, packed, "prose")[0]


def test_a_parquet_source_is_checked_by_its_rows(tmp_path: Path) -> None:
    pl.DataFrame({"body": [NOISE, LEAK]}).write_parquet(tmp_path / "text.parquet")
    sources = {"prose": {"paths": [str(tmp_path / "text.parquet")], "weight": 1, "text_field": "body"}}
    store, done, packed = finished(tmp_path, sources)
    (receipt,) = done[f"{STAGE}/sources/prose"]
    assert read_table(store.output(receipt, ACTIONS))["id"].to_list() == ["1"]
    assert [web.PROBLEM in text for text in packed_texts(store, packed, "prose")] == [False, False]


def test_one_file_in_two_sources_is_checked_for_both(tmp_path: Path) -> None:
    path = str(lines(tmp_path / "text.jsonl", [NOISE, LEAK]))
    store, _, packed = finished(tmp_path, {name: {"paths": [path], "weight": 1} for name in ("code", "prose")})
    assert packed_texts(store, packed, "code") == packed_texts(store, packed, "prose")
    assert not any(web.PROBLEM in text for text in packed_texts(store, packed, "code"))


def test_a_run_is_for_review_by_its_number_in_all_sources_together(tmp_path: Path) -> None:
    paths = [str(lines(tmp_path / f"{name}.jsonl", [f"{NOISE}\n\n{name}\n\n{web.PROBLEM}"])) for name in ("a", "b")]
    sources = {name: {"paths": [path], "weight": 1} for name, path in zip(("code", "prose"), paths, strict=True)}
    decontamination = {"sources": [{"type": "file", "name": "farm", "path": str(tmp_path / "web/benchmark.jsonl")}], "review_documents": 1}
    store, done, _ = finished(tmp_path, sources, decontamination=decontamination)
    (review,) = done[f"{STAGE}/review"]
    assert set(read_table(store.output(review, "review.parquet"))["documents"]) == {2}


def test_a_source_that_is_said_to_be_unchecked_where_nothing_is_checked_is_refused(tmp_path: Path) -> None:
    path = str(lines(tmp_path / "text.jsonl", [NOISE]))
    with pytest.raises(ValueError, match=r"pack\.sources\.code\.decontaminate = false has no effect"):
        finished(tmp_path, {"code": {"paths": [path], "weight": 1, "decontaminate": False}}, decontamination=None)


def test_sources_are_read_for_their_digests_by_units_and_not_by_who_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crawl = web.build(tmp_path / "web")
    recipe, store = web.load(crawl, "--decontamination=none").recipe, Store(tmp_path / "corpus")
    step = next(corpus_graph(recipe, store))
    assert isinstance(step, Step)
    assert {Path(unit.inputs[0].path).name for unit in step.units} == {"seeds.jsonl", "code.jsonl", *(f"crawl-{n}.jsonl" for n in range(3))}
    survey = Survey(store)
    survey.learn(run_all(survey.plan([f"{crawl}/code.jsonl"]), store, InProcess()))
    monkeypatch.setattr(inputs, "file_input", lambda *_: pytest.fail("read"))
    next(finish(recipe, store, [], survey))


def test_the_report_says_which_sources_were_checked(tiny_corpus: Path) -> None:
    corpus = read_corpus(tiny_corpus)
    assert (corpus.decontaminated, corpus.checked, corpus.unchecked) == (True, ("code",), ())
    of_code = [stage for stage in corpus.stages if stage.name == f"{STAGE}/sources/code"]
    assert [(stage.taken, stage.kept) for stage in of_code] == [(40, 40)]


def packed_with(tokenizer: str) -> list[Receipt]:
    unit = Unit(stage="pack/mined", function="a:b", version=1, settings={}, inputs=(Input(tokenizer, "digest"),))
    return [Receipt(key=unit.key, unit=unit, counts=Counts(), outputs={})]


def test_a_tokenizer_that_was_learned_lies_where_people_look_for_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for key, size in (("old", 3), ("new", 5)):
        learned = tmp_path / "tokenizer" / key / "tokenizer"
        learned.mkdir(parents=True)
        (learned / "tokenizer.json").write_text("x" * size)
        assert publish_tokenizer(store, {"mined": packed_with(f"tokenizer/{key}/tokenizer")}) == tmp_path / "tokenizer"
        assert (tmp_path / "tokenizer" / "tokenizer.json").read_text() == "x" * size


def test_of_equal_tokenizers_one_that_is_there_is_taken(tmp_path: Path) -> None:
    learned = tmp_path / "tokenizer" / "b" / "tokenizer"
    learned.mkdir(parents=True)
    (learned / "tokenizer.json").write_text("{}")
    packed = {"mined": packed_with("tokenizer/a/tokenizer"), "code": packed_with("tokenizer/b/tokenizer")}
    assert publish_tokenizer(Store(tmp_path), packed) == tmp_path / "tokenizer"


def test_a_tokenizer_of_the_users_own_stays_where_it_is(tmp_path: Path) -> None:
    assert publish_tokenizer(Store(tmp_path), {"mined": packed_with(str(tmp_path / "base"))}) is None
    assert list(tmp_path.iterdir()) == []
