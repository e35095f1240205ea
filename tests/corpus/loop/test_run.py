"""A corpus from a recipe: the loop finds what the seed does not know, waits for people, stops, and does nothing twice."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
import xxhash

from reasonforge.config.loader import reload_recipe
from reasonforge.core.errors import DataError, RecipeError, StorageError, UnavailableError
from reasonforge.corpus.classifier.score import SCORES
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop import drive
from reasonforge.corpus.loop.driving import driving
from reasonforge.corpus.loop.ledger import RECIPE, RESOLVED
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import RunOptions, print_plan, run_corpus
from reasonforge.corpus.loop.status import status_of, status_text
from reasonforge.corpus.loop.units import CANDIDATES, POSITIVES
from reasonforge.corpus.packing.reader import Shards
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.units import Store, digest_of, total
from tests.corpus.loop import web


@pytest.fixture(scope="module")
def judged(tiny_web: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus that waits for a person in round 1. Look, do not touch."""
    root = tmp_path_factory.mktemp("judged") / "corpus"
    assert run(tiny_web, root, annotation="human") == 0
    return root


def all_receipts(root: Path) -> str:
    return digest_of(receipt for _, receipts, _ in CorpusReader(root).progress() for receipt in receipts)


def run(crawl: Path, root: Path, *overrides: str, annotation: str = "file", **options: object) -> int:
    loaded = web.load(crawl, *overrides, annotation=annotation)
    return run_corpus(loaded, root, InProcess, RunOptions(quiet=True, **options))  # pyright: ignore[reportArgumentType]


def counted(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that says how many units were done."""
    return next(line.strip() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("units"))


def test_the_second_dialect_is_found_by_way_of_its_domain(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    recall = [(reader.quality(number) or {})["recall"] for number in reader.rounds]
    assert recall[0] < 0.7
    assert recall[-1] > 0.95


def test_the_loop_stops_when_nothing_new_comes_in(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    ended, found = reader.ledger.ended(), reader.overlap(reader.rounds[-1])
    assert (ended["state"], ended["reason"]) == ("complete", "converged")
    assert found is not None
    assert found.share(found.num_rounds, found.num_rounds - 1) >= 0.98
    assert all(found.share(number, number - 1) < 0.98 for number in range(2, found.num_rounds))


def test_duplicates_are_not_scored(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    scored, pages = reader.table("score", 1, SCORES), reader.table("pages", None, PAGES)
    assert scored is not None
    assert pages is not None
    assert scored.height == pages.height - 2  # one by URL, one nearly the same
    assert set(scored["id"]) == set(reader.crawl["id"])


def test_negatives_of_later_rounds_are_neither_selected_nor_accepted(tiny_corpus: Path) -> None:
    reader = CorpusReader(tiny_corpus)
    candidates, pages = reader.table("sample", 2, CANDIDATES), reader.table("pages", None, PAGES, ["id", "host", "path"])
    assert candidates is not None
    assert pages is not None
    negatives = candidates.filter(~pl.col("positive")).join(pages, on="id")
    assert negatives.join(reader.selected(1), on="id", how="semi").is_empty()
    accepted = (pl.col("host") == "book.org") | ((pl.col("host") == "forum.org") & pl.col("path").str.starts_with("/threads"))
    assert negatives.filter(accepted).is_empty()
    assert negatives.height > 200


def test_negatives_of_the_first_round_are_any_pages(tiny_corpus: Path) -> None:
    candidates = CorpusReader(tiny_corpus).table("sample", 1, CANDIDATES)
    assert candidates is not None
    assert candidates.filter(~pl.col("positive") & (pl.col("domain") == "book.org")).height > 0


def test_the_shards_hold_the_selection_without_the_leak(tiny_corpus: Path) -> None:
    from reasonforge.text.tokenizer import Tokenizer

    reader = CorpusReader(tiny_corpus)
    shards = Shards([tiny_corpus / "shards" / "mined"])
    assert shards.num_documents == reader.selected(reader.rounds[-1]).height
    (receipt,) = [receipt for receipt in reader.receipts("pack") if receipt.unit.stage == "tokenizer"]
    tokenizer = Tokenizer.load(reader.store.folder(receipt.unit) / "tokenizer")
    texts = [tokenizer.decode(shards.document(number).tolist()) for number in range(shards.num_documents)]
    assert any("manifold" in text for text in texts)
    assert not any("farmer" in text for text in texts)


def test_a_second_call_does_nothing(tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(tiny_corpus, tmp_path / "copy")
    before = all_receipts(copy)
    assert run_corpus(web.load(tiny_web), copy, InProcess) == 0
    num_units = sum(len(set(step.units)) for step in CorpusReader(copy).steps)
    assert f" 0 done, {num_units} done before" in counted(capsys)
    assert all_receipts(copy) == before


def test_a_changed_setting_is_named_and_redoes_only_what_it_touches(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(tiny_corpus, tmp_path / "copy")
    assert run_corpus(web.load(tiny_web, "--pack.tokenizer.vocab_size=300"), copy, InProcess) == 0
    out = capsys.readouterr().out
    assert "pack.tokenizer.vocab_size: 400 -> 300" in out
    # The tokenizer, three files of pages, and the one source.
    num_units = sum(len(set(step.units)) for step in CorpusReader(copy).steps)
    assert f" 5 done, {num_units - 5} done before" in out
    assert Shards([copy / "shards" / "mined"]).vocab_size == 300


def planned(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Return what the plan of a dry run says of every stage that is done already: its round and name -> what will be."""
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[lines.index("plan") + 2 :] if " of " in line]
    return {" ".join(row[: row.index("of") - 1]): row[row.index("of") + 2 :] for row in rows}


