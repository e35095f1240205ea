"""Formulas, sentences and boilerplate: what our extraction keeps and drops, beside trafilatura and plain resiliparse, and what it costs.

    python benchmarks/corpus/formulas.py --peer PYTHON [--repeats 5]

The pages are those in ``fixtures`` and ``second`` of ``tests/corpus/extract``, by which the extractor was developed: formulas in many
carriers, boilerplate around. Each has its true formulas, sentences that must stay and boilerplate that must go. A formula counts as found
wherever it stands in the text and whatever delimits it, since the peers write no delimiters; blanks, braces and sizes of brackets make no
difference. ``blind`` is the same measure on the pages of ``tests/corpus/extract/blind``, by an author who had seen neither the extractor
nor the other pages; left out where there are none.

Speed is measured on the same pages grown to the size of a page of a crawl (style, script, a menu of 200 links, 150 paragraphs). CPU
seconds, in turns, medians. ``parts`` tells what our own time goes into. ``--peer`` is the Python of an environment with ``trafilatura>=2``:

    python -m venv FOLDER && FOLDER/bin/python -m pip install "trafilatura>=2,<3"
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from common import cpu_seconds, medians, report
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree
from tests.corpus.extract.truth import BLIND, Fixture, Score, load_developed, load_fixtures, macro, micro, score

from reasonforge.corpus.extract import boilerplate
from reasonforge.corpus.extract.bounds import beyond_bounds
from reasonforge.corpus.extract.carriers import convert_all
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.formulas import Formulas
from reasonforge.corpus.extract.page import extract_html
from reasonforge.corpus.extract.sketch import sketch

THEIRS = """
import json, sys, time
import trafilatura
pages = json.load(open(sys.argv[1], encoding="utf-8"))
options = json.loads(sys.argv[3])
for page in pages[:3]:
    trafilatura.extract(page, **options)
start = time.process_time()
texts = [trafilatura.extract(page, **options) or "" for page in pages]
seconds = time.process_time() - start
json.dump({"texts": texts, "seconds": seconds, "version": trafilatura.__version__}, open(sys.argv[2], "w", encoding="utf-8"))
"""
PEER_OPTIONS = {"trafilatura": {"include_comments": True}, "trafilatura_recall": {"include_comments": True, "favor_recall": True}}

STYLE = "<style>" + ".card .title > a:hover { color: #336699; margin: 0 auto 1em; }\n" * 250 + "</style>"
SCRIPT = "<script>" + "if (settings.items.length < 4) { render(settings.label, [1, 2, 3]); }\n" * 400 + "</script>"
MENU = (
    "<nav class='mega'><ul>"
    + "".join(
        f'<li class="item level-{i % 3}"><a href="/section/{i}/" title="Section {i}">Section {i} of the site</a></li>' for i in range(200)
    )
    + "</ul></nav>"
)
PARAGRAPHS = "".join(
    f'<div class="row"><p class="text">Paragraph {i} goes on about <a href="/t/{i}">one topic</a> and <b>another</b> one, in words enough '
    "for any rule to see that it belongs to what the page has to say.</p></div>"
    for i in range(150)
)


def grown(fixture: Fixture) -> str:
    """Return a page in the size of a page of a crawl."""
    html = fixture.html
    spot = html.find(fixture.kept[0].replace("\\$", "$"))
    ends = [place + len(mark) for mark in ("</p>", "<P>", "<br />", "\n") if (place := html.find(mark, spot)) >= 0]
    html = html[: min(ends)] + PARAGRAPHS + html[min(ends) :]
    body = html.lower().find("<body")
    start = html.find(">", body) + 1
    return html[:body].replace("</head>", STYLE + SCRIPT + "</head>") + html[body:start] + MENU + html[start:]


def theirs(python: str, pages: Sequence[str], options: dict[str, bool]) -> dict[str, Any]:
    """Extract by trafilatura in its own environment; texts, CPU seconds without its start, version."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "pages.json", Path(folder) / "texts.json"
        given.write_text(json.dumps(pages), encoding="utf-8")
        subprocess.run([python, "-c", THEIRS, str(given), str(made), json.dumps(options)], check=True)
        return json.loads(made.read_text(encoding="utf-8"))


def quality(fixtures: Sequence[Fixture], texts: Sequence[str]) -> dict[str, Any]:
    """Return how much of the truth a set of texts holds."""
    scores = [score(fixture, text) for fixture, text in zip(fixtures, texts, strict=True)]
    kept = sum(len(fixture.kept) for fixture in fixtures)
    removed = sum(len(fixture.removed) for fixture in fixtures)
    return {
        "formula_recall_micro": round(micro(scores), 3),
        "formula_recall_macro": round(macro(scores), 3),
        "sentences_kept": round(1 - sum(len(one.lost) for one in scores) / kept, 3),
        "boilerplate_removed": round(1 - sum(len(one.leaked) for one in scores) / removed, 3),
        "formulas_missed_by_carrier": _missed(fixtures, scores),
    }


