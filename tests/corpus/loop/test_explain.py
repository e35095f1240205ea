"""What ``explain`` says of captures that never became pages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reasonforge.cli.main import main
from reasonforge.config.loader import load_recipe
from reasonforge.corpus.classifier.score import SCORES
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.decontaminate.units import ACTIONS
from reasonforge.corpus.ingest import dropped
from reasonforge.corpus.loop import explain
from reasonforge.corpus.loop.explain import explain_page, explained_text
from reasonforge.corpus.loop.reader import CorpusReader
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.loop.units import POSITIVES
from reasonforge.corpus.pages import PAGES
from reasonforge.corpus.pool import InProcess
from reasonforge.corpus.reasons import REASONS
from reasonforge.corpus.selection.units import SELECTED
from reasonforge.corpus.urls.dedup import DROPPED
from tests.corpus.loop import web
from tests.corpus.warcs import http, members, page, record, write

TEXT = "<title>Primes</title><p>There are infinitely many of them."
LONG = "https://long.org/?" + "q" * 3_000
RECORDS = [
    page(TEXT, "http://www.Gone.org:80/a/../b?utm_source=x", status="404 Not Found"),
    page(TEXT, "https://kept.org/"),
    record(http(b""), url="https://kept.org/#top", kind="revisit", date="2025-01-01T00:00:00Z"),
    page(TEXT, LONG),
    page(TEXT, "data:text/html,<p>x"),
    page("", "https://empty.org/\x1b[31m\u202e"),
    page(TEXT, "https://big.org/" + "é" * 90 + "a" * 450, status="500 Error"),
]


def corpus(folder: Path, parts: list[bytes]) -> Path:
    """Return the folder of a corpus of one WARC file, whose pages are extracted."""
    write(folder / "crawl.warc.gz", parts)
    lines = [json.dumps({"url": "https://seed.org/", "text": "words"})]
    (folder / "seeds.jsonl").write_text("\n".join(lines))
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f"""
name = "one"
[[crawl.inputs]]
type = "warc"
paths = ["{folder}/crawl.warc.gz"]
crawl = "2024-20"
[[seed_documents.inputs]]
type = "jsonl"
paths = ["{folder}/seeds.jsonl"]
[rounds]
threshold = 0.5
"""
    )
    root = folder / "corpus"
    assert run_corpus(load_recipe(CorpusRecipe, [recipe]), root, InProcess, RunOptions(stage="pages", quiet=True)) == 0
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = members(RECORDS)
    return corpus(tmp_path_factory.mktemp("explain"), [*parts, b"noise" * 20, *members([page(TEXT, "https://last.org/")])])


def said(root: Path, asked: str) -> str:
    return " ".join(explained_text(explain_page(root, asked)).split())


@pytest.mark.parametrize("url", ["http://www.Gone.org:80/a/../b?utm_source=x", "https://gone.org/b", "gone.org/b#end"])
def test_a_capture_that_was_dropped_says_why_in_any_spelling(root: Path, url: str) -> None:
    found = said(root, url)
    assert "captured http://www.Gone.org:80/a/../b?utm_source=x in crawl.warc.gz at 0, 2024-20, 2024-05-06T07:08:09Z" in found
    assert f"dropped http_status: {REASONS['http_status']}" in found
    assert "not in the corpus" not in found


def test_a_page_that_was_captured_again_without_content_shows_both_the_page_first(root: Path) -> None:
    page, revisit = explain_page(root, "kept.org")["captures"]
    assert [name for name, _ in page["steps"]][:2] == ["captured", "extracted"]
    assert revisit["steps"][1] == ("dropped", f"revisit: {REASONS['revisit']}")


@pytest.mark.parametrize(("url", "reason"), [(LONG, "url_too_long"), ("data:text/html,<p>x", "url_other_scheme")])
def test_a_capture_whose_url_is_refused_is_found_by_it(root: Path, url: str, reason: str) -> None:
    found = explain_page(root, url)
    assert [capture["page"]["reason"] for capture in found["captures"]] == [reason]
    assert found["url"] is found["why_none"] is None
    assert len(found["captures"][0]["page"]["found_url"]) <= dropped.MAX_URL_CHARS


def test_a_dropped_capture_is_found_by_its_id(root: Path) -> None:
    (capture,) = explain_page(root, "gone.org/b")["captures"]
    assert explain_page(root, capture["page"]["id"])["captures"] == [capture]


def test_a_url_that_is_longer_than_what_is_stored_of_it_is_found(root: Path) -> None:
    assert "dropped http_status" in said(root, "https://big.org/" + "é" * 90 + "a" * 450)
    assert "no capture of it" in said(root, "https://big.org/" + "é" * 90 + "a" * 449)


def test_a_hostile_url_reaches_the_terminal_without_its_escapes(root: Path) -> None:
    found = said(root, "https://empty.org/\x1b[31m\u202e")
    assert "dropped empty_body" in found
    assert "\x1b" not in found
    assert "\u202e" not in found


def test_what_is_dropped_is_json(root: Path) -> None:
    found = explain_page(root, "gone.org/b")
    assert json.loads(json.dumps(found))["captures"][0]["steps"][1][0] == "dropped"


def test_spans_that_nobody_could_read_are_named_where_nothing_is_found(root: Path) -> None:
    assert said(root, "https://nowhere.org/").endswith("no capture of it is in the files of the crawl. Without a URL are 1 corrupt")


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_no_url_does_not_find_the_spans_that_have_none(root: Path, nothing: str) -> None:
    assert explain_page(root, nothing)["captures"] == []


def test_drops_beyond_what_is_listed_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped, "MAX_ROWS", 2)
    monkeypatch.setattr(explain, "MAX_ROWS", 2)
    gone = [page(TEXT, f"https://gone.org/{number}", status="404 Not Found") for number in range(5)]
    root = corpus(tmp_path, members([*gone, page(TEXT)]))
    assert "dropped http_status" in said(root, "gone.org/1")
    assert said(root, "gone.org/2").endswith("Without a URL are 3 beyond what is listed of a file")


def test_a_corpus_of_rows_says_which_row_was_dropped(tiny_web: Path, tmp_path: Path) -> None:
    (tmp_path / "crawl.jsonl").write_text('nonsense\n{"url": "https://a.org/", "text": " "}\n{"url": "https://b.org/", "text": 1}\n')
    text = web.recipe_text(tiny_web).replace(f"{tiny_web}/crawl-*.jsonl", f"{tmp_path}/crawl.jsonl")
    (tmp_path / "recipe.toml").write_text(text)
    root = tmp_path / "corpus"
    options = RunOptions(stage="pages", quiet=True)
    assert run_corpus(load_recipe(CorpusRecipe, [tmp_path / "recipe.toml"]), root, InProcess, options) == 0
    assert "in crawl.jsonl at 1, crawl, no date dropped empty_body" in said(root, "a.org")
    assert "in crawl.jsonl at 2, crawl, no date dropped missing_field" in said(root, "b.org")
    assert "Without a URL are 1 bad_row" in said(root, "c.org")


def kept_of(root: Path, stage: str = "pages") -> dict[str, Any]:
    """Return a page of a stage that is the newest of its URL."""
    table = CorpusReader(root).table(stage, None, PAGES)
    assert table is not None
    return table.filter(pl.col("fetched_at") == pl.col("fetched_at").min()).row(0, named=True)


def test_a_page_is_found_by_its_id(tiny_corpus: Path) -> None:
    page = kept_of(tiny_corpus)
    (capture,) = explain_page(tiny_corpus, page["id"])["captures"]
    assert (capture["page"]["id"], capture["page"]["url"]) == (page["id"], page["url"])
    assert dict(capture["steps"])["URL"] == "kept"


def test_a_duplicate_names_the_page_that_is_kept_by_url_and_time(tiny_corpus: Path) -> None:
    found = explain_page(tiny_corpus, "book.org/chapters/0")["captures"]
    newer, older = found
    said = dict(older["steps"])["URL"]
    assert said.endswith(f"; kept is http://www.book.org/chapters/0#top of 2024-06-01T00:00:00Z, {newer['page']['id']}")


def test_a_near_duplicate_names_the_url_of_the_page_that_is_kept(tiny_corpus: Path) -> None:
    pair = [explain_page(tiny_corpus, url)["captures"][0] for url in ("https://mirror.net/copy/1", "https://book.org/chapters/1")]
    (gone,) = [capture for capture in pair if dict(capture["steps"])["near duplicates"] != "kept"]
    (stays,) = [capture for capture in pair if capture is not gone]
    page = stays["page"]
    assert dict(gone["steps"])["near duplicates"].endswith(f"kept is {page['found_url']} of {page['fetched_at']}, {page['id']}")


def test_a_host_that_no_registry_has_is_understood_without_its_scheme(tmp_path: Path) -> None:
    root = corpus(tmp_path, members([page(TEXT, "https://ask-vino.example/questions/1"), page("", "https://ask-vino.example/2")]))
    for url in ("ask-vino.example/questions/1", "http://ask-vino.example/questions/1", " ask-vino.example/questions/1#top"):
        assert "extracted Primes" in said(root, url)
    assert "dropped empty_body" in said(root, "ask-vino.example/2")


def test_a_seed_document_is_explained_and_the_rounds_that_learned_from_it(tiny_corpus: Path) -> None:
    seed = kept_of(tiny_corpus, "seed")
    for asked in (seed["url"], seed["id"]):
        (found,) = explain_page(tiny_corpus, asked)["captures"]
        assert found["stage"] == "seed"
        assert dict(found["steps"])["round 1"] == "offered to the classifier as a positive"
    assert f"seed document {seed['id']}" in said(tiny_corpus, seed["url"])
    assert said(tiny_corpus, "https://nowhere.org/").endswith("in the files of the crawl, nor in those of the seed")


def test_a_page_of_the_crawl_that_is_a_seed_document_says_by_what(tiny_web: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_web, tmp_path / "web")
    rows = [json.loads(line) for line in (folder / "seeds.jsonl").read_text().splitlines()]
    lines = [{"url": rows[0]["url"], "text": "Quite another text."}, {"url": "https://copy.org/", "text": rows[1]["text"]}]
    (folder / "crawl-3.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    root = tmp_path / "corpus"
    assert run_corpus(web.load(folder), root, InProcess, RunOptions(stage="sample", round=1, quiet=True)) == 0
    assert "seed a seed document, by its URL: never offered as a negative" in said(root, rows[0]["url"])
    assert "seed a seed document, by its words: never offered as a negative" in said(root, "https://copy.org/")
    assert "never offered" not in said(root, "https://forum.org/jobs/1")


def test_a_positive_that_was_taken_back_says_so(tiny_web: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_web, tmp_path / "web")
    root, options = tmp_path / "corpus", RunOptions(stage="expand", round=1, quiet=True)
    args = ("--rounds.converged_overlap=1.0",)
    path = root / "annotations.jsonl"
    root.mkdir()
    path.write_text("".join(_line(1, pattern, "math") for pattern in ("forum.org/threads", "book.org/chapters")))
    assert run_corpus(web.load(folder, *args, annotation="human"), root, InProcess, options) == 0
    positive = CorpusReader(root).table("expand", 1, POSITIVES)
    assert positive is not None
    identity = positive["id"][0]
    with path.open("a") as file:
        file.write(_line(2, f"{positive['host'][0]}/{positive['path'][0].split('/')[1]}", "not_math"))
    options = RunOptions(stage="expand", round=2, quiet=True)
    assert run_corpus(web.load(folder, *args, annotation="human"), root, InProcess, options) == 0
    found = said(root, identity)
    assert "a positive from the next round on" in found
    assert f"no positive any more, taken_back: {REASONS['taken_back']}" in found


def leaked(root: Path) -> str:
    """Return the id of the page that holds the problem of the benchmark."""
    (capture,) = explain_page(root, "book.org/chapters/2")["captures"]
    return capture["page"]["id"]


def files_of(root: Path, asked: str) -> tuple[list[str], str]:
    """Return the digests of all files of pages, and that of the one with a page."""
    reader = CorpusReader(root)
    found = {receipt.outputs[PAGES].xxh3: pl.read_parquet(reader.store.output(receipt, PAGES)) for receipt in reader.receipts("pages")}
    return list(found), next(digest for digest, pages in found.items() if asked in pages["id"])


def undone(root: Path, folder: Path, digest: str, stage: str, number: int | None, name: str) -> Path:
    """Return a copy of a corpus in which a stage has not come to a file yet."""
    copy = shutil.copytree(root, folder / "corpus")
    reader = CorpusReader(copy)
    (receipt,) = reader.made_of(digest, stage, number, name)
    shutil.rmtree(reader.store.folder(receipt.unit))
    return copy


@pytest.mark.parametrize("file", range(web.NUM_FILES))
def test_half_of_decontamination_says_of_no_page_what_was_found_in_another_file(tiny_corpus: Path, tmp_path: Path, file: int) -> None:
    asked = leaked(tiny_corpus)
    digests, mine = files_of(tiny_corpus, asked)
    root = undone(tiny_corpus, tmp_path, digests[file], "decontaminate", None, ACTIONS)
    expected = "contamination not looked at yet" if digests[file] == mine else "contamination farm hens,"
    assert "contamination farm hens," in said(tiny_corpus, asked)
    assert expected in said(root, asked)
    assert "no benchmark text" not in said(root, asked)


@pytest.mark.parametrize(("stage", "title"), [("urls", "URL"), ("near_duplicates", "near duplicates")])
def test_a_mask_that_is_not_written_yet_keeps_nothing(tiny_corpus: Path, tmp_path: Path, stage: str, title: str) -> None:
    asked = leaked(tiny_corpus)
    root = undone(tiny_corpus, tmp_path, files_of(tiny_corpus, asked)[1], stage, None, DROPPED)
    steps = [dict(explain_page(folder, asked)["captures"][0]["steps"]) for folder in (tiny_corpus, root)]
    assert [found[title] for found in steps] == ["kept", "not looked at yet"]


def test_half_of_a_selection_does_not_say_of_a_page_that_it_was_left_out(tiny_corpus: Path, tmp_path: Path) -> None:
    asked = leaked(tiny_corpus)
    last = CorpusReader(tiny_corpus).last_selected
    assert last is not None
    (scored,) = CorpusReader(tiny_corpus).made_of(files_of(tiny_corpus, asked)[1], "score", last, SCORES)
    root = undone(tiny_corpus, tmp_path, scored.outputs[SCORES].xxh3, "select", last, SELECTED)
    found = said(root, asked)
    assert "tokens: not decided yet" in found
    assert found.endswith(f"end round {last} has not selected the pages of its file yet")


def test_a_table_is_found_by_what_it_was_made_of_wherever_that_lay(tiny_corpus: Path, tmp_path: Path) -> None:
    asked = leaked(tiny_corpus)
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    for path in root.glob("decontaminate/*/receipt.json"):
        path.write_text(path.read_text().replace('"pages/', '"pages/made-by-an-older-version-'))
    assert "contamination farm hens," in said(root, asked)


def test_a_file_of_the_crawl_that_is_the_seed_too_is_offered_as_the_seed_alone(tiny_web: Path, tmp_path: Path) -> None:
    both = f'--crawl.inputs=[{{type="jsonl", paths=["{tiny_web}/crawl-*.jsonl", "{tiny_web}/seeds.jsonl"]}}]'
    root = tmp_path / "corpus"
    assert run_corpus(web.load(tiny_web, both), root, InProcess, RunOptions(stage="sample", round=1, quiet=True)) == 0
    captures = explain_page(root, kept_of(root, "seed")["id"])["captures"]
    offered = {capture["stage"]: "offered to the classifier" in str(capture["steps"]) for capture in captures}
    assert offered == {"pages": False, "seed": True}


def _line(number: int, pattern: str, label: str) -> str:
    return json.dumps({"round": number, "pattern": pattern, "label": label, "by": "truth", "at": "2024-01-01T00:00:00Z"}) + "\n"


@pytest.mark.parametrize(("url", "code"), [("kept.org", 0), ("gone.org/b", 0), ("https://nowhere.org/", 1), ("data:x", 1)])
def test_the_exit_code_says_whether_anything_is_known(root: Path, url: str, code: int) -> None:
    assert main(["corpus", "explain", str(root), url]) == main(["corpus", "explain", str(root), url, "--json"]) == code
