"""Short blocks around the content, told by where they stand: beside what leads from the page to its heading, and not within the content.

A name that says little in the content (``top``, ``bar``, ``links``) says much there. What has a formula or a long sentence stays.
"""

from __future__ import annotations

import re
from typing import Any

from reasonforge.corpus.extract.formulas import OPEN
from reasonforge.corpus.extract.tree import select

_WORDS = frozenset(
    [
        "top",
        "bottom",
        "foot",
        "footer",
        "header",
        "head",
        "masthead",
        "bar",
        "topbar",
        "appbar",
        "navbar",
        "topnav",
        "nav",
        "navigation",
        "menu",
        "submenu",
        "drawer",
        "toast",
        "notice",
        "sitenotice",
        "notification",
        "notifications",
        "banner",
        "announcement",
        "cookie",
        "cookies",
        "consent",
        "gdpr",
        "newsletter",
        "subscribe",
        "subscription",
        "sidebar",
        "side",
        "aside",
        "related",
        "share",
        "sharing",
        "social",
        "follow",
        "login",
        "signin",
        "signup",
        "register",
        "account",
        "user",
        "breadcrumb",
        "breadcrumbs",
        "crumbs",
        "widget",
        "widgets",
        "promo",
        "promotion",
        "ad",
        "ads",
        "advert",
        "sponsor",
        "sponsors",
        "upsell",
        "cart",
        "basket",
        "shop",
        "legal",
        "copyright",
        "imprint",
        "impressum",
        "colophon",
        "siteinfo",
        "links",
        "linklist",
        "toolbar",
        "tools",
        "pager",
        "pagination",
        "outbrain",
        "taboola",
        "hot",
        "popular",
        "trending",
        "recommended",
        "recommendations",
        "recent",
        "latest",
        "ticker",
        "strip",
        "skip",
        "lang",
        "language",
        "languages",
        "search",
        "counter",
        "visitors",
        "visitor",
        "webring",
        "guestbook",
        "donate",
        "donation",
        "print",
        "rss",
        "feed",
        "archive",
        "archives",
        "tagline",
        "slogan",
        "logo",
        "brand",
        "branding",
        "jump",
    ]
)
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
_MAX_SIBLINGS = 10
"""Elements that are looked at on either side, on each level."""
_MAX_DEPTH = 40
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[。！？\n|]|\s{2,}|[·•»]")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
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
            blocks = [*_before(pivot), *_last(parent, pivot, _MAX_SIBLINGS)]
        elif parent.query_selector("p") is not None:
            within = False
            blocks = [*_before(pivot), *(one for one in _last(parent, pivot, 2) if one.tag in _ENDS and len(select(one, "a")) > 1)]
        else:
            blocks = []
        for block in blocks:
            if block.tag in _BLOCKS and _is_edge(block):
                block.remove()
        pivot = parent


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


def _is_edge(element: Any) -> bool:
    by_name = element.tag in _HOLDERS and _says_edge(element)
    link = element.query_selector("a") if not by_name else None
    if not by_name and link is None:
        return False
    text = (element.text or "").strip()
    if not text or len(text) > _MAX_CHARS or OPEN in text or any(delimiter in text for delimiter in _DELIMITERS):
        return False
    if element.query_selector("h1, main, article, pre, blockquote, figure, img") is not None:
        return False
    if by_name:
        return _longest_sentence(text) <= _MAX_SENTENCE
    links = select(element, "a")
    linked_chars = sum(len((one.text or "").strip()) for one in links)
    return linked_chars >= _MIN_LINKED * len("".join(text.split("|")).strip())


def _says_edge(element: Any) -> bool:
    name = f"{element.getattr('class') or ''} {element.getattr('id') or ''}"
    if len(name) < 2 or len(name) > 200:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    return not _WORDS.isdisjoint(words) or any(pair in _PAIRS for pair in zip(words, words[1:], strict=False))


def _longest_sentence(text: str) -> int:
    """Return the length of the longest sentence, a Chinese character counted as several letters."""
    weight = _MAX_SENTENCE / _MAX_WIDE_SENTENCE
    return max((len(part) + int((weight - 1) * len(_WIDE.findall(part))) for part in _SENTENCE_END.split(text)), default=0)