def _missed(fixtures: Sequence[Fixture], scores: Sequence[Score]) -> dict[str, int]:
    missed: dict[str, int] = {}
    for fixture, one in zip(fixtures, scores, strict=True):
        if one.missing:
            missed[fixture.carrier] = missed.get(fixture.carrier, 0) + len(one.missing)
    return dict(sorted(missed.items()))


def _counts(fixtures: Sequence[Fixture]) -> dict[str, int]:
    return {
        "pages": len(fixtures),
        "carriers": len({fixture.carrier for fixture in fixtures}),
        "formulas": sum(len(fixture.formulas) for fixture in fixtures),
    }


def parts(pages: Sequence[str], *, repeats: int) -> dict[str, float]:
    """Return milliseconds a page of the steps of ours, each after the ones before it on fresh trees."""
    taken: dict[str, list[float]] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = run()
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - start
        return result

    for _ in range(repeats):
        seconds: dict[str, float] = {}
        for html in pages:
            seen = timed("sketch", lambda html=html: sketch(html))
            timed("bounds", lambda html=html, seen=seen: beyond_bounds(html, max_depth=3000, names=seen.counts))
            tree = timed("parse", lambda html=html: HTMLTree.parse(html))
            page = MarkupPage(document=tree.document, formulas=Formulas(max_chars=10_000), seen=seen)
            timed("maths_pass", lambda page=page: convert_all(page))
            timed("boilerplate", lambda page=page: boilerplate.clear(page.document, page.seen))
            timed("lists", lambda page=page: boilerplate.keep_lists(page.document))
            timed("main_content", lambda tree=tree: extract_plain_text(tree, main_content=True))
        fresh = [HTMLTree.parse(html) for html in pages]
        timed("main_content_of_an_untouched_tree", lambda fresh=fresh: [extract_plain_text(tree, main_content=True) for tree in fresh])
        for name, value in seconds.items():
            taken.setdefault(name, []).append(value)
    return {name: round(1000 * statistics.median(values) / len(pages), 3) for name, values in taken.items()}


def main() -> None:
    """Compare, print a table and store the result."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--peer", help="Python of an environment with trafilatura; without it only resiliparse stands beside ours")
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    sys.argv = ["PYTHON" if argument == arguments.peer else argument for argument in sys.argv]  # stored with the result
    fixtures = load_developed()
    pages = [fixture.html for fixture in fixtures]
    large = [grown(fixture) for fixture in fixtures]
    extractors: dict[str, Callable[[str], str]] = {
        "ours": lambda html: extract_html(html).text,
        "resiliparse_main": lambda html: extract_plain_text(HTMLTree.parse(html), main_content=True),
        "resiliparse_all": lambda html: extract_plain_text(HTMLTree.parse(html), main_content=False),
    }
    blind = load_fixtures(BLIND)
    unseen = [fixture.html for fixture in blind]
    found = {name: quality(fixtures, [run(html) for html in pages]) for name, run in extractors.items()}
    on_blind = {name: quality(blind, [run(html) for html in unseen]) for name, run in extractors.items()} if blind else {}
    on_large = {name: quality(fixtures, [run(html) for html in large]) for name, run in extractors.items()}
    taken = {name: [] for name in PEER_OPTIONS} if arguments.peer else {}
    peer_versions: dict[str, str] = {}
    ours = cpu_seconds({name: lambda run=run: [run(html) for html in large] for name, run in extractors.items()}, repeats=arguments.repeats)
    for _ in range(arguments.repeats):
        for name in taken:
            taken[name].append(theirs(arguments.peer, large, PEER_OPTIONS[name])["seconds"])
    for name in taken:
        result = theirs(arguments.peer, pages, PEER_OPTIONS[name])
        found[name] = quality(fixtures, result["texts"])
        on_large[name] = quality(fixtures, theirs(arguments.peer, large, PEER_OPTIONS[name])["texts"])
        if blind:
            on_blind[name] = quality(blind, theirs(arguments.peer, unseen, PEER_OPTIONS[name])["texts"])
        peer_versions = {"trafilatura": result["version"]}
    seconds = medians({**ours, **taken})
    for name in found:
        found[name]["pages_per_cpu_second"] = round(len(large) / seconds[name], 1)
    columns = ("formula_recall_micro", "formula_recall_macro", "sentences_kept", "boilerplate_removed", "pages_per_cpu_second")
    print(f"{'':20s} " + " ".join(f"{column:>21s}" for column in columns))
    for name, row in found.items():
        print(f"{name:20s} " + " ".join(f"{row[column]:>21}" for column in columns))
    if blind:
        print("blind")
    for name, row in on_blind.items():
        print(f"{name:20s} " + " ".join(f"{row[column]:>21}" for column in columns[:-1]))
    report(
        "corpus_formulas",
        {
            **_counts(fixtures),
            "extractors": found,
            **({"blind": {**_counts(blind), "extractors": on_blind}} if blind else {}),
            "on_grown_pages": {name: {key: value for key, value in row.items() if key in columns} for name, row in on_large.items()},
            "grown_page_chars": round(statistics.median(map(len, large))),
            "milliseconds_a_page": parts(large, repeats=arguments.repeats),
            "peer_versions": peer_versions,
        },
        packages=("resiliparse",),
    )


if __name__ == "__main__":
    main()
