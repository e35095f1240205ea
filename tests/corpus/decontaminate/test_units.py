from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.decontaminate import units
from reasonforge.corpus.decontaminate.config import AuditConfig, DecontaminateConfig, DropDoc, Excise, FileSource
from reasonforge.corpus.decontaminate.units import ACTIONS, HITS, REVIEW, SUSPECTS, TEXTS, decontaminate, plan_texts
from reasonforge.corpus.packing.documents import documents, read_masks
from reasonforge.corpus.pages import PAGES, read_table
from reasonforge.corpus.units import Counts, Receipt, Store, digest_of, execute, file_input, total
from tests.corpus.decontaminate.test_find import TEN
from tests.corpus.urls.made import driven, ids, page, stored, table_of_ids

OTHER = "eins zwei drei vier fünf sechs sieben acht neun zehn"
LEAK, CLEAN, QUOTE = f"{TEN}", "clean text", f"clean text\n\nquoting {TEN}\n\nthe end"


def benchmark(folder: Path, texts: list[str] | None = None) -> Path:
    path = folder / "questions.jsonl"
    rows = [{"id": f"q{number}", "question": text, "answer": "7"} for number, text in enumerate(texts or [f"{TEN} eleven", OTHER])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def config(path: Path, **options) -> DecontaminateConfig:
    return DecontaminateConfig(sources=(FileSource(name="made", path=str(path), id_column="id"),), **options)


def done(root: Path, files: list[list[str]], settings: DecontaminateConfig, **options) -> tuple[Store, list[Receipt], list[Receipt]]:
    numbers = iter(range(1000))
    store, pages = stored(root, [[page(next(numbers), text=text) for text in texts] for texts in files])
    return store, pages, driven(decontaminate(pages, store, settings, **options), store)


def table(store: Store, receipts: list[Receipt], name: str) -> list[dict]:
    return [row for receipt in receipts for row in read_table(store.output(receipt, name)).to_dicts()]


def test_hits_are_listed_with_benchmark_and_item_and_pages_are_cut_or_dropped(tmp_path: Path) -> None:
    store, _, receipts = done(tmp_path, [[CLEAN, LEAK], [QUOTE]], config(benchmark(tmp_path)))
    _, leak, quote = ids(0, 1, 2)
    hits = table(store, receipts, HITS)
    assert [(hit["id"], hit["benchmark"], hit["item"], hit["n"], hit["gram"]) for hit in hits] == [
        (leak, "made", "q0", 10, TEN),
        (quote, "made", "q0", 10, TEN),
    ]
    cut = QUOTE.index("quoting"), QUOTE.index("the end")
    assert table(store, receipts, ACTIONS) == [
        {"id": leak, "action": "drop_doc", "start": 0, "end": len(LEAK)},
        {"id": quote, "action": "drop_segment", "start": cut[0], "end": cut[1]},
    ]
    counts = total(receipts)
    assert (counts.taken, counts.kept, counts.dropped) == (3, 2, {"holds_benchmark_text": 1})
    assert counts.noted == {"pages_cut": 1, "hits_made": 2}


@pytest.mark.parametrize(
    ("action", "expected"),
    [(DropDoc(), [CLEAN]), (None, [CLEAN, "clean text\n\nthe end"]), (Excise(window=3), [CLEAN, "clean text\n\n end"])],
)
def test_packing_cuts_what_the_table_of_actions_says(tmp_path: Path, action: DropDoc | Excise | None, expected: list[str]) -> None:
    given = {} if action is None else {"action": action}
    store, pages, receipts = done(tmp_path, [[CLEAN, LEAK, QUOTE]], config(benchmark(tmp_path), **given))
    masks = read_masks(keep=None, drop=[], actions=str(store.output(receipts[0], ACTIONS)))
    found = documents(str(store.output(pages[0], PAGES)), masks, Counts(), text_field="text", id_field="id")
    assert [document.text for document in found] == expected


def test_runs_in_many_pages_are_listed_for_review_and_by_option_not_used(tmp_path: Path) -> None:
    files = [[LEAK, LEAK, QUOTE], [LEAK, OTHER, f"{TEN} and again {TEN}"]]
    for ignore in (False, True):
        root = tmp_path / str(ignore)
        root.mkdir()
        settings = config(benchmark(tmp_path), review_documents=4, ignore_frequent=ignore)
        store, _, receipts = done(root, files, settings)
        (review,) = store.root.glob(f"decontaminate/review/*/{REVIEW}")
        (row,) = read_table(review).to_dicts()
        assert (row["gram"], row["documents"], row["n"], row["items"], row["benchmarks"]) == (TEN, 5, 10, 1, "made")
        hit_items = [hit["item"] for hit in table(store, receipts, HITS)]
        assert hit_items == (["q1"] if ignore else ["q0", "q0", "q0", "q0", "q1", "q0", "q0"])


def test_a_page_that_killed_a_worker_is_not_packed_unchecked(tmp_path: Path) -> None:
    store, pages = stored(tmp_path, [[page(0, text=QUOTE), page(1, text=QUOTE), page(2, text=CLEAN)]])
    chain = decontaminate(pages, store, config(benchmark(tmp_path)))
    receipts = [execute(unit, store) for unit in next(chain)]
    first, second, _ = ids(0, 1, 2)
    receipts = [execute(unit, store, skipped=frozenset([first])) for unit in chain.send(receipts)]
    assert (receipts[0].counts.kept, receipts[0].counts.dropped) == (2, {"kills_worker": 1})
    receipts = [execute(unit, store) for unit in chain.send(receipts)]
    receipts = [execute(unit, store, skipped=frozenset([second])) for unit in chain.send(receipts)]
    assert (receipts[0].counts.kept, receipts[0].counts.dropped) == (1, {"kills_worker": 2})
    assert [(row["id"], row["action"]) for row in table(store, receipts, ACTIONS)] == [(first, "drop_doc"), (second, "drop_doc")]


def test_hashes_of_another_version_of_unicode_are_those_of_other_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, settings = Store(tmp_path / "corpus"), config(benchmark(tmp_path))
    (here,) = plan_texts(store, settings)
    monkeypatch.setattr(units, "UNICODE", "1.1.0")
    (there,) = plan_texts(store, settings)
    assert here.key != there.key


def test_only_pages_that_are_still_there_are_looked_at(tmp_path: Path) -> None:
    mask = file_input(table_of_ids(tmp_path / "mask.parquet", ids(0)))
    selection = file_input(table_of_ids(tmp_path / "selection.parquet", ids(0, 2)))
    settings = config(benchmark(tmp_path))
    files = [[LEAK, LEAK, LEAK]]
    for name, options, expected in (
        ("drop", {"drop": [[mask]]}, ids(1, 2)),
        ("keep", {"keep": [[selection]]}, ids(0, 2)),
        ("both", {"drop": [[mask]], "keep": [[selection]]}, ids(2)),
        ("none", {"keep": [[]]}, []),
    ):
        (tmp_path / name).mkdir()
        store, _, receipts = done(tmp_path / name, files, settings, **options)
        assert [hit["id"] for hit in table(store, receipts, HITS)] == expected


def test_the_audit_lists_what_resembles_a_benchmark_text_and_drops_nothing(tmp_path: Path) -> None:
    words = TEN.split()
    paraphrase = " ".join([*words[:4], "x", *words[5:], "eleven"])
    settings = config(benchmark(tmp_path), audit=AuditConfig(n=2, jaccard=0.5))
    store, _, receipts = done(tmp_path, [[CLEAN, f"intro\n\n{paraphrase}", " ".join(words[:3])]], settings)
    assert table(store, receipts, ACTIONS) == []
    (path,) = store.root.glob(f"decontaminate/matches/*/{SUSPECTS}")
    (row,) = read_table(path).to_dicts()
    assert (row["id"], row["segment"], row["item"]) == (*ids(1), 1, "q0")
    assert row["jaccard"] == 8 / 12  # of ten pairs of words each, eight are shared


@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_of_work_and_another_place_change_nothing(tmp_path: Path, backwards: bool) -> None:
    digests = []
    for name in ("here", "there"):
        root = tmp_path / name
        root.mkdir()
        settings = config(benchmark(root))
        store, pages = stored(root, [[page(0, text=LEAK)], [page(1, text=QUOTE)]])
        digests.append(digest_of(driven(decontaminate(pages, store, settings), store, backwards=backwards and name == "there")))
    assert digests[0] == digests[1]


def test_a_benchmark_in_its_published_form_is_read_by_its_own_reader(tmp_path: Path) -> None:
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    rows = [{"question": f"{TEN}?", "answer": "It is so.\n#### 7"}, {"question": "Too short", "answer": "#### 8"}]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = DecontaminateConfig.model_validate(
        {"sources": [{"type": "benchmark", "name": "gsm8k", "path": str(folder)}], "fields": ["question", "answer", "solution"]}
    )
    store = Store(tmp_path / "corpus")
    (unit,) = plan_texts(store, settings)
    receipt = execute(unit, store)
    texts = table(store, [receipt], TEXTS)
    assert [(text["benchmark"], text["field"], text["text"]) for text in texts[:3]] == [
        ("gsm8k", "question", f"{TEN}?"),
        ("gsm8k", "answer", "7"),
        ("gsm8k", "solution", texts[2]["text"]),
    ]
    assert receipt.counts.dropped == {"benchmark_text_too_short": 3}
    shutil.copytree(folder, tmp_path / "elsewhere" / "gsm8k")
    moved = settings.model_copy(update={"sources": (settings.sources[0].model_copy(update={"path": str(tmp_path / "elsewhere/gsm8k")}),)})
    assert [unit.key for unit in plan_texts(store, moved)] == [unit.key]


def test_options_of_a_choice_are_no_part_of_its_question(tmp_path: Path) -> None:
    path = tmp_path / "sat-math.jsonl"
    row = {"passage": None, "question": f"{TEN}?", "options": ["(A)red apples", "(B)green pears", "(C)c", "(D)d"], "label": "A"}
    path.write_text(json.dumps(row) + "\n")
    found = {}
    for field in ("question", "options"):
        given = {"sources": [{"type": "benchmark", "name": "sat", "path": str(path)}], "fields": [field]}
        store = Store(tmp_path / "corpus")
        (unit,) = plan_texts(store, DecontaminateConfig.model_validate(given))
        (found[field],) = [text["text"] for text in table(store, [execute(unit, store)], TEXTS)]
    assert found["question"] == f"{TEN}?"
    assert "green pears" in found["options"]
    assert TEN not in found["options"]


def test_sources_that_say_nothing_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    store = Store(tmp_path / "corpus")
    with pytest.raises(DataError, match="no files of made here"):
        plan_texts(store, config(tmp_path / "missing.jsonl"))
    for texts, problem in ((["too short"], "none of the 1 benchmark texts has 3 words"),):
        (unit,) = plan_texts(store, config(benchmark(tmp_path, texts)))
        with pytest.raises(DataError, match=problem):
            execute(unit, store)
    source = FileSource(name="made", path=str(benchmark(tmp_path)), columns=("problem",))
    (unit,) = plan_texts(store, DecontaminateConfig(sources=(source,)))
    with pytest.raises(DataError, match=r"questions\.jsonl:1: no column 'problem'\. There are: answer, id, question"):
        execute(unit, store)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"min_n": 11}, "min_n = 11 is more than n = 10"),
        ({"min_n": 10, "short_match": "substring"}, "short_match has no effect"),
        ({"min_n": 10, "short_min_words": 0}, "short_min_words has no effect"),
        ({"n": 3, "min_n": 2, "short_min_words": 3}, "short_min_words = 3 leaves no text of fewer than n = 3"),
        ({"fields": ["answer"]}, "fields has no effect"),
        ({"sources": [{"type": "file", "name": "a", "path": "x"}] * 2}, "'a' is named twice"),
        ({"sources": []}, "at least 1 item"),
    ],
)
def test_settings_that_cannot_mean_anything_are_refused(given: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        DecontaminateConfig.model_validate({"sources": [{"type": "file", "name": "a", "path": "x"}], **given})


def test_a_crawl_without_pages_has_empty_tables(tmp_path: Path) -> None:
    store, _, receipts = done(tmp_path, [[], []], config(benchmark(tmp_path)))
    assert table(store, receipts, HITS) == table(store, receipts, ACTIONS) == []
