"""What ``status`` and ``explain`` say of a corpus."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reasonforge.core.errors import DataError
from reasonforge.corpus.loop.driving import driving
from reasonforge.corpus.loop.explain import explain_page, explained_text
from reasonforge.corpus.loop.start import RunOptions, run_corpus
from reasonforge.corpus.loop.status import status_of, status_text
from reasonforge.corpus.pool import InProcess
from tests.corpus.loop import web


def steps(root: Path, url: str) -> list[list[tuple[str, str]]]:
    return [capture["steps"] for capture in explain_page(root, url)["captures"]]


def said(root: Path, url: str) -> str:
    return explained_text(explain_page(root, url))


def test_every_stage_has_its_units_and_its_reasons(tiny_corpus: Path) -> None:
    status = status_of(tiny_corpus)
    assert status["state"] == "complete"
    assert all(entry["done"] == entry["units"] > 0 for entry in status["stages"])
    urls = next(entry for entry in status["stages"] if entry["stage"] == "urls")
    assert (urls["taken"], urls["kept"], urls["dropped"]) == (402, 401, {"duplicate_url": 1})


def test_what_goes_in_comes_out_or_has_a_reason(tiny_corpus: Path) -> None:
    for entry in status_of(tiny_corpus)["stages"]:
        assert entry["taken"] == entry["kept"] + sum(entry["dropped"].values())


def test_rounds_show_overlap_with_all_before_and_the_truth(tiny_corpus: Path) -> None:
    rounds = status_of(tiny_corpus)["rounds"]
    assert [len(entry["overlap_pages"]) for entry in rounds] == list(range(1, len(rounds) + 1))
    assert all(entry["overlap_pages"][-1] == entry["overlap_tokens"][-1] == 1.0 for entry in rounds)
    assert rounds[0]["quality"]["recall"] < rounds[-1]["quality"]["recall"]
    assert rounds[0]["labels"] == {"math": 2, "not_math": 1}
    assert rounds[-1]["labels"] is None  # nothing is annotated after the last


def test_the_state_is_json(tiny_corpus: Path) -> None:
    status = status_of(tiny_corpus)
    assert json.loads(json.dumps(status)) == status


def test_the_text_has_a_line_per_stage_and_round(tiny_corpus: Path) -> None:
    status = status_of(tiny_corpus)
    lines = status_text(status).splitlines()
    assert lines[0] == "tiny: complete (nothing new came in)"
    assert len([line for line in lines if "/" in line and line.strip()[0] != "r"]) >= len(status["stages"])
    assert any(line.startswith("low_share: too small a share") for line in lines)


def test_pages_with_benchmark_text_are_counted_where_they_are_cut_and_nowhere_else(tiny_corpus: Path) -> None:
    status = status_of(tiny_corpus)
    assert {entry["stage"]: entry["with_benchmark_text"] for entry in status["stages"] if entry["with_benchmark_text"]} == {
        "decontaminate": 1
    }
    (line,) = [line for line in status_text(status).splitlines() if line.strip().startswith("decontaminate")]
    assert line.endswith("  1 with benchmark text")


def test_a_folder_without_a_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no corpus here"):
        status_of(tmp_path)


def test_a_corpus_that_has_only_begun_has_a_status(tiny_web: Path, tmp_path: Path) -> None:
    loaded = web.load(tiny_web)
    with driving(tmp_path) as ledger:
        ledger.begin(text=loaded.text, resolved=loaded.resolved)
        assert status_of(tmp_path)["state"] == "running"
    status = status_of(tmp_path)
    assert (status["state"], status["stages"], status["rounds"]) == ("interrupted", [], [])
    assert status_text(status).startswith("tiny: interrupted")
    assert "no page was extracted yet" in said(tmp_path, "https://book.org/chapters/1")


def test_a_page_that_annotation_brought_is_followed_to_its_shard(tiny_corpus: Path) -> None:
    text = said(tiny_corpus, "http://www.forum.org/threads/1?utm_source=x#top")
    assert "path: math, by forum.org/threads" in text
    assert "a positive from the next round on" in text
    assert "shards/mined/shard-0000" in text
    first, second = text.index("not selected"), text.index(": selected")
    assert first < second


def test_the_older_capture_is_dropped_for_the_newer(tiny_corpus: Path) -> None:
    newer, older = steps(tiny_corpus, "https://book.org/chapters/0")
    kept = explain_page(tiny_corpus, "https://book.org/chapters/0")["captures"][0]["page"]["id"]
    assert older[-1][0] == "URL"
    assert older[-1][1].startswith("dropped, duplicate_url")
    assert older[-1][1].endswith(kept)
    assert newer[-1][0] == "packed"


def test_a_near_duplicate_names_the_page_that_is_kept(tiny_corpus: Path) -> None:
    pages = [steps(tiny_corpus, url)[0] for url in ("https://mirror.net/copy/1", "https://book.org/chapters/1")]
    dropped = [found for found in pages if found[-1][0] == "near duplicates"]
    assert len(dropped) == 1
    assert "near_duplicate" in dropped[0][-1][1]


def test_a_leak_is_shown_with_its_benchmark(tiny_corpus: Path) -> None:
    text = said(tiny_corpus, "book.org/chapters/2")
    assert "farm hens" in text
    assert "cut out" in text


def test_a_page_of_another_subject_ends_unselected(tiny_corpus: Path) -> None:
    found = steps(tiny_corpus, "https://shop1.com/items/1")[0]
    assert found[-1] == ("end", "not selected")
    assert any("not mathematical" in text for _, text in found)


def test_a_page_is_found_by_the_id_of_its_capture(tiny_corpus: Path) -> None:
    page = explain_page(tiny_corpus, "https://shop1.com/items/1")["captures"][0]["page"]
    assert [capture["page"]["url"] for capture in explain_page(tiny_corpus, page["id"])["captures"]] == [page["url"]]


def test_a_page_that_nobody_captured_is_said_to_be_none(tiny_corpus: Path) -> None:
    assert "not in the corpus: no capture of it is in the files of the crawl" in said(tiny_corpus, "https://book.org/nothing")


@pytest.mark.parametrize("url", ["", "data:text/plain,x", "mailto:a@b.org", "http://", "https://" + "x" * 3000 + ".org/"])
def test_what_is_no_url_is_refused_with_its_reason(tiny_corpus: Path, url: str) -> None:
    found = explain_page(tiny_corpus, url)
    assert found["captures"] == []
    assert found["why_none"]


def test_control_characters_do_not_reach_the_terminal(tiny_corpus: Path) -> None:
    assert "\x1b" not in said(tiny_corpus, "https://book.org/\x1b[31mred")


def test_explain_says_how_much_was_read_when_a_page_is_not_there_yet(tiny_web: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    assert run_corpus(web.load(tiny_web), root, InProcess, RunOptions(stage="pages", quiet=True)) == 0
    url = "https://nothere.example/"
    assert "so far" not in said(root, url)
    shutil.rmtree(next((root / "pages").iterdir()))
    assert "no capture of it is in the files of the crawl, so far: 2 of 3 files are read" in said(root, url)


def test_explain_does_not_repeat_a_url_of_megabytes(tiny_corpus: Path) -> None:
    found = said(tiny_corpus, f"https://a.org/{'a' * 1_000_000}")
    assert len(found) < 1000
    assert "(1,000,014 characters)" in found
