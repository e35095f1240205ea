"""Short blocks around the content, told by where they stand: beside what leads from the page to its heading, and not within the content.

A name that says little in the content (``top``, ``bar``, ``links``) says much there. What has a formula or a long sentence stays.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from reasonforge.corpus.extract.formulas import OPEN
from reasonforge.corpus.extract.tree import select

_NAMES = (
    "top bottom foot footer header head masthead bar topbar appbar navbar topnav nav navigation menu submenu drawer toast notice "
    "sitenotice notification notifications banner announcement cookie cookies consent gdpr newsletter subscribe subscription sidebar "
    "side aside related share sharing social follow login signin signup register account user breadcrumb breadcrumbs crumbs widget "
    "widgets promo promotion ad ads advert sponsor sponsors upsell cart basket shop legal copyright imprint impressum colophon siteinfo "
    "links linklist toolbar tools pager pagination outbrain taboola hot popular trending recommended recommendations recent latest "
    "ticker strip skip lang language languages search counter visitors visitor webring guestbook donate donation print rss feed archive "
    "archives tagline slogan logo brand branding jump"
)
_WORDS = frozenset(_NAMES.split())
_PAIRS = (("site", "info"), ("site", "notice"), ("read", "more"), ("see", "also"), ("you", "may"), ("page", "tools"))
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_BLOCKS = frozenset(
    {"div", "section", "header", "footer", "aside", "nav", "center", "span", "form", "table", "ul", "ol", "dl", "p", "small", "td"}
)
_ENDS = frozenset({"div", "p", "center", "span", "footer", "aside", "nav"})
"""What may be boilerplate at the end of the content; a list there may be its references."""
_HOLDERS = frozenset({"div", "section", "header", "footer", "aside", "nav", "center", "span", "form", "ul", "ol", "td"})
"""Elements whose name, by ``class`` or ``id``, may say what they are."""
_MAX_CHARS = 400
_MAX_SENTENCE = 160
_MAX_WIDE_SENTENCE = 60
"""The same in Chinese characters."""
_MIN_LINKED = 0.6
_MAX_SIBLINGS = 6
"""Elements that are looked at on either side, on each level."""
_MAX_DEPTH = 40
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[。！？\n|]|\s{2,}|[·•»]")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CONTENT = "h1, main, article, pre, blockquote, figure, img"
_DELIMITERS = ("\\(", "\\[", "$$", "\\begin{")


def clear_edges(body: Any) -> None:
    """Take short blocks out that stand around the content."""
    heading = body.query_selector("h1") or body.query_selector("h2")
    if heading is None:
        return
    pivot, within = heading, True
    for _ in range(_MAX_DEPTH):
        parent = pivot.parent
        if parent is None or pivot.tag == "body":
            return
        # The innermost element that has paragraphs beside its heading is the content; what is around it stands around the content.
        if not within:
            _clear(_before(pivot), _BLOCKS)
            _clear(_last(parent, pivot, _MAX_SIBLINGS), _BLOCKS)
        elif parent.query_selector("p") is not None:
            within = False
            _clear(_before(pivot), _BLOCKS)
            _clear(_last(parent, pivot, 2), _ENDS, min_links=2)  # a name says nothing here
        pivot = parent


def _clear(blocks: list[Any], tags: frozenset[str], *, min_links: int = 1) -> None:
    for block in blocks:
        if block.tag in tags and _is_edge(block, min_links):
            block.remove()


def _before(pivot: Any) -> list[Any]:
    """Return the elements before one, nearest first."""
    found: list[Any] = []
    element = pivot.previous_element_sibling
    while element is not None and len(found) < _MAX_SIBLINGS:
        found.append(element)
        element = element.previous_element_sibling
    return found


def _last(parent: Any, pivot: Any, most: int) -> list[Any]:
    """Return the last elements in one, down to the one that leads to the heading."""
    found: list[Any] = []
    element = parent.last_element_child
    while element is not None and element != pivot and len(found) < most:
        found.append(element)
        element = element.previous_element_sibling
    return found


def _is_edge(element: Any, min_links: int) -> bool:
    text = (element.text or "").strip()
    if not text or len(text) > _MAX_CHARS or OPEN in text or any(delimiter in text for delimiter in _DELIMITERS):
        return False
    if min_links == 1 and element.tag in _HOLDERS and _says_edge(element):
        if _longest_sentence(text) > _MAX_SENTENCE:
            return False
    else:
        links = select(element, "a")
        if len(links) < min_links:
            return False
        linked_chars = sum(len((one.text or "").strip()) for one in links)
        if linked_chars < _MIN_LINKED * len(text.replace("|", "").strip()):
            return False
    return element.query_selector(_CONTENT) is None


def _says_edge(element: Any) -> bool:
    name = f"{element.getattr('class') or ''} {element.getattr('id') or ''}"
    if len(name) < 2 or len(name) > 200:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    return not _WORDS.isdisjoint(words) or any(pair in _PAIRS for pair in pairwise(words))


def _longest_sentence(text: str) -> int:
    """Return the length of the longest sentence, a Chinese character counted as several letters."""
    weight = _MAX_SENTENCE / _MAX_WIDE_SENTENCE
    return max((len(part) + int((weight - 1) * len(_WIDE.findall(part))) for part in _SENTENCE_END.split(text)), default=0)
