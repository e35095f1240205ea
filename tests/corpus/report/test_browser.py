"""The page in a real browser, without a network. Needs playwright (PyPI) and a system Chromium; skipped without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasonforge.corpus.report.facts import Corpus, Domain, Hit, Sample
from reasonforge.corpus.report.page import write_corpus_page
from tests.corpus.report.fabricate import corpus_of, round_of
from tests.report.hostile import HOSTILE


class Opened:
    def __init__(self, browser: Any, folder: Path, corpus: Corpus, *, width: int = 1300, scheme: str = "light") -> None:
        path = write_corpus_page(folder / "report.html", corpus)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.path = path


def hostile_corpus() -> Corpus:
    texts = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
    groups = ("collected", "just collected", "just left out", "left out")
    samples = tuple(
        Sample(group=groups[i % 4], score=0.5, url=text, title=text, text=text, kind=text)  # pyright: ignore[reportArgumentType]
        for i, text in enumerate(texts)
    )
    domains = tuple(Domain(name=text, pages=10, collected=5) for text in texts)
    hits = tuple(Hit(item=text, pages=1, gram=text) for text in texts)
    plain = corpus_of()
    benchmark = type(plain.benchmarks[0])(name=texts[0], pages=1, items=1, by_length={10: 1}, top=hits)
    return corpus_of(
        name=texts[0],
        message=texts[1],
        rounds=(round_of(1, gained=domains, num_gained=len(domains)), round_of(2)),
        samples=samples,
        benchmarks=(benchmark,),
        reasons={"empty_body": texts[2]},
        quarantine=tuple(("pages", text) for text in texts),
    )


@pytest.mark.parametrize("width", [390, 1300])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_neither_complains_nor_asks_for_anything(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, tmp_path, corpus_of(), width=width, scheme=scheme)
    assert opened.complaints == []
    assert opened.requests == [opened.path.as_uri()]
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.page.close()


def test_nothing_that_a_page_of_the_crawl_says_is_run(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, hostile_corpus())
    assert opened.page.evaluate("window.PWNED") is None
    assert opened.complaints == []
    assert opened.requests == [opened.path.as_uri()]
    assert opened.page.locator("main img, main iframe, main form, main a, main script").count() == 0
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1300
    opened.page.close()


@pytest.mark.parametrize("section", ["rounds", "overlap", "scores", "domains", "samples", "benchmarks", "sources", "stages"])
def test_every_section_is_there(browser: Any, tmp_path: Path, section: str) -> None:
    opened = Opened(browser, tmp_path, corpus_of())
    assert opened.page.locator(f"#{section}").is_visible()
    opened.page.close()


def test_what_is_not_known_is_left_out(browser: Any, tmp_path: Path) -> None:
    bare = corpus_of(
        rounds=(round_of(1, found=None, held_out=None, scores=None, domains=None, gained=(), positives=None),),
        overlap=(),
        samples=(),
        sources=(),
        decontaminated=False,
        benchmarks=(),
        shared=0,
    )
    opened = Opened(browser, tmp_path, bare)
    assert opened.complaints == []
    assert opened.page.locator("#overlap, #scores, #domains, #samples, #benchmarks, #sources").count() == 0
    assert "recall" not in opened.page.locator("#rounds").inner_text()
    opened.page.close()


def test_the_overlap_is_a_share_of_the_row(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, corpus_of())
    row = opened.page.locator("#overlap tbody tr").nth(2).inner_text().split("\t")
    assert row == ["3 (300 pages)", "26.7 %", "63.3 %", "100.0 %"]
    opened.page.close()


@pytest.mark.parametrize("width", [390, 1300])
def test_all_figures_of_four_rounds_are_seen_without_scrolling(browser: Any, tmp_path: Path, width: int) -> None:
    opened = Opened(browser, tmp_path, corpus_of(rounds=tuple(round_of(number) for number in range(1, 5))), width=width)
    table = opened.page.locator("#rounds .scroll")
    assert table.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert table.locator("tbody tr").nth(0).inner_text().split("\t") == ["pages", "100", "200", "300", "400"]
    opened.page.close()


def test_an_address_of_any_length_leaves_room_for_the_page(browser: Any, tmp_path: Path) -> None:
    url = "https://a.example/" + "x/" * 1000
    sample = Sample(group="collected", score=0.9, url=url, title="Groups", text="Let $G$ be a group.\n" * 100, kind="textbook")
    opened = Opened(browser, tmp_path, corpus_of(samples=(sample,)))
    assert opened.page.locator(".card .text").bounding_box()["height"] > 200
    opened.page.close()
