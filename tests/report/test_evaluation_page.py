"""The page of an evaluation: what stands in it, that hostile text stays text, and that it says what it leaves out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from reasonforge.report.evaluation import write_evaluation_page

HOSTILE = "</script><script>window.PWNED=1</script><img src=x onerror=window.PWNED=1>\u2028\x00\ud800"


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "bootstrap": [value - 0.05, value + 0.05], "closed": None}


def results(**more: Any) -> dict[str, Any]:
    return {
        "name": f"m on {HOSTILE}",
        "version": "0",
        "facts": {"model": HOSTILE},
        "num_problems": 3,
        "num_samples": 4,
        "few_problems": True,
        "figures": {name: figure(0.1 * i) for i, name in enumerate(("pass@1", "pass@2", "maj@2", "maj@4", "pass@4"), 1)},
        "shares": {"correct": 0.1, "wrong": 0.9},
        "lengths": {"unit": "tokens", "mean": 12.0},
        "uses": {"tool_calls": 1.5, "failed_calls": 0.25},
        "texts": {"boxed": 0.5},
        "tables": {"subject": [{"name": HOSTILE, "num_problems": 3, "pass1": 0.1, "interval": [0.0, 0.2], "majority": None}]},
        **more,
    }


def problem(number: int, text: str = HOSTILE, **more: Any) -> dict[str, Any]:
    sample = {"text": text, "status": "wrong", "prediction": HOSTILE, "reason": HOSTILE, "length": 5, "truncated": False, "score": None}
    return {"id": f"p{number}", "question": HOSTILE, "gold": HOSTILE, "score": 0.0, "samples": [sample] * 2, **more}


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_hostile_text_ends_no_element(tmp_path: Path) -> None:
    page = write_evaluation_page(tmp_path / "r.html", results(), [problem(i) for i in range(3)])
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert "<img" not in text
    assert len(data_of(page)["problems"]) == 3


def test_a_page_has_a_size_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    problems = [problem(i, "x" * 7_000) for i in range(400)]
    page = write_evaluation_page(tmp_path / "r.html", results(), problems, max_bytes=400_000)
    assert page.stat().st_size <= 400_000
    data = data_of(page)
    assert 3 <= len(data["problems"]) < 40
    assert data["left_out"] == [f"{len(data['problems'])} of 400 problems are shown, spread over all. All are in the samples file."]
    assert data["problems"][-1]["id"] == "p399"


def test_long_completions_lose_their_middle_and_the_page_says_so(tmp_path: Path) -> None:
    page = write_evaluation_page(tmp_path / "r.html", results(), [problem(0, "a" * 10_000 + "b" * 10_000)])
    data = data_of(page)
    assert data["problems"][0]["samples"][0]["text"] == "a" * 4_000 + "\n[...]\n" + "b" * 4_000
    assert "lost their middle" in data["left_out"][0]


def test_a_browser_shows_figures_curves_and_samples_and_runs_nothing_else(browser: Any, tmp_path: Path) -> None:
    against = {
        "name": "a_rather_long_name_of_an_earlier_file_of_samples.jsonl",
        "num_problems": 3,
        "num_left_out": 1,
        "figures": {"pass@1": 0.05, "pass@2": 0.1, "pass@4": 0.15},
        "differences": {"pass@1": {"difference": 0.05, "interval": [0.01, 0.09], "bootstrap": [0.02, 0.08]}},
        "better": ["p1"],
        "worse": [],
    }
    problems = [problem(0), problem(1, "<think>3+4</think>\\boxed{7}", change=0.5), problem(2)]
    page_path = write_evaluation_page(tmp_path / "r.html", results(against=against), problems)
    complaints: list[str] = []
    requests: list[str] = []
    for width in (390, 1200):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("window.PWNED") is None
        assert page.locator("#curve svg path.curve:not(.earlier)").count() == 2
        assert page.locator("#curve svg path.earlier").count() == 1  # maj@k of the earlier run is not known
        assert "dashed: a_rather_long_name" in page.locator("#curve .legend").inner_text()
        ends = [box for label in page.locator("#curve svg text.end").all() if (box := label.bounding_box())]
        frame = page.locator("#curve svg").bounding_box()
        assert frame is not None
        assert all(box["x"] + box["width"] <= frame["x"] + frame["width"] for box in ends)
        assert abs(ends[0]["y"] - ends[1]["y"]) >= 0.8 * ends[0]["height"]
        assert "programs run, per sample\t1.5" in page.locator("body").inner_text()
        assert page.locator("#curve svg circle").count() == 3 + 3
        table = page.locator("#figures table").first
        assert "pass@1 (avg@4)" in table.inner_text()
        assert "+5 points\t[2.0, 8.0]" in table.inner_text()
        assert "closed form" not in table.inner_text()
        assert "all 4 samples" in (table.locator("td", has_text="avg@4").get_attribute("title") or "")
        if width >= 1_200:
            assert page.locator("#figures .scroll").first.evaluate("node => node.scrollWidth <= node.clientWidth")
        page.locator("#intervals summary").click()
        assert "[2.0, 8.0]\t[1.0, 9.0]" in page.locator("#intervals table").inner_text()
        assert "3 problems: of so few" in page.locator("#figures .notice").first.inner_text()
        page.locator("#samples select").first.select_option("rose most first")
        first = page.locator("details.problem").first
        first.locator("summary").click()
        assert "p1" in first.locator("summary").inner_text()
        first.locator(".card").nth(1).wait_for()  # drawn when the browser tells of the opening, a moment later
        assert first.locator(".card").count() == 2
        assert first.locator(".part-think").first.inner_text() == "3+4"
        page.locator("input[type=search]").fill("boxed{7}")
        assert page.locator("details.problem").count() == 1
        assert page.evaluate("window.PWNED") is None
    assert complaints == []
    assert requests == [page_path.as_uri()] * 2
