"""Pages made to hang or break an extraction: each returns, with a reason where it went the flat way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reasonforge.corpus.extract import page as page_module
from reasonforge.corpus.extract.page import extract_html
from reasonforge.corpus.pages import Flag

WORDS = "<p>There are enough words in this paragraph for any rule to see that it is the content of the page.</p>"
N = 5_000
HOSTILE = {
    "openers": "MathJax<p>" + "\\(" * N,
    "dollars": "MathJax<p>" + "$a " * N,
    "dollars with braces": "MathJax<p>" + "${" * N,
    "environments": "MathJax<p>" + "\\begin{align}" * N,
    "hashes": "physicsforums<p>" + "##" * N,
    "backticks": "AM_CHTML<p>" + "`(" * N,
    "nested scripts": "<p>" + "x<sup>a" * 1000,
    "nested containers": "<span class=mwe-math-element>" * 1500 + "x",
    "many formulas": "<math><mi>x</mi></math>" * N,
    "nested math": "<math>" + "<mrow>" * 2000 + "<mi>x",
    "nested code": "<pre><code>" * 500 + "x",
    "nested lists": "<ul>" * 900 + "<li>x",
    "nested tables": "<table><tr><td>" * 400 + "x",
    "markup in an attribute": "<span data-mathml='<math>" + "<msqrt>" * 50_000 + "'>x</span>",
    "comments in a formula": '<script type="math/tex">' + "%" * 50_000 + "</script>",
    "backslashes in a formula": '<script type="math/tex">' + "\\" * 9_999 + "</script>",
    "brackets in AsciiMath": '<script type="math/asciimath">' + "[[a," * N + "</script>",
    "links": "<a href=x>y</a>" * N,
    "openers without a set-up": "<p>" + "\\(" * N + "x_1" + "\\) " * N,
    "blocks of source": "<script src=MathJax></script>" + "<pre>\\(x</pre>" * N,
    "labels": "<p>" + "<label>x</label>" * N + "<input type=radio>",
    "nested feedback": "<div class=feedback>" * 900 + "x",
    "short texts": "<p>" + "<i>≤</i> &le; " * N,
    "dollars of WordPress": "<p>" + "$latex \\$" * N,
    "comments": "MathJax<p>" + "\\[ % \n" * N,
    "labels of drawings": "<svg aria-label='\\frac'>" * 900 + "x",
    "blocks before a heading": "<div class=bar>x</div>" * N + "<h1>y</h1>",
    "content markup": "<math>" + "<apply><plus/>" * 700 + "<ci>x",
    "bars": "<math><mrow>" + "<mo>∣</mo>" * N + "</mrow></math>",
    "blanks that end no line": "<pre>x \n" + " " * 400_000 + "y \n</pre>",
    "blanks in a set-up": "<script src=MathJax></script><script>left:" + " " * 400_000 + "'$'</script>",
    "formulas on one line": "MathJax<p>" + "[tex]x[/tex] " * 40_000,
    "one long line": "<p>" + "word " * 200_000,
    "angle brackets": "<" * 100_000,
    "ampersands": "&" * 50_000 + "&#x110000;&#xD800;",
    "plaintext": "<plaintext>" + WORDS,
    "frames": "<frameset><frame src=a></frameset>",
    "a PDF": "%PDF-1.7\n\x00\x01\x02 stream",
    "a feed": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "&b;&b;">]><rss><channel><title>&a;</title></channel></rss>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_returns(name: str) -> None:
    extracted = extract_html(HOSTILE[name] + WORDS)
    extracted.text.encode()
    assert extracted.flags == 0
    assert extracted.text or extracted.reason == "no_text"


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div>" * 100_000 + WORDS, "too_deep"),
        ("".join(f"<i id={number}>" for number in range(1500)) + WORDS * 1500, "too_much_formatting_left_open"),
        ("<p " + " ".join(f"a{number}=1" for number in range(50_000)) + ">" + WORDS, "too_many_attributes"),
    ],
    ids=["depth", "formatting", "attributes"],
)
def test_a_costly_page_is_read_flat(html: str, reason: str) -> None:
    extracted = extract_html("<title>The title</title><script>var hidden = 1;</script>" + html)
    assert (extracted.flags, extracted.reason, extracted.title) == (Flag.FLAT, reason, "The title")
    assert "enough words in this paragraph" in extracted.text
    assert "hidden" not in extracted.text


def test_flat_text_keeps_formulas_between_delimiters() -> None:
    extracted = extract_html("MathJax" + "<div>" * 5000 + r"so \(x^2\) is")
    assert ("$x^2$" in extracted.text, extracted.num_formulas) == (True, 1)


def test_a_panic_of_the_parser_leaves_flat_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As pyo3 raises it: no child of Exception."""

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(page_module, "extract_plain_text", panic)
    extracted = extract_html(f"<article>{WORDS}</article>")
    assert (extracted.flags, extracted.reason) == (Flag.FLAT, "parser_failed")
    assert "enough words" in extracted.text


def test_an_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(page_module, "extract_plain_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract_html(f"<article>{WORDS}</article>")


def test_a_forged_mark_is_dropped() -> None:
    text = extract_html(f"<article>{WORDS}<p>&#xFDD0;7&#xFDD1; \ufdd00\ufdd1 and</p></article>").text
    assert not any("\ufdd0" <= char <= "\ufdef" for char in text)


def test_the_settings_import_no_parser() -> None:
    code = "import sys, reasonforge.corpus.extract.config; sys.exit('resiliparse' in sys.modules or 'polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("body", "flags", "says"),
    [
        ("<p>" + "word " * 4_000_000, Flag.HTML_CUT | Flag.TEXT_CUT, "word word"),
        ("<a href=x>link</a> " * 200_000, 0, "link link"),
        ("<table>" + ("<tr>" + "<td>x" * 300) * 300 + "</table>", 0, "x | x"),
    ],
    ids=["a line of 20 MB", "200,000 links", "a table of 90,000 cells"],
)
def test_a_page_that_is_large_in_one_way_is_read_as_far_as_the_limits_go(body: str, flags: int, says: str) -> None:
    extracted = extract_html(f"<article>{WORDS}{body}</article>")
    assert extracted.flags == flags
    assert "enough words in this paragraph" in extracted.text
    assert says in extracted.text
    assert len(extracted.text) <= 2_000_000
