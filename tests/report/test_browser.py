"""The page in a real browser, from a file and without a network. Needs playwright (PyPI) and a system Chromium; skipped without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasonforge.report.page import write_report
from reasonforge.runs.directory import RunDirectory
from tests.report.test_groups import seeded
from tests.report.test_page import hostile_run
from tests.runs.fabricate import crashing, new_run, write_run


class Opened:
    """A page with what it complained about and what it asked for."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1400, scheme: str = "light") -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_run(tmp_path_factory.mktemp("runs") / "r", steps=30, num_groups=5))


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_neither_complains_nor_asks_for_anything(browser: Any, report: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, report, width=width, scheme=scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
    assert opened.requests == [report.as_uri()]
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    opened.page.close()


def test_every_group_and_completion_of_a_step_is_there_with_its_reward(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    opened.page.get_by_role("button", name="last", exact=True).click()
    rows = RunDirectory.read(report.parent).rollouts("rl", 30)
    labels = [cell.get_attribute("aria-label") for cell in opened.page.locator(".cell").all()]
    assert len(labels) == len(rows)
    for label, row in zip(labels, rows, strict=True):
        assert label is not None
        assert label.startswith(f"completion {row.index}: {row.verdict}, reward {row.reward:g}, advantage ")
    assert "step 30 (30 of 30)" in opened.text("#rollouts .small")
    opened.page.close()


def test_a_cell_opens_its_group_and_marks_its_completion(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    opened.page.locator(".group").nth(2).locator(".cell").nth(3).click()
    assert opened.page.locator(".card").count() == 8
    assert opened.text(".card.chosen header b") == "#3"
    assert opened.page.locator(".card.chosen .part-think").inner_text() == "three and four make seven"
    assert opened.page.locator(".card.chosen .part-answer").inner_text() in ("7", "8")
    assert opened.text(".question .text") == "What is 2 + 5?"
    opened.page.get_by_role("button", name="next", exact=True).click()
    assert opened.text(".question .text") == "What is 3 + 4?"
    opened.page.close()


def test_the_sign_of_an_advantage_is_seen_in_colour_and_read_in_text(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    signs = {"positive": "▲ +", "negative": "▼ −"}
    colours = set()
    for name, mark in signs.items():
        cell = opened.page.locator(f".card .{name}").first
        assert mark in cell.inner_text()
        colours.add(cell.evaluate("node => getComputedStyle(node).color"))
    assert len(colours) == 2
    opened.page.close()


def test_hovering_a_curve_shows_the_value_of_metrics_jsonl(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    panel = opened.page.locator(".panel", has=opened.page.get_by_text("Entropy (nats/token)"))
    panel.locator("svg").scroll_into_view_if_needed()
    panel.locator("svg").hover()
    step = int(panel.locator(".at").inner_text().removeprefix("step "))
    row = next(row for row in RunDirectory.read(report.parent).metric_rows("rl") if row["step"] == step and "entropy" in row)
    assert float(panel.locator(".legend b").inner_text()) == pytest.approx(row["entropy"], rel=1e-3)
    panel.locator("svg").focus()
    opened.page.keyboard.press("ArrowLeft")
    assert panel.locator(".at").inner_text() == f"step {step - 1}"
    opened.page.close()


def test_clicking_a_curve_opens_the_rollouts_of_that_step(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    panel = opened.page.locator(".panel", has=opened.page.get_by_text("Entropy (nats/token)"))
    panel.locator("svg").click(position={"x": 80, "y": 60})
    step = panel.locator(".at").inner_text().removeprefix("step ")
    assert opened.text("#rollouts .small").startswith(f"step {step} ")
    opened.page.close()


def test_smoothing_changes_the_line_and_keeps_the_raw_one(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    panel = opened.page.locator(".panel", has=opened.page.get_by_text("Gradient norm")).last
    raw = panel.locator("path.curve").get_attribute("d")
    opened.page.locator("#smoothing").check()
    assert panel.locator("path.curve").get_attribute("d") != raw
    assert panel.locator("path.raw").get_attribute("d") == raw
    opened.page.close()


def test_hostile_text_does_nothing_but_stand_there(browser: Any, tmp_path: Path) -> None:
    page = write_report(hostile_run(tmp_path / "r"))
    opened = Opened(browser, page)
    for group in opened.page.locator(".group .prompt").all():
        group.click()
    opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("window.PWNED") is None
    assert opened.requests == [page.as_uri()]
    assert opened.complaints == []
    assert opened.page.locator("#page img, #page iframe, #page script, #page form, #page a").count() == 0
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1400
    opened.page.close()


def test_runs_without_metrics_rollouts_or_summary_have_a_page(browser: Any, tmp_path: Path) -> None:
    with crashing(new_run(tmp_path / "empty")):
        pass
    with new_run(tmp_path / "sft") as run:
        run.stage("sft").metrics(1, {"loss": 1.0})
    corrupt = write_run(tmp_path / "corrupt", steps=2)
    for file in (corrupt / "rollouts" / "rl").iterdir():
        file.write_bytes(b"")
    for name, words in {"empty": "No metrics yet", "sft": "No rollouts are stored", "corrupt": "cannot read rollouts"}.items():
        opened = Opened(browser, write_report(tmp_path / name))
        assert words in opened.text("main")
        assert opened.complaints == []
        opened.page.close()


def test_several_runs_share_the_panels(browser: Any, tmp_path: Path) -> None:
    page = write_report([write_run(tmp_path / "a", name="first"), write_run(tmp_path / "b", name="second", steps=12)], tmp_path / "x.html")
    opened = Opened(browser, page, width=390)
    panel = opened.page.locator(".panel", has=opened.page.get_by_text("Entropy (nats/token)"))
    assert panel.locator("path.curve").count() == 2
    assert opened.page.locator("select[aria-label=stage] option").all_inner_texts() == ["first: rl", "second: rl"]
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.complaints == []
    opened.page.close()


def test_seeds_of_one_recipe_are_one_line_with_a_band(browser: Any, tmp_path: Path) -> None:
    paths = [seeded(tmp_path / f"r{seed}", seed, [0.1 * seed, 0.2 * seed], pass1=0.2 * seed) for seed in (1, 2, 3)]
    opened = Opened(browser, write_report(paths, tmp_path / "x.html"))
    assert opened.page.locator(".panel path.curve").count() == 1
    assert opened.page.locator(".panel path.band").count() == 1
    assert "0.4 ± 0.2" in opened.text("#seeds table")
    assert opened.complaints == []
    opened.page.close()
