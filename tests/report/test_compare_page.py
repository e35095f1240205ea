"""The page and the picture of a comparison; in a real browser where there is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from reasonforge.report.compare import comparison_svg, write_comparison_page
from tests.pipelines.compared import compared
from tests.report.hostile import HOSTILE
from tests.report.test_page import page_data

FIGURES = {"grpo": [0.62, 0.66, 0.64], "rloo": [0.60, 0.66, 0.62], "dapo": [0.78, 0.80, 0.77]}


def hostile() -> dict[str, Any]:
    """A comparison in which every name is hostile."""
    data = compared({text: [0.1 * (i % 7), 0.1 * (i % 5)] for i, text in enumerate(HOSTILE[:8])})
    data["remarks"] = list(HOSTILE)
    data["shared"] = list(HOSTILE)
    for recipe, text in zip(data["recipes"], HOSTILE[8:], strict=False):
        recipe["description"] = text
    return data


def test_the_page_carries_the_data_and_allows_only_its_own_script(tmp_path: Path) -> None:
    data = compared(FIGURES)
    page = write_comparison_page(tmp_path / "compare.html", data)
    assert page_data(page)["findings"] == data["findings"]
    assert "default-src 'none'" in page.read_text()
    assert not re.search(r"https?://(?!www\.w3\.org)", page.read_text())


def test_the_picture_is_well_formed_with_a_line_a_band_and_a_mean_for_each_recipe() -> None:
    root = ElementTree.fromstring(comparison_svg(compared(FIGURES)))
    drawn = [node.get("class", "").split()[0] for node in root.iter() if node.get("class")]
    assert [drawn.count(kind) for kind in ("line", "band", "mean", "bar", "seed")] == [3, 3, 3, 3, 9]


def test_the_picture_of_hostile_names_is_well_formed_and_holds_no_markup_of_theirs() -> None:
    root = ElementTree.fromstring(comparison_svg(hostile()))
    assert {node.tag.rpartition("}")[2] for node in root.iter()} == {"svg", "style", "g", "text", "path", "circle"}


@pytest.mark.parametrize("figures", [{"a": [0.5], "b": [0.5]}, {"a": [], "b": []}, {"a": [0.0, 0.0], "b": [0.0, 0.0]}])
def test_little_data_still_makes_a_picture(figures: dict[str, list[float]]) -> None:
    picture = comparison_svg(compared(figures))
    ElementTree.fromstring(picture)
    assert not re.search(r"\b(nan|inf)\b", picture)


def test_figures_above_one_have_an_axis_of_their_own() -> None:
    picture = comparison_svg(compared({"a": [310.0, 330.0], "b": [200.0, 210.0]}, metric="eval/length"))
    labels = [float(node.text) for node in ElementTree.fromstring(picture).iter() if node.get("text-anchor") == "end" and node.text]
    assert max(labels) > 200


def opened(browser: Any, path: Path, *, width: int = 1400, scheme: str = "light") -> tuple[Any, list[str], list[str]]:
    """Open a page; return it, what it complained about, and what it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    return page, complaints, requests


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_neither_complains_nor_asks_for_anything(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    path = write_comparison_page(tmp_path / "compare.html", compared(FIGURES))
    page, complaints, requests = opened(browser, path, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (complaints, requests) == ([], [path.as_uri()])
    page.close()


def test_the_page_says_which_differences_exceed_the_noise(browser: Any, tmp_path: Path) -> None:
    data = compared(FIGURES)
    page, _, _ = opened(browser, write_comparison_page(tmp_path / "compare.html", data))
    assert page.locator("#findings .findings li").all_inner_texts() == data["findings"]
    verdicts = page.locator("#pairs tbody tr").all_inner_texts()
    assert ["beyond the noise" in row for row in verdicts] == [pair["verdict"] == "beyond_noise" for pair in data["pairs"]]
    assert page.locator("#figures tbody tr").first.inner_text().split()[:2] == ["grpo", "0.640"]
    page.close()


def test_every_seed_is_a_dot_and_every_recipe_a_line_with_its_band(browser: Any, tmp_path: Path) -> None:
    page, _, _ = opened(browser, write_comparison_page(tmp_path / "compare.html", compared(FIGURES)))
    assert page.locator("#dots circle.seed").count() == 9
    assert page.locator("#dots path.mean").count() == 3
    assert page.locator("#curves path.curve").count() == 3
    assert page.locator("#curves path.band").count() == 3
    page.close()


def test_a_recipe_with_nothing_but_its_ends_is_dashed(browser: Any, tmp_path: Path) -> None:
    page, complaints, _ = opened(browser, write_comparison_page(tmp_path / "compare.html", compared(FIGURES, steps=0)))
    assert page.locator("#curves path.curve.dashed").count() == 3
    assert "Dashed" in page.locator("#curves").inner_text()
    assert complaints == []
    page.close()


def test_where_no_run_draws_rollouts_nothing_is_drawn_over_them(browser: Any, tmp_path: Path) -> None:
    data = compared(FIGURES, steps=0, tokens=dict.fromkeys(FIGURES, 4096.0))
    picture = comparison_svg(data)
    assert "over rollouts" not in picture
    assert 'class="mean' in picture
    page, complaints, _ = opened(browser, write_comparison_page(tmp_path / "compare.html", data))
    assert page.locator("#curves").count() == 0
    assert "rollouts" not in page.locator("main").inner_text()
    columns = page.locator("#figures th").all_inner_texts()
    assert page.locator("#figures tbody tr").first.locator("td").nth(columns.index("tokens")).inner_text().replace(",", "") == "4096"
    assert complaints == []
    page.close()


def test_hovering_the_curves_shows_rollouts_and_means(browser: Any, tmp_path: Path) -> None:
    data = compared(FIGURES)
    page, _, _ = opened(browser, write_comparison_page(tmp_path / "compare.html", data))
    plot = page.locator("#curves svg")
    plot.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    rollouts = int(page.locator("#curves .at").inner_text().removeprefix("rollout "))
    curve = data["recipes"][0]["curve"]
    shown = float(page.locator("#curves .legend b").first.inner_text())
    assert shown == pytest.approx(curve["mean"][curve["rollouts"].index(rollouts)], rel=1e-3)
    page.close()


def test_hostile_names_do_nothing_but_stand_there(browser: Any, tmp_path: Path) -> None:
    path = write_comparison_page(tmp_path / "compare.html", hostile())
    page, complaints, requests = opened(browser, path)
    page.wait_for_timeout(100)
    assert page.evaluate("window.PWNED") is None
    assert (complaints, requests) == ([], [path.as_uri()])
    assert page.locator("#page img, #page iframe, #page script, #page form, #page a").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1400
    page.close()


@pytest.mark.parametrize("figures", [{"a": [0.5], "b": [0.5]}, {"a": [], "b": []}, {"a": [0.0, 0.0], "b": [1.0, 1.0]}])
def test_little_data_has_a_page(browser: Any, tmp_path: Path, figures: dict[str, list[float]]) -> None:
    page, complaints, _ = opened(browser, write_comparison_page(tmp_path / "compare.html", compared(figures)))
    assert complaints == []
    assert "At the end" in page.locator("main").inner_text()
    assert "NaN" not in page.locator("main").inner_html()
    page.close()
