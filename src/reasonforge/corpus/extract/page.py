"""HTML to text that keeps mathematics.

Formulas become marks in the tree, resiliparse takes the main content, and the marks become ``$...$`` and ``$$...$$`` again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from reasonforge.corpus.extract import boilerplate
from reasonforge.corpus.extract.answers import keep_answers
from reasonforge.corpus.extract.bounds import beyond_bounds
from reasonforge.corpus.extract.carriers import convert_all
from reasonforge.corpus.extract.carriers.page import MarkupPage
from reasonforge.corpus.extract.comments import without_comments
from reasonforge.corpus.extract.config import ExtractConfig
from reasonforge.corpus.extract.delimiters import mark_delimited
from reasonforge.corpus.extract.flat import flat_text
from reasonforge.corpus.extract.formulas import Formulas
from reasonforge.corpus.extract.padding import PAD, pad
from reasonforge.corpus.extract.render import plain, render
from reasonforge.corpus.extract.sketch import Sketch, sketch
from reasonforge.corpus.pages import Flag

_UNUSABLE = re.compile("[\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\x00]")
_MAX_TITLE_CHARS = 1_000
"""A longer one is a page that lost its closing tag, or a trap."""
_MIN_MAIN_CHARS = 80
_MIN_MAIN_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The text of one page."""

    title: str
    text: str
    """Main content, formulas as ``$...$`` and ``$$...$$``; empty where ``reason`` says why."""
    num_formulas: int
    flags: int
    """Bits of ``corpus.pages.Flag``: ``HTML_CUT``, ``TEXT_CUT``, ``FLAT``, ``MARKS_CUT``."""
    reason: str = ""
    """Why there is no text (``empty_html``, ``no_text``) or only flat text (``too_deep``, ``parser_failed``, ...); empty = all well."""


def extract_html(html: str, *, config: ExtractConfig | None = None) -> Extracted:
    """Return the main text of a page with its formulas.

    Whatever the HTML is, this returns: what a tree would cost is counted first, and a parser that fails leaves flat text.

    Args:
        html: the page, decoded. Lone surrogates and noncharacters in it are dropped.
        config: limits; None = the defaults.
    """
    config = config or ExtractConfig()
    flags = 0
    if len(html) > config.max_html_chars:
        html, flags = html[: config.max_html_chars], Flag.HTML_CUT
    if (not html.isascii() and _UNUSABLE.search(html)) or "\0" in html:
        html = _UNUSABLE.sub("", html)
    if not html or html.isspace():
        return Extracted(title="", text="", num_formulas=0, flags=flags, reason="empty_html")
    formulas = Formulas(max_chars=config.max_formula_chars)
    seen = sketch(html)
    reason = beyond_bounds(html, max_depth=config.max_depth, names=seen.counts).replace(" ", "_")
    title = text = ""
    if not reason:
        try:
            title, text = _through_tree(html, seen, formulas, main_content=config.main_content)
        except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
            raise
        except BaseException:
            reason = "parser_failed"
            formulas.entries.clear()
    if reason:
        flags |= Flag.FLAT
        title, text = flat_text(html)
    text, num_formulas, more_flags = render(mark_delimited(text, html, formulas), formulas, max_chars=config.max_text_chars)
    reason = reason if text else reason or "no_text"
    return Extracted(title=plain(title[:_MAX_TITLE_CHARS]), text=text, num_formulas=num_formulas, flags=flags | more_flags, reason=reason)


def _through_tree(html: str, seen: Sketch, formulas: Formulas, *, main_content: bool) -> tuple[str, str]:
    html = without_comments(html)
    tree = HTMLTree.parse(pad(html) if main_content else html)
    document = tree.document
    title = (tree.title or "").replace(PAD, "")
    if document is None:
        return title, ""
    convert_all(MarkupPage(document=document, formulas=formulas, seen=seen))
    if not main_content:
        return title, extract_plain_text(tree, main_content=False)
    boilerplate.clear(document, seen)
    keep_answers(document, seen)
    if seen.has_tag("ul"):
        boilerplate.keep_lists(document)
    text = extract_plain_text(tree, main_content=True)
    if len(text) < _MIN_MAIN_CHARS:  # a page whose template hides its content from every rule
        everything = extract_plain_text(tree, main_content=False)
        if len(text) < _MIN_MAIN_SHARE * len(everything) or not text:
            text = everything
    return title, text.replace(PAD, "")
