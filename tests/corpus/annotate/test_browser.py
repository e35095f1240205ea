"""The annotator's page in a real browser. Needs playwright (PyPI) and a system Chromium; skipped without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonforge.corpus.annotate.data import PageText
from reasonforge.corpus.annotate.journal import Journal
from reasonforge.corpus.annotate.server import AnnotationServer
from tests.corpus.annotate.fabricate import decision, frame_of, journal_of, session_of
from tests.corpus.annotate.served import serving
from tests.report.hostile import HOSTILE

pytestmark = pytest.mark.thorough


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations.jsonl"


class Tab:
    """The page with what it complained about and what it asked others for."""

    def __init__(self, context: Any, url: str, *, width: int = 1400) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.wait_until("document.querySelector('#paths [aria-selected=true]') !== null")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def settle(self) -> None:
        # The queue of keys is worked off one after another: when it is empty all of them are on disk and on screen.
        self.page.evaluate("queue(() => {})")
        self.wait_until("document.querySelector('#adds').textContent !== '…'")

    def wait_until(self, expression: str) -> None:
        # The page's policy forbids what the driver's own way of waiting does: evaluating text.
        for _ in range(1000):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(10)
        pytest.fail(f"never came true: {expression}; the page says {self.complaints}")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    @property
    def chosen(self) -> str:
        return self.text("#pattern")


def opened(browser: Any, server: AnnotationServer, **options: Any) -> Tab:
    return Tab(browser.new_context(color_scheme=options.pop("scheme", "light")), server.url, **options)


def said(path: Path) -> list[tuple[str, str | None]]:
    return [(str(line.decision.pattern), line.decision.label) for line in Journal(path).lines]


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_complains_of_nothing_and_asks_nobody_else(browser: Any, path: Path, width: int, scheme: str) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server, width=width, scheme=scheme)
        tab.press("ArrowDown", "ArrowRight")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.complaints == []
        assert all(url.startswith(f"http://127.0.0.1:{server.port}/") for url in tab.requests)
        assert tab.page.url == f"http://127.0.0.1:{server.port}/"  # the secret is gone from the address
        ground = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_keys_label_and_go_on_and_the_count_lives(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        assert tab.chosen == "forum.example/"
        assert tab.text("#gained") == "+0"
        tab.press("s")
        assert tab.chosen == "forum.example/questions"
        assert tab.text("#adds").startswith("y adds 50 pages")
        tab.press("y")
        assert tab.text("#gained") == "+50"
        assert tab.chosen == "forum.example/users"
        tab.press("n")
        assert tab.text("#gained") == "+50"
        assert tab.chosen == "school.example/"
        assert said(path) == [("forum.example/", "skip"), ("forum.example/questions", "math"), ("forum.example/users", "not_math")]
        assert "✓" in tab.text(".domain-row")


def test_undo_takes_back_step_by_step_and_never_rewrites(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("s", "y", "n")
        before = path.read_text()
        tab.press("u")
        assert (tab.chosen, tab.text("#gained")) == ("forum.example/users", "+50")
        tab.press("u", "u", "u")
        assert tab.chosen == "forum.example/"
        assert "nothing of yours" in tab.text("#message")
        assert path.read_text().startswith(before)
        assert len(path.read_text().splitlines()) == 6
        assert Journal(path).decisions() == {}


def test_samples_show_what_was_collected_and_what_was_not(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.settle()
        assert tab.page.locator("#pages h3").all_inner_texts() == ["Not collected", "Collected"]
        assert tab.page.locator(".page").count() == 10
        assert "$x^2$" in tab.text(".page .text")
        tab.press("y")
        assert len(Journal(path).lines[0].decision.seen) == 10


def test_a_reload_keeps_the_state(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("y")
        gained = tab.text("#gained")
        tab.page.reload()
        tab.page.wait_for_selector("#paths [aria-selected=true]")
        tab.settle()
        assert tab.text("#gained") == gained != "+0"
        assert tab.chosen == "school.example/"


def test_two_tabs_lose_nothing_and_learn_from_each_other(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        first = opened(browser, server)
        second = Tab(first.page.context, f"http://127.0.0.1:{server.port}/")
        first.press("s", "n")
        second.press("ArrowRight")
        assert second.chosen == "school.example/"
        second.press("y")
        first.press("y")
        assert len(said(path)) == 4
        for tab in (first, second):
            tab.page.evaluate("queue(catchUp)")
            tab.settle()
        assert first.text("#gained") == second.text("#gained") == "+73"
        assert second.page.locator(".domain-row .done").all_inner_texts() == ["✓", "✓"]


def test_what_somebody_else_said_meanwhile_is_not_overruled_unseen(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.page.evaluate("clearInterval(polling)")
        journal_of(path, [decision("forum.example/", "not_math", by="human:bob")])
        tab.press("y")
        assert "human:bob said not_math" in tab.text("#message")
        assert len(said(path)) == 1
        tab.press("y")
        assert said(path)[-1] == ("forum.example/", "math")
        assert Journal(path).lines[-1].decision.overrules


def test_keys_pressed_faster_than_the_disk_all_count_in_order(browser: Any, path: Path) -> None:
    web = {f"d{number:03}.example": {"/a/#": (60, 30), "/b/#": (60, 10)} for number in range(12)}
    with serving(session_of(path, web=web)) as server:
        tab = opened(browser, server)
        tab.press(*"synsynsyn")
        assert [label for _, label in said(path)] == ["skip", "math", "not_math"] * 3
        assert len({pattern for pattern, _ in said(path)}) == 9


def test_hostile_pages_do_nothing_but_stand_there(browser: Any, path: Path) -> None:
    web = {"forum.example": {f"/q{i}/#": (6, 3) for i in range(len(HOSTILE))}, "__proto__": {"/constructor/#": (30, 10)}}
    ids = frame_of(web)["id"].to_list()
    texts = {
        name: PageText(HOSTILE[(i + 1) % len(HOSTILE)], HOSTILE[(i + 2) % len(HOSTILE)], HOSTILE[i % len(HOSTILE)])
        for i, name in enumerate(ids)
    }
    journal_of(path, [decision("forum.example/", "math", by="model:<img src=x onerror=window.PWNED=1>", why=HOSTILE[1])])
    with serving(session_of(path, web=web, texts=texts)) as server:
        tab = opened(browser, server)
        for _ in range(len(HOSTILE)):
            tab.press("ArrowDown")
        tab.press("ArrowRight", "y")
        tab.page.wait_for_timeout(100)
        assert tab.page.evaluate("window.PWNED") is None
        assert tab.page.evaluate("({}).closed") is None
        assert all(url.startswith(f"http://127.0.0.1:{server.port}/") for url in tab.requests)
        assert tab.complaints == []
        assert tab.page.locator("main img, main iframe, main script, main form, main a, main svg, main math").count() == 0
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 1400


def test_a_policy_stops_what_would_get_through(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tried = """() => {
            try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.PWNED=1>') } catch (error) { return error.name }
        }"""
        assert tab.page.evaluate(tried) == "TypeError"
        blocked = "() => { const s = document.createElement('script'); try { s.text = 'window.PWNED=1' } catch {} document.body.append(s) }"
        tab.page.evaluate(blocked)
        assert tab.page.evaluate("window.PWNED") is None


def test_search_finds_a_domain_and_leaves_the_keys_alone_while_typing(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("/", *"syn")
        assert tab.page.locator(".domain-row").count() == 0
        assert said(path) == []
        tab.press("Escape", "/", *"sch", "Enter")
        assert tab.chosen == "school.example/"
        tab.press("n")
        assert said(path) == [("school.example/", "not_math")]


def test_thousands_of_domains_are_a_list_of_a_screenful(browser: Any, path: Path) -> None:
    web = {f"d{number:05}.example": {"/a/#": (21, 3 + number % 10)} for number in range(3000)}
    with serving(session_of(path, web=web)) as server:
        tab = opened(browser, server)
        tab.press("b", "b", "b")
        assert "3,000 domains" in tab.text("#domains-note")
        assert tab.page.locator(".domain-row").count() < 60
        tab.page.evaluate("document.querySelector('#domains').scrollTop = 1e9")
        tab.wait_until("[...document.querySelectorAll('.domain-row')].some((row) => row.ariaPosInSet === '3000')")
        assert tab.page.locator(".domain-row").count() < 60


def test_the_budget_names_the_domains_that_cover_most_of_the_gain(browser: Any, path: Path) -> None:
    web = {f"d{number:03}.example": {"/a/#": (400, 200) if number < 3 else (30, 8)} for number in range(20)}
    with serving(session_of(path, web=web)) as server:
        tab = opened(browser, server)
        shown = tab.page.locator("#budget button").all_inner_texts()
        assert [text.partition(":")[0] for text in shown] == ["80 %", "90 %", "95 %", "all"]
        # 3 * 100 and 17 * 5.87 pages are expected.
        assert [text.partition(":")[2] for text in shown] == [" 7", " 14", " 17", " 20"]
        assert tab.page.locator(".domain-row").count() == 7
        tab.press("b")
        assert tab.page.locator(".domain-row").count() == 14


def test_a_proposal_counts_when_it_is_accepted(browser: Any, path: Path) -> None:
    journal_of(path, [decision("forum.example/", "math", by="model:m", why="a forum of mathematics")])
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        assert tab.text("#gained") == "+0"
        assert "model:m proposes math: a forum of mathematics" in tab.text("#proposed")
        tab.press("a")
        assert tab.text("#gained") == "+88"
        assert said(path)[-1] == ("forum.example/", "math")


def test_the_end_says_what_to_type_next_and_stops_the_server(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("n", "y")
        assert tab.text("#closing-title") == "Round 1 is annotated"
        assert tab.text("#closing-gain") == "+35 pages"
        assert tab.text("#next") == "reasonforge corpus run --out x"
        tab.press("y")  # a dialog is open: no key reaches the paths
        assert len(said(path)) == 2
        tab.page.get_by_role("button", name="Stop the server").click()
        tab.settle()
        assert "close this tab" in tab.text("#stop")


def test_a_server_that_is_gone_is_said_and_nothing_is_lost(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("s")
        tab.page.evaluate("clearInterval(polling)")
        tab.page.context.set_offline(True)
        tab.press("y")
        assert "does not answer" in tab.text("#message")
        chosen = tab.chosen
        tab.page.context.set_offline(False)
        tab.press("y")
        assert said(path) == [("forum.example/", "skip"), (chosen, "math")]
        assert tab.page.locator("#message").is_hidden()


def test_why_goes_with_the_key_that_comes_next_and_with_no_other(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("s", "w", *"any yes", "Enter", "y", "n")
        assert [line.decision.why for line in Journal(path).lines] == ["", "any yes", ""]
        assert tab.page.locator("#why").input_value() == ""
        tab.press("w", *"no", "Escape", "y")
        assert Journal(path).lines[-1].decision.why == ""
        tab.press("Escape")
        assert tab.complaints == []


def test_why_is_shown_and_comes_back_when_a_key_is_refused(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.page.evaluate("clearInterval(polling)")
        journal_of(path, [decision("forum.example/", "not_math", by="human:bob", why="<b>homework</b>")])
        tab.press("w", *"proofs", "Enter", "y")
        assert tab.page.locator("#why").input_value() == "proofs"
        assert "human:bob said not: <b>homework</b>" in tab.text("#adds")
        tab.press("y")
        assert Journal(path).lines[-1].decision.why == "proofs"


def test_the_end_says_what_becomes_of_what_is_open(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.press("q")
        assert "2 domains of round 1 are not finished. The loop waits" in tab.text("#left")
        tab.press("Escape", "n", "q")
        assert "1 domain of round 1 is not finished. The loop takes a round with one decision for annotated" in tab.text("#left")
        tab.press("Escape", "y")
        assert tab.text("#closing-title") == "Round 1 is annotated"
        assert tab.page.locator("#left").is_hidden()


def test_the_mouse_can_do_what_the_keys_do(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        tab.page.locator(".path-row", has_text="/users").click()
        tab.page.locator("#not_math").click()
        tab.settle()
        tab.page.locator("#undo").click()
        tab.settle()
        tab.page.locator(".domain-row", has_text="school").click()
        tab.settle()
        tab.page.locator("#math").click()
        tab.settle()
        assert said(path) == [("forum.example/users", "not_math"), ("forum.example/users", None), ("school.example/", "math")]
        assert json.loads(path.read_text().splitlines()[1])["withdraws"]


def test_everything_has_a_name_for_those_who_do_not_see_it(browser: Any, path: Path) -> None:
    with serving(session_of(path)) as server:
        tab = opened(browser, server)
        nameless = """() => [...document.querySelectorAll('button, input, [role=listbox], section')]
            .filter((node) => !(node.innerText.trim() || node.ariaLabel || node.placeholder)).length"""
        assert tab.page.evaluate(nameless) == 0
        assert tab.page.locator("#paths [role=option][aria-selected=true]").count() == 1
        active = tab.page.locator("#paths").get_attribute("aria-activedescendant")
        assert tab.page.locator(f"#{active}").get_attribute("aria-selected") == "true"
        assert tab.page.locator("#gained").get_attribute("aria-live") == "polite"
