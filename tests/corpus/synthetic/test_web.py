"""The web as its files show it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from random import Random

import polars as pl
import pytest
from fastwarc.warc import ArchiveIterator

from reasonforge.core.errors import RecipeError
from reasonforge.core.seeds import derive_seed
from reasonforge.corpus.synthetic import leaks
from reasonforge.corpus.synthetic.hosts import GROUPS, Names
from reasonforge.corpus.synthetic.truth import TRUTH, read_truth
from reasonforge.corpus.synthetic.web import BENCHMARK, MIN_PAGES, Plan, Written, document_of, plan, synthesise
from reasonforge.corpus.units import file_digest
from tests.corpus.synthetic.conftest import PAGES


def responses_in(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for path in sorted(folder.rglob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, parse_http=False):
                if record.headers["WARC-Type"] == "response":
                    found.append((record.headers["WARC-Target-URI"], record.reader.read()))
    return found


def digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def plans_of(pages: int, seed: int) -> tuple[list[Plan], list[leaks.Item]]:
    problems = leaks.items(derive_seed(seed, "benchmark"), 20)
    return plan(pages=pages, seed=seed, problems=problems), problems


def test_another_reader_finds_as_many_responses_as_were_asked_for(folder: Path) -> None:
    assert len(responses_in(folder)) == PAGES


def test_every_response_has_its_request_and_metadata(folder: Path) -> None:
    kinds: dict[str, int] = {}
    for path in folder.rglob("*.warc.gz"):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, parse_http=False):
                kinds[record.headers["WARC-Type"]] = kinds.get(record.headers["WARC-Type"], 0) + 1
    assert kinds == {"warcinfo": 2, "request": PAGES, "response": PAGES, "metadata": PAGES}


def test_the_truth_has_every_address_of_the_files_once(folder: Path) -> None:
    truth = read_truth(folder / TRUTH)
    in_files: dict[str, int] = {}
    for url, _ in responses_in(folder):
        in_files[url] = in_files.get(url, 0) + 1
    assert dict(truth.select("url", "captures").iter_rows()) == in_files


def test_equal_arguments_are_equal_bytes_whatever_the_hash_seed(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from reasonforge.corpus.synthetic.web import synthesise;"
        f"synthesise(Path(sys.argv[1]), pages={PAGES}, seed=3)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "again")], check=True, env=environment)
    assert digests(tmp_path / "again") == digests(folder)


def test_another_seed_is_another_web(web: Written, tmp_path: Path) -> None:
    other = synthesise(tmp_path / "other", pages=PAGES, seed=4)
    mine, theirs = (set(read_truth(written.folder / TRUTH)["url"]) for written in (web, other))
    odd = {url for url in mine if "merdale" in url or "2001:db8" in url}
    assert mine & theirs == odd


@pytest.mark.parametrize("pages", [MIN_PAGES, 777, 3_001])
def test_the_plan_has_exactly_the_pages_that_were_asked_for(pages: int) -> None:
    assert len(plans_of(pages, 0)[0]) == pages


@pytest.mark.parametrize("kind", ["forum", "textbook", "chinese", "formal", "near_maths", "other", "hostile"])
def test_even_the_smallest_web_has_pages_of_every_kind(kind: str) -> None:
    assert any(entry.kind == kind for entry in plans_of(MIN_PAGES, 1)[0])


def test_a_url_in_both_crawls_is_one_row_with_two_captures(folder: Path) -> None:
    truth = read_truth(folder / TRUTH)
    twice = truth.filter(pl.col("captures") == 2)
    assert twice.height == int(PAGES * 0.03)
    assert twice["duplicate_of"].null_count() == twice.height


def test_what_a_copy_is_a_copy_of_is_in_the_web(folder: Path) -> None:
    truth = read_truth(folder / TRUTH)
    copies = truth.filter(pl.col("duplicate_of").is_not_null())
    assert copies.height > 0
    assert set(copies["duplicate_of"]) <= set(truth["url"])


def test_a_near_duplicate_shares_most_of_its_shingles_and_not_all() -> None:
    plans, problems = plans_of(2_000, 0)
    by_url = {entry.url: entry for entry in plans if entry.duplicate_of is None}
    edited = [entry for entry in plans if entry.is_edited and entry.duplicate_of is not None]
    similar = []
    for entry in edited:
        assert entry.duplicate_of is not None
        pair = [document_of(page, seed=0, problems=problems, as_text=True).text() for page in (entry, by_url[entry.duplicate_of])]
        similar.append(_jaccard(*pair))
    assert max(similar) < 1.0
    assert sum(value >= 0.8 for value in similar) >= 0.9 * len(similar)


def test_pages_that_are_no_copies_are_far_from_duplicates() -> None:
    plans, problems = plans_of(1_000, 0)
    first = [entry for entry in plans if entry.duplicate_of is None and entry.kind != "hostile"]
    by_dialect: dict[str, list[str]] = {}
    for entry in first:
        by_dialect.setdefault(entry.dialect, []).append(document_of(entry, seed=0, problems=problems, as_text=True).text())
    nearest = max(_jaccard(texts[i], texts[i + 1]) for texts in by_dialect.values() for i in range(len(texts) - 1))
    assert nearest < 0.6


def _jaccard(left: str, right: str) -> float:
    a, b = ({tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (_words(left), _words(right)))
    return len(a & b) / max(1, len(a | b))


def _words(text: str) -> list[str]:
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text)


def test_a_problem_said_to_be_planted_stands_in_its_page_word_for_word() -> None:
    plans, problems = plans_of(1_000, 5)
    planted = [entry for entry in plans if entry.leak == "exact" and entry.duplicate_of is None]
    assert len(planted) == 10
    for entry in planted:
        assert entry.item is not None
        assert problems[entry.item].question in document_of(entry, seed=5, problems=problems).text()


def test_no_other_page_has_ten_words_or_characters_of_a_problem() -> None:
    plans, problems = plans_of(1_500, 5)
    grams = {gram for item in problems for gram in _grams(item.question) | _grams(item.solution)}
    clean = [entry for entry in plans if entry.leak != "exact" and entry.kind != "hostile"]
    hit = [entry.url for entry in clean if _grams(document_of(entry, seed=5, problems=problems, as_text=True).text()) & grams]
    assert hit == []


def test_no_two_problems_share_ten_words_or_characters() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for item in leaks.items(8, 200):
        for gram in _grams(item.question):
            assert seen.setdefault(gram, item.id) == item.id, gram


def test_a_paraphrase_has_no_ten_words_of_any_problem() -> None:
    problems = leaks.items(8, 200)
    grams = {gram for item in problems for gram in _grams(item.question)}
    assert [item.id for item in problems if _grams(item.paraphrase) & grams] == []


def _grams(text: str) -> set[tuple[str, ...]]:
    """Ten words in a row, or ten characters where a text is Chinese."""
    tokens: list[str] = []
    for is_han, run in groupby(text.lower(), key=lambda c: "\u4e00" <= c <= "\u9fff"):
        chars = "".join(run)
        tokens += list(chars) if is_han else "".join(c if c.isalnum() else " " for c in chars).split()
    return {tuple(tokens[i : i + 10]) for i in range(len(tokens) - 9)}


def test_the_benchmark_file_has_the_problems_that_the_truth_names(folder: Path) -> None:
    ids = {json.loads(line)["id"] for line in (folder / BENCHMARK).read_text().splitlines()}
    named = set(read_truth(folder / TRUTH)["benchmark_item"].drop_nulls())
    assert named < ids


def test_a_solution_states_the_answer_of_its_problem() -> None:
    for item in leaks.items(2, 50):
        assert re.search(rf"(?<!\d){item.answer}(?!\d)", item.solution)


def test_a_web_of_any_size_has_a_name_for_every_host() -> None:
    names = Names(Random(0))
    assert len({names.host("{n}pedia.example") for _ in range(2_000)}) == 2_000  # there are 1,386 names of two syllables


def test_sections_of_every_kind_of_host_add_up() -> None:
    for group in GROUPS:
        assert sum(section.share for section in group.sections) == pytest.approx(1.0), group.name


def test_a_folder_with_files_is_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match="is not empty"):
        synthesise(folder, pages=PAGES)


def test_too_few_pages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--pages 50"):
        synthesise(tmp_path / "w", pages=50)
