"""What main-content extraction gets wrong, set right in the tree before it: boilerplate that it keeps, lists that it drops.

Measured on resiliparse 2.0.1: it keeps consent boxes, toolbars, tag clouds, vote counters and page headers, and it drops every ``<ul>``
with fewer than four elements around it, as if it were a menu.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from reasonforge.corpus.extract.edges import clear_edges
from reasonforge.corpus.extract.formulas import OPEN
from reasonforge.corpus.extract.sketch import Sketch
from reasonforge.corpus.extract.tree import attached, select

_RULES = (
    ("cookie", '[class*="cookie"], [id*="cookie"]'),
    ("consent", '[class*="consent"], [id*="consent"]'),
    ("gdpr", '[class*="gdpr"], [id*="gdpr"]'),
    ("sidebar", '[class*="sidebar"], [id*="sidebar"]'),
    ("sidenav", '[class*="sidenav"]'),
    ("navigation", '[role="navigation"], [class~="navigation"], [id="navigation"], [class*="navigation-"]'),
    ("navbox", ".navbox, .vertical-navbox"),
    ("nav", ".nav, #nav, .navbar, .subnav"),
    ("mw-", ".mw-editsection, .mw-jump-link, .catlinks, .printfooter, #siteSub, #jump-to-nav, .mw-indicators, .reflist-toolbar"),
    ("banner", '[role="banner"], .banner'),
    ("breadcrumb", '[class*="breadcrumb"]'),
    ("toolbar", ".toolbar, #toolbar"),
    ("share", '[class~="share"], [class*="share-"], [class*="sharing"], [class*="-share"]'),
    ("tags", ".tags, .post-tags, .tag-list, .tagcloud, .tag-cloud, .post-taglist, .entry-tags"),
    ("vote", ".votes, .vote, .votecell, .js-voting-container, .vote-count, .voting"),
    ("widget", '[class~="widget"], [class*="widget-area"], [id*="widget-area"]'),
    ("promo", '[class~="promo"], [class*="promo-"]'),
    ("advert", '[class*="advert"], [id*="advert"]'),
    ("sponsor", '[class*="sponsor"]'),
    (' ad ', ".ad, #ad"),
    ("ads", ".ads, #ads, .ad-slot, .adsbygoogle, .ads-box"),
    ("subscribe", '[class*="subscribe"], [class*="newsletter"]'),
    ("newsletter", '[class*="newsletter"], [id*="newsletter"]'),
    ("related", '[class*="related-"], [class~="related"], #related, [class*="-related"]'),
    ("recommend", '[class*="recommend"]'),
    ("signature", ".post-signature, .postbody .signature, .post .signature, .message .signature"),
    ("skip", '[class*="skip-link"], [class*="skip-to"], a.skip'),
    ("footer", "#footer, .footer, .site-footer, .page-footer, #page-footer, .post-footer, [role=\"contentinfo\"]"),
    ("toc", "#toc, .toc, nav.toc, .table-of-contents"),
    ("copyright", ".copyright, #copyright"),
    ("post-", ".post-meta, .post-nav, .post-navigation, .post-share, .post-info, .post-menu-area"),
    ("pager", ".pager, .pagination"),
    ("actions", ".actions, .post-actions, .topic-map, .post-controls"),
    ("hot-network", "#hot-network-questions, .hot-network"),
    ("user-", ".user-info, .user-details, .user-card, .post-signature, .user-stats"),
    ("avatar", ".avatar, .user-avatar"),
    ("print", ".noprint, .no-print, .d-print-none"),
    ("login", ".login, #login, .login-box"),
    ("qrcode", '[class*="qrcode"], [id*="qrcode"]'),
)  # fmt: skip
"""A word, and what is taken out of pages where a class, id or role holds it."""

_PART_OF_VALUE = re.compile(r'\[(?:class|id)\*="([^"]+)"\]')
_WORD_OF_VALUE = re.compile(r"""(?:[.#]|~?=")([\w-]+)"?\]?""")


class _Selector(NamedTuple):
    selector: str
    name: str
    """What a class, id or role must be for it to find anything ..."""
    is_part: bool
    """... or what must be part of one."""


def _simple(selectors: str) -> tuple[_Selector, ...]:
    """Take a list of selectors apart: each that a page need not be asked for saves a walk over its tree."""
    found = []
    for selector in selectors.split(", "):
        part = _PART_OF_VALUE.fullmatch(selector)
        found.append(_Selector(selector, part[1] if part else _WORD_OF_VALUE.findall(selector)[-1], part is not None))
    return tuple(found)


_SELECTORS = tuple((word, _simple(selectors)) for word, selectors in _RULES)

_HEADER_NAMES = ("header", "site-header", "masthead", "top", "topbar", "top-bar")
_HEADERS = "header, #header, .header, .site-header, #masthead, #top, .topbar, .top-bar"
_MAX_HEADER_CHARS = 600
_SMALL_CHARS = 400
"""Boilerplate of no more characters goes without a look at how long the page is."""
_MAX_SHARE = 0.4
"""Of the page's text: no rule takes out more at once. A page may be called a sidebar by its own template."""
_KEPT_TAGS = frozenset({"html", "body", "main", "article"})
_MENU_WORDS = ("menu", "nav", "tab", "crumb", "social", "share", "link", "pagination", "footer", "header", "toolbar", "sidebar", "lang")
_MIN_DEPTH = 4
_MAX_LINK_SHARE = 0.6


def clear(document: Any, seen: Sketch) -> None:
    """Take boilerplate out of the tree."""
    body = document.query_selector("body")
    if body is None:
        return
    size = 0
    names, tokens = seen.names, seen.tokens
    selectors = [name for name in ("nav", "footer") if name in seen.tags]
    for word, group in _SELECTORS:
        if word in names:
            selectors += [one.selector for one in group if (one.name in names if one.is_part else one.name in tokens)]
    for element in select(body, ", ".join(selectors)) if selectors else ():
        if element.tag in _KEPT_TAGS or not attached(element):
            continue
        if element.query_selector("main, article, h1") is not None:
            continue
        num_chars = len(element.text or "")
        if num_chars > _SMALL_CHARS:
            size = size or max(len(body.text or ""), 1)
            if num_chars > _MAX_SHARE * size:
                continue
        element.remove()
    _clear_headers(body, seen)
    if seen.has_tag("h1", "h2"):
        clear_edges(body)


def _clear_headers(body: Any, seen: Sketch) -> None:
    if not seen.has_tag("header") and not seen.has_name(_HEADER_NAMES):
        return
    for element in select(body, _HEADERS):
        if attached(element) and element.tag not in _KEPT_TAGS and element.closest("main, article") is None:
            if element.query_selector("h1") is not None and _depth(element) > 1:
                continue  # the heading of the content, not the name of the site
            text = element.text or ""
            if len(text) <= _MAX_HEADER_CHARS and OPEN not in text and element.query_selector("p, main, article") is None:
                element.remove()


def keep_lists(document: Any) -> None:
    """Wrap lists of the content that stand too near the root to survive."""
    for element in select(document, "ul"):
        if (
            not attached(element)
            or _depth(element) >= _MIN_DEPTH + 2
            or element.closest("nav, footer, aside, header, ul ul, ol ul") is not None
        ):
            continue
        names = f"{element.getattr('class') or ''} {element.getattr('id') or ''}".lower()
        if any(word in names for word in _MENU_WORDS):
            continue
        size = len(element.text or "")
        linked = sum(len(link.text or "") for link in select(element, "a"))
        if not size or linked > _MAX_LINK_SHARE * size:
            continue
        outer = inner = document.create_element("div")
        for _ in range(_MIN_DEPTH):
            below = document.create_element("div")
            inner.append_child(below)
            inner = below
        element.replace_with(outer)
        inner.append_child(element)


def _depth(element: Any) -> int:
    depth = 0
    parent = element.parent
    while parent is not None and parent.tag not in ("body", "#document") and depth <= _MIN_DEPTH + 2:
        depth += 1
        parent = parent.parent
    return depth