def test_a_dry_run_says_what_a_change_does_again(tiny_web: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert print_plan(web.load(tiny_web, "--name=other"), tiny_corpus, RunOptions()) == 0
    assert {*map(tuple, planned(capsys).values())} == {()}
    assert print_plan(web.load(tiny_web, "--domains.min_pages=11"), tiny_corpus, RunOptions()) == 0
    said = planned(capsys)
    assert [said[name] for name in ("pages", "near_duplicates", "1 select")] == [["stays"]] * 3
    assert [said[name] for name in ("1 domains", "2 sample", "decontaminate", "pack")] == [["again"]] * 4


def test_a_dry_run_of_a_change_that_no_unit_depends_on_keeps_all(
    tiny_web: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_plan(web.load(tiny_web, "--pack.weight=2", "--pack.sources.code.weight=5"), tiny_corpus, RunOptions()) == 0
    assert {*map(tuple, planned(capsys).values())} == {("stays",)}


def test_a_setting_that_another_type_does_not_have_is_told_in_words(
    tiny_web: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--decontamination.action={type='drop_doc'}", "--annotation={type='human'}", "--truth=none"]
    assert print_plan(web.load(tiny_web, *settings), tiny_corpus, RunOptions()) == 0
    out = capsys.readouterr().out
    assert "decontamination.action.max_share: 0.5 -> not there" in out
    assert f"annotation.path: {tiny_web}/annotations.jsonl -> none" in out
    assert "None" not in out


def test_a_dry_run_fails_as_the_run_would(tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = web.load(tiny_web, "--truth=/nowhere/t.parquet", "--pack.sources.code.paths=['/nowhere/code.jsonl']")
    said: list[str] = []
    for call in (lambda: print_plan(loaded, tmp_path / "a", RunOptions()), lambda: run_corpus(loaded, tmp_path / "a", InProcess)):
        with pytest.raises(DataError) as refusal:
            call()
        said.append(str(refusal.value))
    assert said[0] == said[1]
    assert len(said[0].splitlines()) == 2
    assert "next:" not in capsys.readouterr().out
    assert not any(tmp_path.iterdir())


def test_a_name_is_no_change(tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(tiny_corpus, tmp_path / "copy")
    assert run_corpus(web.load(tiny_web, "--name=other"), copy, InProcess) == 0
    assert "has changed" not in capsys.readouterr().out


def test_a_person_is_waited_for_in_every_round(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    assert run(tiny_web, root, annotation="human") == 0
    reader = CorpusReader(root)
    assert reader.ledger.ended()["state"] == "waiting"
    assert reader.rounds == [1]
    # Said of one domain alone; the other is asked for again in round 2, by the domain that nobody has spoken about.
    said = [{"round": 1, "pattern": "forum.org/threads", "label": "math", "by": "human:ann", "at": "2024-01-01T00:00:00Z"}]
    (root / "annotations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    assert run(tiny_web, root, annotation="human") == 0
    reader = CorpusReader(root)
    assert (reader.ledger.ended()["state"], reader.ledger.ended()["round"]) == ("waiting", 2)
    assert reader.labels(1) == {"forum.org/threads": "math"}
    assert (reader.positives(1) or 0) > 0


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([{"label": "math", "by": "model:m"}], id="a proposal"),
        pytest.param([{"label": "math", "by": "human:ann"}, {"label": None, "by": "human:ann", "withdraws": "it"}], id="taken back"),
    ],
)
def test_proposals_and_what_was_taken_back_do_not_pass_a_round(
    tiny_web: Path, judged: Path, tmp_path: Path, lines: list[dict[str, object]]
) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    texts: list[str] = []
    for line in lines:
        row = {"round": 1, "pattern": "forum.org/threads", "at": "2024-01-01T00:00:00Z", **line}
        if "withdraws" in row:
            row["withdraws"] = xxhash.xxh3_64_hexdigest(texts[-1].encode())
        texts.append(json.dumps(row))
    (root / "annotations.jsonl").write_text("\n".join(texts) + "\n")
    assert run(tiny_web, root, annotation="human") == 0
    ended = CorpusReader(root).ledger.ended()
    assert (ended["state"], ended["round"]) == ("waiting", 1)


def test_a_proposal_passes_the_round_once_a_person_accepts_it(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    row = {"round": 1, "pattern": "forum.org/threads", "label": "math", "at": "2024-01-01T00:00:00Z"}
    lines = [{**row, "by": "model:m"}, {**row, "by": "human:ann"}]
    (root / "annotations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(tiny_web, root, annotation="human", stage="annotate", round=1) == 0
    assert CorpusReader(root).labels(1) == {"forum.org/threads": "math"}


def test_what_a_later_round_overrules_does_not_make_an_earlier_one_wait(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    row = {"pattern": "forum.org/threads", "by": "human:ann", "at": "2024-01-01T00:00:00Z"}
    lines = [{**row, "round": 1, "label": "math"}, {**row, "round": 2, "label": "skip"}]
    (root / "annotations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(tiny_web, root, annotation="human", stage="annotate", round=1) == 0
    assert CorpusReader(root).labels(1) == {"forum.org/threads": "math"}


def test_nobody_is_asked_again_about_domains_that_are_settled(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    root.mkdir()
    shutil.copy(tiny_web / "annotations.jsonl", root)
    assert run(tiny_web, root, annotation="human", stage="expand", round=2) == 0
    assert CorpusReader(root).ledger.ended() == {"state": "stopped", "after": "round 2: expand"}


def test_what_is_said_in_round_2_does_not_redo_round_1(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    lines = [
        {"round": 1, "pattern": "forum.org/threads", "label": "math", "by": "human:ann", "at": "2024-01-01T00:00:00Z"},
        {"round": 2, "pattern": "book.org/chapters", "label": "math", "by": "human:ann", "at": "2024-01-02T00:00:00Z"},
    ]
    root.mkdir()
    keys: list[set[str]] = []
    for count in (1, 2):
        (root / "annotations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:count]))
        assert run(tiny_web, root, annotation="human") == 0
        keys.append({receipt.key for stage in ("annotate", "expand") for receipt in CorpusReader(root).receipts(stage, 1)})
    assert keys[0] == keys[1]
    assert CorpusReader(root).labels(2) == {"book.org/chapters": "math", "forum.org/threads": "math"}


def test_a_decision_about_a_domain_that_no_round_has_found_does_not_pass_a_round(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    said = {"round": 1, "pattern": "shop1.com/items", "label": "not_math", "by": "human:ann", "at": "2024-01-01T00:00:00Z"}
    (root / "annotations.jsonl").write_text(json.dumps(said) + "\n")
    assert run(tiny_web, root, annotation="human") == 0
    ended = CorpusReader(root).ledger.ended()
    assert (ended["state"], ended["round"]) == ("waiting", 1)


def test_a_label_that_is_corrected_takes_its_positives_back(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    row = {"by": "human:ann", "at": "2024-01-01T00:00:00Z"}
    lines = [{**row, "round": 1, "pattern": pattern, "label": "math"} for pattern in ("forum.org/threads", "forum.org/jobs")]
    lines.append({**row, "round": 2, "pattern": "forum.org/jobs", "label": "not_math"})
    (root / "annotations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(tiny_web, root, annotation="human", stage="sample", round=3) == 0
    reader = CorpusReader(root)
    paths = [reader.table("expand", number, POSITIVES, ["path"]) for number in (1, 2)]
    jobs = [table.filter(pl.col("path").str.starts_with("/jobs")).height for table in paths if table is not None]
    assert jobs == [60, 0]
    counts = total(reader.receipts("expand", 2))
    assert counts.dropped["taken_back"] == 60
    assert counts.kept == reader.positives(2) != 0
    offered = reader.table("sample", 3, CANDIDATES)
    pages = reader.table("pages", None, PAGES, ["id", "host", "path"])
    assert offered is not None
    assert pages is not None
    of_jobs = offered.join(pages.filter((pl.col("host") == "forum.org") & pl.col("path").str.starts_with("/jobs")), on="id", how="semi")
    assert not of_jobs["positive"].any()


def test_a_decision_that_is_withdrawn_was_never_made(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    row = {"round": 1, "by": "human:ann", "at": "2024-01-01T00:00:00Z"}
    lines = [json.dumps({**row, "pattern": pattern, "label": "math"}) for pattern in ("forum.org/threads", "forum.org/jobs")]
    (root / "annotations.jsonl").write_text("\n".join(lines) + "\n")
    assert run(tiny_web, root, annotation="human", stage="expand", round=1) == 0
    before = CorpusReader(root).positives(1)
    assert before is not None
    withdrawn = {**row, "round": 2, "pattern": "forum.org/jobs", "label": None, "withdraws": xxhash.xxh3_64_hexdigest(lines[1].encode())}
    (root / "annotations.jsonl").write_text("\n".join([*lines, json.dumps(withdrawn)]) + "\n")
    assert run(tiny_web, root, annotation="human", stage="expand", round=1) == 0
    assert CorpusReader(root).positives(1) == before - 60 > 0


def test_without_a_person_paths_are_accepted_by_their_share(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    assert run(tiny_web, root, "--annotation.min_ratio=0.2", annotation="auto", stage="expand", round=1) == 0
    labels = CorpusReader(root).labels(1)
    assert labels is not None
    assert {"math"} <= set(labels.values())
    assert any(pattern.startswith("book.org") for pattern in labels)


def test_near_duplicates_can_be_left_to_the_selection(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    assert run(tiny_web, root, "--near_duplicates.where=selection", "--rounds.max_rounds=1") == 0
    reader = CorpusReader(root)
    assert reader.ledger.ended()["reason"] == "max_rounds"
    order = [step.stage for step, _, _ in reader.progress()]
    assert order.index("near_duplicates") > order.index("select")
    dropped = sum(receipt.counts.dropped.get("near_duplicate", 0) for receipt in reader.receipts("near_duplicates"))
    assert Shards([root / "shards" / "mined"]).num_documents == reader.selected(1).height - dropped


def test_budgets_hold_round_by_round(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    overrides = ["--rounds.threshold=none", "--rounds.token_budgets=[1000, 2500]", "--rounds.max_rounds=3"]
    assert run(tiny_web, root, *overrides, stage="select", round=3) == 0
    tokens = [int(CorpusReader(root).selected(number)["num_tokens"].sum()) for number in (1, 2, 3)]
    assert 800 < tokens[0] <= 1000
    assert all(2200 < found <= 2500 for found in tokens[1:])


def test_ranks_do_their_share_of_a_stage_and_the_driver_finds_it_done(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "corpus"
    loaded = web.load(tiny_web)
    for stage, rank in itertools.product(("inputs", "pages"), range(3)):
        options = RunOptions(stage=stage, only=True, rank=rank, world_size=3)
        assert run_corpus(loaded, root, InProcess, options) == 0
    assert not (root / "corpus.lock").exists()
    assert run_corpus(loaded, root, InProcess, RunOptions(stage="pages")) == 0
    assert "0 done, 8 done before" in counted(capsys)
    store, expected = Store(root), CorpusReader(tiny_corpus).receipts("pages")
    assert [store.receipt(receipt.unit) for receipt in expected] == expected


def test_a_file_that_two_patterns_match_is_read_once_and_said_at_every_call(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = f'--crawl.inputs=[{{type="jsonl", paths=["{tiny_web}/crawl-*.jsonl", "{tiny_web}/crawl-1.jsonl"]}}]'
    for _ in range(2):
        assert run_corpus(web.load(tiny_web, twice), tmp_path / "corpus", InProcess, RunOptions(stage="pages", quiet=True)) == 0
        said = "".join(capsys.readouterr())
        assert said.count("warning: ") == said.count("crawl-1.jsonl is named by") == 1
    mine, expected = (CorpusReader(root).receipts("pages") for root in (tmp_path / "corpus", tiny_corpus))
    assert digest_of(mine) == digest_of(expected)


def odd_columns(tiny_web: Path, folder: Path, *, num_files: int) -> Path:
    """Return a copy of the small web with files more, the columns of which have other names."""
    copy = shutil.copytree(tiny_web, folder / "web")
    for number in range(num_files):
        (copy / f"crawl-9{number}.jsonl").write_text(json.dumps({"link": f"https://a.org/{number}", "body": "x"}) + "\n")
    return copy


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in "".join(capsys.readouterr()).splitlines() if "warning" in line]


def test_a_file_behind_the_first_that_has_other_columns_is_named_at_every_call(
    tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = odd_columns(tiny_web, tmp_path, num_files=1)
    with (folder / "crawl-1.jsonl").open("a") as file:  # one bad row is no bad file
        file.write('{"link": "https://a.org/"}\n')
    for _ in range(2):
        assert run(folder, tmp_path / "corpus", stage="pages") == 0
        (line,) = warnings(capsys)
        assert line.endswith(
            f"warning: pages: {folder}/crawl-90.jsonl: no row has a text in the columns 'url' or 'metadata.url' and 'text' or 'html'. "
            "There are: link, body. Name those of the URL and the page: url, and text or html, in that table of inputs"
        )


def test_of_many_files_without_a_page_a_few_are_named_and_the_rest_is_counted(
    tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(odd_columns(tiny_web, tmp_path, num_files=7), tmp_path / "corpus", stage="pages") == 0
    *named, rest = warnings(capsys)
    assert [f"/crawl-9{number}.jsonl: no row has a text" in line for number, line in enumerate(named)] == [True] * 5
    assert rest.endswith("warning: pages: 2 more files without a row that is a page")


def test_a_file_that_cannot_be_read_again_for_a_warning_is_no_error(
    tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **options: object) -> NoReturn:
        raise DataError("no such file")

    monkeypatch.setattr(drive, "why_no_page", gone)
    folder = odd_columns(tiny_web, tmp_path, num_files=1)
    assert run(folder, tmp_path / "corpus", stage="pages") == 0
    (line,) = warnings(capsys)
    assert line.endswith(f"warning: pages: {folder}/crawl-90.jsonl: no row of it is a page")


def test_a_rank_of_a_stage_of_several_steps_says_to_be_called_again(
    tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "corpus"
    assert run(tiny_web, root, stage="pages") == run(tiny_web, root, stage="seed") == 0
    capsys.readouterr()
    said: list[str] = []
    while not said or "the stage is done" not in said[-1]:
        for rank in range(2):
            options = RunOptions(stage="urls", only=True, rank=rank, world_size=2)
            assert run_corpus(web.load(tiny_web), root, InProcess, options) == 0
            said.append(capsys.readouterr().out)
        assert len(said) < 20
    assert "of urls (keys) left to other ranks" not in said[-1]
    assert any("left to other ranks; then call all again, for the rest of the stage" in text for text in said)
    assert "urls left to other ranks\n" in "".join(said)  # of the last step: nothing follows


def test_the_steps_of_a_stage_are_told_apart_on_screen(tiny_web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_corpus(web.load(tiny_web), tmp_path / "corpus", InProcess, RunOptions(stage="urls")) == 0
    titles = [
        line.strip().partition(" ")[2] for line in capsys.readouterr().out.splitlines() if line.strip()[:2] in {"1/", "2/", "3/", "4/"}
    ]
    assert [title.rpartition(",")[0] for title in titles] == [
        "inputs",
        "pages",
        "seed",
        "urls (keys)",
        "urls (merged)",
        "urls (twice)",
        "urls (gathered)",
        "urls",
    ]


def test_a_step_over_pages_and_sources_has_the_name_of_none_and_counts_benchmark_text(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    shutil.rmtree(root / "decontaminate")
    assert run_corpus(web.load(tiny_web), root, InProcess, RunOptions(stage="decontaminate")) == 0
    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in said if line.startswith("decontaminate")][-1].startswith("decontaminate: ")
    (last,) = [line for line in said if line.startswith("decontaminate: ")]
    assert "; 1 with benchmark text, 4 units in" in last


def test_a_rank_whose_stage_is_not_ready_says_what_is_missing(tiny_web: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="inputs: 5 of 5 units are not done, and score needs them"):
        run(tiny_web, tmp_path / "corpus", stage="score", round=1, only=True, rank=0, world_size=2)


def test_a_rank_does_not_take_a_stage_for_done_that_waits_for_a_person(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    with pytest.raises(UnavailableError, match=r"a person has to say which paths of 2 mathematical domains .*, and expand needs it"):
        run(tiny_web, root, annotation="human", stage="expand", round=1, only=True, rank=0, world_size=2)


@pytest.mark.parametrize(
    "options",
    [
        {"stage": "pages"},
        {"stage": "score", "round": 1, "only": True},
        {"stage": "pack", "only": True},
        {"stage": "score", "round": 1, "only": True, "rank": 1, "world_size": 2},
    ],
    ids=["until", "stage", "last stage", "rank"],
)
def test_a_stage_of_a_corpus_that_is_complete_leaves_it_complete(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    before = (CorpusReader(root).ledger.ended(), CorpusReader(root).steps)
    assert run(tiny_web, root, **options) == 0
    assert (CorpusReader(root).ledger.ended(), CorpusReader(root).steps) == before


def test_a_stage_of_a_corpus_that_lacks_something_later_stops_there(tiny_web: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    shutil.rmtree(root / "pack")
    assert run(tiny_web, root, stage="pages") == 0
    assert CorpusReader(root).ledger.ended() == {"state": "stopped", "after": "pages"}


def test_a_later_unit_that_is_broken_does_not_keep_an_earlier_stage_from_being_done(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    next((root / "pack").glob("*/*/receipt.json")).write_text("{")
    assert run(tiny_web, root, stage="pages") == 0
    assert CorpusReader(root).ledger.ended() == {"state": "stopped", "after": "pages"}


def test_the_last_stage_alone_completes_the_corpus(tiny_web: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    for path in (root / "pack", root / "shards"):
        shutil.rmtree(path)
    assert run(tiny_web, root, stage="pack", only=True) == 0
    assert CorpusReader(root).ledger.ended()["state"] == "complete"
    assert Shards([root / "shards" / "mined"]).num_documents > 0


def test_a_stage_before_the_person_leaves_the_corpus_waiting(tiny_web: Path, judged: Path, tmp_path: Path) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    assert run(tiny_web, root, annotation="human", stage="pages") == 0
    assert CorpusReader(root).ledger.ended() == CorpusReader(judged).ledger.ended()


def test_a_quiet_run_still_says_that_a_person_is_waited_for(
    tiny_web: Path, judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(judged, tmp_path / "corpus")
    assert run(tiny_web, root, annotation="human") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: round 1: a person has to say which paths of 2 mathematical domains are mathematics: ")
    assert line.endswith(f"corpus annotate {root}")


@pytest.mark.parametrize("only", [False, True])
def test_a_round_that_convergence_spares_is_no_error_and_does_nothing_more(
    tiny_web: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], only: bool
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    shutil.rmtree(root / "pack")
    beyond = CorpusReader(root).rounds[-1] + 1
    loaded = web.load(tiny_web, "--rounds.max_rounds=9")
    assert run_corpus(loaded, root, InProcess, RunOptions(stage="train", round=beyond, only=only)) == 0
    assert f"round {beyond}: train never comes: the rounds ended before" in capsys.readouterr().out
    assert not (root / "pack").exists()
    assert CorpusReader(root).ledger.ended() == {"state": "stopped", "after": "the rounds"}


def test_paths_of_the_recipe_hold_from_every_folder(tiny_web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(tiny_web, tmp_path / "here" / "web")
    monkeypatch.chdir(folder.parent)
    loaded = web.load(Path("web"))
    root = tmp_path / "corpus"
    assert run_corpus(loaded, root, InProcess, RunOptions(stage="annotate", round=1, quiet=True)) == 0
    keys = all_receipts(root)
    expected = CorpusReader(root).quality(1)
    assert expected is not None
    monkeypatch.chdir(tmp_path)
    reader = CorpusReader(root)
    assert (reader.quality(1), reader.decided(1)) == (expected, 3)
    again = reload_recipe(CorpusRecipe, root / RESOLVED, root / RECIPE)
    assert run_corpus(again, root, InProcess, RunOptions(stage="annotate", round=1, quiet=True)) == 0
    assert all_receipts(root) == keys


def test_a_rank_with_another_recipe_makes_it_the_folders(tiny_web: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    assert run(tiny_web, root, "--classifier.epochs=3", stage="sample", round=1, only=True, rank=0, world_size=2) == 0
    reader = CorpusReader(root)
    assert reader.recipe.classifier.epochs == 3
    assert reader.ledger.ended() == {}  # of the recipe before


def test_status_says_the_error_that_a_run_ended_with(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    with pytest.raises(DataError) as refusal:
        run(tiny_web, root, "--rounds.threshold=0.99999", "--rounds.max_rounds=1", "--decontamination=none")
    assert CorpusReader(root).ledger.ended() == {"state": "failed", "message": str(refusal.value)}
    assert status_text(status_of(root)).splitlines()[0] == f"tiny: failed: {refusal.value}"
    assert run(tiny_web, root, stage="pages") == 0
    assert CorpusReader(root).ledger.ended()["state"] == "stopped"


def test_a_bug_is_kept_for_status_too(tiny_web: Path, tmp_path: Path) -> None:
    class Broken:
        def run(self, units: object, store: object) -> NoReturn:
            raise KeyError("x")

    with pytest.raises(KeyError):
        run_corpus(web.load(tiny_web), tmp_path / "corpus", Broken, RunOptions(quiet=True))
    assert CorpusReader(tmp_path / "corpus").ledger.ended() == {"state": "failed", "message": "a bug: KeyError: 'x'"}


def test_a_folder_that_cannot_be_made_is_the_disks_refusal(tiny_web: Path) -> None:
    with pytest.raises(StorageError, match="/proc/foo: cannot write"):
        run(tiny_web, Path("/proc/foo"))


def test_two_drivers_of_one_folder_are_refused(tiny_web: Path, tmp_path: Path) -> None:
    with driving(tmp_path / "corpus"), pytest.raises(UnavailableError, match="in use by"):
        run(tiny_web, tmp_path / "corpus")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stage": "scor"}, "no such stage. Did you mean score"),
        ({"stage": "score", "round": 9}, "with rounds.max_rounds 4, score comes in rounds 1 to 4"),
        ({"stage": "pages", "round": 1}, "pages stands outside the rounds"),
        ({"stage": "score", "only": True}, "of which round"),
        ({"stage": "expand", "round": 4}, "expand comes in rounds 1 to 3"),
    ],
)
def test_a_stage_that_cannot_be_is_refused_before_anything_is_done(
    tiny_web: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        run(tiny_web, tmp_path / "corpus", **options)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('--crawl.inputs=[{type="jsonl", paths=["/nowhere/crawl-*.jsonl"]}]', r"/nowhere/crawl-\*.jsonl: no file matches"),
        ("--truth=/nowhere/truth.parquet", "/nowhere/truth.parquet: no such file. Leave truth out"),
        ("--annotation.path=/nowhere/said.jsonl", "/nowhere/said.jsonl: no such file. Name it with annotation.path"),
        ('--decontamination.sources=[{type="file", name="x", path="/nowhere/x.jsonl"}]', "/nowhere/x.jsonl: no files of x here"),
        ('--pack.tokenizer={type="folder", path="/nowhere/model"}', "/nowhere/model"),
        ("--pack.sources.code.paths=['/nowhere/code.jsonl']", "/nowhere/code.jsonl: no such file"),
    ],
)
def test_what_the_last_stage_would_miss_is_missed_before_the_first(tiny_web: Path, tmp_path: Path, setting: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        run(tiny_web, tmp_path / "corpus", setting)
    assert not (tmp_path / "corpus").exists()


def test_a_threshold_that_nothing_reaches_is_an_error_that_says_so(tiny_web: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no page is left to learn a tokenizer from"):
        run(tiny_web, tmp_path / "corpus", "--rounds.threshold=0.99999", "--rounds.max_rounds=1", "--decontamination=none")
